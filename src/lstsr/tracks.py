"""Tracks: where the input of a row comes from, and the keys of its arrays in a dataset file."""

from __future__ import annotations

from typing import Literal

from lstsr.errors import LstsrError

Track = Literal["observed", "degraded-block", "degraded-psf"]
Guide = Literal["own", "off", "turned", "shuffled", "unregistered"]
"""Reference that guides a row. `unregistered` only selects channels."""


def key_of(track: str, scale: int, harmonised: bool = False, fold: int | None = None) -> str:
    """The key of an input in a dataset file: track, or ``harmonised``, and scale.

    Each fold has its own harmonisation. Other inputs are the same in all folds.
    """
    if harmonised:
        track = "harmonised" if fold is None else f"harmonised-f{fold}"
    return f"{track}-x{scale}"


def scale_of(key: str) -> int:
    """The scale in a key, such as 4 in ``observed-x4``. Raises LstsrError if there is none."""
    _, _, scale = key.rpartition("-x")
    if not scale.isdigit():
        raise LstsrError(f"{key!r} is not a track key. Write track and scale, like observed-x4")
    return int(scale)
