"""GOCI-II L2 AC and L1B files: names, layout and fill; and the observation that they hold."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from pyorbital import astronomy
from pyproj import Transformer
from scipy.ndimage import gaussian_filter, map_coordinates

from lstsr.config import Goci2L1bConfig
from lstsr.sensors.goci2 import l1b
from lstsr.sensors.goci2.ac import FLAG_BITS
from lstsr.sensors.goci2.bands import WAVELENGTHS_NM
from lstsr.simulate import goci2
from lstsr.simulate.goci2 import Look, observe, radiance, slot_grid, write_ac, write_l1b
from lstsr.simulate.view import angles_deg
from tests.simulate import worlds
from tests.simulate.worlds import FOOTPRINT, FWHM, MARGIN, appears_at, clear, inner, one_cloud

NOMINAL = datetime(2023, 5, 14, 2, 15, 30, tzinfo=UTC)
START, END = NOMINAL.replace(minute=26, second=56), NOMINAL.replace(minute=28, second=0)
BANDS_NM = (380, 412, 443, 490, 510, 555, 620, 660, 680, 709, 745, 865)
GRID = slot_grid(126.9, 37.4, 50, 60)


def reflectances() -> dict[int, np.ndarray]:
    rng = np.random.default_rng(1)
    return {nm: rng.uniform(0, 0.5, GRID.shape).astype(np.float32) for nm in BANDS_NM}


def written(folder: Path) -> Path:
    rhoc = reflectances()
    rhoc[865][0, :7] = np.nan
    flag = np.zeros(GRID.shape, np.uint32)
    flag[:, 30:] = 1 << 1  # land
    flag[3, 3] = 1 << 16
    return write_ac(folder, NOMINAL, 7, START, END, GRID, rhoc, flag)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("ac"))


def test_names_carry_the_slot_and_the_scan_s_time(slot: Path) -> None:
    assert slot.name == "GK2B_GOCI2_L2_20230514_021530_LA_S007_AC.nc"
    assert list(slot.parent.iterdir()) == [slot], "nothing is left beside it"


def test_the_layout_is_that_of_public_readers(slot: Path) -> None:
    with netCDF4.Dataset(slot) as dataset:
        assert dataset.title == "GK2B GOCI-II Level-2 Data"
        assert (dataset.platform, dataset.instrument) == ("GK-2B", "GOCI-II")
        assert dataset.observation_start_time == "20230514_022656"
        assert dataset.observation_end_time == "20230514_022800"
        sizes = {name: len(one) for name, one in dataset.dimensions.items()}
        assert sizes == {"number_of_lines": 50, "pixels_per_line": 60}
        geophysical, navigation = dataset["geophysical_data"], dataset["navigation_data"]
        for quantity in ("Rrs", "RhoC"):
            names = [f"{quantity}_{nm}" for nm in BANDS_NM]
            assert list(geophysical[quantity].variables) == names
            assert {one._FillValue for one in geophysical[quantity].variables.values()} == {-999}
        assert geophysical["flag"].dtype == np.int32
        assert set(navigation.variables) == {"latitude", "longitude"}
        every = [geophysical["RhoC/RhoC_865"], geophysical["flag"], navigation["latitude"]]
        for one in every:
            assert one.dimensions == ("number_of_lines", "pixels_per_line")
            assert one.filters()["zlib"] and one.filters()["complevel"] == 1


def test_reflectance_flags_and_fill(slot: Path) -> None:
    truth = reflectances()
    with netCDF4.Dataset(slot) as dataset:
        dataset.set_auto_mask(False)
        geophysical = dataset["geophysical_data"]
        for nm in BANDS_NM[:-1]:
            np.testing.assert_array_equal(geophysical[f"RhoC/RhoC_{nm}"][:], truth[nm])
        nir = geophysical["RhoC/RhoC_865"][:]
        assert (nir[0, :7] == -999).all()
        np.testing.assert_array_equal(nir[1:], truth[865][1:])
        flag = geophysical["flag"][:]
        assert flag[3, 3] == 65536 and (flag[:, 30:] == 2).all()


def test_rrs_is_empty_over_land_and_small_over_water(slot: Path) -> None:
    with netCDF4.Dataset(slot) as dataset:
        dataset.set_auto_mask(False)
        rrs = dataset["geophysical_data/Rrs/Rrs_555"][:]
    assert (rrs[:, 30:] == -999).all()
    assert (rrs[:, :30] >= 0).all() and rrs[:, :30].max() < 0.5 / np.pi + 1e-6


def test_places_are_those_of_pixel_centres(slot: Path) -> None:
    """32-bit degrees are exact to 8e-6 at 128 E."""
    to_degrees = Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True)
    row, column = np.indices(GRID.shape) + 0.5
    with netCDF4.Dataset(slot) as dataset:
        found = [dataset["navigation_data"][name][:] for name in ("longitude", "latitude")]
    expected = to_degrees.transform(*(GRID.transform @ (column, row)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=8e-6)


def test_slots_share_one_lattice_of_250_m_at_nadir() -> None:
    here, there = slot_grid(126.9, 37.4, 50, 60), slot_grid(129.1, 35.2, 81, 33)
    assert here.crs == there.crs and here.gsd_m == there.gsd_m
    apart = ~here.transform @ (there.transform @ (0, 0))
    np.testing.assert_allclose(apart, np.rint(apart), atol=1e-6)
    nadir = slot_grid(128.2, 0.0, 2, 2)
    to_degrees = Transformer.from_crs(nadir.crs, "EPSG:4326", always_xy=True)
    (west, middle), (east, _) = (
        to_degrees.transform(*(nadir.transform @ (column, 1))) for column in (0, 1)
    )
    assert np.radians(east - west) * 6_378_137 == pytest.approx(250, rel=1e-3)
    assert middle == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("rows", "columns"), [(50, 60), (51, 61)])
def test_a_slot_lies_around_its_point_north_up(rows: int, columns: int) -> None:
    lon, lat = 127.4, 36.6
    found = slot_grid(lon, lat, rows, columns)
    assert found.shape == (rows, columns)
    assert found.transform.a > 0 > found.transform.e
    assert found.transform.b == found.transform.d == 0
    to_grid = Transformer.from_crs("EPSG:4326", found.crs, always_xy=True)
    column, row = ~found.transform @ to_grid.transform(lon, lat)
    assert (column, row) == pytest.approx((columns / 2, rows / 2), abs=1.5)


def level_1b(folder: Path) -> Path:
    """Radiances as large as 100 times the reflectances, with an edge that has none."""
    radiance = {nm: 100 * values for nm, values in reflectances().items()}
    for values in radiance.values():
        values[:2] = np.nan
    return write_l1b(folder, NOMINAL, 7, START, END, GRID, radiance)


def test_level_1b_has_its_own_names(tmp_path: Path) -> None:
    path = level_1b(tmp_path)
    assert path.name == "GK2_GOCI2_L1B_20230514_021530_LA_S007.nc"
    with netCDF4.Dataset(path) as dataset:
        assert dataset.title == "GK2B GOCI-II Level-1B Radiances"
        assert (dataset.platform, dataset.instrument) == ("GK-2B", "GOCI-II")
        assert dataset.observation_start_time == "20230514_022656"
        assert dataset.observation_end_time == "20230514_022800"
        for name in (
            "sub_longitude",
            "nominal_satellite_height",
            "semi_major_axis",
            "semi_minor_axis",
            "longitude_of_projection_origin",
            "latitude_of_projection_origin",
            "perspective_point_height",
        ):
            assert isinstance(dataset.getncattr(name), float)
        sizes = {name: len(one) for name, one in dataset.dimensions.items()}
        assert sizes == {"number_of_lines": 50, "number_of_columns": 60}
        geophysical = dataset["geophysical_data"]
        assert list(geophysical.variables) == [f"L_TOA_{nm}" for nm in BANDS_NM]
        assert not geophysical.groups
        for one in geophysical.variables.values():
            assert one.dtype == np.float32 and one.valid_min == 0
            assert one.dimensions == ("number_of_lines", "number_of_columns")
            assert (one[:2] == 0).all() and (one[2:] > 0).all(), "filled with 0, unmarked"


def test_level_1b_comes_back_through_its_reader(tmp_path: Path) -> None:
    config = Goci2L1bConfig(product="goci2-l1b", bands=["toa_412", "toa_865"], cloud_brightness=2.0)
    image = l1b.read(level_1b(tmp_path), config)
    assert image.time == "2023-05-14T02:27:28Z"
    assert not image.valid[:2].any() and image.valid[2:].all()
    ratio = image.values[1] / image.values[0]
    expected = reflectances()[865] / 971.089 / (reflectances()[412] / 1710.526)
    np.testing.assert_allclose(ratio[2:], expected[2:], rtol=1e-4)
    column, row = ~GRID.transform @ (image.grid.transform @ (30, 25))
    assert (column, row) == pytest.approx((30, 25), abs=0.05)


# ---- observation


def orthocorrected(look: Look, band: np.ndarray, x, y, shift) -> np.ndarray:
    """The look's band at apparent places, if the content is first moved by ``shift`` pixels."""
    to_slot = Transformer.from_crs("EPSG:32652", look.grid.crs, always_xy=True)
    column, row = ~look.grid.transform @ to_slot.transform(x, y)
    places = [row - 0.5 - shift[0], column - 0.5 - shift[1]]
    return map_coordinates(band.astype(float), places, order=3)


@pytest.mark.parametrize("seed", [1, 2])
def test_goci2_is_off_by_its_navigation_error_and_nothing_else(world, seed):
    """Terrain corrected, the shift that fits best is the stated one, in value and sign."""
    look = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(seed))
    x, y = (inner(axis)[20:-20:8, 20:-20:8] for axis in appears_at(world))
    truth = gaussian_filter(world.reflectance(865).astype(float), 1.2 * 250 / FWHM / 30)
    truth = inner(truth)[20:-20:8, 20:-20:8]
    shift = np.zeros(2)
    for _ in range(8):  # Gauss-Newton on shift, gain and offset
        here, south, east = (
            orthocorrected(look, look.rhoc[865], x, y, shift + step)
            for step in ((0, 0), (0.1, 0), (0, 0.1))
        )
        slopes = [(south - here) / 0.1, (east - here) / 0.1, here, np.ones_like(here)]
        matrix = np.stack([slope.ravel() for slope in slopes], 1)
        found = np.linalg.lstsq(matrix, (truth - here).ravel(), rcond=None)[0]
        shift += found[:2]
    stated = look.navigation.row_px, look.navigation.column_px
    assert max(map(abs, stated)) > 0.2
    assert shift == pytest.approx(stated, abs=0.05)
    assert np.corrcoef(here.ravel(), truth.ravel())[0, 1] > 0.98


def test_goci2_navigation_in_metres_is_that_on_the_ground(world):
    look = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    to_ground = Transformer.from_crs(look.grid.crs, world.grid.crs, always_xy=True)
    moved = look.grid.moved(look.navigation.row_px, look.navigation.column_px)
    middle = look.grid.width / 2, look.grid.height / 2
    here = to_ground.transform(*(look.grid.transform @ middle))
    there = to_ground.transform(*(moved.transform @ middle))
    assert there[0] - here[0] == pytest.approx(look.navigation.column_m, abs=15)
    assert here[1] - there[1] == pytest.approx(look.navigation.row_m, abs=15)


def test_goci2_bands_carry_noise_and_a_remainder_of_rayleigh(world, monkeypatch):
    look = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(3))
    monkeypatch.setattr(goci2, "NOISE", (0.0, 0.0))
    monkeypatch.setattr(goci2, "RAYLEIGH", 0.0)
    exact = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(3))
    assert set(look.rhoc) == set(WAVELENGTHS_NM)
    for nm in WAVELENGTHS_NM:
        error = look.rhoc[nm] - exact.rhoc[nm]
        assert 0.0018 < error.std() < 0.0042
        assert error.mean() == pytest.approx(look.rayleigh_443 * (443 / nm) ** 4, abs=2e-4)


def test_goci2_window_holds_the_footprint_and_a_margin(world):
    look = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    x, y = appears_at(world)
    to_slot = Transformer.from_crs(world.grid.crs, look.grid.crs, always_xy=True)
    column, row = ~look.grid.transform @ to_slot.transform(inner(x), inner(y))
    assert row.min() > 5 and row.max() < look.grid.height - 5
    assert column.min() > 5 and column.max() < look.grid.width - 5
    assert all(np.isfinite(band).all() for band in look.rhoc.values())


def test_goci2_sees_clouds_displaced_to_the_north(world):
    clouds = one_cloud(world.grid)
    look = observe(world, clouds, FOOTPRINT, 18, np.random.default_rng(1))
    cloud = (look.flag & 1 << FLAG_BITS["CLOUD"]) > 0
    rows, columns = np.nonzero(cloud)
    to_ground = Transformer.from_crs(look.grid.crs, world.grid.crs, always_xy=True)
    right = look.grid.moved(look.navigation.row_px, look.navigation.column_px)
    x, y = to_ground.transform(*(right.transform @ (columns + 0.5, rows + 0.5)))
    over = world.grid.transform @ (world.grid.width / 2, world.grid.height / 2)
    zenith = angles_deg(world.grid)[0]
    assert y.mean() - over[1] == pytest.approx(3000 * np.tan(np.radians(zenith)), abs=60)
    assert abs(x.mean() - over[0]) < 120
    assert look.rhoc[660][cloud].max() == pytest.approx(0.65, abs=0.03)


def test_goci2_flags_land_water_and_coast(world):
    """West of a meridian of the grid there is sea."""
    coast = world.grid.width // 2
    half = replace(
        world, water=np.broadcast_to(np.arange(world.grid.width) < coast, world.grid.shape)
    )
    look = observe(half, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    x, y = (inner(axis)[::10, ::10] for axis in appears_at(world))
    from_coast_m = 30 * (np.arange(0, FOOTPRINT.width, 10) + MARGIN + 0.5 - coast)
    to_slot = Transformer.from_crs(world.grid.crs, look.grid.crs, always_xy=True)
    right = look.grid.moved(look.navigation.row_px, look.navigation.column_px)
    column, row = ~right.transform @ to_slot.transform(x, y)
    flag = look.flag[row.astype(int), column.astype(int)]
    assert flag.dtype == np.int32
    assert (flag[:, from_coast_m > 400] == 1 << 1).all()
    assert (flag[:, from_coast_m < -400] == 0).all()
    assert (flag[:, np.abs(from_coast_m) < 20] & 1).all()


def test_goci2_flags_clouds_and_their_shadows(world):
    look = observe(world, one_cloud(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    cloud, shadow = (look.flag & 1 << 2) > 0, (look.flag & 1 << 4) > 0
    shift = look.navigation
    pixel_m2 = shift.row_m / shift.row_px * shift.column_m / shift.column_px
    disc_px = np.pi * (40 * 30) ** 2 / pixel_m2
    assert 0.8 * disc_px < cloud.sum() < 2 * disc_px
    assert shadow.any() and not (cloud & shadow).any()
    without = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    dimmed = (look.rhoc[865] / without.rhoc[865])[shadow]
    assert 0.35 < dimmed.min() < 0.5 and dimmed.max() < 1.2


def test_goci2_radiance_over_black_ground_is_that_of_the_air(world):
    """Scattering angle from vectors between ground, satellite and another program's sun."""
    look = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    black = replace(look, rhoc={nm: np.zeros(look.grid.shape, np.float32) for nm in look.rhoc})
    row, column = 30, 40
    to_degrees = Transformer.from_crs(look.grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(look.grid.transform @ (column + 0.5, row + 0.5)))
    ground = np.array(
        Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, 0)
    )
    up = np.array([np.cos(np.radians(lat)) * f(np.radians(lon)) for f in (np.cos, np.sin)])
    up = np.append(up, np.sin(np.radians(lat)))
    satellite = 42_164_000 * np.array([np.cos(np.radians(128.2)), np.sin(np.radians(128.2)), 0])
    sight = (satellite - ground) / np.linalg.norm(satellite - ground)
    naive = worlds.TIME.replace(tzinfo=None)
    ascension, declination = astronomy.sun_ra_dec(naive)
    east = ascension - astronomy.gmst(naive)
    sun = np.array([np.cos(declination) * f(east) for f in (np.cos, np.sin)])
    sun = np.append(sun, np.sin(declination))
    phase = 0.75 * (1 + (sun @ sight) ** 2)
    # thickness of the air: Hansen & Travis (1974); distance of 14 May: 1.0108 au
    for nm, tau, irradiance in ((412, 0.3185, 1710.526), (865, 0.01554, 971.089)):
        expected = irradiance / 1.0108**2 / np.pi * tau * phase / (4 * (sight @ up))
        found = radiance(black, worlds.TIME)[nm]
        assert found.dtype == np.float32 and found.shape == look.grid.shape
        assert found[row, column] == pytest.approx(expected, rel=0.01)


def test_goci2_radiance_adds_the_ground_s_light(world):
    look = observe(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    black = replace(look, rhoc={nm: 0 * band for nm, band in look.rhoc.items()})
    added = radiance(look, worlds.TIME)[660] - radiance(black, worlds.TIME)[660]
    lon, lat = 127.26, 36.9
    cosine = astronomy.cos_zen(worlds.TIME.replace(tzinfo=None), lon, lat)
    expected = look.rhoc[660] * 1541.451 * cosine / (np.pi * 1.0108**2)
    np.testing.assert_allclose(added, expected, rtol=0.01)
