"""Images averaged over blocks, compared with averages of their arrays."""

import numpy as np
from affine import Affine

from lstsr.geo.aggregate import block_mean_t4
from lstsr.geo.coarsen import coarsened, coarsened_to
from lstsr.grid import Grid
from lstsr.image import SensorImage


def an_image(values: np.ndarray, valid: np.ndarray, unit: str) -> SensorImage:
    grid = Grid("EPSG:32652", Affine(30, 0, 3e5, 0, -30, 4e6), *values.shape[:0:-1])
    return SensorImage(values.astype(np.float32), valid, grid, ("b",) * len(values), unit, "s")


def test_an_image_is_coarsened_as_a_radiometer_would_see_it() -> None:
    values = np.random.default_rng(0).uniform(280, 320, (1, 8, 11))
    valid = np.random.default_rng(1).random((8, 11)) < 0.7
    coarse = coarsened(an_image(values, valid, "kelvin"), 4)
    expected, fraction = block_mean_t4(values[0, :, :8].astype(np.float32), valid[:, :8], 4, 0.5)
    assert coarse.grid.shape == (2, 2)
    assert coarse.grid.gsd_m == 120
    assert coarse.grid.corners[0] == (3e5, 4e6)
    np.testing.assert_array_equal(coarse.valid, fraction >= 0.5)
    np.testing.assert_allclose(coarse.values[0], expected, rtol=1e-6)


def test_reflectance_is_averaged_plainly_and_half_filled_blocks_may_be_refused() -> None:
    values = np.arange(32.0).reshape(2, 4, 4)
    valid = np.ones((4, 4), bool)
    valid[0, 0] = False
    half = coarsened(an_image(values, valid, "reflectance"), 2)
    np.testing.assert_allclose(half.values[:, 0, 0], [(1 + 4 + 5) / 3, (17 + 20 + 21) / 3])
    np.testing.assert_allclose(half.values[0, 1], [10.5, 12.5])
    whole = coarsened(an_image(values, valid, "reflectance"), 2, 1.0)
    assert whole.valid.tolist() == [[False, True], [True, True]]
    assert np.isnan(whole.values[:, 0, 0]).all()


def test_an_image_is_brought_to_about_a_spacing_and_left_alone_where_it_has_it() -> None:
    image = an_image(np.full((1, 25, 25), 300.0), np.ones((25, 25), bool), "kelvin")
    assert coarsened_to(image, 250).grid.gsd_m == 240
    assert coarsened_to(image, 40) is image
