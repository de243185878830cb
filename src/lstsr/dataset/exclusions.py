"""Excluded scenes, with stage and reason, and the limit on their share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstsr.acquire.index import Acquired
from lstsr.errors import LstsrError
from lstsr.manifest import ROLES


def exclusions(
    acquired: Iterable[Acquired], aligned: Iterable[Mapping[str, str]]
) -> list[dict[str, str]]:
    """One record per excluded scene: name, stage, reason, digests.

    ``aligned`` are rows of the tables of stage align (`align.write_index`).
    """
    reasons = {row["scene"]: row["reason"] for row in aligned}
    records = []
    for entry in acquired:
        name = entry.scene.scene
        reason = entry.reason or reasons.get(name)
        if reason:
            stage = "acquire" if entry.reason else "align"
            digests = {f"{role}_sha256": entry.digests.get(role, "") for role in ROLES}
            records.append({"scene": name, "stage": stage, "reason": reason, **digests})
    return records


def check_share(excluded: int, scenes: int, max_share: float, reasons: Iterable[str]) -> None:
    """Raise LstsrError if more than ``max_share`` of the scenes were excluded."""
    if excluded / scenes > max_share:
        first = "; ".join(reason.rstrip(".") for reason in list(reasons)[:3])
        raise LstsrError(
            f"{excluded} of {scenes} scenes were excluded, align.max_excluded_share allows "
            f"{max_share:.0%}; first reasons: {first}"
        )
