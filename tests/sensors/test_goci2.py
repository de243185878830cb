"""GOCI-II L2 AC: where pixels lie, when they were seen, what flags take away; and satpy agrees."""

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
from pyproj import Transformer
from rasterio.warp import Resampling, reproject

from lstsr.config import Goci2Config
from lstsr.errors import SceneError
from lstsr.geo.resample import resample
from lstsr.grid import Grid
from lstsr.sensors.goci2 import WAVELENGTHS_NM, grid, inspect, read
from lstsr.simulate.goci2 import slot_grid, write_ac

NOMINAL = datetime(2023, 5, 14, 2, 15, 30, tzinfo=UTC)
START, END = NOMINAL.replace(minute=32, second=27), NOMINAL.replace(minute=33, second=31)
CONFIG = Goci2Config(product="goci2")
GRID = slot_grid(127.4, 36.6, 140, 160)


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


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slot")
    rhoc = reflectances()
    rhoc[660][0, :5] = np.nan
    return write_ac(folder, NOMINAL, 10, START, END, GRID, rhoc, flags())


@pytest.fixture
def edited(slot: Path, tmp_path: Path) -> Callable[[Callable[[netCDF4.Dataset], None]], Path]:
    def edit(change: Callable[[netCDF4.Dataset], None]) -> Path:
        path = tmp_path / slot.name
        shutil.copy(slot, path)
        with netCDF4.Dataset(path, "a") as dataset:
            dataset.set_auto_maskandscale(False)
            change(dataset)
        return path

    return edit


def scan_angle_place(column: float, row: float) -> tuple[float, float]:
    """Longitude and latitude of a place of GRID by the CGMS 03 projection, written out."""
    x, y = np.array(GRID.transform @ (column, row)) / 35_785_863.0
    distance, flat = 42_164_000.0, (6_378_137.0 / 6_356_752.3) ** 2
    cx, sx, cy, sy = np.cos(x), np.sin(x), np.cos(y), np.sin(y)
    a = cy**2 + flat * sy**2
    root = np.sqrt((distance * cx * cy) ** 2 - a * (distance**2 - 6_378_137.0**2))
    along = (distance * cx * cy - root) / a
    s1, s2, s3 = distance - along * cx * cy, along * sx * cy, along * sy
    return 128.2 + float(np.degrees(np.arctan2(s2, s1))), float(
        np.degrees(np.arctan(flat * s3 / np.hypot(s1, s2)))
    )


def test_pixels_lie_where_the_scan_angles_say(slot: Path) -> None:
    found = grid(slot, CONFIG)
    assert found.shape == GRID.shape
    to_grid = Transformer.from_crs("EPSG:4326", found.crs, always_xy=True)
    for column, row in ((0.5, 0.5), (159.5, 0.5), (80.5, 70.5), (0.5, 139.5), (159.5, 139.5)):
        place = ~found.transform @ to_grid.transform(*scan_angle_place(column, row))
        assert place == pytest.approx((column, row), abs=0.05)


def test_trap_latitudes_are_of_pixel_centres(slot: Path) -> None:
    """Taken for corners, everything would lie half a pixel north-west."""
    found = grid(slot, CONFIG)
    assert ~found.transform @ (GRID.transform @ (0, 0)) == pytest.approx((0, 0), abs=0.02)
    with netCDF4.Dataset(slot) as dataset:
        first = [
            float(dataset["navigation_data"][name][0, 0]) for name in ("longitude", "latitude")
        ]
    to_grid = Transformer.from_crs("EPSG:4326", found.crs, always_xy=True)
    assert ~found.transform @ to_grid.transform(*first) == pytest.approx((0.5, 0.5), abs=0.02)


def test_trap_5_rasterio_takes_geolocation_arrays_for_corners(slot: Path) -> None:
    """Half a pixel off by rasterio's arrays, not by the fitted grid: the same smooth field."""
    with netCDF4.Dataset(slot) as dataset:
        lon, lat = (
            np.asarray(dataset["navigation_data"][name][:], float)
            for name in ("longitude", "latitude")
        )
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32652", always_xy=True)
    x, y = to_utm.transform(lon, lat)
    fine = Grid("EPSG:32652", Affine(250, 0, x.mean() - 1e4, 0, -250, y.mean() + 1e4), 80, 80)
    columns, rows = np.meshgrid(np.arange(80) + 0.5, np.arange(80) + 0.5)
    truth_x, truth_y = fine.transform @ (columns, rows)
    for source, truth in ((x, truth_x), (y, truth_y)):
        naive = np.zeros(fine.shape)
        reproject(
            source,
            naive,
            src_geoloc_array=np.stack([lon, lat]),
            src_crs="EPSG:4326",
            dst_transform=fine.transform,
            dst_crs=fine.crs,
            resampling=Resampling.bilinear,
        )
        image = read(slot, CONFIG)
        placed = image.__class__(
            (source - source.mean())[None].astype(np.float32),
            np.ones(GRID.shape, bool),
            image.grid,
            ("b",),
            "reflectance",
            "s",
        )
        ours = resample(placed, fine).values[0] + source.mean()
        inner = np.s_[5:-5, 5:-5]
        assert abs((naive - truth)[inner].mean()) > 0.3 * 250
        assert np.abs((ours - truth)[inner]).max() < 0.05 * 250


@pytest.mark.parametrize("slot_number", [10, None])
def test_satpy_opens_slot_and_mosaic_alike(slot_number: int | None, tmp_path: Path) -> None:
    from satpy import Scene

    path = write_ac(tmp_path, NOMINAL, slot_number, START, END, GRID, reflectances(), flags())
    scene = Scene(reader="goci2_l2_nc", filenames=[str(path)])
    scene.load(["RhoC_865"])
    theirs, ours = scene["RhoC_865"], read(path, CONFIG)
    valid = ours.valid
    np.testing.assert_allclose(theirs.values[valid], ours.values[1][valid], rtol=1e-6)
    assert theirs.attrs["start_time"].replace(tzinfo=UTC) == START
    lon, lat = (np.asarray(one) for one in theirs.attrs["area"].get_lonlats())
    assert (lon[70, 80], lat[70, 80]) == pytest.approx(scan_angle_place(80.5, 70.5), abs=1e-4)


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
    assert image.bands == ("rhoc_660", "rhoc_865", "ndvi")
    red, nir = truth[660][clear], truth[865][clear]
    np.testing.assert_allclose(image.values[:2, clear], [red, nir], rtol=1e-6)
    np.testing.assert_allclose(image.values[2, clear], (nir - red) / (nir + red), rtol=1e-4)
    assert image.viewpoint is not None and image.viewpoint.longitude_deg == 128.2
    shadow = read(slot, CONFIG.model_copy(update={"masked": ["CLOUD"]}))
    assert shadow.valid[45, 40]
    with pytest.raises(SceneError, match="flag DUST is unknown; known are CLOUD"):
        read(slot, CONFIG.model_copy(update={"masked": ["DUST"]}))


def test_the_file_s_own_flag_meanings_come_first(edited: Callable) -> None:
    def name(dataset: netCDF4.Dataset) -> None:
        flag = dataset["geophysical_data/flag"]
        flag.flag_masks = np.array([1 << 4, 1 << 2], np.int32)
        flag.flag_meanings = "CLOUD HAZE"

    image = read(edited(name), CONFIG.model_copy(update={"masked": ["CLOUD"]}))
    assert not image.valid[45, 40], "bit 4 is the cloud now"
    assert image.valid[15, 40]


def test_trap_9_the_slot_s_time_is_not_the_file_s(slot: Path, edited: Callable) -> None:
    """The scan of 02:15:30 saw slot S010 from 02:32:27 to 02:33:31."""
    assert "_021530_LA_S010" in slot.name
    assert read(slot, CONFIG).time == "2023-05-14T02:32:59Z"
    iso = edited(lambda one: one.setncattr("observation_start_time", "2023-05-14T02:32:27Z"))
    assert read(iso, CONFIG).time == "2023-05-14T02:32:59Z"
    lost = edited(lambda one: one.delncattr("observation_end_time"))
    with pytest.raises(SceneError, match="attribute observation_end_time is missing"):
        read(lost, CONFIG)


def test_trap_8_level_1b_is_no_level_2(tmp_path: Path) -> None:
    """Other names, dimensions and fill: refused by name, not read as an empty file."""
    path = tmp_path / "GK2_GOCI2_L1B_20230514_021530_LA_S010.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("number_of_lines", 4)
        dataset.createDimension("number_of_columns", 4)
        group = dataset.createGroup("geophysical_data")
        group.createVariable("L_TOA_865", "f4", ("number_of_lines", "number_of_columns"))
    with pytest.raises(SceneError, match="Level 1B"):
        read(path, CONFIG)


def test_a_product_without_rhoc_is_named(tmp_path: Path) -> None:
    path = tmp_path / "GK2B_GOCI2_L2_20230514_021530_LA_Chl.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createGroup("geophysical_data").createVariable("Chl", "f4")
    with pytest.raises(SceneError, match="no RhoC in it"):
        read(path, CONFIG)


def test_a_curved_grid_is_refused_and_its_residual_told(edited: Callable) -> None:
    """0.2 pixel of curvature; the rounding of 32-bit degrees passes."""

    def bend(dataset: netCDF4.Dataset) -> None:
        latitude = dataset["navigation_data/latitude"]
        rows = np.linspace(-1, 1, GRID.height)[:, None]
        latitude[:] = latitude[:] + 0.4 * rows**2 * 0.0031

    path = edited(bend)
    with pytest.raises(SceneError, match="no regular geostationary grid .off by 0.2"):
        grid(path, CONFIG)
    failed = [check.found for check in inspect(path).assertions if not check.passed]
    assert len(failed) == 1 and "residual 0.2" in failed[0]


def test_inspect_tells_bands_flags_and_times(slot: Path) -> None:
    found = inspect(slot)
    assert all(check.passed for check in found.assertions)
    facts = dict(found.facts)
    assert facts["observed"] == "20230514_023227 to 20230514_023331"
    assert "CLOUD (bit 2) 0.9%" in facts["flags"]
    assert "rhoc_660 100.0%" in facts["bands"]


def test_faults_are_named(slot: Path, edited: Callable, tmp_path: Path) -> None:
    gone = edited(lambda one: one["geophysical_data/RhoC"].renameVariable("RhoC_660", "x"))
    with pytest.raises(SceneError, match="variable geophysical_data/RhoC/RhoC_660 is missing"):
        read(gone, CONFIG)
    gone = edited(lambda one: one["navigation_data"].renameVariable("latitude", "x"))
    with pytest.raises(SceneError, match="variable navigation_data/latitude is missing"):
        grid(gone, CONFIG)

    def cover(dataset: netCDF4.Dataset) -> None:
        dataset["geophysical_data/flag"][:] = 4

    with pytest.raises(SceneError, match="no valid pixel: RhoC is filled in 100"):
        read(edited(cover), CONFIG)
    path = tmp_path / "cut.nc"
    path.write_bytes(slot.read_bytes()[: slot.stat().st_size // 2])
    with pytest.raises(SceneError, match="no NetCDF, or truncated"):
        read(path, CONFIG)
