"""Candidate windows, compared with a count of pixels in each window."""

from pathlib import Path

import pytest

from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.dataset.patches import candidate_patches
from lstsr.errors import LstsrError

KEY = "observed-x4"


def test_fractions_are_those_of_the_window(
    dataset_path: Path, truth: dict[str, SceneArrays]
) -> None:
    patches = candidate_patches(Dataset(dataset_path), "train", KEY, 5, 3, 0.0)
    for patch in patches:
        rows = slice(4 * patch.row, 4 * (patch.row + 5))
        columns = slice(4 * patch.column, 4 * (patch.column + 5))
        inside = truth[patch.scene].scored[rows, columns]
        assert inside.shape == (20, 20)
        assert patch.valid_fraction == pytest.approx(inside.mean(), abs=1e-12)


def test_windows_step_by_the_stride_and_reach_the_last_cell(dataset_path: Path) -> None:
    patches = candidate_patches(Dataset(dataset_path), "train", KEY, 5, 3, 0.0)
    starts = [(patch.scene, patch.row, patch.column) for patch in patches]
    rows, columns = (0, 3, 6, 7), (0, 3, 6, 9)  # of 12 and 14 cells
    assert starts == [(s, r, c) for s in ("b", "a") for r in rows for c in columns]


def test_windows_with_too_little_are_left_out(dataset_path: Path) -> None:
    dataset = Dataset(dataset_path)
    every = candidate_patches(dataset, "train", KEY, 5, 1, 0.0)
    some = candidate_patches(dataset, "train", KEY, 5, 1, 0.7)
    assert some == [patch for patch in every if patch.valid_fraction >= 0.7]
    assert 0 < len(some) < len(every)


def test_faults(dataset_path: Path) -> None:
    dataset = Dataset(dataset_path)
    with pytest.raises(
        LstsrError, match="scene b has 12 x 14 coarse cells, fewer than a patch of 13"
    ):
        candidate_patches(dataset, "train", KEY, 13, 1, 0.0)
    with pytest.raises(LstsrError, match="with 99% scored pixels"):
        candidate_patches(dataset, "train", KEY, 5, 1, 0.99)
    with pytest.raises(LstsrError, match="observed-x4 has no test window"):
        candidate_patches(dataset, "test", KEY, 5, 1, 0.0)
