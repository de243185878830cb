"""Patches: the windows of training scenes that hold enough scored pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstsr.dataset.loader import Dataset
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
    """The patches of a split with a scored share of ``min_fraction``, by scene, row, column.

    ``size`` and ``stride`` are in coarse cells. The last row and column of windows end at the
    scene's edge, so that all cells are covered. Raises LstsrError if a scene is smaller than the
    patch, or there is no such patch.
    """
    patches, scale = [], scale_of(key)
    for scene in dataset.scenes(split):
        shape = dataset.shape(scene, key)
        if size > min(shape):
            raise LstsrError(
                f"{dataset.path}: scene {scene} has {shape[0]} x {shape[1]} coarse cells, fewer "
                f"than a patch of {size}. Make the patch smaller or leave the scene out"
            )
        # summed-area table: scored pixels above and left of each corner of the coarse grid
        sums = dataset.scored(scene, key).cumsum(axis=0).cumsum(axis=1)
        sums = np.pad(sums, ((1, 0), (1, 0)))[::scale, ::scale]
        scored = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size]
        share = (scored + sums[:-size, :-size]) / (size * scale) ** 2
        rows, columns = (
            sorted({*range(0, length - size + 1, stride), length - size}) for length in shape
        )
        patches += [
            Patch(scene, row, column, size, float(share[row, column]))
            for row in rows
            for column in columns
            if share[row, column] >= min_fraction
        ]
    if not patches:
        raise LstsrError(
            f"{dataset.path}: {key} has no {split} window of {size} x {size} coarse cells with "
            f"{min_fraction:.0%} scored pixels. Add scenes or make the patch smaller"
        )
    return patches
