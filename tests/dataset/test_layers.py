"""Layers and covariates, compared with slopes and angles known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod

from lstsr.dataset.layers import UNKNOWN, Ground, Layers, covariates_of, with_layers
from lstsr.errors import SceneError
from lstsr.geo.parallax import Terrain
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint

GRID = Grid("EPSG:32652", Affine(250, 0, 400_000, 0, -250, 4_100_000), 24, 20)
NOON = "2023-06-21T03:24:00Z"  # local noon at 129 E: the sun is due south, 13.5 degrees from above
ABOVE = Viewpoint(128.2)


def plane(down: float, east: float) -> Ground:
    """Ground that rises by ``down`` to the south and by ``east`` to the east, metres per metre."""
    wide = GRID.window(-8, -8, GRID.height + 16, GRID.width + 16).refine(2)
    rows, columns = np.mgrid[: wide.height, : wide.width] * wide.gsd_m
    return Ground(Terrain((500 + down * rows + east * columns).astype(np.float32), wide))


def layers(ground: Ground, time: str = NOON) -> Layers:
    return Layers(GRID, time, ABOVE, ground)


def reference() -> SensorImage:
    values = np.full((2, *GRID.shape), 0.3, np.float32)
    valid = np.ones(GRID.shape, bool)
    valid[:3] = False
    values[:, ~valid] = np.nan
    return SensorImage(values, valid, GRID, ("red", "nir"), "reflectance", "optical", NOON)


@pytest.mark.parametrize(
    ("down", "east", "aspect_deg"), [(0.1, 0, 0), (-0.1, 0, 180), (0, 0.1, 270), (0, -0.1, 90)]
)
def test_slope_and_aspect_of_planes(down: float, east: float, aspect_deg: float) -> None:
    """Ground that rises to the south faces north: aspect 0."""
    made = layers(plane(down, east))
    angle = np.arctan(0.1)
    # metres of the map are 0.03 % too short there, and its north is 0.7 degrees off the true one
    np.testing.assert_allclose(made.slope(), np.degrees(angle), rtol=5e-4)
    aspect = np.radians(aspect_deg)
    np.testing.assert_allclose(made.northness(), np.sin(angle) * np.cos(aspect), atol=1.5e-3)
    np.testing.assert_allclose(made.eastness(), np.sin(angle) * np.sin(aspect), atol=1.5e-3)
    assert np.ptp(made.elevation()) == pytest.approx(
        0.1 * 250 * ((GRID.height if down else GRID.width) - 1), rel=1e-3
    )


GRIDS = {
    "degrees": Grid("EPSG:4326", Affine(0.0025, 0, 127.5, 0, -0.0025, 37.5), 24, 20),
    "degrees, 0..360": Grid("EPSG:4326", Affine(0.0025, 0, 240, 0, -0.0025, 37.5), 24, 20),
    "across 180": Grid("EPSG:4326", Affine(0.0025, 0, 179.97, 0, -0.0025, 67.5), 24, 20),
    "south up": Grid("EPSG:32652", Affine(250, 0, 4e5, 0, 250, 4.1e6), 24, 20),
    "rectangular": Grid("EPSG:32652", Affine(250, 0, 4e5, 0, -600, 4.1e6), 24, 20),
    "turned": Grid(
        "EPSG:32652",
        Affine.translation(4e5, 4.1e6) @ Affine.rotation(30) @ Affine.scale(250),
        24,
        20,
    ),
    "feet": Grid("EPSG:2263", Affine(820, 0, 9e5, 0, -820, 2e5), 24, 20),
    "Mercator": Grid("EPSG:3857", Affine(250, 0, 1.4e7, 0, -250, 8e6), 24, 20),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_slopes_are_right_on_any_grid(grid: Grid) -> None:
    """Ground that rises by a tenth to the true north, and by a fifth to the east."""
    lon, lat = grid.lonlat()
    geod = Geod(ellps="WGS84")
    lon0, lat0 = lon[10, 12], lat[10, 12]
    azimuth, _, metres = geod.inv(np.full_like(lon, lon0), np.full_like(lat, lat0), lon, lat)
    north, east = metres * np.cos(np.radians(azimuth)), metres * np.sin(np.radians(azimuth))
    made = layers(Ground(Terrain((0.1 * north + 0.2 * east).astype(np.float32), grid)))
    made = replace(made, grid=grid)
    angle, aspect = np.arctan(np.hypot(0.1, 0.2)), np.arctan2(-0.2, -0.1)
    middle = np.s_[6:14, 8:16]
    np.testing.assert_allclose(made.slope()[middle], np.degrees(angle), atol=0.05)
    north_of, east_of = np.sin(angle) * np.cos(aspect), np.sin(angle) * np.sin(aspect)
    np.testing.assert_allclose(made.northness()[middle], north_of, atol=2e-3)
    np.testing.assert_allclose(made.eastness()[middle], east_of, atol=2e-3)


def test_slopes_towards_the_noon_sun_are_lit_by_their_own_angle() -> None:
    zenith = layers(plane(0, 0)).sun_zenith().mean()
    assert zenith == pytest.approx(37.0 - 23.44, abs=0.5)
    for rise, angle in ((0.0, 0.0), (-0.2, -11.31), (0.2, 11.31)):  # to the south, off the south
        found = layers(plane(rise, 0)).illumination()
        np.testing.assert_allclose(found, np.cos(np.radians(zenith + angle)), atol=0.01)
    assert (layers(plane(0.2, 0), "2023-06-21T15:00:00Z").illumination() == 0).all(), "night"


def test_the_satellite_is_lower_further_north() -> None:
    zenith = layers(UNKNOWN).view_zenith()
    assert 41 < zenith.min() < zenith.max() < 45
    assert (np.diff(zenith[:, 12]) < 0).all()


def test_layers_follow_the_bands_and_share_one_mask() -> None:
    water = SensorImage(
        np.full((1, *GRID.shape), 0.25, np.float32),
        np.ones(GRID.shape, bool),
        GRID,
        ("water",),
        "index",
        "mask",
    )
    water.valid[:, :5] = False
    ground = replace(plane(0.1, 0), water=water)
    made = with_layers(reference(), ["water", "elevation"], layers(ground), {})
    assert made.bands == ("red", "nir", "water", "elevation")
    np.testing.assert_array_equal(made.valid, reference().valid & water.valid)
    assert (made.values[2][made.valid] == 0.25).all()
    assert np.isnan(made.values[:, ~made.valid]).all()


@pytest.mark.parametrize(
    ("name", "time", "viewpoint", "said"),
    [
        ("slope", NOON, ABOVE, "column dem"),
        ("water", NOON, ABOVE, "column water"),
        ("sun_zenith", "", ABOVE, "no time"),
        ("view_zenith", NOON, None, "not come from a geostationary satellite"),
    ],
)
def test_what_is_missing_is_named(
    name: str, time: str, viewpoint: Viewpoint | None, said: str
) -> None:
    with pytest.raises(SceneError, match=said):
        with_layers(reference(), [name], Layers(GRID, time, viewpoint, UNKNOWN), {})


def test_covariates_of_a_scene() -> None:
    grid = Grid("EPSG:32652", Affine(2000, 0, 400_000, 0, -2000, 4_100_000), 24, 20)
    fine = grid.refine(4)
    ndvi = np.kron(
        np.arange(480, dtype=np.float32).reshape(20, 24) / 640, np.ones((4, 4), np.float32)
    )
    valid = np.ones(fine.shape, bool)
    valid[:4, :4] = False
    ndvi[~valid] = np.nan
    reference = SensorImage(ndvi[None], valid, fine, ("ndvi",), "index", "optical")
    coarse = SensorImage(
        np.full((1, *grid.shape), 300, np.float32),
        np.ones(grid.shape, bool),
        grid,
        ("lst",),
        "kelvin",
        "coarse",
        "2023-07-02T02:24:00Z",
    )
    cells = Layers(grid, coarse.time, Viewpoint(128.2), UNKNOWN)
    names = ["ndvi", "hour", "season", "view_zenith"]
    made = covariates_of(names, cells, coarse, reference)
    assert made is not None
    assert made.bands[:3] == ("ndvi", "hour_cos", "hour_sin")
    assert made.bands[3:] == ("season_cos", "season_sin", "view_zenith")
    np.testing.assert_allclose(made.values[0].ravel()[1:], np.arange(1, 480) / 640, rtol=1e-6)
    assert np.isnan(made.values[0, 0, 0])
    hour = np.degrees(np.arctan2(made.values[2], made.values[1])) / 15
    np.testing.assert_allclose(hour % 24, 2.4 + 128 / 15, atol=0.1)
    assert made.values[3].mean() == pytest.approx(-1, abs=0.01), "half a year after New Year"
    assert covariates_of([], cells, coarse, reference) is None
    with pytest.raises(SceneError, match="no time"):
        covariates_of(["season"], replace(cells, time=""), coarse, reference)
