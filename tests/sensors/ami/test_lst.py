"""GK2A LST: where pixels lie, what they hold, and files that contradict themselves."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray
from pyproj import Transformer

from lstsr.config import Gk2aConfig
from lstsr.errors import SceneError
from lstsr.image import Viewpoint
from lstsr.sensors.ami.grids import AREAS
from lstsr.sensors.ami.lst import grid, inspect, read
from lstsr.sensors.inspection import Inspection
from tests.ami import write_lst
from tests.projections import lambert_place, scan_place

TIME = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
CONFIG = Gk2aConfig(product="gk2a")
PROJECTION = "gk2a_imager_projection"
FACTOR, HEIGHT_M = 20425338.903339352, 35_785_863.0
A_M, B_M = 6_378_137.0, 6_356_752.3


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


def by_hand(path: Path, projection: dict[str, Any], size: int, axes: str = "dim") -> Path:
    """A small file of 290 K, without the writer: no packing, no sizes, no global attributes."""
    with netCDF4.Dataset(path, "w") as dataset:
        dimensions = [f"{axes}_y", f"{axes}_x"]
        for name in dimensions:
            dataset.createDimension(name, size)
        dataset.createVariable("DQF_LST", "u1", dimensions)[:] = 0
        dataset.createVariable("LST", "u2", dimensions)[:] = 29000
        dataset.createVariable(PROJECTION, "i4").setncatts(projection)
    return path


def lambert(size: int, **changes: Any) -> dict[str, Any]:
    """Korea, +-900 km, in ``size`` pixels a side."""
    edge = 900_000 - 900_000 / size
    corners = {
        f"{name}_{axis}": sign * edge
        for name, signs in (
            ("upper_left", (-1, 1)),
            ("upper_right", (1, 1)),
            ("lower_left", (-1, -1)),
            ("lower_right", (1, -1)),
        )
        for axis, sign in zip(("easting", "northing"), signs, strict=True)
    }
    return {
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel1": 30.0,
        "standard_parallel2": 60.0,
        "origin_latitude": 38.0,
        "central_meridian": 126.0,
        "pixel_size": 1_800_000 / size,
    } | (corners | changes)


def disk(size: int, **changes: Any) -> dict[str, Any]:
    """The full disk in ``size`` pixels a side."""
    return {
        "grid_mapping_name": "geostationary",
        "longitude_of_projection_origin": 128.2,
        "perspective_point_height": HEIGHT_M,
        "semi_major_axis": A_M,
        "semi_minor_axis": B_M,
        "column_scale_factor": FACTOR * size / 5500,
        "line_scale_factor": -FACTOR * size / 5500,
        "column_offset": (size + 1) / 2,
        "line_offset": (size + 1) / 2,
    } | changes


def truth(area: str, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lon, lat) of pixel centres, rows and columns from 0, by the area's published numbers."""
    if area == "fd":
        step = np.radians(65536 / FACTOR)
        return scan_place((column + 1 - 2750.5) * step, -(row + 1 - 2750.5) * step)
    west, north = {"ko": (-899_000, 899_000), "ea": (-2_999_000, 2_599_000)}[area]
    return lambert_place(west + 2000.0 * column, north - 2000.0 * row)


SHAPES = {"ko": (900, 900), "ea": (2600, 3000), "fd": (5500, 5500)}
# Upper left pixels of two windows each, side by side: the corners and the middle; on the disk,
# Korea and the south.
SIDE = 40
WINDOWS = {
    "ko": [(0, 0), (0, 820), (430, 430), (860, 0), (860, 820)],
    "ea": [(0, 0), (0, 2920), (1300, 1500), (2560, 0), (2560, 2920)],
    "fd": [(1200, 2600), (4000, 3500), (2000, 900)],
}
K_PER_DEG = 40


@pytest.mark.parametrize("area", ["ko", "ea", "fd"])
def test_pixels_lie_where_closed_formulas_say(area: str, tmp_path: Path) -> None:
    """LST encodes the longitude of each pixel in one window, the latitude in the one beside it."""
    lst_k = np.full(SHAPES[area], np.nan, np.float32)
    middles = {}
    for row, column in WINDOWS[area]:
        for axis in (0, 1):
            part = np.s_[row : row + SIDE, column + SIDE * axis : column + SIDE * (axis + 1)]
            degrees = truth(area, *np.mgrid[part].astype(float))[axis]
            middles[row, column, axis] = part, axis, degrees.mean()
            lst_k[part] = 280 + K_PER_DEG * (degrees - degrees.mean())
    image = read(write_lst(tmp_path, TIME, area, lst_k, np.zeros(SHAPES[area], np.uint8)), CONFIG)
    assert image.grid.shape == SHAPES[area]
    assert image.viewpoint == Viewpoint(128.2, HEIGHT_M + A_M, A_M, B_M)
    to_degrees = Transformer.from_crs(image.grid.crs, "EPSG:4326", always_xy=True)
    for part, axis, middle in middles.values():
        row, column = np.mgrid[part]
        ours = to_degrees.transform(*(image.grid.transform @ (column + 0.5, row + 0.5)))[axis]
        encoded = middle + (image.values[0][part] - 280) / K_PER_DEG
        per_pixel = np.hypot(*np.gradient(ours))
        assert np.abs((encoded - ours) / per_pixel).max() < 0.05


@pytest.mark.parametrize("size", [36, 60])
def test_any_pixel_size_spans_the_same_area(size: int, tmp_path: Path) -> None:
    path = by_hand(tmp_path / "202305140210.nc", lambert(size), size)
    found = grid(path, CONFIG)
    np.testing.assert_allclose(found.corners, AREAS["ko"].corners)
    assert found.crs == "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +datum=WGS84 +units=m"
    assert read(path, CONFIG).values.ravel() == pytest.approx(290)


def test_the_disk_s_dimensions_may_have_level_1_names_and_its_numbers_be_text(tmp_path: Path):
    projection = disk(55, column_offset="28.0", semi_major_axis="6378137", sweep_angle_axis="y")
    path = by_hand(tmp_path / "202305140210.nc", projection, 55, "dim_image")
    image = read(path, CONFIG)
    assert image.grid.crs == "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
    np.testing.assert_allclose(image.grid.corners, AREAS["fd"].corners)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"line_scale_factor": FACTOR / 100}, "line_scale_factor = 204253 should be negative"),
        ({"column_scale_factor": -FACTOR / 100}, "column_scale_factor = -204253 should be pos"),
        ({"line_offset": 27.5}, "line_offset is the middle of the full disk .27.5 of 55"),
        ({"column_offset": 27.0}, "column_offset is the middle of the full disk"),
        ({"sweep_angle_axis": "x"}, "sweep_angle_axis = y .x"),
        ({"column_scale_factor": FACTOR / 50}, "outer edges match the area fd"),
        ({"longitude_of_projection_origin": 140.7}, "outer edges match the area fd"),
        ({"image_height": 5500}, "image_height is the size of the image .5500 and 55"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_disk_that_is_mirrored_moved_or_cut_is_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = by_hand(tmp_path / "202305140210.nc", disk(55, **changes), 55)
    with pytest.raises(SceneError, match=words):
        grid(path, CONFIG)


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
        theirs, system = dataset.transform, dataset.crs.to_dict()
    assert theirs.is_identity
    assert (system["proj"], system["lat_0"], system["lon_0"]) == ("lcc", 0, 0)
    ours = grid(korea, CONFIG)
    assert ours.corners[0] == pytest.approx((-900_000, 900_000))
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

    with pytest.raises(SceneError, match="upper_right_easting/northing on the grid"):
        grid(edited(outer), CONFIG)


def moved(axis: str, by_m: float) -> dict[str, float]:
    return {name: value + by_m for name, value in lambert(900).items() if name.endswith(f"_{axis}")}


def mirrored() -> dict[str, float]:
    return {name: -value for name, value in lambert(900).items() if name.endswith("_northing")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lower_left_northing": 899_000.0}, "lower_left_easting/northing on the grid"),
        ({"lower_right_northing": np.nan}, "lower_right_northing = .*nan.* is not a usable number"),
        (mirrored(), "lower_left_easting/northing on the grid"),
        (moved("easting", -1000), "outer edges match the area ko .off by 0.50 pixels"),
        (moved("northing", 1000), "outer edges match the area ko .off by 0.50 pixels"),
        ({"pixel_size": 4000.0}, "pixel_size = 4000 is the step between the corners' centres"),
        ({"pixel_size": 0.0}, "pixel_size = 0 is not a size"),
        ({"image_width": 1800}, "image_width is the size of the image .1800 and 900"),
        ({"image_height": 899}, "image_height is the size of the image .899 and 900"),
        ({"false_easting": 500_000.0}, "false_easting = 0 .500000"),
    ],
    ids=["one corner", "nan", "mirrored", "west", "north", "step", "0", "width", "height", "false"],
)
@pytest.mark.parametrize("name", ["gk2a_ami_le2_lst_ko020lc_202305140210.nc", "202305140210.nc"])
def test_attributes_that_disagree_are_refused_by_name(
    edited: Callable, name: str, changes: dict[str, float], words: str
) -> None:
    """Also where all four corners are displaced together, which only the area's edges show."""
    path = edited(lambda dataset: dataset[PROJECTION].setncatts(changes), name)
    with pytest.raises(SceneError, match=words):
        grid(path, CONFIG)


def test_a_missing_corner_is_named(edited: Callable) -> None:
    path = edited(lambda dataset: dataset[PROJECTION].delncattr("upper_right_easting"))
    with pytest.raises(SceneError, match="attribute upper_right_easting is missing"):
        grid(path, CONFIG)


def test_numbers_may_be_stored_as_text(edited: Callable) -> None:
    def write(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].delncattr("pixel_size")
        dataset[PROJECTION].pixel_size = "2000.0"

    assert grid(edited(write), CONFIG).gsd_m == 2000

    def garble(dataset: netCDF4.Dataset) -> None:
        dataset[PROJECTION].delncattr("pixel_size")
        dataset[PROJECTION].pixel_size = "two"

    with pytest.raises(SceneError, match="pixel_size = 'two' is not a usable number"):
        grid(edited(garble), CONFIG)


def test_the_wrong_area_code_is_refused(korea: Path, edited: Callable, tmp_path: Path) -> None:
    path = tmp_path / korea.name.replace("ko020lc", "ea020lc")
    shutil.copy(korea, path)
    with pytest.raises(
        SceneError, match="area code in the name fits the grid .the name says ea, .* covers ko"
    ):
        read(path, CONFIG)
    # the name's area is no excuse for another projection than the area's
    path = edited(lambda dataset: dataset[PROJECTION].setncattr("standard_parallel1", 45.0))
    with pytest.raises(SceneError, match="the name says ko, the grid covers another area"):
        read(path, CONFIG)


@pytest.mark.parametrize("scan", ["FD", "ELA", "EA", "KO", 7])
@pytest.mark.parametrize("area", ["ko020lc", "ko"])
def test_attributes_of_the_scan_decide_no_area(
    korea: Path, edited: Callable, area: str, scan: str | int
) -> None:
    """A file of Korea that was cut from the full disk says FD in both."""

    def cut(dataset: netCDF4.Dataset) -> None:
        dataset.setncatts({"processing_area": scan, "observation_mode": scan})

    path = edited(cut, f"gk2a_ami_le2_lst_{area}_202305140210.nc")
    np.testing.assert_array_equal(read(path, CONFIG).values, read(korea, CONFIG).values)
    assert not failed(inspect(path))


def test_a_name_without_time_is_refused(korea: Path, tmp_path: Path) -> None:
    for name, words in (
        ("lst.nc", "the file name has no time. Rename it"),
        ("20230514021030.nc", "the file name has no time"),
        ("202313010210.nc", "202313010210 is not a time"),
    ):
        shutil.copy(korea, tmp_path / name)
        with pytest.raises(SceneError, match=words):
            read(tmp_path / name, CONFIG)
    for name in ("202305140212.nc", "gk2a_ami_le2_lst_ko_202305140212.nc"):
        shutil.copy(korea, tmp_path / name)
        assert read(tmp_path / name, CONFIG).time == "2023-05-14T02:12:00Z"


def test_a_stated_observation_time_goes_before_the_name_s(edited: Callable) -> None:
    """Seconds from noon, as in Level 1B: from midnight they would be half a day early."""
    start = (TIME + timedelta(minutes=1) - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds()

    def state(dataset: netCDF4.Dataset) -> None:
        dataset.observation_start_time, dataset.observation_end_time = start, str(start + 80)

    assert read(edited(state, "lst.nc"), CONFIG).time == "2023-05-14T02:11:40Z"
    for wrong in (TIME.timestamp() * 1000, 1.0, "20230514_021000"):
        path = edited(lambda one, wrong=wrong: one.setncattr("observation_start_time", wrong))
        with pytest.raises(SceneError, match="observation_start_time = .* is not a time of GK2A"):
            read(path, CONFIG)


@pytest.mark.parametrize("name", ["LST", "DQF_LST", PROJECTION])
def test_a_missing_variable_is_named(edited: Callable, name: str) -> None:
    path = edited(lambda dataset: dataset.renameVariable(name, "other"))
    with pytest.raises(SceneError, match=f"variable {name} is missing"):
        read(path, CONFIG)


def test_another_projection_is_named(edited: Callable) -> None:
    path = edited(lambda one: one[PROJECTION].setncattr("grid_mapping_name", "mercator"))
    with pytest.raises(SceneError, match="unknown projection 'mercator'. .* Lambert"):
        grid(path, CONFIG)


def test_truncated_and_foreign_bytes_are_named(korea: Path, tmp_path: Path) -> None:
    whole = korea.read_bytes()
    contents = whole[: len(whole) // 2], whole[:-100], whole[:8], b"", b"<html>sign in</html>"
    for content in contents:
        path = tmp_path / "gk2a_ami_le2_lst_ko020lc_202305140210.nc"
        path.write_bytes(content)
        with pytest.raises(SceneError, match=f"{path.name}: not a NetCDF file, or truncated"):
            read(path, CONFIG)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.nc", CONFIG)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "202305140210.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", 1), ("dim_y", 36), ("dim_x", 36)):
            dataset.createDimension(name, size)
        dataset.createVariable("DQF_LST", "u1", ("dim_y", "dim_x"))[:] = 0
        dataset.createVariable("LST", "u2", ("time", "dim_y", "dim_x"))[:] = 29000
        dataset.createVariable(PROJECTION, "i4").setncatts(lambert(36))
    with pytest.raises(
        SceneError, match=r"LST has shape \(1, 36, 36\). Expected \(rows, columns\)"
    ):
        grid(path, CONFIG)
    path.unlink()
    by_hand(path, lambert(36), 36)
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.renameVariable("DQF_LST", "other")
        dataset.createDimension("half", 18)
        dataset.createVariable("DQF_LST", "u1", ("half", "half"))[:] = 0
    with pytest.raises(SceneError, match=r"DQF_LST has shape \(18, 18\), LST \(36, 36\)"):
        read(path, CONFIG)


def test_a_file_s_own_packing_and_fill_are_used(tmp_path: Path) -> None:
    """Fill that would be a sound temperature, were it not fill."""
    path = by_hand(tmp_path / "202305140210.nc", lambert(36), 36)
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.set_auto_maskandscale(False)
        dataset.renameVariable("LST", "other")
        lst = dataset.createVariable("LST", "u2", ("dim_y", "dim_x"), fill_value=11000)
        lst.setncatts({"scale_factor": "0.02", "add_offset": 50.0})
        lst.set_auto_maskandscale(False)
        lst[:] = 12000
        lst[3, 4] = 11000
    image = read(path, CONFIG)
    assert np.argwhere(~image.valid).tolist() == [[3, 4]]
    assert image.values[0][image.valid] == pytest.approx(290)


def test_values_beyond_the_valid_range_are_masked(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "202305140210.nc", lambert(36), 36)
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["LST"][0, :4] = 19999, 20000, 36000, 36001
    assert np.argwhere(~read(path, CONFIG).valid).tolist() == [[0, 0], [0, 3]]


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

    assert failed(inspect(edited(flip))) == ["lower_left_easting/northing on the grid"]


def failed(inspection: Inspection) -> list[str]:
    return [check.claim for check in inspection.assertions if not check.passed]


@pytest.mark.parametrize(
    ("change", "claims", "facts"),
    [
        (
            lambda one: one.renameVariable("DQF_LST", "other"),
            ["DQF_LST can be read"],
            {"time", "size", "LST"},
        ),
        (
            lambda one: one.renameVariable(PROJECTION, "other"),
            ["the projection is understood", "the grid can be checked"],
            {"time", "LST", "DQF_LST", "valid share"},
        ),
        (
            lambda one: one[PROJECTION].delncattr("lower_right_easting"),
            ["the grid can be checked"],
            {"time", "size", "corners", "LST", "DQF_LST"},
        ),
        (
            lambda one: one.setncattr("observation_start_time", 1.0),
            ["the observation time is known"],
            {"size", "LST", "DQF_LST"},
        ),
    ],
    ids=["flag", "projection", "corner", "time"],
)
def test_inspect_of_a_bad_file_tells_what_can_be_read(
    edited: Callable, change: Callable, claims: list[str], facts: set[str]
) -> None:
    found = inspect(edited(change))
    assert failed(found) == claims
    assert facts <= dict(found.facts).keys()


def test_inspect_places_the_disk_whose_corners_are_in_space(tmp_path: Path) -> None:
    found = inspect(by_hand(tmp_path / "202305140210.nc", disk(55), 55))
    assert not failed(found)
    assert "in space" in dict(found.facts)["corners"]
    assert dict(found.facts)["band"] == "lst, kelvin = stored x 0.01 + 0, fill 65535"


@pytest.mark.parametrize(
    ("kind", "sizes", "words"),
    [
        ("u2", (0, 900), r"LST has shape \(0, 900\). Expected \(rows, columns\)"),
        ("u2", (900,), r"LST has shape \(900,\). Expected"),
        ("u2", (), r"LST has shape \(\). Expected"),
        (str, (), r"LST has shape \(\). Expected"),
        (str, (900, 900), "variable LST does not hold numbers"),
        ("S1", (900, 900), "variable LST does not hold numbers"),
    ],
)
def test_lst_that_is_no_image_of_numbers_is_named(
    tmp_path: Path, kind: Any, sizes: tuple[int, ...], words: str
) -> None:
    path = by_hand(tmp_path / "202305140210.nc", lambert(36), 36)
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.renameVariable("LST", "other")
        for axis, size in enumerate(sizes):
            dataset.createDimension(f"axis{axis}", size)
        names = [f"axis{axis}" for axis in range(len(sizes))]
        dataset.createVariable("LST", kind, names)
    for use in (grid, read):
        with pytest.raises(SceneError, match=f"^202305140210.nc: {words}"):
            use(path, CONFIG)
    assert "LST can be read" in failed(inspect(path))
