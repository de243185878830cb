"""Block means of two-component pixels and in a loop; the PSF's response to single pixels."""

import numpy as np
import pytest

from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4, psf_mean_t4

CELLS = 9  # along a side, where the PSF's response is measured


@pytest.mark.parametrize(
    ("cold_k", "warm_k", "excess_k"),
    [(300, 310, 0.12), (300, 320, 0.48), (290, 315, 0.77), (295, 330, 1.46)],
)
def test_two_component_pixel_is_warmer_than_the_mean_of_its_temperatures(
    cold_k: float, warm_k: float, excess_k: float
) -> None:
    checkerboard = np.indices((4, 4)).sum(axis=0) % 2
    mean_k, fraction = block_mean_t4(
        np.where(checkerboard, warm_k, cold_k), np.ones((4, 4), bool), 4
    )
    assert fraction[0, 0] == 1
    assert mean_k[0, 0] == pytest.approx(((cold_k**4 + warm_k**4) / 2) ** 0.25, abs=1e-9)
    assert mean_k[0, 0] - (cold_k + warm_k) / 2 == pytest.approx(excess_k, abs=5e-3)


def test_only_valid_pixels_weigh_and_what_lies_under_the_mask_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(270, 330, (12, 8)).astype(np.float32)
    valid = rng.random((12, 8)) < 0.6
    mean_k, fraction = block_mean_t4(np.where(valid, values, np.nan), valid, 4)
    for row in range(3):
        for column in range(2):
            block = np.s_[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            inside = values[block][valid[block]].astype(float)
            assert fraction[row, column] == inside.size / 16
            assert mean_k[row, column] == pytest.approx(np.mean(inside**4) ** 0.25, abs=1e-9)


def test_blocks_below_the_least_fraction_are_nan() -> None:
    valid = np.ones((4, 12), bool)
    valid[:2, 4:8] = False
    valid[:, 8:] = False
    mean_k, fraction = block_mean_t4(np.full((4, 12), 300.0), valid, 4, min_fraction=0.5)
    np.testing.assert_array_equal(fraction, [[1, 0.5, 0]])
    np.testing.assert_array_equal(np.isnan(mean_k), [[False, False, True]])
    mean_k, _ = block_mean_t4(np.full((4, 12), 300.0), valid, 4, min_fraction=0.75)
    np.testing.assert_array_equal(np.isnan(mean_k), [[False, True, True]])


def test_bad_input_is_refused() -> None:
    with pytest.raises(LstsrError, match="multiples of the scale"):
        block_mean_t4(np.ones((6, 8)), np.ones((6, 8), bool), 4)
    with pytest.raises(LstsrError, match="not finite"):
        block_mean_t4(np.full((4, 4), np.nan), np.ones((4, 4), bool), 4)


def response(scale: int, fwhm: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each pixel of the middle row in the central cell, against its distance in cells."""
    size = CELLS * scale
    background_k, hot_k = 300.0, 301.0
    weights = np.empty(size)
    for column in range(size):
        values = np.full((size, size), background_k)
        values[size // 2, column] = hot_k
        seen, _ = psf_mean_t4(values, np.ones_like(values, bool), scale, fwhm)
        weights[column] = seen[CELLS // 2, CELLS // 2] ** 4 - background_k**4
    distance = (np.arange(size) + 0.5) / scale - CELLS / 2
    return distance, weights / weights.sum()


@pytest.mark.parametrize("scale", [3, 4, 5, 8])
@pytest.mark.parametrize("fwhm", [1.0, 1.6])
def test_an_impulse_shows_the_stated_width_and_no_displacement(scale: int, fwhm: float) -> None:
    distance, weights = response(scale, fwhm)
    centroid = (weights * distance).sum()
    assert centroid == pytest.approx(0, abs=1e-6), "half a pixel would be 1/16 or more"
    # a Gaussian by definition: ln w falls by ln 2 at half the width
    slope = np.polyfit(distance[weights > 1e-4] ** 2, np.log(weights[weights > 1e-4]), 1)[0]
    assert 2 * np.sqrt(np.log(2) / -slope) == pytest.approx(fwhm, rel=1e-3)


@pytest.mark.parametrize("scale", [3, 4])
def test_a_constant_stays_up_to_the_edge_and_beside_gaps(scale: int) -> None:
    valid = np.random.default_rng(0).random((6 * scale, 8 * scale)) < 0.6
    valid[:scale] = False
    values = np.where(valid, 287.5, np.nan)
    mean_k, fraction = psf_mean_t4(values, valid, scale, 1.0)
    np.testing.assert_allclose(mean_k, 287.5, rtol=1e-12)
    assert fraction[0].max() < fraction[2:].min() < 1
    whole = psf_mean_t4(np.full(valid.shape, 287.5), np.ones_like(valid), scale, 1.0)[1]
    np.testing.assert_allclose(whole, 1, err_msg="the edge of the scene is no gap")


@pytest.mark.parametrize("scale", [3, 4, 8])
def test_a_ramp_is_read_at_the_centres_of_cells(scale: int) -> None:
    """A half-pixel shift would show as a constant offset from the block mean."""
    ramp = (300**4 + 1e6 * np.indices((16 * scale, 16 * scale))[1]) ** 0.25
    everywhere = np.ones_like(ramp, bool)
    seen, _ = psf_mean_t4(ramp, everywhere, scale, 1.0)
    blocks, _ = block_mean_t4(ramp, everywhere, scale)
    np.testing.assert_allclose(seen[:, 4:-4], blocks[:, 4:-4], atol=1e-5)


def test_it_blurs_more_than_a_block_and_more_the_wider_it_is() -> None:
    values = np.random.default_rng(1).normal(300, 5, (64, 64))
    everywhere = np.ones_like(values, bool)
    spread = [np.std(psf_mean_t4(values, everywhere, 4, width)[0]) for width in (1.0, 1.5, 2.0)]
    assert np.std(block_mean_t4(values, everywhere, 4)[0]) > spread[0] > spread[1] > spread[2]


def test_it_averages_radiance_and_ignores_what_is_masked() -> None:
    values = np.where(np.indices((32, 32)).sum(0) % 2, 320.0, 300.0)
    valid = np.random.default_rng(2).random(values.shape) < 0.7
    seen, fraction = psf_mean_t4(np.where(valid, values, 1e6), valid, 4, 1.0)
    again, _ = psf_mean_t4(np.where(valid, values, np.nan), valid, 4, 1.0)
    np.testing.assert_array_equal(seen, again)
    even, _ = psf_mean_t4(values, np.ones_like(valid), 4, 1.0)
    assert even[4, 4] == pytest.approx(((300**4 + 320**4) / 2) ** 0.25, abs=0.02)
    low, _ = psf_mean_t4(values, valid, 4, 1.0, min_fraction=0.7)
    np.testing.assert_array_equal(np.isnan(low), fraction < 0.7)
    assert 0 < np.isnan(low).sum() < low.size


def test_bad_input_of_the_psf_is_refused_as_for_blocks() -> None:
    with pytest.raises(LstsrError, match="multiples of the scale"):
        psf_mean_t4(np.ones((6, 8)), np.ones((6, 8), bool), 4, 1.0)
    with pytest.raises(LstsrError, match="not finite"):
        psf_mean_t4(np.full((4, 4), np.nan), np.ones((4, 4), bool), 4, 1.0)
