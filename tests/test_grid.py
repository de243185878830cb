"""Grids: nesting, windows and the sign of a move, in map coordinates."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from lstsr.grid import KOREA, Grid
from tests.projections import lambert_place

COARSE = Grid("EPSG:32631", Affine(1000, 0, 500_000, 0, -1000, 5_100_000), 6, 4)
# the pixel of the real coarse grid, whose quarter has no short decimal
SINUSOIDAL = Grid("ESRI:54008", Affine(926.625433, 0, 2.2e5, 0, -926.625433, 5.1e6), 64, 64)


def centre(grid: Grid, row: float, column: float) -> tuple[float, float]:
    """Map coordinates (x, y) of a pixel's centre."""
    t = grid.transform
    return (
        t.c + t.a * (column + 0.5) + t.b * (row + 0.5),
        t.f + t.d * (column + 0.5) + t.e * (row + 0.5),
    )


@pytest.mark.parametrize("grid", [COARSE, SINUSOIDAL])
@pytest.mark.parametrize("scale", [2, 3, 4, 7, 8])
def test_a_refined_grid_nests_and_coarsens_back(grid: Grid, scale: int) -> None:
    fine = grid.refine(scale)
    assert fine.shape == (grid.height * scale, grid.width * scale)
    np.testing.assert_allclose(fine.corners, grid.corners, rtol=1e-12)
    assert grid.nests(fine)
    assert fine.coarsen(scale).nests(grid), "scale 1: the same cells"
    # a coarse cell's centre is the middle of its fine cells' centres
    middle = np.add(centre(fine, 0, 0), centre(fine, scale - 1, scale - 1)) / 2
    np.testing.assert_allclose(middle, centre(grid, 0, 0), rtol=1e-12)


def test_a_grid_that_is_displaced_cut_or_in_another_system_does_not_nest() -> None:
    fine = COARSE.refine(4)
    assert not COARSE.nests(fine.moved(0, 0.01))
    assert not COARSE.nests(fine.moved(1, 0))
    assert not COARSE.nests(fine.window(0, 0, 16, 20)), "5 coarse cells beside 6"
    assert not COARSE.nests(fine.window(0, 0, 8, 24))
    assert not COARSE.nests(Grid("EPSG:32632", fine.transform, fine.width, fine.height))
    assert not fine.nests(COARSE)
    assert not COARSE.nests(Grid(COARSE.crs, COARSE.transform, 24, 16)), "right size, wrong cells"


def test_nesting_holds_for_rotated_grids() -> None:
    turned = Grid(COARSE.crs, COARSE.transform @ Affine.rotation(90), 6, 4)
    assert turned.nests(turned.refine(4))
    assert not turned.nests(turned.refine(4).moved(0.1, 0))


def test_a_size_that_is_no_multiple_has_no_coarse_cells() -> None:
    with pytest.raises(ValueError, match="4 x 6 has no cells of 4"):
        COARSE.coarsen(4)


def test_a_window_keeps_the_place_of_its_pixels() -> None:
    window = COARSE.window(1, 2, 3, 4)
    assert window.shape == (3, 4)
    assert centre(window, 0, 0) == centre(COARSE, 1, 2)
    assert centre(window, 2, 3) == centre(COARSE, 3, 5)


def test_a_move_is_positive_to_the_south_and_east() -> None:
    x, y = centre(COARSE, 0, 0)
    assert centre(COARSE.moved(0.5, 0), 0, 0) == pytest.approx((x, y - 500))
    assert centre(COARSE.moved(0, 0.25), 0, 0) == pytest.approx((x + 250, y))
    assert COARSE.moved(0.5, 0.25).moved(-0.5, -0.25).nests(COARSE)


def test_corners_go_clockwise_from_the_upper_left() -> None:
    left, right, top, bottom = 500_000, 506_000, 5_100_000, 5_096_000
    assert COARSE.corners == [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_spacing_is_that_of_the_columns_also_when_rotated() -> None:
    turned = Grid(COARSE.crs, COARSE.transform @ Affine.rotation(30), 6, 4)
    assert COARSE.gsd_m == 1000
    assert turned.gsd_m == pytest.approx(1000)


def test_pixel_centres_are_half_a_pixel_inside_and_positions_invert_them() -> None:
    x, y = COARSE.coordinates()
    assert x.shape == y.shape == (4, 6)
    assert (x[1, 2], y[1, 2]) == centre(COARSE, 1, 2)
    lon, lat = COARSE.lonlat()
    known = Transformer.from_crs(COARSE.crs, "EPSG:4326", always_xy=True).transform(x, y)
    np.testing.assert_allclose((lon, lat), known)
    np.testing.assert_allclose(COARSE.lonlat_at(1.5, 2.5), (lon[1, 2], lat[1, 2]))
    row, column = COARSE.position(lon, lat)
    np.testing.assert_allclose((row, column), np.indices((4, 6)) + 0.5, atol=1e-6)


def test_the_grid_of_korea_is_that_of_the_lambert_projection_written_out() -> None:
    x, y = KOREA.coordinates()
    np.testing.assert_allclose(KOREA.lonlat(), lambert_place(x, y), atol=1e-8)
    assert KOREA.shape == (900, 900) and (x[0, 0], y[0, 0]) == (-899_000, 899_000)
