"""Where patches may be cut: windows with enough pixels that count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lstsr.dataset.loader import Dataset, Mask
from lstsr.errors import LstsrError
from lstsr.tracks import scale_of


@dataclass(frozen=True)
class Patch:
    """A square window of a scene in coarse cells, and the scored share of its fine pixels."""

    scene: str
    row: int
    column: int
    size: int
    valid_fraction: float


def candidate_patches(
    dataset: Dataset, split: str, key: str, size: int, stride: int, min_fraction: float
) -> list[Patch]:
    """Every patch of a split, in a fixed order: by scene, row, column.

    ``size`` and ``stride`` are in coarse cells; the last row and column of windows end at the
    scene's edge, so that nothing is left out. Raises LstsrError where a scene is smaller than the
    patch or where no window is scored by ``min_fraction``.
    """
    patches = [
        Patch(scene, row, column, size, fraction)
        for scene in dataset.scenes(split)
        for row, column, fraction in _windows(dataset, scene, key, size, stride)
        if fraction >= min_fraction
    ]
    if not patches:
        raise LstsrError(
            f"{dataset.path}: no {split} window of {size} x {size} coarse cells of {key} is scored "
            f"by {min_fraction:.0%}: add scenes or make the patch smaller"
        )
    return patches


def _windows(
    dataset: Dataset, scene: str, key: str, size: int, stride: int
) -> Iterator[tuple[int, int, float]]:
    """(row, column, scored share) of each window of one scene."""
    rows, columns = dataset.shape(scene, key)
    if size > min(rows, columns):
        raise LstsrError(
            f"{dataset.path}: scene {scene} has {rows} x {columns} coarse cells, fewer than a "
            f"patch of {size}: make the patch smaller or leave the scene out"
        )
    counts = _summed_area(dataset.scored(scene, key), scale_of(key))
    for row in _starts(rows, size, stride):
        for column in _starts(columns, size, stride):
            below, right = row + size, column + size
            inside = (
                counts[below, right]
                - counts[row, right]
                - counts[below, column]
                + counts[row, column]
            )
            yield row, column, float(inside) / (size * scale_of(key)) ** 2


def _summed_area(scored: Mask, scale: int) -> np.ndarray:
    """(h + 1, w + 1): scored pixels above and left of each corner of the coarse grid."""
    sums = np.pad(scored.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return sums[::scale, ::scale]


def _starts(length: int, size: int, stride: int) -> list[int]:
    """Window starts by stride, the last one flush with the end."""
    last = length - size
    return sorted({*range(0, last + 1, stride), last})
