"""Curvilinear images: a field of coordinates, resampled to a regular grid."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from lstsr.geo.curvilinear import north_up, straightened
from lstsr.grid import Grid
from lstsr.image import SensorImage

GRID = Grid("EPSG:32652", Affine(250, 0, 300_000, 0, -250, 4_100_000), 80, 60)
TURNED = Grid(GRID.crs, GRID.transform @ Affine.rotation(3), 80, 60)


def shown(grid: Grid, bend: float) -> tuple[SensorImage, np.ndarray, np.ndarray]:
    """An image of easting and northing (km) from pixels that lie up to ``bend`` off ``grid``."""
    row, column = np.indices(grid.shape) + 0.5
    x, y = grid.transform @ (
        column + bend * np.sin(2 * np.pi * row / 60),
        row + bend * np.cos(2 * np.pi * column / 80),
    )
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    values = np.stack([x - 3e5, y - 4.1e6]).astype(np.float32)
    valid = np.ones(grid.shape, bool)
    return SensorImage(values, valid, grid, ("x", "y"), "metre", "test"), lon, lat


@pytest.mark.parametrize("grid", [GRID, TURNED])
def test_each_pixel_shows_its_own_place(grid: Grid) -> None:
    image, lon, lat = shown(grid, 2.0)
    found = straightened(image, lon, lat)
    row, column = np.indices(found.grid.shape) + 0.5
    x, y = found.grid.transform @ (column, row)
    miss_m = np.hypot(found.values[0] - (x - 3e5), found.values[1] - (y - 4.1e6))[found.valid]
    assert miss_m.max() < 0.1 * 250 and found.valid_fraction > 0.8


def test_what_is_invalid_or_without_a_place_takes_its_neighbours_with_it() -> None:
    image, lon, lat = shown(GRID, 0.3)
    values = image.values.copy()
    values[:, 20, 20] = np.nan
    image.valid[20, 20] = False
    lon[40, 40] = np.nan
    values[:, 40, 40] = 1e6
    found = straightened(SensorImage(values, image.valid, GRID, ("x", "y"), "m", "test"), lon, lat)
    lost = ~found.valid[5:-5, 5:-5]
    assert 1 <= lost[12:19, 12:19].sum() <= 4, "the pixels that stand on four, one of them invalid"
    assert 9 <= lost[31:40, 31:40].sum() <= 16, "and a ring more about the unknown place"
    assert lost.sum() == lost[12:19, 12:19].sum() + lost[31:40, 31:40].sum()
    assert np.nanmax(found.values) < 1e5


def test_unknown_places_do_not_stop_the_search() -> None:
    """Gaps in the middle, at the corners, and between halves of the image."""
    image, lon, lat = shown(GRID, 0.3)
    for rows, columns in ((slice(25, 35), slice(0, 80)), (slice(0, 3), slice(0, 3))):
        lon[rows, columns] = lat[rows, columns] = np.nan
    found = straightened(image, lon, lat)
    assert found.valid[5:20, 5:-5].all() and found.valid[40:-5, 5:-5].all()


def test_the_upright_grid_covers_the_turned_one() -> None:
    assert north_up(GRID) == GRID
    upside_down = Grid(GRID.crs, GRID.transform @ Affine(1, 0, 0, 0, -1, 60), 80, 60)
    assert north_up(upside_down) == GRID
    found = north_up(TURNED)
    assert found.gsd_m == pytest.approx(250) and found.transform.b == found.transform.d == 0
    columns, rows = zip(*(~found.transform @ corner for corner in TURNED.corners), strict=True)
    assert min(columns) == pytest.approx(0) and max(columns) == pytest.approx(found.width, abs=0.5)
    assert min(rows) == pytest.approx(0) and max(rows) == pytest.approx(found.height, abs=0.5)
