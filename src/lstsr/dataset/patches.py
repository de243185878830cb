"""Patches: the windows of training scenes that hold enough scored pixels."""

from __future__ import annotations

from collections.abc import Iterator
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
    """Every patch of a split, in a fixed order: by scene, row, column.

    ``size`` and ``stride`` are in coarse cells. The last row and column of windows end at the
    scene's edge, so that all cells are covered. Raises LstsrError if a scene is smaller than the
    patch, or if no window has a scored share of at least ``min_fraction``.
    """
    patches = [
        patch
        for scene in dataset.scenes(split)
        for patch in _windows(dataset, scene, key, size, stride)
        if patch.valid_fraction >= min_fraction
    ]
    if not patches:
        raise LstsrError(
            f"{dataset.path}: no {split} window of {size} x {size} coarse cells of {key} is scored "
            f"by {min_fraction:.0%}. Add scenes or make the patch smaller"
        )
    return patches


def _windows(dataset: Dataset, scene: str, key: str, size: int, stride: int) -> Iterator[Patch]:
    """All windows of one scene."""
    shape, scale = dataset.shape(scene, key), scale_of(key)
    if size > min(shape):
        raise LstsrError(
            f"{dataset.path}: scene {scene} has {shape[0]} x {shape[1]} coarse cells, fewer than a "
            f"patch of {size}. Make the patch smaller or leave the scene out"
        )
    # scored pixels above and left of each corner of the coarse grid (summed-area table)
    sums = dataset.scored(scene, key).cumsum(axis=0).cumsum(axis=1)
    sums = np.pad(sums, ((1, 0), (1, 0)))[::scale, ::scale]
    scored = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    rows, columns = (
        sorted({*range(0, length - size + 1, stride), length - size}) for length in shape
    )
    for row in rows:
        for column in columns:
            share = float(scored[row, column]) / (size * scale) ** 2
            yield Patch(scene, row, column, size, share)
