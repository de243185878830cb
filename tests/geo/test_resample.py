"""Resampling, compared with analytic fields and with block sums on nested grids."""

import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from lstsr.geo.parallax import Terrain
from lstsr.geo.resample import meets, read_at, resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint

SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +no_defs"
SCAN = "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
KOREA = "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +ellps=WGS84 +units=m"
UTM, UTM52 = "EPSG:32631", "EPSG:32652"
FINE = Grid(UTM, Affine(250, 0, 500_000, 0, -250, 5_100_000), 64, 48)
SHIFTS = [(0.0, 0.0), (0.85, 1.05), (-0.3, 0.7), (0.0, -1.4)]


def coordinates(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of pixel centres, through PROJ alone."""
    row, column = np.indices(grid.shape) + 0.5
    t = grid.transform
    x, y = t.c + t.a * column + t.b * row, t.f + t.d * column + t.e * row
    return Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)


def field_k(grid: Grid) -> np.ndarray:
    """A smooth temperature without symmetry; a wave is about twenty fine pixels long."""
    lon, lat = coordinates(grid)
    wave = np.sin(lon * 2 * np.pi / 0.07 + 0.4) * np.cos(lat * 2 * np.pi / 0.05)
    return 300 + 8 * wave + 40 * (lat - 46) + 25 * (lon - 3)


def image(
    values: np.ndarray, grid: Grid, valid: np.ndarray | None = None, unit: str = "kelvin"
) -> SensorImage:
    values = np.asarray(values, np.float32).reshape(-1, *grid.shape)
    mask = np.ones(grid.shape, bool) if valid is None else valid
    return SensorImage(values, mask, grid, ("b",) * len(values), unit, "test", "2020", ("made",))


def around(crs: str, lon: float, lat: float, gsd_m: float, height: int, width: int) -> Grid:
    """A grid with its centre at a place."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    corner = Affine.translation(x - width / 2 * gsd_m, y + height / 2 * gsd_m)
    return Grid(crs, corner @ Affine.scale(gsd_m, -gsd_m), width, height)


def places(grid: Grid, source: Grid) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) in ``source`` of the pixel centres of ``grid``, through PROJ alone."""
    row, column = np.indices(grid.shape) + 0.5
    to_source = Transformer.from_crs(grid.crs, source.crs, always_xy=True)
    column, row = ~source.transform @ to_source.transform(*(grid.transform @ (column, row)))
    return row - 0.5, column - 0.5


def waves_k(grid: Grid) -> np.ndarray:
    """Plane waves of 8, 6, 4 and 2 K, 90, 40, 16 and 8 km long in UTM, as in the benchmark."""
    row, column = np.indices(grid.shape) + 0.5
    to_utm = Transformer.from_crs(grid.crs, UTM52, always_xy=True)
    x, y = to_utm.transform(*(grid.transform @ (column, row)))
    total = np.full(grid.shape, 300.0)
    for amplitude, length, turn in [(8, 9e4, 0.35), (6, 4e4, 1.9), (4, 16e3, 1.1), (2, 8e3, 2.7)]:
        total += amplitude * np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / length)
    return total


def rmse(difference: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(difference**2)))


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize(
    ("gsd_m", "bound"), [(250, 0.05), (100, 0.05)], ids=["bilinear", "average"]
)
def test_a_field_of_the_earth_arrives_where_it_belongs(
    gsd_m: float, bound: float, shift: tuple[float, float]
) -> None:
    """From UTM to the sinusoidal grid at 3 E, 46 N, which is sheared and rotated against it."""
    source = around(UTM, 3, 46, gsd_m, int(34_000 / gsd_m), int(38_000 / gsd_m))
    grid = around(SINUSOIDAL, 3, 46, 231.656358, 80, 96)
    moved = resample(image(field_k(source), source), grid, shift)
    assert moved.valid.all()
    assert moved.grid == grid
    truth = field_k(grid.moved(-shift[0], -shift[1]))
    slope = float(np.hypot(*np.gradient(truth)).mean())
    assert rmse(moved.values[0] - truth) < bound * slope
    if any(shift):
        assert rmse(moved.values[0] - field_k(grid.moved(*shift))) > 0.5 * slope


def test_places_are_exact_across_a_wide_scene() -> None:
    """The row that each pixel was read from, over 1000 columns that are not straight in UTM."""
    source = around(UTM, 3, 46, 250, 80, 1100)
    grid = around(SINUSOIDAL, 3, 46, 231.656358, 8, 1000)
    (_, lat), (_, truth) = coordinates(source), coordinates(grid)
    rows_a_degree = 1 / np.abs(np.diff(truth, axis=0)).mean()
    arrived = resample(image((lat - 46) * rows_a_degree, source, unit="index"), grid)
    assert arrived.valid.all()
    assert np.abs(arrived.values[0] - (truth - 46) * rows_a_degree).max() < 0.02


def test_content_moves_south_and_east_by_a_positive_shift() -> None:
    spot = np.full(FINE.shape, 280.0)
    spot[20, 30] = 320
    moved = resample(image(spot, FINE), FINE, (2, 1)).values[0]
    assert np.unravel_index(np.nanargmax(moved), FINE.shape) == (22, 31)
    half = resample(image(spot, FINE), FINE, (0, 0.25)).values[0]
    assert half[20, 30] == pytest.approx(280 + 40 * 0.75, abs=1e-3)
    assert half[20, 31] == pytest.approx(280 + 40 * 0.25, abs=1e-3)


def test_a_geostationary_scan_arrives_within_a_hundredth_of_a_kelvin() -> None:
    """The error of bilinear interpolation alone; GDAL's affine warp errs by 0.025 K here."""
    source, grid = (around(crs, 128, 36.5, 250, 600, 600) for crs in (SCAN, UTM52))
    arrived = resample(image(waves_k(source), source), grid)
    assert arrived.valid.mean() > 0.95
    assert rmse(arrived.values[0] - waves_k(grid)) <= 0.012


def test_a_geostationary_scan_is_hardly_displaced() -> None:
    """The position that each pixel was read at; GDAL's affine warp errs by 0.05 pixel here."""
    source, grid = (around(crs, 128, 36.5, 250, 600, 600) for crs in (SCAN, UTM52))
    arrived = resample(image(np.indices(source.shape), source, unit="index"), grid)
    displacement = np.hypot(*(arrived.values - places(grid, source)))
    assert np.nanmean(displacement) < 0.02


def test_a_window_of_a_far_larger_source_costs_a_window_and_is_part_of_the_whole() -> None:
    source = around(KOREA, 126, 38, 2000, 900, 900)
    whole = around(UTM52, 127, 37, 2000, 400, 400)
    part = whole.window(150, 190, 40, 40)
    scene = image(waves_k(source), source)
    expected = resample(scene, whole).values[0, 150:190, 190:230]
    tracemalloc.start()
    cropped = resample(scene, part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert cropped.valid.all()
    # the nodes of the two lie at different pixels: an error of 0.01 pixel, and the waves climb
    # by several kelvin a pixel
    np.testing.assert_allclose(cropped.values[0], expected, atol=0.04)
    assert peak < scene.valid.nbytes, "not one array as large as the source is made"


@pytest.mark.parametrize("terrain", [False, True])
def test_what_lies_beyond_the_limb_is_invalid_and_silent(terrain: bool) -> None:
    """The limb of a geostationary satellite is 81.3 degrees from the point below it."""
    source = around(SCAN, 128.2, 0, 30_000, 400, 400)
    grid = Grid("EPSG:4326", Affine(0.25, 0, 100, 0, -0.25, 85), 280, 200)
    lon, lat = np.radians(coordinates(grid))
    degrees = np.degrees(np.arccos(np.cos(lat) * np.cos(lon - np.radians(128.2))))
    scene = replace(image(np.full(source.shape, 290), source), viewpoint=Viewpoint(128.2))
    hills = Terrain(np.full(grid.shape, 500, np.float32), grid) if terrain else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = resample(scene, grid, terrain=hills)
    assert (degrees > 81.5).any()
    assert not seen.valid[degrees > 81.5].any()
    assert seen.valid[degrees < 80].all()


def test_an_image_keeps_its_viewpoint_until_terrain_is_taken_out() -> None:
    source, grid = (around(crs, 128, 36.5, 250, 40, 40) for crs in (SCAN, UTM52))
    scene = replace(image(waves_k(source), source), viewpoint=Viewpoint(128.2))
    terrain = Terrain(np.full(grid.shape, 300, np.float32), grid)
    assert resample(scene, grid).viewpoint == scene.viewpoint
    assert resample(scene, grid, terrain=terrain).viewpoint is None
    upright = resample(replace(scene, viewpoint=None), grid, terrain=terrain)
    np.testing.assert_array_equal(upright.values, resample(scene, grid).values)


@pytest.mark.parametrize("lon", [127.0, 129.5])
def test_averages_stand_within_a_twentieth_of_a_fine_pixel(lon: float) -> None:
    """From UTM at 30 m to a Lambert grid of 250 m; the mean position of a cell is its centre.

    GDAL's own approximation of coordinates is off by 0.12 pixel here.
    """
    source = around(UTM52, lon, 36.5, 30, 2400, 2400)
    grid = around(KOREA, lon, 36.5, 250, 256, 256)
    arrived = resample(image(np.indices(source.shape), source, unit="index"), grid)
    assert arrived.valid.all()
    assert np.hypot(*(arrived.values - places(grid, source))).max() < 0.05


@pytest.mark.parametrize(
    ("source", "grid"),
    [
        (around(SCAN, 127.5, 36.5, 250, 900, 900), around(UTM52, 127.5, 36.5, 250, 600, 600)),
        (around(SCAN, 127.5, 36.5, 250, 900, 900), around(KOREA, 127.5, 36.5, 250, 600, 600)),
        (around(SCAN, 127.5, 36.5, 2000, 420, 420), around(UTM52, 127.5, 36.5, 2000, 300, 300)),
        (around(SCAN, 127.5, 36.5, 2000, 420, 420), around(KOREA, 127.5, 36.5, 2000, 300, 300)),
        (around(SINUSOIDAL, 3, 46, 250, 640, 700), around(UTM, 3, 46, 250, 500, 500)),
        (around(UTM52, 120, 60, 9000, 600, 600), around("EPSG:32645", 120, 60, 9000, 300, 300)),
    ],
    ids=["scan-utm", "scan-lcc", "scan-utm-2km", "scan-lcc-2km", "sinusoidal-utm", "utm-utm"],
)
def test_no_pixel_is_read_a_fiftieth_of_a_pixel_away(source: Grid, grid: Grid) -> None:
    """Interpolation between nodes errs by less than 0.01; OpenCV 4 also rounds to 1/32."""
    arrived = resample(image(np.indices(source.shape), source, unit="index"), grid)
    error = np.abs(arrived.values - places(grid, source))[:, arrived.valid]
    assert arrived.valid.mean() > 0.6
    assert error.max() < 0.01 + 1 / 64
    assert np.abs(arrived.values - places(grid, source))[:, arrived.valid].mean() < 0.01


def test_a_grid_wider_than_opencv_addresses() -> None:
    source = Grid(UTM52, Affine(25, 0, 300_000, 0, -25, 4_100_000), 36_000, 12)
    grid = source.moved(0.25, 0.25).window(2, 2, 8, 35_000)
    values = np.broadcast_to(np.arange(source.width) % 1000, source.shape)
    arrived = resample(image(values, source, unit="index"), grid)
    assert arrived.valid.all()
    assert arrived.values[0, 3, 34_000] == pytest.approx((34_002 % 1000) + 0.25, abs=0.02)


def test_the_same_grid_gives_the_image_itself() -> None:
    values = np.random.default_rng(0).normal(300, 5, FINE.shape).astype(np.float32)
    scene = image(values, FINE)
    assert resample(scene, FINE) is scene


@pytest.mark.parametrize(
    ("shift", "rows", "columns"),
    [
        ((0.25, 0), [20, 21], [30]),
        ((-0.25, 0), [19, 20], [30]),
        ((0, 0.6), [20], [30, 31]),
        ((0.5, -0.5), [20, 21], [29, 30]),
        ((1, 0), [21], [30]),
    ],
)
def test_one_invalid_pixel_takes_its_bilinear_neighbours_and_no_more(
    shift: tuple[float, float], rows: list[int], columns: list[int]
) -> None:
    valid = np.ones(FINE.shape, bool)
    valid[20, 30] = False
    values = field_k(FINE)
    values[20, 30] = 1e6
    moved = resample(image(values, FINE, valid), FINE, shift)
    lost = ~moved.valid[3:-3, 3:-3]
    assert sorted(map(tuple, np.argwhere(lost) + 3)) == [(r, c) for r in rows for c in columns]
    assert np.isnan(moved.values[:, ~moved.valid]).all()
    assert np.nanmax(moved.values) < 340, "nothing of what lies under the mask comes through"


def test_a_shift_that_is_mere_rounding_neither_invalidates_nor_cools() -> None:
    valid = np.ones(FINE.shape, bool)
    valid[:, 30] = False
    moved = resample(image(field_k(FINE), FINE, valid), FINE, (0, 5e-4))
    np.testing.assert_array_equal(moved.valid[:, 1:], valid[:, 1:])
    difference = moved.values[0][moved.valid] - field_k(FINE)[moved.valid]
    assert np.abs(difference).max() < 0.01


def test_what_lies_outside_the_image_is_invalid() -> None:
    moved = resample(image(field_k(FINE), FINE), FINE, (0.5, -2))
    expected = np.ones(FINE.shape, bool)
    expected[0] = expected[:, -2:] = False
    np.testing.assert_array_equal(moved.valid, expected)
    far = Grid("EPSG:32652", Affine(250, 0, 500_000, 0, -250, 4_100_000), 8, 8)
    assert not resample(image(field_k(FINE), FINE), far).valid.any()
    assert not resample(image(field_k(FINE), FINE), far.coarsen(4)).valid.any()


def test_temperatures_average_as_t4_over_whole_cells() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(270, 330, FINE.shape).astype(np.float32)
    valid = rng.random(FINE.shape) < 0.5
    coarse = resample(image(np.where(valid, values, np.nan), FINE, valid), FINE.coarsen(4))
    t4 = np.where(valid, values.astype(float) ** 4, 0).reshape(12, 4, 16, 4).sum((1, 3))
    count = valid.reshape(12, 4, 16, 4).sum((1, 3))
    np.testing.assert_array_equal(coarse.valid, count >= 8)
    assert 20 < coarse.valid.sum() < 172, "both sides of the threshold occur"
    exact = (t4 / np.maximum(count, 1)) ** 0.25
    np.testing.assert_allclose(coarse.values[0][coarse.valid], exact[coarse.valid], atol=2e-3)
    plain = np.where(valid, values, 0).reshape(12, 4, 16, 4).sum((1, 3)) / np.maximum(count, 1)
    assert np.abs(exact - plain)[coarse.valid].mean() > 0.5, "a plain mean would be found out"


@pytest.mark.parametrize("unit", ["index", "reflectance"])
def test_what_is_no_temperature_averages_linearly_band_by_band(unit: str) -> None:
    values = np.random.default_rng(2).uniform(-0.2, 0.9, (3, *FINE.shape))
    coarse = resample(image(values, FINE, unit=unit), FINE.coarsen(8))
    blocks = values.reshape(3, 6, 8, 8, 8).mean((2, 4))
    np.testing.assert_allclose(coarse.values, blocks, atol=1e-5)


@pytest.mark.parametrize(("min_fraction", "kept"), [(0.2, 6), (0.5, 4), (0.76, 1), (1.0, 1)])
def test_least_fraction_counts_the_area_of_the_cell_within_image_and_mask(
    min_fraction: float, kept: int
) -> None:
    """A row of cells that begins west of the image and ends east of it."""
    source = FINE.window(0, 0, 4, 20)
    grid = Grid(UTM, Affine(1000, 0, 499_250, 0, -1000, 5_100_000), 7, 1)
    valid = np.ones(source.shape, bool)
    valid[:, 5] = False  # a quarter of the third cell
    valid[:2, 9:13] = False  # half of the fourth
    valid[:3, 13:17] = False  # three quarters of the fifth
    coarse = resample(image(np.full(source.shape, 300), source, valid), grid, (0, 0), min_fraction)
    fractions = np.array([0.25, 1, 0.75, 0.5, 0.25, 0.75, 0])
    np.testing.assert_array_equal(coarse.valid[0], fractions >= min_fraction)
    assert coarse.valid.sum() == kept
    np.testing.assert_allclose(coarse.values[0][coarse.valid], 300, atol=1e-3)


def test_a_coarse_average_is_moved_too() -> None:
    """A ramp along rows: content moved south by a fraction of a coarse cell."""
    ramp = 280 + 0.5 * np.indices(FINE.shape)[0]
    grid = FINE.coarsen(4)
    base = resample(image(ramp, FINE), grid).values[0]
    moved = resample(image(ramp, FINE), grid, (0.5, 0)).values[0]
    np.testing.assert_allclose(moved[2:-2] - base[2:-2], -0.5 * 4 * 0.5, atol=1e-3)


@pytest.mark.parametrize("degrees", [10, -35])
def test_rotation_alone_does_not_widen_the_kernel(degrees: float) -> None:
    """Waves of three pixels keep the amplitude that bilinear interpolation leaves them."""
    row, column = np.indices(FINE.shape)
    waves = 300 + 5 * np.sin(2 * np.pi * (column + 0.3 * row) / 3)
    turn = Affine.rotation(degrees, (FINE.width / 2, FINE.height / 2))
    grid = Grid(UTM, FINE.transform @ turn, FINE.width, FINE.height).window(12, 20, 24, 24)
    turned = resample(image(waves, FINE), grid).values[0]
    to_source = ~FINE.transform @ grid.transform
    r, c = np.indices(grid.shape) + 0.5
    at_column = to_source.a * c + to_source.b * r + to_source.c - 0.5
    at_row = to_source.d * c + to_source.e * r + to_source.f - 0.5
    exact = map_coordinates(waves, [at_row, at_column], order=1)
    assert rmse(turned - exact) < 0.05
    assert np.std(turned) == pytest.approx(np.std(exact), rel=0.01)


def globe_grid(cell: float, west: float, width: int) -> Grid:
    """Degrees around 17 S."""
    return Grid("EPSG:4326", Affine(cell, 0, west, 0, -cell, -16), width, round(2 / cell))


@pytest.mark.parametrize("cell_m", [1000, 10_000], ids=["bilinear", "averaged"])
@pytest.mark.parametrize(
    "source",
    [
        globe_grid(0.01, 178, 400),
        globe_grid(0.01, -182, 400),
        globe_grid(0.02, -180, 18_000),
        globe_grid(0.02, 0, 18_000),
    ],
    ids=["178..182", "-182..-178", "-180..180", "0..360"],
)
def test_places_across_180_degrees_are_found(source: Grid, cell_m: float) -> None:
    width = 100_000 // cell_m
    x, y = Transformer.from_crs(4326, 32760, always_xy=True).transform(180, -17)
    grid = Grid(
        "EPSG:32760", Affine(cell_m, 0, x - 5e4, 0, -cell_m, y + 5e4), int(width), int(width)
    )
    moved = resample(image(wavy(source), source), grid)
    assert moved.valid.all()
    np.testing.assert_allclose(moved.values[0], wavy(grid), atol=0.01)
    assert meets(source, grid) and meets(grid, source)


def wavy(grid: Grid) -> np.ndarray:
    lon, lat = np.radians(coordinates(grid))
    return (300 + 10 * np.sin(40 * lat) + 10 * np.cos(40 * lon)).astype(np.float32)


@pytest.mark.parametrize("cell", [0.0025, 0.0075], ids=["averaged", "bilinear"])
def test_longitudes_may_be_written_from_0_to_360(cell: float) -> None:
    east = Grid("EPSG:4326", Affine(0.01, 0, 240, 0, -0.01, 40), 32, 32)
    west = Grid("EPSG:4326", Affine(cell, 0, -120.1, 0, -cell, 40.1), 256, 256)
    utm = Grid("EPSG:32611", Affine(250, 0, 2e5, 0, -250, 4.5e6), 600, 600)
    for source in (west, utm):
        moved = resample(image(wavy(source), source), east)
        assert moved.valid.all()
        np.testing.assert_allclose(moved.values[0], wavy(east), atol=0.01)
    back = Grid("EPSG:32611", Affine(1000, 0, 2.45e5, 0, -1000, 4.43e6), 20, 20)
    assert resample(image(wavy(east), east), back).valid.all()
    far = Grid("EPSG:4326", Affine(0.01, 0, 130, 0, -0.01, 40), 32, 32)
    assert not meets(far, east) and meets(west, east)


def test_history_says_what_was_done() -> None:
    done = resample(image(field_k(FINE), FINE), FINE, (0.5, -0.25))
    assert done.history == ("made", "resampled to 250.00 m, moved by 0.500, -0.250")
    assert (done.time, done.sensor, done.unit) == ("2020", "test", "kelvin")


def test_reading_at_places_is_bilinear_and_takes_what_it_is_given() -> None:
    """A ramp, larger than a tile, is exact between pixels; NaN and the outside are invalid."""
    source = Grid(UTM, Affine(250, 0, 500_000, 0, -250, 5_100_000), 60, 50)
    row, column = np.indices(source.shape, np.float32)
    known = np.ones(source.shape, bool)
    known[10, 20] = False
    ramp = image(3 * row + column / 4, source, known)
    target = Grid(UTM, Affine(50, 0, 500_000, 0, -50, 5_100_000), 290, 240)
    places = tuple((np.indices(target.shape) / 5 + 0.1).astype(np.float32))
    places[0][7, 9] = np.nan
    before = [axis.copy() for axis in places]
    found = read_at(ramp, target, *places)
    for axis, same in zip(places, before, strict=True):
        np.testing.assert_array_equal(axis, same)
    beside = (np.abs(places[0] - 10) < 1) & (np.abs(places[1] - 20) < 1)
    np.testing.assert_array_equal(found.valid, ~beside & np.isfinite(places[0]))
    np.testing.assert_allclose(
        found.values[0][found.valid], (3 * places[0] + places[1] / 4)[found.valid], rtol=1e-5
    )
    assert found.grid == target
    assert not read_at(ramp, target, places[0] + 60, places[1]).valid.any()
