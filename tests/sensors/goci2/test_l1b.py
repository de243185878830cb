"""GOCI-II L1B: reflectance by hand, where and when pixels were seen, clouds, night, bad files."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine
from pyorbital import astronomy
from pyproj import Transformer

from lstsr.config import Goci2Config, Goci2L1bConfig
from lstsr.errors import SceneError
from lstsr.geo.sun import sun_position
from lstsr.grid import Grid
from lstsr.sensors import detection
from lstsr.sensors.goci2 import ac
from lstsr.sensors.goci2.bands import IRRADIANCE, WAVELENGTHS_NM
from lstsr.sensors.goci2.l1b import grid, inspect, read, reflectance
from lstsr.simulate.goci2 import write_ac, write_l1b
from tests.goci2 import (
    CORNERS,
    END,
    GRID,
    LATITUDE,
    LONGITUDE,
    NOMINAL,
    START,
    as_mosaic,
    bent,
    curve,
    place_in,
    rewritten,
    scan_angle_place,
)

Change = Callable[[netCDF4.Dataset], None]

CONFIG = Goci2L1bConfig(product="goci2-l1b")
TOA_660, TOA_865 = "geophysical_data/L_TOA_660", "geophysical_data/L_TOA_865"
TOA_412 = "geophysical_data/L_TOA_412"
# W m-2 um-1 sr-1, of plants under a clear sky.
PLANTS = {412: 80.0, 660: 40.0, 865: 100.0}


def radiances(shape: tuple[int, int] = GRID.shape) -> dict[int, np.ndarray]:
    return {nm: np.full(shape, PLANTS.get(nm, 60.0), np.float32) for nm in WAVELENGTHS_NM}


def written(
    folder: Path, placed: Grid = GRID, slot: int | None = 10, nominal: datetime = NOMINAL
) -> Path:
    start, end = nominal + (START - NOMINAL), nominal + (END - NOMINAL)
    made = radiances(placed.shape)
    path = write_l1b(folder, nominal, slot or 10, start, end, placed, made)
    return path if slot else as_mosaic(path)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("l1b"))


@pytest.fixture
def edited(slot: Path, tmp_path: Path) -> Callable[[Change], Path]:
    def edit(change: Change) -> Path:
        path = tmp_path / slot.name
        shutil.copy(slot, path)
        with netCDF4.Dataset(path, "a") as dataset:
            dataset.set_auto_maskandscale(False)
            change(dataset)
        return path

    return edit


@pytest.mark.parametrize("slot_number", [10, None])
def test_pixels_lie_where_the_scan_angles_say(slot_number: int | None, tmp_path: Path) -> None:
    found = grid(written(tmp_path, slot=slot_number), CONFIG)
    for column, row in ((0.5, 0.5), (159.5, 0.5), (80.5, 70.5), (0.5, 139.5), (159.5, 139.5)):
        place = place_in(found, scan_angle_place(column, row))
        assert place == pytest.approx((column, row), abs=0.05)


def test_a_mosaic_as_wide_as_the_local_area_is_placed_too(tmp_path: Path) -> None:
    """9500 pixels of 250 m, of which every 95th is here."""
    wide = Grid(GRID.crs, Affine(23_750, 0, -1.2e6, 0, -23_750, 4.6e6), 100, 90)
    found = grid(written(tmp_path, wide, None), CONFIG)
    for corner in ((0.5, 0.5), (99.5, 0.5), (99.5, 89.5), (0.5, 89.5)):
        assert place_in(found, scan_angle_place(*corner, placed=wide)) == pytest.approx(
            corner, abs=0.05
        )


def test_reflectance_is_that_of_a_calculation_by_hand(slot: Path) -> None:
    """14 May 2023, 02:33 UTC, 127.4 E 36.6 N, with the sun of the almanac.

    Declination 18.6 degrees, equation of time 3.65 minutes: true solar time 11.10 h, cosine of the
    zenith angle 0.930; distance 1.0108 au. So 40 W m-2 um-1 sr-1 at 660 nm are
    3.1416 x 1.0217 x 40 / (1541.5 x 0.930) = 0.0896, and 100 at 865 nm are 0.3553.
    """
    image = read(slot, CONFIG)
    assert image.bands == ("toa_660", "toa_865", "ndvi") and image.unit == "reflectance"
    middle = image.values[:, 70, 80]
    assert middle == pytest.approx((0.0896, 0.3553, (0.3553 - 0.0896) / 0.4449), rel=0.005)
    assert image.valid.all()
    assert image.viewpoint is not None and image.viewpoint.longitude_deg == 128.2


def test_the_sun_is_each_pixel_s_own(tmp_path: Path) -> None:
    """An hour and more of longitude, against another program's sun."""
    wide = Grid(GRID.crs, Affine(20_000, 0, -1e6, 0, -20_000, 4.4e6), 100, 80)
    image = read(written(tmp_path, wide, None), CONFIG)
    to_degrees = Transformer.from_crs(wide.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(wide.transform @ (np.indices(wide.shape)[::-1] + 0.5)))
    middle = (START + (END - START) / 2).replace(tzinfo=None)
    cosine = astronomy.cos_zen(middle, lon, lat)
    expected = np.pi * 1.0217 * PLANTS[660] / (IRRADIANCE[660] * cosine)
    assert np.ptp(expected) > 0.005
    np.testing.assert_allclose(image.values[0], expected, rtol=0.005)


def test_bands_and_indices_are_those_asked_for(slot: Path) -> None:
    image = read(slot, CONFIG.model_copy(update={"bands": ["ndwi", "toa_412", "toa_555"]}))
    green, red, nir = (
        nm_radiance / IRRADIANCE[nm] for nm, nm_radiance in ((555, 60.0), (660, 40.0), (865, 100.0))
    )
    assert image.bands == ("ndwi", "toa_412", "toa_555")
    np.testing.assert_allclose(image.values[0], (green - nir) / (green + nir), rtol=1e-5)
    both = read(slot, CONFIG).values
    np.testing.assert_allclose(both[2], (nir - red) / (nir + red), rtol=1e-5)


@pytest.mark.parametrize("prefix", ["GK2_", "GK2B_"])
@pytest.mark.parametrize("part", ["_S010", "", "_S010_G133"])
def test_both_names_are_known(prefix: str, part: str, slot: Path, tmp_path: Path) -> None:
    path = shutil.copy(slot, tmp_path / f"{prefix}GOCI2_L1B_20230514_021530_LA{part}.nc")
    assert detection.detect(path) == "goci2-l1b"
    assert read(path, CONFIG).time == "2023-05-14T02:32:59Z"


def test_xarray_and_gdal_open_it(slot: Path) -> None:
    with xarray.open_dataset(slot, group="geophysical_data") as dataset:
        assert dataset.L_TOA_865.dims == ("number_of_lines", "number_of_columns")
        assert float(dataset.L_TOA_865[70, 80]) == 100
        assert dataset.L_TOA_865.units == "W m-2 um-1 sr-1"
    with rasterio.open(f'HDF5:"{slot}"://geophysical_data/L_TOA_865') as dataset:
        assert dataset.read(1)[70, 80] == 100


def test_trap_8_zero_is_fill_and_names_are_those_of_level_1b(edited: Callable) -> None:
    """The edges hold 0, without an attribute that tells; -999 is what Level 2 has."""

    def edges(dataset: netCDF4.Dataset) -> None:
        assert list(dataset.dimensions) == ["number_of_lines", "number_of_columns"]
        assert "_FillValue" not in dataset[TOA_660].ncattrs()
        for nm in WAVELENGTHS_NM:
            dataset[f"geophysical_data/L_TOA_{nm}"][:3] = 0
        dataset[TOA_865][5, 5] = -999

    image = read(edited(edges), CONFIG)
    expected = np.ones(GRID.shape, bool)
    expected[:3] = expected[5, 5] = False
    np.testing.assert_array_equal(image.valid, expected)
    assert np.isnan(image.values[:, ~expected]).all()


def test_zero_is_no_light_whatever_fill_the_file_states(slot: Path, tmp_path: Path) -> None:
    def with_fill(group: netCDF4.Group) -> None:
        dimensions = ("number_of_lines", "number_of_columns")
        stored = group.createVariable("L_TOA_660", "f4", dimensions, fill_value=-999)
        stored[:] = PLANTS[660]
        stored[0, :2] = 0, -999

    image = read(rewritten(slot, tmp_path / slot.name, TOA_660, with_fill), CONFIG)
    assert image.valid[0, :3].tolist() == [False, False, True]


def test_trap_8_each_level_is_refused_by_the_other_s_reader(slot: Path, tmp_path: Path) -> None:
    flag = np.zeros(GRID.shape, np.int32)
    level2 = write_ac(tmp_path, NOMINAL, 10, START, END, GRID, radiances(), flag)
    for use in (lambda: read(level2, CONFIG), lambda: grid(level2, CONFIG)):
        with pytest.raises(
            SceneError, match="_AC.nc: not Level 1B .*Name another file or .*goci2$"
        ):
            use()
    with pytest.raises(SceneError, match="S010.nc: not Level 2 AC .*Name another .*goci2-l1b"):
        ac.read(slot, Goci2Config(product="goci2"))
    other = tmp_path / "GK2B_GOCI2_L2_20230514_021530_LA_Chl.nc"
    with netCDF4.Dataset(other, "w") as dataset:
        dataset.createGroup("geophysical_data").createVariable("Chl", "f4")
    with pytest.raises(SceneError, match="LA_Chl.nc: not Level 1B .*L_TOA.. Name another file$"):
        read(other, CONFIG)


def test_trap_9_the_slot_s_time_is_not_the_file_s(slot: Path) -> None:
    """The scan of 02:15:30 saw slot S010 from 02:32:27 to 02:33:31."""
    assert "_021530_LA_S010" in slot.name
    assert read(slot, CONFIG).time == "2023-05-14T02:32:59Z"


@pytest.mark.parametrize("hours", [12, -12, 9])
def test_times_far_from_the_name_s_are_refused(hours: int, edited: Callable) -> None:
    """Half a day off, or in local time."""

    def shift(dataset: netCDF4.Dataset) -> None:
        for end, time in (("start", START), ("end", END)):
            moved = datetime.fromtimestamp(time.timestamp() + 3600 * hours, UTC)
            dataset.setncattr(f"observation_{end}_time", f"{moved:%Y%m%d_%H%M%S}")

    path = edited(shift)
    minutes = 60 * hours + 17
    with pytest.raises(SceneError, match=f"S010.nc: observed at .* {minutes} minutes after.*name"):
        read(path, CONFIG)
    assert [one.passed for one in inspect(path).assertions] == [True, False, True]
    assert inspect(path.rename(path.with_name("my.nc"))).assertions[1].passed, "no time in the name"


def test_stored_numbers_are_scaled(slot: Path, tmp_path: Path) -> None:
    def scaled(group: netCDF4.Group) -> None:
        dimensions = ("number_of_lines", "number_of_columns")
        stored = group.createVariable("L_TOA_660", "u2", dimensions)
        stored.set_auto_maskandscale(False)
        stored.scale_factor, stored.add_offset = 0.02, -10.0
        stored[:] = round((PLANTS[660] + 10) / 0.02)
        stored[0, :4] = 0

    ours, plain = (
        read(rewritten(slot, tmp_path / slot.name, TOA_660, scaled), CONFIG),
        read(slot, CONFIG),
    )
    np.testing.assert_allclose(ours.values[:, 1:], plain.values[:, 1:], rtol=1e-5)
    assert not ours.valid[0, :4].any() and ours.valid[0, 4:].all()


def test_what_is_bright_and_white_is_cloud(edited: Callable) -> None:
    """White, a bright but green field, a blue haze, blue light that is missing, green or not."""
    places = {
        "white": (400.0, 360.0, 230.0),
        "green": (170.0, 50.0, 230.0),
        "haze": (190.0, 60.0, 30.0),
        "unknown": (0.0, 60.0, 30.0),
        "unknown and green": (0.0, 50.0, 230.0),
    }

    def put(dataset: netCDF4.Dataset) -> None:
        for column, values in enumerate(places.values()):
            for name, value in zip((TOA_412, TOA_660, TOA_865), values, strict=True):
                dataset[name][50, column] = value

    path = edited(put)
    image = read(path, CONFIG)
    kept = dict(zip(places, image.valid[50, : len(places)].tolist(), strict=True))
    assert kept == {
        "white": False,
        "green": True,
        "haze": False,
        "unknown": False,
        "unknown and green": True,
    }
    assert "0.0%" in image.history[-1]
    loose = CONFIG.model_copy(update={"cloud_brightness": 0.5, "cloud_ndvi": 0.7})
    assert read(path, loose).valid[50, :4].tolist() == [False, True, True, False]


def test_the_blue_sky_of_winter_is_no_cloud(tmp_path: Path) -> None:
    """A reflectance of 0.36, much of it the air's, if the sun stands at 29 degrees, not at 68."""
    bare = {nm: 0.36 * IRRADIANCE[nm] / np.pi for nm in WAVELENGTHS_NM}
    for nominal, cosine, clear in (
        (NOMINAL.replace(month=12, day=21), 0.49, True),
        (NOMINAL, 0.93, False),
    ):
        path = written(tmp_path, nominal=nominal)
        with netCDF4.Dataset(path, "a") as dataset:
            for nm, value in bare.items():
                dataset[f"geophysical_data/L_TOA_{nm}"][:] = value * cosine
            dataset[TOA_412][0, 0] = 400
        if clear:
            valid = read(path, CONFIG).valid
            assert valid[1:].all() and not valid[0, 0], "a cloud is one in winter, too"
        else:
            with pytest.raises(SceneError, match="look like cloud"):
                read(path, CONFIG)


def test_where_the_sun_is_low_is_masked(tmp_path: Path) -> None:
    """In the evening the west is still in the light; another program's sun draws the line."""
    wide = Grid(GRID.crs, Affine(20_000, 0, -1e6, 0, -20_000, 4.4e6), 100, 80)
    evening = NOMINAL.replace(hour=8)
    image = read(written(tmp_path, wide, None, evening), CONFIG)
    to_degrees = Transformer.from_crs(wide.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(wide.transform @ (np.indices(wide.shape)[::-1] + 0.5)))
    elevation = 90 - astronomy.sun_zenith_angle(datetime(2023, 5, 14, 8, 32, 59), lon, lat)
    assert image.valid[elevation > 15.5].all() and not image.valid[elevation < 14.5].any()
    assert (elevation > 15.5).any() and (elevation < 14.5).any()


def test_night_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, nominal=NOMINAL.replace(hour=14))
    with pytest.raises(SceneError, match="_141530_LA_S010.nc: night: .* -33.*Name a daytime scan"):
        read(path, CONFIG)
    assert "-33" in dict(inspect(path).facts)["sun"]


def test_a_scene_without_a_valid_pixel_says_why(edited: Callable) -> None:
    def cover(dataset: netCDF4.Dataset) -> None:
        for name, value in ((TOA_412, 350.0), (TOA_660, 320.0), (TOA_865, 200.0)):
            dataset[name][:] = value

    with pytest.raises(
        SceneError, match="S010.nc: no valid pixel: all known pixels .100.0%. look like cloud"
    ):
        read(edited(cover), CONFIG)

    def empty(dataset: netCDF4.Dataset) -> None:
        dataset[TOA_865][:] = 0

    with pytest.raises(
        SceneError, match="no valid pixel: no daytime pixel has all of toa_660, toa_865, ndvi"
    ):
        read(edited(empty), CONFIG)


@pytest.mark.parametrize("name", ["L_TOA_865", "L_TOA_412"])
def test_a_missing_band_is_named(name: str, slot: Path, tmp_path: Path) -> None:
    """That of clouds, too."""
    path = rewritten(slot, tmp_path / slot.name, f"geophysical_data/{name}")
    with pytest.raises(SceneError, match=f"S010.nc: variable geophysical_data/{name} is missing"):
        read(path, CONFIG)
    lost = [one.found for one in inspect(path).assertions if not one.passed]
    assert lost == [f"missing {name.removeprefix('L_TOA_')}"]


def test_truncated_files_are_named(slot: Path, tmp_path: Path) -> None:
    content = slot.read_bytes()
    path = tmp_path / "cut.nc"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SceneError, match="cut.nc: not a NetCDF file, or truncated"):
        read(path, CONFIG)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.nc", CONFIG)


def test_the_full_disk_given_for_a_slot_is_refused(tmp_path: Path) -> None:
    disk = Grid(GRID.crs, Affine(2e5, 0, -5.5e6, 0, -2e5, 5.5e6), 55, 55)
    path = written(tmp_path, disk, None).rename(
        tmp_path / "GK2_GOCI2_L1B_20230514_021530_FD_S010.nc"
    )
    for use in (lambda: read(path, CONFIG), lambda: grid(path, CONFIG), lambda: inspect(path)):
        with pytest.raises(SceneError, match="FD_S010.nc: full disk .*Name the local area"):
            use()


def test_a_curvilinear_file_is_put_where_its_places_are(edited: Callable) -> None:
    """Reflectances that tell each pixel's column and row: bent by 4 pixels, right to a tenth."""
    column, row = curve(4.0)
    values = {865: column / 1000, 660: row / 1000}

    def show(dataset: netCDF4.Dataset) -> None:
        bent(dataset, 4.0)
        lon, lat = (np.asarray(dataset[name][:], float) for name in (LONGITUDE, LATITUDE))
        middle = START + (END - START) / 2
        cosine = np.cos(sun_position(middle, lon, lat)[0])
        for nm, shown in values.items():
            one = reflectance(np.ones(GRID.shape, np.float32), nm, middle, cosine)
            dataset[f"geophysical_data/L_TOA_{nm}"][:] = shown / one

    path = edited(show)
    image = read(path, CONFIG.model_copy(update={"bands": ["toa_865", "toa_660"]}))
    assert image.grid == grid(path, CONFIG) and "curvilinear" in image.history[-1]
    rows, columns = np.indices(image.grid.shape) + 0.5
    truth = ~GRID.transform @ (image.grid.transform @ (columns, rows))
    miss = np.hypot(*(1000 * image.values - np.stack(truth)))[image.valid]
    assert miss.max() < 0.1 and image.valid_fraction > 0.9


def test_inspect_tells_bands_sun_and_times(slot: Path) -> None:
    found = detection.inspect(slot)
    assert all(check.passed for check in found.assertions)
    facts = dict(found.facts)
    assert found.product == "GK2B/GOCI-II L1B"
    assert facts["observed"] == "20230514_023227 to 20230514_023331, middle 2023-05-14T02:32:59Z"
    assert facts["sun"].startswith("68.") and facts["sun"].endswith("1.01099 au away")
    assert "L_TOA_660 100.0%, 40 .. 40, float32" in facts["bands"]


def test_corners_are_those_of_the_slot(slot: Path) -> None:
    found = grid(slot, CONFIG)
    for corner in CORNERS:
        assert ~GRID.transform @ (found.transform @ corner) == pytest.approx(corner, abs=0.02)
