from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.training.batches import Batches, oriented
from lstsr.training.row import Row


def test_a_batch_is_a_function_of_seed_and_number(data: Path, row_dict: dict[str, Any]) -> None:
    first, again = (Batches(Dataset(data), Row.from_dict(row_dict)) for _ in range(2))
    first[4]  # what was drawn before does not matter
    assert all(torch.equal(a, b) for a, b in zip(first[5], again[5], strict=True))
    assert not torch.equal(first[5].target, first[6].target)
    other = Batches(Dataset(data), Row.from_dict({**row_dict, "seed": 4}))
    assert not torch.equal(first[5].target, other[5].target)


def test_turned_and_flipped_arrays_still_belong_together(
    data: Path, row_dict: dict[str, Any]
) -> None:
    """In every scene target = input + 4 K - 8 K x reference, and the masks follow from values."""
    row_dict["train"]["batch"] = 16
    batch = Batches(Dataset(data), Row.from_dict(row_dict))[0]
    assert batch.coarse.shape == (16, 1, 8, 8)
    assert batch.target.shape == batch.scored.shape == batch.reference.shape == (16, 1, 32, 32)
    reference = batch.reference * 0.3 + 0.5
    coarse = F.interpolate(batch.coarse, scale_factor=4, mode="nearest")
    torch.testing.assert_close(
        10 * batch.target, 10 * coarse + 4 - 8 * reference, atol=1e-3, rtol=0
    )
    away_from_the_limit = (reference - 0.1).abs() > 1e-6
    assert torch.equal(batch.scored & away_from_the_limit, (reference > 0.1) & away_from_the_limit)
    seen = batch.reference_valid.flatten(1).any(1)
    limit = (reference[seen] - 0.05).abs() > 1e-6
    assert torch.equal((batch.reference_valid[seen] > 0) & limit, (reference[seen] > 0.05) & limit)
    assert 0 < batch.coarse_valid.mean() < 1


def test_all_eight_orientations_occur_and_differ(data: Path) -> None:
    scene = Dataset(data).scene("a", "observed-x4")
    views = [oriented(scene, turns, flip).target for turns in range(4) for flip in (False, True)]
    for index, view in enumerate(views):
        assert sorted(view.ravel()) == sorted(scene.target.ravel())
        assert not any(np.array_equal(view, other) for other in views[:index])


def test_the_reference_is_hidden_from_its_share_of_samples(
    data: Path, row_dict: dict[str, Any]
) -> None:
    row_dict["train"] |= {"batch": 200, "patch": 16, "reference_dropout": 0.3}
    batch = Batches(Dataset(data), Row.from_dict(row_dict))[0]
    shown = batch.reference_valid.mean(dim=(1, 2, 3))
    assert ((shown == 0) | (shown > 0.8)).all()
    assert 0.2 < (shown == 0).float().mean() < 0.4


def test_a_patch_that_does_not_fit_is_refused(data: Path, row_dict: dict[str, Any]) -> None:
    row_dict["train"]["patch"] = 30
    with pytest.raises(LstsrError, match=r"train\.patch = 30 .* no multiple of the scale 4"):
        Batches(Dataset(data), Row.from_dict(row_dict))
    row_dict["train"]["patch"] = 128
    with pytest.raises(LstsrError, match="fewer than a patch of 32"):
        Batches(Dataset(data), Row.from_dict(row_dict))
