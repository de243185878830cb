"""GK2A LST: where pixels lie, what they hold, and files that contradict themselves."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray
from pyproj import Transformer

from lstsr.config import Gk2aConfig
from lstsr.errors import SceneError
from lstsr.image import Viewpoint
from lstsr.sensors.gk2a import AREAS, grid, inspect, read
from lstsr.simulate.gk2a import write_lst

TIME = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
CONFIG = Gk2aConfig(product="gk2a")
PROJECTION = "gk2a_imager_projection"


def lst(area: str) -> tuple[np.ndarray, np.ndarray]:
    """276 K and a gradient, a hole, and every flag."""
    height, width = AREAS[area].shape
    lst_k = np.full((height, width), 276.0, np.float32)
    lst_k[:, : width // 2] += np.linspace(0, 30, width // 2, dtype=np.float32)
    lst_k[100:140, 200:260] = np.nan
    quality = np.zeros((height, width), np.uint8)
    quality[300:310], quality[310:320] = 1, 2
    return lst_k, quality


@pytest.fixture(scope="module")
def korea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lst(tmp_path_factory.mktemp("ko"), TIME, "ko", *lst("ko"))


@pytest.fixture
def edited(korea: Path, tmp_path: Path) -> Callable[[Callable[[netCDF4.Dataset], None]], Path]:
    """A copy of the Korean file, changed."""

    def edit(change: Callable[[netCDF4.Dataset], None], name: str = korea.name) -> Path:
        path = tmp_path / name
        shutil.copy(korea, path)
        with netCDF4.Dataset(path, "a") as dataset:
            change(dataset)
        return path

    return edit


@pytest.mark.parametrize("area", ["ko", "ea"])
def test_lambert_pixels_lie_where_kma_s_grid_says(area: str, tmp_path: Path) -> None:
    """Independent: corner pixel centres of the area's table, through PROJ."""
    path = write_lst(tmp_path, TIME, area, *lst(area))
    found = grid(path, CONFIG)
    west, north = {"ko": (-899_000, 899_000), "ea": (-2_999_000, 2_599_000)}[area]
    assert found.shape == {"ko": (900, 900), "ea": (2600, 3000)}[area]
    lcc = "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +ellps=WGS84"
    to_degrees = Transformer.from_crs(lcc, "EPSG:4326", always_xy=True)
    for row, column in ((0, 0), (0, 899), (450, 450), (899, 899)):
        truth = to_degrees.transform(west + 2000 * column, north - 2000 * row)
        here = found.transform @ (column + 0.5, row + 0.5)
        ours = Transformer.from_crs(found.crs, "EPSG:4326", always_xy=True).transform(*here)
        x, y = to_degrees.transform(*ours, direction="INVERSE")
        a, b = to_degrees.transform(*truth, direction="INVERSE")
        assert np.hypot(x - a, y - b) < 0.05 * 2000
        assert ours == pytest.approx(truth, abs=2e-5)


def test_full_disk_pixels_lie_where_the_scan_angles_say(tmp_path: Path) -> None:
    """Independent: the CGMS normalised geostationary projection, written out."""
    path = write_lst(tmp_path, TIME, "fd", *lst("fd"))
    found = grid(path, CONFIG)
    assert found.shape == (5500, 5500)
    column, row = 2700, 1200  # counted from 0
    x = np.radians((column + 1 - 2750.5) * 65536 / 20425338.903339352)
    y = -np.radians((row + 1 - 2750.5) * 65536 / 20425338.903339352)
    distance, a, b = 42_164_000.0, 6_378_137.0, 6_356_752.3
    # the line of sight (cos x cos y, sin x cos y, sin y) meets the ellipsoid
    ray = np.array([-np.cos(x) * np.cos(y), np.sin(x) * np.cos(y), np.sin(y)])
    scale = np.array([1 / a, 1 / a, 1 / b])
    start = np.array([distance, 0, 0])
    p, q, r = (
        ((ray * scale) ** 2).sum(),
        (ray * start * scale**2).sum(),
        ((start * scale) ** 2).sum() - 1,
    )
    point = start + ray * (-q - np.sqrt(q * q - p * r)) / p
    lon = 128.2 + np.degrees(np.arctan2(point[1], point[0]))
    lat = np.degrees(np.arctan(point[2] / np.hypot(*point[:2]) * (a / b) ** 2))
    to_grid = Transformer.from_crs("EPSG:4326", found.crs, always_xy=True)
    where = ~found.transform @ to_grid.transform(lon, lat)
    assert where == pytest.approx((column + 0.5, row + 0.5), abs=0.05)
    assert read(path, CONFIG).viewpoint == Viewpoint(128.2)


def test_values_are_kelvin_to_a_hundredth_where_flags_allow(korea: Path) -> None:
    image, (truth, quality) = read(korea, CONFIG), lst("ko")
    np.testing.assert_array_equal(image.valid, np.isfinite(truth) & (quality == 0))
    np.testing.assert_allclose(image.values[0][image.valid], truth[image.valid], atol=0.0051)
    assert (image.bands, image.unit, image.time) == (("lst",), "kelvin", "2023-05-14T02:10:00Z")
    assert np.isnan(image.values[0][~image.valid]).all()
    lenient = read(korea, CONFIG.model_copy(update={"accepted": [0, 2]}))
    np.testing.assert_array_equal(lenient.valid, np.isfinite(truth) & (quality != 1))


def test_trap_lst_is_scaled_once(korea: Path) -> None:
    """276 K scaled twice is 2.76 K: netCDF4 scales by itself unless it is told not to."""
    assert read(korea, CONFIG).values[0, 5, 890] == pytest.approx(276.0)
    with netCDF4.Dataset(korea) as dataset:
        by_library = dataset["LST"][5, 890]
        assert by_library == pytest.approx(276.0), "already scaled"
        assert by_library * dataset["LST"].scale_factor == pytest.approx(2.76, abs=0.01)


def test_packing_of_a_file_without_attributes_is_kma_s(edited: Callable) -> None:
    def forget(dataset: netCDF4.Dataset) -> None:
        for name in ("scale_factor", "add_offset"):
            dataset["LST"].delncattr(name)

    assert read(edited(forget), CONFIG).values[0, 5, 890] == pytest.approx(276.0)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_trap_4_gdal_misplaces_the_file_and_the_reader_does_not(korea: Path) -> None:
    """GDAL finds no standard parallels under their CF names: a wrong system, no transform."""
    with rasterio.open(f'NETCDF:"{korea}":LST') as dataset:
        system = dataset.crs.to_dict() if dataset.crs else {}
        assert dataset.transform.is_identity or system.get("lat_0") != 38
        assert system.get("lon_0", 0) != 126
    ours = grid(korea, CONFIG)
    assert ours.transform @ (0, 0) == (-900_000, 900_000)
    assert "+lat_0=38 +lon_0=126" in ours.crs


def test_trap_corner_attributes_are_centres_of_pixels(korea: Path, edited: Callable) -> None:
    """Written as outer corners, they are half a pixel off: seen, because the four disagree."""
    assert grid(korea, CONFIG).transform.c == -900_000

    def outer(dataset: netCDF4.Dataset) -> None:
        projection = dataset[PROJECTION]
        for name, x, y in (("upper_left", -1, 1), ("lower_right", 1, -1)):
            for axis, sign in (("easting", x), ("northing", y)):
                attribute = f"{name}_{axis}"
                projection.setncattr(attribute, projection.getncattr(attribute) + sign * 1000)

    with pytest.raises(SceneError, match="upper_right_easting/northing on the grid fails"):
        grid(edited(outer), CONFIG)


def test_a_flipped_or_resized_file_is_refused(edited: Callable) -> None:
    def flip(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].lower_left_northing = 899_000.0

    def shrink(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].image_width = 1800

    with pytest.raises(SceneError, match="lower_left"):
        grid(edited(flip), CONFIG)
    with pytest.raises(SceneError, match="image_width = LST's fails: 1800 and 900"):
        grid(edited(shrink), CONFIG)


def test_numbers_may_be_stored_as_text(edited: Callable) -> None:
    def write(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].delncattr("pixel_size")
        dataset[PROJECTION].pixel_size = "2000.0"

    assert grid(edited(write), CONFIG).gsd_m == 2000

    def garble(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].delncattr("pixel_size")
        dataset[PROJECTION].pixel_size = "two"

    with pytest.raises(SceneError, match="pixel_size = 'two' is no number"):
        grid(edited(garble), CONFIG)


def test_the_wrong_area_code_is_refused(korea: Path, tmp_path: Path) -> None:
    path = tmp_path / korea.name.replace("ko020lc", "ea020lc")
    shutil.copy(korea, path)
    with pytest.raises(SceneError, match="name says ea, the grid is that of ko"):
        read(path, CONFIG)


def test_a_name_without_time_is_refused(korea: Path, tmp_path: Path) -> None:
    for name, words in (("lst.nc", "no time in the name"), ("202313010210.nc", "is no time")):
        shutil.copy(korea, tmp_path / name)
        with pytest.raises(SceneError, match=words):
            read(tmp_path / name, CONFIG)
    shutil.copy(korea, tmp_path / "202305140212.nc")
    assert read(tmp_path / "202305140212.nc", CONFIG).time == "2023-05-14T02:12:00Z"


@pytest.mark.parametrize("name", ["LST", "DQF_LST", PROJECTION])
def test_a_missing_variable_is_named(edited: Callable, name: str) -> None:
    path = edited(lambda dataset: dataset.renameVariable(name, "other"))
    with pytest.raises(SceneError, match=f"variable {name} is missing"):
        read(path, CONFIG)


def test_another_projection_is_named(edited: Callable) -> None:
    path = edited(lambda one: one[PROJECTION].setncattr("grid_mapping_name", "mercator"))
    with pytest.raises(SceneError, match="'mercator' is neither Lambert"):
        grid(path, CONFIG)


def test_truncated_and_foreign_bytes_are_named(korea: Path, tmp_path: Path) -> None:
    whole = korea.read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("page", b"<html>sign in</html>")):
        path = tmp_path / f"{name}_202305140210.nc"
        path.write_bytes(content)
        with pytest.raises(SceneError, match="no NetCDF, or truncated"):
            read(path, CONFIG)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.nc", CONFIG)


def test_a_scene_of_cloud_has_no_valid_pixel(tmp_path: Path) -> None:
    lst_k, quality = lst("ko")
    path = write_lst(tmp_path, TIME, "ko", lst_k, np.full_like(quality, 1))
    with pytest.raises(SceneError, match="no valid pixel"):
        read(path, CONFIG)


def test_xarray_opens_it_in_kelvin(korea: Path) -> None:
    with xarray.open_dataset(korea) as dataset:
        assert list(dataset)[:2] == ["DQF_LST", "LST"]
        assert dataset.LST.dims == ("dim_y", "dim_x")
        assert float(dataset.LST[5, 890]) == pytest.approx(276.0)
        assert np.isnan(dataset.LST[120, 230])
        assert dataset.attrs["origianl_sourece_file"].endswith(".nc")


def test_inspect_tells_what_holds_and_what_does_not(korea: Path, edited: Callable) -> None:
    good = inspect(korea)
    assert all(check.passed for check in good.assertions)
    facts = dict(good.facts)
    assert facts["time"] == "2023-05-14T02:10:00Z"
    assert facts["size"] == "900 rows x 900 columns of 2000.00 m"
    assert "1: 1.1%" in facts["DQF_LST"]

    def flip(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].lower_left_northing = 899_000.0

    failed = [check.claim for check in inspect(edited(flip)).assertions if not check.passed]
    assert failed == ["lower_left_easting/northing on the grid"]
