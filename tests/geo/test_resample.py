"""Resampling against analytic fields of longitude and latitude, and block sums on nested grids."""

from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from lstsr.errors import SceneError
from lstsr.geo.resample import gsd_in, outline, resample
from lstsr.grid import Grid
from lstsr.image import SensorImage

SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +no_defs"
UTM = "EPSG:32631"
FINE = Grid(UTM, Affine(250, 0, 500_000, 0, -250, 5_100_000), 64, 48)
SHIFTS = [(0.0, 0.0), (0.85, 1.05), (-0.3, 0.7), (0.0, -1.4)]


def coordinates(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of pixel centres, through PROJ alone."""
    row, column = np.indices(grid.shape) + 0.5
    t = grid.transform
    x, y = t.c + t.a * column + t.b * row, t.f + t.d * column + t.e * row
    return Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)


def field_k(grid: Grid) -> np.ndarray:
    """A smooth temperature, some twenty fine pixels a wave, without any symmetry."""
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
    """The row that each pixel came from, over 1000 columns of which none is straight in UTM."""
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


def test_the_same_grid_gives_the_same_values() -> None:
    values = np.random.default_rng(0).normal(300, 5, FINE.shape).astype(np.float32)
    same = resample(image(values, FINE), FINE)
    assert same.valid.all()
    np.testing.assert_allclose(same.values[0], values, atol=1e-4)


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


def test_spacing_is_measured_on_the_other_grid() -> None:
    assert gsd_in(FINE, FINE) == pytest.approx(250)
    assert gsd_in(FINE.coarsen(4), FINE) == pytest.approx(1000)
    degrees = Grid("EPSG:4326", Affine(0.01, 0, 2.5, 0, -0.01, 46.5), 100, 100)
    # a degree of longitude at 46 N: 111.32 km x cos(46) on the ellipsoid, within half a percent
    assert gsd_in(degrees, FINE) == pytest.approx(1113.2 * np.cos(np.radians(46)), rel=5e-3)


def test_history_says_what_was_done() -> None:
    done = resample(image(field_k(FINE), FINE), FINE, (0.5, -0.25))
    assert done.history == ("made", "resampled to 250.00 m, moved by 0.500, -0.250")
    assert (done.time, done.sensor, done.unit) == ("2020", "test", "kelvin")


def test_an_outline_follows_the_rim() -> None:
    """Against corners through PROJ; at 3 E, 46 N the sinusoidal frame leans."""
    grid = around(SINUSOIDAL, 3, 46, 926.6, 64, 64)
    rim = outline(grid, points=4)
    assert len(rim) == 16
    to_degrees = Transformer.from_crs(SINUSOIDAL, "EPSG:4326", always_xy=True)
    for point, corner in zip(rim[::4], grid.corners, strict=True):
        assert point == pytest.approx(to_degrees.transform(*corner), abs=1e-9)
    lon, lat = np.mean(rim, axis=0)
    assert (lon, lat) == pytest.approx((3, 46), abs=0.01)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Grid(UTM, Affine(250, 0, 5e8, 0, -250, 5e9), 8, 8),
        lambda: Grid('LOCAL_CS["plant",UNIT["metre",1]]', Affine(1, 0, 5, 0, -1, 5), 8, 8),
    ],
    ids=["outside the projection", "system without a place on the Earth"],
)
def test_a_grid_that_is_nowhere_is_a_fault_of_its_scene(broken: Callable[[], Grid]) -> None:
    with pytest.raises(SceneError, match="no longitude and latitude"):
        outline(broken())
