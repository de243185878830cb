from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.rows import Row
from lstsr.training.batches import Batch, Batches, oriented


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
    row_dict["train"] |= {"batch": 16, "contrast": 0.0}
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


def test_contrast_multiplies_input_and_target_alike(data: Path, row_dict: dict[str, Any]) -> None:
    plain, varied = (
        Batches(Dataset(data), Row.from_dict(row_dict | {"train": row_dict["train"] | change}))[0]
        for change in ({"contrast": 0.0, "batch": 1}, {"contrast": 0.7, "batch": 1})
    )
    factor = float(varied.coarse.flatten()[0] / plain.coarse.flatten()[0])
    assert factor != pytest.approx(1, abs=0.01)
    assert np.exp(-0.7) <= factor <= np.exp(0.7)
    torch.testing.assert_close(varied.coarse, plain.coarse * factor)
    torch.testing.assert_close(varied.target, plain.target * factor)
    assert torch.equal(varied.reference, plain.reference)


def test_the_scene_bias_leaves_the_target_only_if_asked(
    data: Path, row_dict: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scene that is 2 K warmer than its input trains on the input's level, 0.2 units lower."""
    row_dict["train"] |= {"contrast": 0.0}
    window = Dataset.window
    monkeypatch.setattr(
        Dataset, "window", lambda *args: replace(window(*args), offset_k=2.0), raising=True
    )
    removed, kept = (
        Batches(
            Dataset(data),
            Row.from_dict(row_dict | {"train": row_dict["train"] | {"scene_bias": how}}),
        )[0]
        for how in ("removed", "kept")
    )
    torch.testing.assert_close(removed.target + 0.2, kept.target)
    assert torch.equal(removed.coarse, kept.coarse)


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


def test_jitter_changes_gain_and_offset_of_each_reference_and_nothing_else(
    data: Path, row_dict: dict[str, Any]
) -> None:
    row_dict["train"] |= {"batch": 64, "patch": 16}
    plain = Batches(Dataset(data), Row.from_dict(row_dict))[3]
    row_dict["train"]["reference_jitter"] = 0.5
    batch = Batches(Dataset(data), Row.from_dict(row_dict))[3]
    for name in set(Batch._fields) - {"reference"}:
        assert torch.equal(getattr(batch, name), getattr(plain, name))
    gains, offsets = [], []
    for before, after in zip(plain.reference, batch.reference, strict=True):
        gain, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        assert torch.allclose(before * gain + offset, after, atol=1e-5)
        gains.append(np.log(gain))
        offsets.append(offset)
    assert -0.5 < min(gains) < -0.4 and 0.4 < max(gains) < 0.5
    assert -1.0 < min(offsets) < -0.8 and 0.8 < max(offsets) < 1.0


def degraded(batch: Batch) -> np.ndarray:
    """Which samples are of the degraded track: those whose input is not 4 K too cold."""
    coarse = F.interpolate(batch.coarse, scale_factor=4, mode="nearest")
    off_k = 10 * (batch.target - coarse) + 8 * (batch.reference * 0.3 + 0.5)
    levels = off_k.mean(dim=(1, 2, 3)).numpy()
    assert (np.isclose(levels, 0, atol=1e-3) | np.isclose(levels, 4, atol=1e-3)).all()
    return levels < 2


def test_a_row_may_start_on_the_degraded_track_and_go_on_with_some_of_it(
    data: Path, row_dict: dict[str, Any]
) -> None:
    row_dict["train"] |= {"contrast": 0.0, "batch": 64, "reference_dropout": 0.0}
    own = Batches(Dataset(data), Row.from_dict(row_dict))
    row_dict["train"] |= {"degraded_steps": 5, "degraded_share": 0.25}
    first, again = (Batches(Dataset(data), Row.from_dict(row_dict)) for _ in range(2))
    assert not degraded(own[0]).any() and not degraded(own[5]).any()
    assert degraded(first[0]).all() and degraded(first[4]).all()
    shares = [degraded(first[k]) for k in range(5, 13)]
    assert 0.2 < np.mean(shares) < 0.3
    assert not np.array_equal(shares[0], shares[1])
    assert all(torch.equal(a, b) for a, b in zip(first[7], again[7], strict=True))
    # samples of the row's own track are those that it would have seen anyway
    assert torch.equal(first[5].target[~shares[0]], own[5].target[~shares[0]])


def test_a_patch_that_does_not_fit_is_refused(data: Path, row_dict: dict[str, Any]) -> None:
    row_dict["train"]["patch"] = 30
    with pytest.raises(LstsrError, match=r"train\.patch = 30 .* not a multiple of the scale 4"):
        Batches(Dataset(data), Row.from_dict(row_dict))
    row_dict["train"]["patch"] = 128
    with pytest.raises(LstsrError, match="fewer than a patch of 32"):
        Batches(Dataset(data), Row.from_dict(row_dict))
