"""GOCI-II L2 AC: where pixels lie, when they were seen, what flags take away; and satpy agrees."""

import shutil
from collections.abc import Callable
from datetime import UTC
from functools import partial
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.warp import Resampling, reproject

from lstsr.config import Goci2Config
from lstsr.errors import SceneError
from lstsr.geo.footprint import outline
from lstsr.geo.resample import resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.sensors.goci2.ac import grid, inspect, read
from lstsr.sensors.goci2.bands import WAVELENGTHS_NM
from lstsr.simulate.goci2 import slot_grid, write_ac
from tests import goci2
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
    scan_angle_place,
)

Change = Callable[[netCDF4.Dataset], None]

CONFIG = Goci2Config(product="goci2")
RHOC_660, RHOC_865 = "geophysical_data/RhoC/RhoC_660", "geophysical_data/RhoC/RhoC_865"
FLAG = "geophysical_data/flag"


def reflectances(shape: tuple[int, int] = GRID.shape) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        w: (0.05 + w / 4000 + 0.1 * rng.random(shape)).astype(np.float32) for w in WAVELENGTHS_NM
    }


def flags() -> np.ndarray:
    flag = np.full(GRID.shape, 2, np.int32)  # land
    flag[10:20, 30:50] |= 1 << 2  # cloud
    flag[40:50, 30:50] |= 1 << 4  # its shadow
    flag[60:70, 30:50] |= 1 << 16  # no atmospheric correction, as over land
    return flag


def written(folder: Path, placed: Grid = GRID, slot: int | None = 10) -> Path:
    flag = flags() if placed.shape == GRID.shape else np.zeros(placed.shape, np.int32)
    made = reflectances(placed.shape)
    path = write_ac(folder, NOMINAL, slot or 10, START, END, placed, made, flag)
    return path if slot else as_mosaic(path)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slot")
    rhoc = reflectances()
    rhoc[660][0, :5] = np.nan
    return write_ac(folder, NOMINAL, 10, START, END, GRID, rhoc, flags())


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


@pytest.fixture
def rewritten(slot: Path, tmp_path: Path) -> Callable[..., Path]:
    """The file without one of its variables, or with another in its place."""
    return partial(goci2.rewritten, slot, tmp_path / slot.name)


def test_pixels_lie_where_the_scan_angles_say(slot: Path) -> None:
    found = grid(slot, CONFIG)
    assert found.shape == GRID.shape
    for column, row in ((0.5, 0.5), (159.5, 0.5), (80.5, 70.5), (0.5, 139.5), (159.5, 139.5)):
        place = place_in(found, scan_angle_place(column, row))
        assert place == pytest.approx((column, row), abs=0.05)


def test_a_whole_slot_has_its_footprint(tmp_path: Path) -> None:
    """As wide as a slot is over Korea, of every tenth line and column."""
    wide = slot_grid(127.0, 36.0, 270, 270)
    wide = Grid(wide.crs, wide.transform @ Affine.scale(10), 270, 270)
    found = grid(written(tmp_path, wide), CONFIG)
    ends = ((0, 0), (270, 0), (270, 270), (0, 270))
    truth = [scan_angle_place(*end, placed=wide) for end in ends]
    np.testing.assert_allclose(outline(found, 1), truth, atol=1e-4)


def test_trap_latitudes_are_of_pixel_centres(slot: Path) -> None:
    """Taken for corners, everything would lie half a pixel north-west."""
    found = grid(slot, CONFIG)
    assert ~found.transform @ (GRID.transform @ (0, 0)) == pytest.approx((0, 0), abs=0.02)
    with netCDF4.Dataset(slot) as dataset:
        first = float(dataset[LONGITUDE][0, 0]), float(dataset[LATITUDE][0, 0])
    assert place_in(found, first) == pytest.approx((0.5, 0.5), abs=0.02)


def test_rotation_is_kept(tmp_path: Path) -> None:
    turned = Grid(
        GRID.crs,
        GRID.transform @ Affine.rotation(0.3) @ Affine.shear(0.1, 0),
        GRID.width,
        GRID.height,
    )
    found = grid(written(tmp_path, turned), CONFIG)
    for corner in CORNERS:
        assert ~turned.transform @ (found.transform @ corner) == pytest.approx(corner, abs=0.02)


def test_trap_5_rasterio_takes_geolocation_arrays_for_corners(slot: Path) -> None:
    """Half a pixel off by rasterio's arrays, not by the fitted grid: easting and northing.

    Here a pixel of 250 m at nadir is 259 m wide and 352 m high.
    """
    with netCDF4.Dataset(slot) as dataset:
        lon, lat = (np.asarray(dataset[name][:], float) for name in (LONGITUDE, LATITUDE))
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32652", always_xy=True)
    east, north = to_utm.transform(lon, lat)
    fine = Grid(
        "EPSG:32652", Affine(250, 0, east.mean() - 1e4, 0, -250, north.mean() + 1e4), 80, 80
    )
    true_east, true_north = fine.transform @ (np.indices(fine.shape)[::-1] + 0.5)
    pixel_m = np.gradient(east, axis=1).mean(), -np.gradient(north, axis=0).mean()
    inner = np.s_[5:-5, 5:-5]
    shifts = []
    for field, truth in ((east, true_east), (north, true_north)):
        naive = np.zeros(fine.shape)
        reproject(
            field,
            naive,
            src_geoloc_array=np.stack([lon, lat]),
            src_crs=CRS.from_epsg(4326),
            dst_transform=fine.transform,
            dst_crs=CRS.from_string(fine.crs),
            resampling=Resampling.bilinear,
        )
        shifts.append((naive - truth)[inner].mean())
        values = (field - field.mean())[None].astype(np.float32)
        valid = np.ones(GRID.shape, bool)
        image = SensorImage(values, valid, grid(slot, CONFIG), ("metre",), "metre", "field")
        ours = resample(image, fine).values[0] + field.mean()
        assert np.abs((ours - truth)[inner]).max() < 0.02 * 250
    east_px, north_px = np.divide(shifts, pixel_m)
    assert (east_px, north_px) == pytest.approx((-0.5, 0.5), abs=0.03)


@pytest.mark.parametrize("slot_number", [10, None])
def test_satpy_opens_slot_and_mosaic_alike(slot_number: int | None, tmp_path: Path) -> None:
    from satpy import Scene

    path = written(tmp_path, slot=slot_number)
    scene = Scene(reader="goci2_l2_nc", filenames=[str(path)])
    scene.load(["RhoC_865"])
    theirs, ours = scene["RhoC_865"], read(path, CONFIG)
    np.testing.assert_array_equal(theirs.values[ours.valid], ours.values[1][ours.valid])
    assert theirs.attrs["start_time"].replace(tzinfo=UTC) == START
    lon, lat = (np.asarray(one) for one in theirs.attrs["area"].get_lonlats())
    to_degrees = Transformer.from_crs(ours.grid.crs, "EPSG:4326", always_xy=True)
    x, y = ours.grid.transform @ (np.indices(GRID.shape)[::-1] + 0.5)
    np.testing.assert_allclose((lon, lat), to_degrees.transform(x, y), atol=2e-5)


def test_xarray_and_gdal_open_it(slot: Path) -> None:
    with xarray.open_dataset(slot, group="geophysical_data/RhoC") as dataset:
        assert dataset.RhoC_865.dims == ("number_of_lines", "pixels_per_line")
        assert np.isnan(dataset.RhoC_660[0, 0])
        expected = float(dataset.RhoC_865[70, 80])
    with rasterio.open(f'HDF5:"{slot}"://geophysical_data/RhoC/RhoC_865') as dataset:
        assert dataset.read(1)[70, 80] == pytest.approx(expected)


def test_bands_flags_and_fill(slot: Path) -> None:
    image, truth, flag = read(slot, CONFIG), reflectances(), flags()
    clear = (flag & (1 << 2 | 1 << 4)) == 0
    clear[0, :5] = False
    np.testing.assert_array_equal(image.valid, clear)
    assert np.isnan(image.values[:, ~clear]).all()
    assert image.bands == ("rhoc_660", "rhoc_865", "ndvi")
    red, nir = truth[660][clear], truth[865][clear]
    np.testing.assert_allclose(image.values[:2, clear], [red, nir], rtol=1e-6)
    np.testing.assert_allclose(image.values[2, clear], (nir - red) / (nir + red), rtol=1e-4)
    assert image.viewpoint is not None and image.viewpoint.longitude_deg == 128.2


def test_flags_are_those_of_the_config(slot: Path, edited: Callable) -> None:
    clouds = CONFIG.model_copy(update={"masked": ["CLOUD"]})
    assert read(slot, clouds).valid[45, 40], "a shadow"

    def lose(dataset: netCDF4.Dataset) -> None:
        dataset[FLAG][90, 90] = -999

    assert not read(edited(lose), clouds).valid[90, 90], "fill, with the cloud's bit down"
    moved = CONFIG.model_copy(update={"masked": ["CLOUD"], "flag_bits": {"CLOUD": 16}})
    assert not read(slot, moved).valid[65, 40] and read(slot, moved).valid[15, 40]
    with pytest.raises(SceneError, match="flag DUST is unknown; known are CLOUD.*or flag_bits"):
        read(slot, CONFIG.model_copy(update={"masked": ["DUST"]}))


@pytest.mark.parametrize("masks", [np.array([1 << 4, 1 << 2], np.int32), "16, 4"])
def test_the_file_s_own_flag_meanings_come_first(edited: Callable, masks: np.ndarray | str) -> None:
    def name(dataset: netCDF4.Dataset) -> None:
        dataset[FLAG].flag_masks = masks
        dataset[FLAG].flag_meanings = "CLOUD HAZE"

    image = read(edited(name), CONFIG.model_copy(update={"masked": ["CLOUD"]}))
    assert not image.valid[45, 40], "bit 4 is the cloud now"
    assert image.valid[15, 40]
    with pytest.raises(SceneError, match="HIGH_GLINT is unknown; known are CLOUD, HAZE"):
        read(edited(name), CONFIG.model_copy(update={"masked": ["HIGH_GLINT"]}))


@pytest.mark.parametrize("masks", [[4], [4, 3], "four eight"])
def test_masks_that_are_no_bits_of_the_meanings_are_refused(
    edited: Callable, masks: object
) -> None:
    def name(dataset: netCDF4.Dataset) -> None:
        dataset[FLAG].flag_masks = masks if isinstance(masks, str) else np.array(masks, np.int32)
        dataset[FLAG].flag_meanings = "CLOUD HIGH_GLINT"

    with pytest.raises(
        SceneError, match="not give one bit for each of flag_meanings 'CLOUD HIGH_GLINT'"
    ):
        read(edited(name), CONFIG)


def test_stored_numbers_are_scaled_and_their_own_fill_is_masked(rewritten: Callable) -> None:
    def scaled(group: netCDF4.Group) -> None:
        dimensions = ("number_of_lines", "pixels_per_line")
        stored = group.createVariable("RhoC_660", "i2", dimensions, fill_value=-32768)
        stored.set_auto_maskandscale(False)
        stored.scale_factor, stored.add_offset = 1e-4, 0.1
        numbers = np.full(GRID.shape, 1500, np.int16)
        numbers[0, :3] = -32768, -999, 30000
        stored[:] = numbers

    only = CONFIG.model_copy(update={"bands": ["rhoc_660"]})
    image = read(rewritten(RHOC_660, scaled), only)
    assert image.values[0, 1, 1] == pytest.approx(0.25)
    assert image.values[0, 0, 1] == pytest.approx(0.1 - 0.0999), "no fill here"
    np.testing.assert_array_equal(image.valid[0, :4], [False, True, False, True])


def test_ranges_hold_for_each_band_and_ndvi_has_its_own(edited: Callable) -> None:
    pairs = {  # red, near infrared: the index that is left, if any
        (0.3, 0.1): -0.5,
        (0.004, 0.005): None,
        (-0.2, 0.1): None,
        (-0.1, 0.4): None,
        (2.5, 2.6): None,
        (np.inf, 0.2): None,
        (-999.0, 0.2): None,
        (0.2, np.nan): None,
    }

    def put(dataset: netCDF4.Dataset) -> None:
        for wavelength, values in zip((660, 865), zip(*pairs, strict=True), strict=True):
            dataset["geophysical_data/RhoC"][f"RhoC_{wavelength}"][100, : len(pairs)] = values

    expected = [np.nan if index is None else index for index in pairs.values()]
    for low in (-1.0, 0.0):
        only = CONFIG.model_copy(update={"bands": ["ndvi"], "valid_min": low})
        found = read(edited(put), only).values[0, 100, : len(pairs)]
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=f"valid_min {low}")
    both = read(edited(put), CONFIG.model_copy(update={"bands": ["rhoc_660", "rhoc_865"]}))
    inside = [True, True, True, True, False, False, False, False]
    np.testing.assert_array_equal(both.valid[100, : len(pairs)], inside)


def test_trap_9_the_slot_s_time_is_not_the_file_s(slot: Path, edited: Callable) -> None:
    """The scan of 02:15:30 saw slot S010 from 02:32:27 to 02:33:31."""
    assert "_021530_LA_S010" in slot.name
    assert read(slot, CONFIG).time == "2023-05-14T02:32:59Z"
    for text in ("2023-05-14T02:32:27Z", "2023-05-14 11:32:27+09:00", "2023-05-14T02:32:27"):
        iso = edited(lambda one, text=text: one.setncattr("observation_start_time", text))
        assert read(iso, CONFIG).time == "2023-05-14T02:32:59Z"
    lost = edited(lambda one: one.delncattr("observation_end_time"))
    with pytest.raises(SceneError, match="attribute observation_end_time is missing"):
        read(lost, CONFIG)
    odd = edited(lambda one: one.setncattr("observation_end_time", "soon"))
    with pytest.raises(SceneError, match="observation_end_time = 'soon' is not a time"):
        read(odd, CONFIG)
    assert [one.found for one in inspect(odd).assertions if not one.passed] == [
        "20230514_023227 to soon"
    ]


def test_trap_8_level_1b_is_no_level_2(tmp_path: Path) -> None:
    """Other names, dimensions and fill: refused by name, not read as an empty file."""
    path = tmp_path / "GK2_GOCI2_L1B_20230514_021530_LA_S010.nc"
    dimensions = ("number_of_lines", "number_of_columns")
    with netCDF4.Dataset(path, "w") as dataset:
        for name in dimensions:
            dataset.createDimension(name, 4)
        for name in ("geophysical_data/L_TOA_865", LATITUDE, LONGITUDE):
            dataset.createVariable(name, "f4", dimensions)[:] = np.arange(16).reshape(4, 4)
    for use in (lambda: read(path, CONFIG), lambda: grid(path, CONFIG), lambda: inspect(path)):
        with pytest.raises(SceneError, match="LA_S010.nc: not Level 2 AC .* but Level 1B"):
            use()


def test_a_product_without_rhoc_is_named(tmp_path: Path) -> None:
    path = tmp_path / "GK2B_GOCI2_L2_20230514_021530_LA_Chl.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createGroup("geophysical_data").createVariable("Chl", "f4")
    for use in (read, grid):
        with pytest.raises(SceneError, match="not Level 2 AC .*, with RhoC.. Name another file$"):
            use(path, CONFIG)


def test_a_curvilinear_file_is_put_where_its_places_are(edited: Callable) -> None:
    """Up to 3 pixels bent: a plane field is the plane again, so each pixel tells its place."""

    def show(dataset: netCDF4.Dataset) -> None:
        bent(dataset)
        column, row = curve(3.0)
        dataset[RHOC_660][:], dataset[RHOC_865][:] = column / 1000, row / 1000
        dataset[FLAG][:] = 2
        dataset[FLAG][100, 120] |= 1 << 2

    path = edited(show)
    only = CONFIG.model_copy(update={"bands": ["rhoc_660", "rhoc_865"]})
    image = read(path, only)
    assert image.grid == grid(path, only)
    assert "curvilinear coordinates up to 3." in image.history[-1]
    row, column = np.indices(image.grid.shape) + 0.5
    truth = ~GRID.transform @ (image.grid.transform @ (column, row))
    miss = np.hypot(*(1000 * image.values - np.stack(truth)))[image.valid]
    assert miss.max() < 0.1 and image.valid_fraction > 0.9
    hole = np.hypot(truth[0] - curve(3.0)[0][100, 120], truth[1] - curve(3.0)[1][100, 120])
    assert not image.valid[hole < 0.9].any() and image.valid[(hole > 2) & (hole < 10)].all()


def test_the_edge_of_what_is_known_of_a_curve_is_left_out(edited: Callable) -> None:
    """What stands beside unknown places is not guessed."""

    def cut(dataset: netCDF4.Dataset) -> None:
        bent(dataset)
        column, row = curve(3.0)
        dataset[RHOC_660][:], dataset[RHOC_865][:], dataset[FLAG][:] = column / 1e3, row / 1e3, 2
        dataset[LATITUDE][:9], dataset[LONGITUDE][50:60, 70:90] = -999, np.nan
        dataset[RHOC_660][:9], dataset[RHOC_660][50:60, 70:90] = 1.0, 1.0

    image = read(edited(cut), CONFIG.model_copy(update={"bands": ["rhoc_660", "rhoc_865"]}))
    row, column = np.indices(image.grid.shape) + 0.5
    truth = ~GRID.transform @ (image.grid.transform @ (column, row))
    assert np.hypot(*(1000 * image.values - np.stack(truth)))[image.valid].max() < 0.1
    assert 0.75 < image.valid_fraction < 0.95


def test_a_field_through_a_curve_is_that_field(edited: Callable) -> None:
    """Waves of 12 pixels; bilinear reading flattens them by up to 3.4 % (1 - cos(pi / 12))."""

    def field(column: np.ndarray, row: np.ndarray) -> np.ndarray:
        return 0.3 + 0.1 * np.sin(2 * np.pi * column / 12) * np.cos(2 * np.pi * row / 12)

    def show(dataset: netCDF4.Dataset) -> None:
        bent(dataset, 5.0)
        dataset[RHOC_865][:], dataset[FLAG][:] = field(*curve(5.0)), 2

    image = read(edited(show), CONFIG.model_copy(update={"bands": ["rhoc_865"]}))
    row, column = np.indices(image.grid.shape) + 0.5
    truth = field(*(~GRID.transform @ (image.grid.transform @ (column, row))))
    error = (image.values[0] - truth)[image.valid]
    # 0.1 pixel out of place would be 0.005
    assert np.abs(error).max() < 0.0075 and np.sqrt((error**2).mean()) < 0.003


def test_a_twentieth_of_a_pixel_is_regular(edited: Callable) -> None:
    path = edited(lambda dataset: bent(dataset, 0.03))
    image = read(path, CONFIG)
    assert image.grid.shape == GRID.shape and "curvilinear" not in " ".join(image.history)
    assert inspect(path).assertions[0].found.endswith("pixel, regular")
    curved = inspect(edited(bent)).assertions[0]
    assert curved.passed and curved.found.endswith("curvilinear, resampled when read")


def test_places_that_are_no_image_are_refused(edited: Callable) -> None:
    def far(dataset: netCDF4.Dataset) -> None:
        rows = np.linspace(-1, 1, GRID.height)[:, None]
        dataset[LONGITUDE][:] = dataset[LONGITUDE][:] + 0.4 * rows**2

    def folded(dataset: netCDF4.Dataset) -> None:
        dataset[LATITUDE][60:80] = dataset[LATITUDE][79:59:-1]

    for change, reason in ((far, "residual [0-9.]+ pixel, curvi.*50 are"), (folded, "of order")):
        path = edited(change)
        for use in (grid, read):
            with pytest.raises(
                SceneError, match=f"AC.nc: .*do not form a geostationary image.*{reason}"
            ):
                use(path, CONFIG)
        assert [one.passed for one in inspect(path).assertions] == [False, True, True]


def test_the_full_disk_is_refused(tmp_path: Path) -> None:
    disk = Grid(GRID.crs, Affine(2e5, 0, -5.5e6, 0, -2e5, 5.5e6), 55, 55)
    path = written(tmp_path, disk).rename(tmp_path / "GK2B_GOCI2_L2_20230514_021530_FD_AC.nc")
    with pytest.raises(SceneError, match="FD_AC.nc: full disk .*Name the local area"):
        grid(path, CONFIG)


def test_places_that_are_fill_are_left_out(slot: Path, edited: Callable) -> None:
    def cut(dataset: netCDF4.Dataset) -> None:
        for name in (LATITUDE, LONGITUDE):
            dataset[name][:8], dataset[name][:, -30:] = -999, np.nan

    found = grid(edited(cut), CONFIG)
    for corner in CORNERS:
        assert ~GRID.transform @ (found.transform @ corner) == pytest.approx(corner, abs=0.02)

    def empty(dataset: netCDF4.Dataset) -> None:
        dataset[LATITUDE][:] = -999

    with pytest.raises(SceneError, match="latitude and longitude are empty or constant"):
        grid(edited(empty), CONFIG)


def test_the_longitude_that_fits_is_the_grid_s(
    slot: Path, edited: Callable, tmp_path: Path
) -> None:
    """Without one in the file, beside that of a drifting satellite, and beside one in radians."""
    nominal = grid(slot, CONFIG)

    def bare(dataset: netCDF4.Dataset) -> None:
        for name in ("sub_longitude", "longitude_of_projection_origin"):
            dataset.delncattr(name)

    assert grid(edited(bare), CONFIG) == nominal
    for other in (127.9, 128.9, np.radians(128.2), "128.2"):

        def drift(dataset: netCDF4.Dataset, other: float | str = other) -> None:
            dataset.delncattr("longitude_of_projection_origin")
            dataset.sub_longitude = other

        assert grid(edited(drift), CONFIG) == nominal

    moved = Grid(Viewpoint(120.0).crs, GRID.transform, GRID.width, GRID.height)
    path = written(tmp_path, moved)
    assert "curvilinear" in inspect(path).assertions[0].found
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.longitude_of_projection_origin = 120.0
    assert grid(path, CONFIG).crs == moved.crs


def test_inspect_tells_bands_flags_and_times(slot: Path, rewritten: Callable) -> None:
    found = inspect(slot)
    assert all(check.passed for check in found.assertions)
    facts = dict(found.facts)
    assert facts["observed"] == "20230514_023227 to 20230514_023331, middle 2023-05-14T02:32:59Z"
    assert "CLOUD (bit 2) 0.9%" in facts["flags"] and "assumed" in facts["flags"]
    assert "RhoC_660 100.0% (100.0% over land), 0.215 .. 0.315, float32" in facts["bands"]
    lost = inspect(rewritten(RHOC_660))
    assert [check.found for check in lost.assertions if not check.passed] == ["missing 660"]


def test_missing_variables_are_named(rewritten: Callable) -> None:
    for name, reads in ((RHOC_660, read), (LATITUDE, grid), (FLAG, read)):
        with pytest.raises(SceneError, match=f"variable {name} is missing"):
            reads(rewritten(name), CONFIG)


def test_arrays_of_another_shape_are_named(rewritten: Callable) -> None:
    def short(group: netCDF4.Group) -> None:
        group.createDimension("short", 7)
        group.createVariable("RhoC_660", "f4", ("number_of_lines", "short"))

    with pytest.raises(SceneError, match=r"RhoC_660 has shape \(140, 7\), .*latitude \(140, 160\)"):
        read(rewritten(RHOC_660, short), CONFIG)


def test_a_scene_without_a_valid_pixel_says_why(edited: Callable) -> None:
    def cover(dataset: netCDF4.Dataset) -> None:
        dataset[FLAG][:] = 4

    with pytest.raises(
        SceneError, match="no valid pixel: 100.0% of the pixels have RhoC, and 0.0% have none"
    ):
        read(edited(cover), CONFIG)

    def empty(dataset: netCDF4.Dataset) -> None:
        dataset[RHOC_660][:] = -999

    with pytest.raises(SceneError, match="no valid pixel: RhoC is empty .* over land"):
        read(edited(empty), CONFIG)


def test_damaged_files_are_named(slot: Path, tmp_path: Path) -> None:
    content = slot.read_bytes()
    path = tmp_path / "cut.nc"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SceneError, match="cut.nc: not a NetCDF file, or truncated"):
        read(path, CONFIG)
    damaged = tmp_path / "damaged.nc"
    damaged.write_bytes(content)
    with netCDF4.Dataset(slot) as dataset:
        size = dataset[RHOC_660][:].nbytes // 2
    start = len(content) // 2
    damaged.write_bytes(content[:start] + bytes(size) + content[start + size :])
    every = CONFIG.model_copy(update={"bands": [f"rhoc_{nm}" for nm in WAVELENGTHS_NM]})
    with pytest.raises(SceneError, match="damaged.nc: cannot be read completely"):
        read(damaged, every)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.nc", CONFIG)


def test_flags_that_are_no_whole_numbers_are_refused(rewritten: Callable) -> None:
    def real(group: netCDF4.Group) -> None:
        group.createVariable("flag", "f4", ("number_of_lines", "pixels_per_line"))[:] = np.nan

    with pytest.raises(SceneError, match=f"AC.nc: {FLAG} holds float32, but flag bits need"):
        read(rewritten(FLAG, real), CONFIG)


@pytest.mark.parametrize("masks", [np.array([np.inf, 4.0]), np.array([np.nan, 4.0])])
def test_masks_that_are_no_numbers_are_refused(edited: Callable, masks: np.ndarray) -> None:
    def name(dataset: netCDF4.Dataset) -> None:
        dataset[FLAG].flag_masks, dataset[FLAG].flag_meanings = masks, "CLOUD HAZE"

    with pytest.raises(SceneError, match="not give one bit for each of flag_meanings 'CLOUD HAZE'"):
        read(edited(name), CONFIG)
