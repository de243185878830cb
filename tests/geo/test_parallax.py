"""Parallax, compared with its textbook relation and with a round trip."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod, Transformer
from scipy.ndimage import gaussian_filter

from lstsr.geo.parallax import Terrain, apparent, view_zenith_deg
from lstsr.geo.resample import resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint

GK2A = Viewpoint(128.2)
KOREA = [(126.5, 33.4), (127.0, 37.5), (128.6, 35.1), (129.4, 38.4)]


@pytest.mark.parametrize(("lon", "lat"), KOREA)
def test_a_kilometre_of_height_moves_korea_by_its_tangent_of_the_view_zenith(
    lon: float, lat: float
) -> None:
    seen_lon, seen_lat = apparent(lon, lat, 1000.0, GK2A)
    azimuth, _, distance = Geod(ellps="WGS84").inv(lon, lat, float(seen_lon), float(seen_lat))
    zenith = view_zenith_deg(lon, lat, GK2A)
    assert 38 < zenith < 45
    assert distance == pytest.approx(1000 * np.tan(np.radians(zenith)), rel=0.01)
    assert 780 < distance < 1000
    assert abs(azimuth) < 6, "away from the satellite: north"


def test_the_ground_stays_and_what_lies_beyond_the_limb_is_not_seen() -> None:
    lon, lat = np.array([126.0, 128.2, 150.0]), np.array([38.0, 0.0, -20.0])
    seen = apparent(lon, lat, 0.0, GK2A)
    np.testing.assert_allclose(seen, (lon, lat), atol=1e-9)
    assert view_zenith_deg(128.2, 0.0, GK2A) == pytest.approx(0, abs=1e-5)
    assert view_zenith_deg(-51.8, 0.0, GK2A) > 90


def test_the_satellite_sees_the_point_and_its_apparent_place_in_one_direction() -> None:
    """By earth-centred coordinates of PROJ: satellite, point and apparent place are in line."""
    to_ecef = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    lon, lat = apparent(127.3, 36.4, 1234.0, GK2A)
    point = np.array(to_ecef.transform(127.3, 36.4, 1234.0))
    place = np.array(to_ecef.transform(float(lon), float(lat), 0.0))
    angle = np.radians(128.2)
    satellite = 42_164_000.0 * np.array([np.cos(angle), np.sin(angle), 0])
    one, other = point - satellite, place - satellite
    sine = np.linalg.norm(np.cross(one, other)) / np.linalg.norm(one) / np.linalg.norm(other)
    assert sine * np.linalg.norm(other) < 0.5, "metres beside the line"


def test_trap_6_terrain_parallax_moves_mountains_and_terrain_brings_them_back() -> None:
    """Texture on a plateau of 1000 m and in a plain: seen by GOCI-II, resampled with and without.

    The truth is known everywhere: brightness follows the ground's own coordinates.
    """
    fine = Grid("EPSG:32652", Affine(250, 0, 400_000, 0, -250, 4_060_000), 120, 110)
    wide = fine.window(-30, -30, 170, 180)
    row, _ = np.indices(wide.shape)
    height = np.where(row < wide.height / 2, 1000.0, 0.0).astype(np.float32)
    geos = "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
    to_geos = Transformer.from_crs("EPSG:4326", geos, always_xy=True)
    to_degrees = Transformer.from_crs("EPSG:32652", "EPSG:4326", always_xy=True)

    def ground(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * x / 4000) + np.sin(2 * np.pi * y / 4000)

    # the sensor's pixels: for each, the ground point that it shows, found from a dense cloud
    dense = wide.refine(4)
    rows, columns = np.indices(dense.shape) + 0.5
    x, y = dense.transform @ (columns, rows)
    high = height.repeat(4, 0).repeat(4, 1)
    seen = np.stack(to_geos.transform(*apparent(*to_degrees.transform(x, y), high, GK2A)))
    west, north = seen[0].min(), seen[1].max()
    size = [round(float(np.ptp(axis)) / 250) for axis in seen[::-1]]
    source = Grid(geos, Affine(250, 0, west, 0, -250, north), size[1], size[0])
    at = np.floor([(north - seen[1]) / 250, (seen[0] - west) / 250]).astype(int)
    inside = (at[0] < size[0]) & (at[1] < size[1])
    index = at[0][inside] * size[1] + at[1][inside]
    count = np.bincount(index, minlength=size[0] * size[1])
    total = np.bincount(index, ground(x, y)[inside], minlength=size[0] * size[1])
    values = (total / np.maximum(count, 1)).reshape(size).astype(np.float32)
    image = SensorImage(
        values[None],
        (count > 0).reshape(size),
        source,
        ("b",),
        "reflectance",
        "s",
        viewpoint=GK2A,
    )
    terrain = Terrain(height, wide)
    right, wrong = resample(image, fine, terrain=terrain), resample(image, fine)
    rows, columns = np.indices(fine.shape) + 0.5
    truth = ground(*(fine.transform @ (columns, rows)))
    plateau, plain = np.s_[6:20, 10:-10], np.s_[-30:-6, 10:-10]

    def error(found: SensorImage, where: tuple[slice, slice]) -> float:
        return float(np.sqrt(np.nanmean((found.values[0] - truth)[where] ** 2)))

    assert error(right, plain) == pytest.approx(error(wrong, plain), abs=1e-6)
    assert error(right, plateau) < 0.1 < 0.6 < error(wrong, plateau)
    # how far the uncorrected plateau has to be moved south to fit: 810 to 970 m over Korea
    shifts = np.arange(0, 1500, 50)
    misfit = [
        np.nanmean(
            (wrong.values[0] - ground(*(fine.transform @ (columns, rows + by / -250))))[plateau]
            ** 2
        )
        for by in -shifts
    ]
    assert 780 <= shifts[int(np.argmin(misfit))] <= 1000
    assert right.viewpoint is None
    assert wrong.viewpoint == GK2A


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, -2.0)])
def test_trap_6_terrain_parallax_leaves_less_than_a_twentieth_of_a_pixel(
    shift: tuple[float, float],
) -> None:
    """Mountains to 2000 m seen by GOCI-II: where each pixel is read, against the line of sight.

    A shift mends navigation: the ground stays that of the pixel.
    """
    geos = "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
    fine = Grid("EPSG:32652", Affine(250, 0, 400_000, 0, -250, 4_060_000), 120, 110)
    wide = fine.window(-10, -10, 130, 140)
    row, column = np.indices(wide.shape) - 10
    height = (1000 + 1000 * np.sin(column / 5) * np.cos(row / 6)).astype(np.float32)
    ground_m = height[10:-10, 10:-10]
    row, column = np.indices(fine.shape) + 0.5
    to_degrees = Transformer.from_crs(fine.crs, "EPSG:4326", always_xy=True)
    to_geos = Transformer.from_crs("EPSG:4326", geos, always_xy=True)

    def seen(height_m: np.ndarray) -> np.ndarray:
        lon, lat = to_degrees.transform(
            *(fine.moved(-shift[0], -shift[1]).transform @ (column, row))
        )
        return np.array(to_geos.transform(*apparent(lon, lat, height_m, GK2A)))

    exact, flat = seen(ground_m), seen(np.zeros(fine.shape))
    west, north = exact[0].min() - 5000, exact[1].max() + 5000
    source = Grid(geos, Affine(250, 0, west, 0, -250, north), 170, 160)
    pixels = np.indices(source.shape).astype(np.float32)
    valid = np.ones(source.shape, bool)
    image = SensorImage(pixels, valid, source, ("row", "column"), "index", "s", viewpoint=GK2A)

    def away(found: SensorImage) -> np.ndarray:
        x, y = source.transform @ (found.values[1] + 0.5, found.values[0] + 0.5)
        return np.hypot(x - exact[0], y - exact[1]) / 250

    mended = resample(image, fine, shift, terrain=Terrain(height, wide))
    assert mended.valid.all()
    assert away(mended).max() < 0.05
    # without: off by what the heights displace, which is north by 810 to 970 m a kilometre
    plain = resample(image, fine, shift)
    np.testing.assert_allclose(away(plain), np.hypot(*(exact - flat)) / 250, atol=0.05)
    assert away(plain).max() > 4


def test_the_height_s_linear_map_is_that_of_every_height() -> None:
    """Between 0 and 1000 m and beyond: GK2A's 2 km cells and GOCI-II's 250 m pixels."""
    lon, lat = np.array(KOREA).T
    geos = "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
    to_geos = Transformer.from_crs("EPSG:4326", geos, always_xy=True)

    def place(height_m: float) -> np.ndarray:
        return np.array(to_geos.transform(*apparent(lon, lat, height_m, GK2A)))

    for height_m in (150.0, 700.0, 1950.0):
        linear = place(0.0) + height_m / 1000 * (place(1000.0) - place(0.0))
        assert np.abs(linear - place(height_m)).max() < 0.01 * 250


def test_a_smooth_dem_of_another_grid_is_read_where_the_pixels_are() -> None:
    rng = np.random.default_rng(0)
    dem = Grid("EPSG:4326", Affine(0.002, 0, 127.0, 0, -0.002, 37.0), 400, 400)
    elevation = (gaussian_filter(rng.normal(size=dem.shape), 30) * 20_000).astype(np.float32)
    elevation[:50] = np.nan
    fine = Grid("EPSG:32652", Affine(250, 0, 330_000, 0, -250, 4_060_000), 60, 50)
    values = np.ones((1, *fine.shape), np.float32)
    image = SensorImage(
        values, np.ones(fine.shape, bool), fine, ("b",), "index", "s", viewpoint=GK2A
    )
    found = resample(image, fine, terrain=Terrain(elevation, dem))
    assert found.valid.mean() > 0.8
    assert "terrain" in found.history[-1]
