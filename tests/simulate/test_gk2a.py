"""Files of GK2A in the layout of KMA, as far as it is known, and the observation they hold."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from pyproj import Transformer

from lstsr.config import Gk2aConfig
from lstsr.grid import Grid
from lstsr.sensors.ami.channels import WAVENUMBERS, planck, planck_k
from lstsr.sensors.ami.grids import AREAS
from lstsr.sensors.ami.lst import read
from lstsr.simulate import gk2a
from lstsr.simulate.atmosphere import emissivity_of
from lstsr.simulate.gk2a import (
    CALIBRATIONS,
    GOOD,
    NO_LST,
    NOT_SEEN,
    SECTOR,
    observe_l1b,
    observe_lst,
    write_l1b,
    write_lst,
)
from lstsr.simulate.view import angles_deg
from lstsr.simulate.world import World
from tests.simulate.worlds import FOOTPRINT, FWHM, appears_at, clear, one_cloud

TIME = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
SHAPE = (900, 900)
PROJECTION = "gk2a_imager_projection"
WAVENUMBERS_OF_LST = {name: WAVENUMBERS[name] for name in ("ir105", "ir112", "ir123")}


def lst() -> tuple[np.ndarray, np.ndarray]:
    lst_k = np.full(SHAPE, np.nan, np.float32)
    lst_k[10:20, 30:50] = np.random.default_rng(0).uniform(250, 330, (10, 20))
    quality = np.full(SHAPE, 2, np.uint8)
    quality[10:20, 30:50] = 0
    return lst_k, quality


@pytest.fixture(scope="module")
def korea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lst(tmp_path_factory.mktemp("ko"), TIME, *lst())


def test_name_size_and_corners_are_those_of_korea(korea: Path) -> None:
    assert korea.name == "gk2a_ami_le2_lst_ko020lc_202305140210.nc"
    with netCDF4.Dataset(korea) as dataset:
        assert dataset["LST"].shape == dataset["DQF_LST"].shape == SHAPE
        projection = dataset[PROJECTION]
        assert projection.shape == () and projection.dtype == np.int32
        assert (projection.image_width, projection.image_height) == (900, 900)
        corners = projection.upper_left_easting, projection.upper_left_northing
        assert corners == pytest.approx((-899_000, 899_000))
        corners = projection.lower_right_easting, projection.lower_right_northing
        assert corners == pytest.approx((899_000, -899_000))
        assert (projection.standard_parallel1, projection.standard_parallel2) == (30, 60)
        assert (projection.origin_latitude, projection.central_meridian) == (38, 126)
        assert projection.pixel_size == pytest.approx(2000)


def test_variables_and_attributes_are_kma_s(korea: Path) -> None:
    with netCDF4.Dataset(korea) as dataset:
        assert list(dataset.variables) == ["DQF_LST", "LST", PROJECTION]
        lst, quality = dataset["LST"], dataset["DQF_LST"]
        assert lst.dtype == np.uint16 and quality.dtype == np.uint8
        assert lst.dimensions == quality.dimensions == ("dim_y", "dim_x")
        assert lst.scale_factor == pytest.approx(0.01)
        assert (lst.add_offset, lst._FillValue, lst.units) == (0, 65535, "K")
        assert lst.grid_mapping == PROJECTION
        assert lst.filters()["zlib"] and quality.filters()["zlib"]
        assert dataset.origianl_sourece_file == "gk2a_ami_le1b_ir105_ela020ge_202305140210.nc"
        assert dataset.conventions == "CF-1.7"
        assert (dataset.title, dataset.names_of_product) == ("AMI L2 LST", "LST")
        assert (dataset.observation_mode, dataset.processing_area) == ("ELA", "ELA")


def test_values_come_back_to_half_a_hundredth_and_flags_as_they_were(korea: Path) -> None:
    lst_k, quality = lst()
    with netCDF4.Dataset(korea) as dataset:
        dataset.set_auto_maskandscale(False)
        stored = dataset["LST"][:]
        np.testing.assert_array_equal(dataset["DQF_LST"][:], quality)
    known = np.isfinite(lst_k)
    np.testing.assert_array_equal(stored == 65535, ~known)
    np.testing.assert_allclose(stored[known] / 100, lst_k[known], atol=0.00502)
    image = read(korea, Gk2aConfig(product="gk2a"))
    np.testing.assert_allclose(image.values[0][known], lst_k[known], atol=0.0051)


def test_the_name_s_time_is_utc(tmp_path: Path) -> None:
    seoul = TIME.astimezone(timezone(timedelta(hours=9)))
    assert write_lst(tmp_path, seoul, *lst()).name.endswith("_202305140210.nc")


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    lst_k, quality = lst()
    with pytest.raises((ValueError, IndexError)):
        write_lst(tmp_path, TIME, lst_k[:800], quality)
    assert not list(tmp_path.iterdir())


# ---- Level 1B


def test_the_sector_s_header_is_the_real_one_s(tmp_path: Path) -> None:
    values = np.full(SECTOR.shape, np.nan, np.float32)
    values[10:20, 10:20] = 291.538
    flags = np.zeros(SECTOR.shape, np.uint8)
    path = write_l1b(tmp_path, TIME, CALIBRATIONS["ir105"], SECTOR, values, flags)
    assert path.name == "gk2a_ami_le1b_ir105_la020ge_202305140210.nc"
    with netCDF4.Dataset(path) as dataset:
        found = dataset.__dict__
        image = dataset["image_pixel_values"]
        assert image.dtype == np.uint16 and image.filters()["zlib"]
        assert image.dimensions == ("dim_image_y", "dim_image_x") and image.shape == (500, 500)
        assert not {"_FillValue", "scale_factor"} & set(image.ncattrs())
        assert (image.channel_name, image.number_of_valid_bits_per_pixel) == ("IR105", 13)
        assert (image[10:20, 10:20] == 3508).all() and image[0, 0] == 0x8000
        assert {"sc_position", "nav_average_residual_ew", "nav_average_residual_ns"} < set(
            dataset.variables
        )
    numbers = {
        "cfac": 20425338.903339352,
        "lfac": -20425338.903339352,
        "coff": 314.30357,
        "loff": 2089.57138,
        "sub_longitude": 2.2375121010567303,
        "nominal_satellite_height": 42_164_000.0,
        "earth_equatorial_radius": 6_378_137.0,
        "earth_polar_radius": 6_356_752.3,
        "DN_to_Radiance_Gain": -0.0198196955025196,
        "DN_to_Radiance_Offset": 161.580139160156,
        "Teff_to_Tbb_c0": -0.142866448475177,
        "image_upperleft_latitude": np.radians(44.17488),
        "image_upperleft_longitude": np.radians(119.91453),
    }
    for name, value in numbers.items():
        assert found[name] == pytest.approx(value, rel=2e-7), name
    days = 8534  # from 2000-01-01 to 2023-05-14; seconds count from noon
    assert found["observation_start_time"] == (days * 24 + 2 - 12) * 3600 + 600
    assert found["scene_acquisition_time"] == "20230514_021000"
    assert (found["projection_type"], found["observation_mode"]) == ("GEOS", "LA")
    assert (found["channel_center_wavelength"], found["satellite_name"]) == ("10.5", "GK-2A")


# ---- observation: Level 2


def exact_gk2a(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gk2a, "NOISE_K", 0.0)
    for name in ("DRY_K", "PER_VAPOUR_K", "SCATTER_K"):
        monkeypatch.setattr(gk2a, f"BIAS_{name}", 0.0)


def over_footprints(world: World, moved: Grid, cells: np.ndarray, radiance) -> np.ndarray:
    """Sums over ground pixels: each where it appears, by the area that it appears on."""
    x, y = appears_at(world)
    area = np.abs(
        np.gradient(x, axis=0) * np.gradient(y, axis=1)
        - np.gradient(x, axis=1) * np.gradient(y, axis=0)
    )
    to_world = Transformer.from_crs(moved.crs, world.grid.crs, always_xy=True)
    means = []
    for row, column in cells:
        cx, cy = to_world.transform(*(moved.transform @ (column + 0.5, row + 0.5)))
        weight = area * np.exp(
            -0.5 * ((x - cx) / (2100 / FWHM)) ** 2 - 0.5 * ((y - cy) / (2800 / FWHM)) ** 2
        )
        means.append((weight * radiance).sum() / weight.sum())
    return np.array(means)


def some(quality: np.ndarray) -> np.ndarray:
    """A dozen of the good cells."""
    cells = np.argwhere(quality == GOOD)
    return cells[:: max(1, len(cells) // 12)]


def ground_k(world: World, minutes: float) -> np.ndarray:
    zenith, azimuth = angles_deg(world.grid)
    assert 38 < zenith < 45 and 170 < azimuth < 190
    warmed = np.asarray(world.warming_k_per_h, float) * minutes / 60
    return np.asarray(world.directional_k(zenith, azimuth), float) + warmed


def test_gk2a_is_the_integral_over_its_footprint(world, monkeypatch):
    exact_gk2a(monkeypatch)
    look = observe_lst(world, clear(world.grid), 2.5, np.random.default_rng(4))
    shift = look.navigation.row_px, look.navigation.column_px
    assert max(map(abs, shift)) > 0.1
    cells = some(look.quality)
    means = over_footprints(world, AREAS["ko"].moved(*shift), cells, ground_k(world, 2.5) ** 4)
    np.testing.assert_allclose(look.measured_k["lst"][*cells.T], means**0.25, atol=0.05)


def test_gk2a_bias_and_noise(world, monkeypatch):
    look = observe_lst(world, clear(world.grid), 0.0, np.random.default_rng(5))
    exact_gk2a(monkeypatch)
    exact = observe_lst(world, clear(world.grid), 0.0, np.random.default_rng(5))
    error = (look.measured_k["lst"] - exact.measured_k["lst"])[look.quality == GOOD]
    assert look.bias_k != 0
    assert error.mean() == pytest.approx(look.bias_k, abs=0.15)
    assert error.std() == pytest.approx(0.3, abs=0.07)


def test_gk2a_quality_says_why_there_is_no_lst(world):
    clouds = one_cloud(world.grid, 60)
    look = observe_lst(world, clouds, 0.0, np.random.default_rng(0))
    assert look.measured_k["lst"].shape == look.quality.shape == (900, 900)
    assert (np.isnan(look.measured_k["lst"]) == (look.quality != GOOD)).all()
    assert set(np.unique(look.quality)) == {GOOD, NO_LST, NOT_SEEN}
    without = observe_lst(world, clear(world.grid), 0.0, np.random.default_rng(0))
    hidden = (look.quality == NO_LST) & (without.quality == GOOD)
    assert 2 <= hidden.sum() <= 12
    assert not (hidden & (without.quality != GOOD)).any()


def test_gk2a_sees_no_cell_whose_footprint_leaves_the_world(world):
    look = observe_lst(world, clear(world.grid), 0.0, np.random.default_rng(0))
    rows, columns = np.nonzero(look.quality != NOT_SEEN)
    ko = AREAS["ko"]
    to_world = Transformer.from_crs(ko.crs, world.grid.crs, always_xy=True)
    x, y = to_world.transform(*(ko.transform @ (columns + 0.5, rows + 0.5)))
    (west, north), _, (east, south), _ = world.grid.corners
    # at least two standard deviations of the PSF, less the navigation error
    assert x.min() - west > 1000 and east - x.max() > 1000
    assert y.min() - south > 1200
    # and all of the Landsat footprint is seen
    (west, north), _, (east, south), _ = FOOTPRINT.corners
    assert x.min() < west and x.max() > east and y.min() < south and y.max() > north


def test_the_same_draws_give_the_same_look_and_others_another(world):
    clouds = one_cloud(world.grid)
    one, same, other = (
        observe_lst(world, clouds, 1.0, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one.measured_k["lst"], same.measured_k["lst"])
    assert one.navigation == same.navigation != other.navigation


# ---- observation: Level 1B


def test_gk2a_l1b_is_the_integral_of_radiance_through_the_atmosphere(world, monkeypatch):
    """In each channel; the navigation error is that of Level 2 in pixels of the sector."""
    monkeypatch.setattr(gk2a, "CHANNEL_NOISE_K", dict.fromkeys(WAVENUMBERS_OF_LST, 0.0))
    look = observe_l1b(world, clear(world.grid), SECTOR, 2.5, np.random.default_rng(4))
    of_level_2 = observe_lst(world, clear(world.grid), 2.5, np.random.default_rng(4))
    shift = look.navigation.row_px, look.navigation.column_px
    assert shift == (of_level_2.navigation.row_px, of_level_2.navigation.column_px)
    zenith = angles_deg(world.grid)[0]
    air_k, cells = look.atmosphere.radiating_k, some(look.quality)
    assert air_k == pytest.approx(world.air_k - 6)
    for channel, nu in WAVENUMBERS_OF_LST.items():
        through = look.atmosphere.transmittance(channel, zenith)
        emissivity = emissivity_of(world.cover, channel).astype(float)
        sky = (1 - through) * planck(air_k, nu)
        seen = through * (emissivity * planck(ground_k(world, 2.5), nu) + (1 - emissivity) * sky)
        means = over_footprints(world, SECTOR.moved(*shift), cells, seen + sky)
        found_k = look.measured_k[channel][*cells.T]
        np.testing.assert_allclose(found_k, planck_k(means, nu), atol=0.05)


def test_gk2a_l1b_noise_and_what_is_not_seen(world, monkeypatch):
    look = observe_l1b(world, clear(world.grid), SECTOR, 0.0, np.random.default_rng(5))
    monkeypatch.setattr(gk2a, "CHANNEL_NOISE_K", dict.fromkeys(WAVENUMBERS_OF_LST, 0.0))
    exact = observe_l1b(world, clear(world.grid), SECTOR, 0.0, np.random.default_rng(5))
    assert set(np.unique(look.quality)) == {GOOD, NOT_SEEN}
    for channel, noise_k in (("ir105", 0.1), ("ir112", 0.1), ("ir123", 0.2)):
        seen_k = look.measured_k[channel]
        np.testing.assert_array_equal(np.isnan(seen_k), look.quality == NOT_SEEN)
        error = (seen_k - exact.measured_k[channel])[look.quality == GOOD]
        assert error.std() == pytest.approx(noise_k, rel=0.25)


def test_the_margin_of_the_world_suffices_for_all_pixels_over_the_footprint(world):
    """Those of the sector, placed anywhere a pixel can lie, and moved by the largest errors."""
    lattice = SECTOR.moved(0.37, 0.61)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        look = observe_l1b(world, clear(world.grid), lattice, 0.0, rng)
        to_lattice = Transformer.from_crs(world.grid.crs, lattice.crs, always_xy=True)
        rows, columns = np.mgrid[0 : FOOTPRINT.height : 4, 0 : FOOTPRINT.width : 4]
        column, row = ~lattice.transform @ to_lattice.transform(
            *(FOOTPRINT.transform @ (columns, rows))
        )
        assert (look.quality[row.astype(int), column.astype(int)] == GOOD).all()


def test_gk2a_l1b_sees_clouds_as_cold_as_their_tops(world):
    clouds = one_cloud(world.grid, 200)
    look = observe_l1b(world, clouds, SECTOR, 0.0, np.random.default_rng(0))
    top_k = world.lst_k.mean() - 0.0065 * 3000
    for seen_k in look.measured_k.values():
        assert np.nanmin(seen_k) == pytest.approx(top_k, abs=1.0)
