"""Filling of gaps: values under the mask have no influence, filled values are plausible."""

import numpy as np
import pytest

from lstsr.geo.fill import fill

SHAPE = (48, 64)


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A temperature with slopes and waves, and a mask with holes of many sizes."""
    row, column = np.indices(SHAPE)
    values = 300 + 0.2 * row - 0.1 * column + 3 * np.sin(column / 9) * np.cos(row / 7)
    valid = np.random.default_rng(seed).random(SHAPE) < 0.8
    valid[10:22, 20:40] = False
    valid[:, :3] = False
    return values.astype(np.float32), valid


@pytest.mark.parametrize("poison", [np.nan, 0.0, 1e6, -np.inf])
def test_what_stands_under_the_mask_has_no_influence(poison: float) -> None:
    values, valid = scene()
    filled = fill(np.where(valid, values, np.float32(poison)), valid)
    np.testing.assert_array_equal(filled, fill(values, valid))
    assert filled.dtype == np.float32
    assert np.isfinite(filled).all()


def test_valid_pixels_stay_as_they_are() -> None:
    values, valid = scene()
    np.testing.assert_array_equal(fill(values, valid)[valid], values[valid])
    whole = np.ones(SHAPE, bool)
    np.testing.assert_array_equal(fill(values, whole), values)


def test_a_gap_takes_values_between_its_neighbours() -> None:
    row, column = np.indices(SHAPE)
    ramp = (280 + 0.5 * column).astype(np.float32)
    valid = np.ones(SHAPE, bool)
    valid[20:25, 30:35] = False
    filled = fill(ramp, valid)
    inside = filled[~valid]
    # the narrowest Gaussian is cut at 4 pixels
    assert inside.min() >= ramp[0, 30 - 4]
    assert inside.max() <= ramp[0, 34 + 4]
    # by symmetry the middle of the gap is the middle of the ramp, and the two sides lean with it
    assert filled[22, 32] == pytest.approx(280 + 0.5 * 32, abs=1e-3)
    assert filled[22, 30] < filled[22, 32] < filled[22, 34]
    assert np.abs(inside - ramp[~valid]).max() < 1


def test_holes_in_a_smooth_field_are_filled_better_than_by_its_mean() -> None:
    values, valid = scene()
    error = (fill(values, valid) - values)[~valid]
    spread = (values - values[valid].mean())[~valid]
    assert np.sqrt(np.mean(error**2)) < 0.3 * np.sqrt(np.mean(spread**2))


def test_a_constant_offset_goes_through() -> None:
    values, valid = scene()
    shifted = fill(values + np.float32(16), valid)
    np.testing.assert_allclose(shifted, fill(values, valid) + 16, atol=1e-4)


def test_beyond_all_reach_stands_the_mean() -> None:
    valid = np.zeros((4, 400), bool)
    valid[:, :2] = True
    values = np.where(valid, [[290.0, 300.0] + [0.0] * 398], np.nan).astype(np.float32)
    assert fill(values, valid)[0, -1] == pytest.approx(295)


def test_bands_are_filled_each_by_itself_and_no_valid_pixel_gives_zero() -> None:
    values, valid = scene()
    bands = np.stack([values, 2 * values])
    filled = fill(bands, valid)
    for band, one in zip(bands, filled, strict=True):
        np.testing.assert_array_equal(one, fill(band, valid))
    assert not fill(np.full_like(bands, np.nan), np.zeros(SHAPE, bool)).any()


def test_a_wider_frame_without_valid_pixels_changes_nothing() -> None:
    values, valid = scene()
    near, far = 300, 700
    filled = fill(np.pad(values, near), np.pad(valid, near))
    wider = fill(np.pad(values, far), np.pad(valid, far))
    np.testing.assert_array_equal(wider[far - near : near - far, far - near : near - far], filled)
    assert (wider[0] == wider[0, 0]).all()
    assert wider[0, 0] == pytest.approx(values[valid].mean(dtype=np.float64), abs=1e-4)
