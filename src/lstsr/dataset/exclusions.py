"""The run's account of its scenes: which were excluded and why, and how far each was moved."""

from __future__ import annotations

from collections.abc import Iterable

from lstsr.acquire.index import Acquired
from lstsr.dataset.align import Aligned
from lstsr.errors import LstsrError
from lstsr.manifest import ROLES


def exclusions(acquired: Iterable[Acquired], aligned: Iterable[Aligned]) -> list[dict[str, str]]:
    """One record a scene excluded by a fault of its content: name, stage, reason, digests."""
    reasons = {one.scene: one.reason for one in aligned if one.reason}
    records = []
    for one in acquired:
        name = one.scene.scene
        reason = one.reason or reasons.get(name)
        if reason:
            stage = "acquire" if one.reason else "align"
            digests = {f"{role}_sha256": one.digests.get(role, "") for role in ROLES}
            records.append({"scene": name, "stage": stage, "reason": reason, **digests})
    return records


def check_share(excluded: int, scenes: int, max_share: float, reasons: Iterable[str]) -> None:
    """Raise LstsrError where more than ``max_share`` of the scenes were lost."""
    if excluded / scenes > max_share:
        first = "; ".join(reason.rstrip(".") for reason in list(reasons)[:3])
        raise LstsrError(
            f"{excluded} of {scenes} scenes were excluded, align.max_excluded_share allows "
            f"{max_share:.0%}; first reasons: {first}"
        )
