"""Footprints, compared with corners from PROJ: also across 180 degrees and around a pole."""

from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from shapely import Point, Polygon

from lstsr.errors import SceneError
from lstsr.geo.footprint import outline, rim
from lstsr.globe import area_km2, centred
from lstsr.grid import Grid

SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +no_defs"
POLAR = {90.0: "EPSG:3413", -90.0: "EPSG:3031"}
EASE_NORTH = "EPSG:6931"


def around(crs: str, lon: float, lat: float, gsd_m: float, height: int, width: int) -> Grid:
    """A grid with its centre at a place."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    corner = Affine.translation(x - width / 2 * gsd_m, y + height / 2 * gsd_m)
    return Grid(crs, corner @ Affine.scale(gsd_m, -gsd_m), width, height)


def test_an_outline_follows_the_rim() -> None:
    """At 3 E, 46 N the sinusoidal frame leans."""
    grid = around(SINUSOIDAL, 3, 46, 926.6, 64, 64)
    found = outline(grid, points=4)
    assert len(found) == 16
    to_degrees = Transformer.from_crs(SINUSOIDAL, "EPSG:4326", always_xy=True)
    for point, corner in zip(found[::4], grid.corners, strict=True):
        assert point == pytest.approx(to_degrees.transform(*corner), abs=1e-9)
    lon, lat = np.mean(found, axis=0)
    assert (lon, lat) == pytest.approx((3, 46), abs=0.01)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Grid("EPSG:32631", Affine(250, 0, 5e8, 0, -250, 5e9), 8, 8),
        lambda: Grid('LOCAL_CS["plant",UNIT["metre",1]]', Affine(1, 0, 5, 0, -1, 5), 8, 8),
    ],
    ids=["outside the projection", "system without a place on the Earth"],
)
def test_a_grid_that_is_nowhere_is_a_fault_of_its_scene(broken: Callable[[], Grid]) -> None:
    with pytest.raises(SceneError, match="no longitude and latitude"):
        outline(broken())


@pytest.mark.parametrize(
    "grid",
    [
        around("EPSG:32760", 180, -16.8, 1000, 32, 32),
        around("EPSG:32701", -180, -16.8, 1000, 32, 32),
        around("EPSG:32760", 179.9, -16.8, 1000, 32, 32),
        Grid("EPSG:4326", Affine(0.01, 0, 179.85, 0, -0.01, -16.7), 30, 29),
        Grid("EPSG:4326", Affine(0.01, 0, -180.15, 0, -0.01, -16.7), 30, 29),
        Grid("EPSG:4267", Affine(0.01, 0, 179.85, 0, -0.01, -16.7), 30, 29),
    ],
)
def test_an_outline_across_180_degrees_goes_on(grid: Grid) -> None:
    found = outline(grid)
    lon, lat = np.array(found).T
    assert np.ptp(lon) == pytest.approx(0.3, abs=0.02)
    assert np.ptp(lat) == pytest.approx(0.29, abs=0.02)
    assert -180 <= (lon.min() + lon.max()) / 2 <= 180
    assert Polygon(found).is_valid
    assert area_km2(found) == pytest.approx(1024, rel=0.05)


def test_longitudes_to_360_are_brought_home_and_the_whole_globe_stays_whole() -> None:
    west = outline(Grid("EPSG:4326", Affine(0.5, 0, 230, 0, -0.5, 40), 8, 8))
    assert west[0] == (-130, 40)
    for start in (0, -180):
        globe = Grid("EPSG:4326", Affine(0.5, 0, start, 0, -0.5, 90), 720, 360)
        for points in (1, 8):
            assert area_km2(outline(globe, points)) == pytest.approx(510.06e6, rel=1e-3)


@pytest.mark.parametrize("pole", POLAR)
@pytest.mark.parametrize("beside_m", [0, 95_000, 99_900])
def test_an_outline_around_a_pole_covers_it(pole: float, beside_m: float) -> None:
    """Also if the pole lies a hundred metres from the rim."""
    x = beside_m - 100_000
    found = outline(Grid(POLAR[pole], Affine(1000, 0, x, 0, -1000, 100_000), 200, 200))
    shape = Polygon(found)
    assert shape.is_valid
    for lon in range(-180, 181, 30):
        assert shape.covers(Point(lon, pole))
    # 40,000 km2, as far as eight points a side follow the sides
    if not beside_m:
        assert area_km2(found) == pytest.approx(40_000, rel=0.1)


def test_a_hemisphere_lies_around_its_own_pole() -> None:
    """The corners of a whole EASE grid lie far in the other hemisphere."""
    grid = Grid(EASE_NORTH, Affine(25_000, 0, -9e6, 0, -25_000, 9e6), 720, 720)
    shape = Polygon(outline(grid))
    assert shape.covers(Point(10, 90))
    assert shape.covers(Point(-120, 20))


def test_a_rim_has_its_corners_only_even_around_a_pole() -> None:
    grid = Grid(POLAR[90.0], Affine(1000, 0, -100_000, 0, -1000, 100_000), 200, 200)
    assert len(rim(grid, 1)) == 4
    assert centred(rim(grid, 1)) == rim(grid, 1)
