"""Block means of temperature against two-component pixels and a loop over blocks."""

import numpy as np
import pytest

from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4


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
