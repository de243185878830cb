"""GK2A Level 1B: where pixels lie, what counts mean, and files that contradict themselves."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import netCDF4
import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from lstsr.config import AlignConfig, AmiBand, Gk2aL1bConfig
from lstsr.dataset.align import to_triplet
from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.sensors.ami.channels import CHANNELS, WAVENUMBERS, planck, planck_k
from lstsr.sensors.ami.grids import AREAS
from lstsr.sensors.ami.l1b import grid, inspect, read
from lstsr.sensors.ami.split_window import split_window_k
from lstsr.sensors.detection import detect
from lstsr.simulate.gk2a import SECTOR
from tests.ami import CALIBRATIONS, write_l1b
from tests.projections import lambert_place, scan_place

TIME = datetime(2025, 7, 19, 2, 10, tzinfo=UTC)
GRIDS = {**AREAS, "la": SECTOR}
VALID_BITS = {name: bits for name, (bits, _) in CHANNELS.items() if bits}
LST = Gk2aL1bConfig(product="gk2a-l1b")
STEP = np.radians(65536 / 20425338.903339352)
Edit = Callable[..., Path]


def of(channel: str, **changes: Any) -> Gk2aL1bConfig:
    return Gk2aL1bConfig(product="gk2a-l1b", bands=[channel], **changes)


def scene(shape: tuple[int, int] = SECTOR.shape) -> tuple[np.ndarray, np.ndarray]:
    """A warm gradient, a hole, and every flag."""
    values = np.full(shape, 295.0, np.float32)
    values[:, : shape[1] // 2] += np.linspace(0, 5, shape[1] // 2, dtype=np.float32)
    values[100:140, 200:260] = np.nan
    flags = np.zeros(shape, np.uint8)
    flags[300:310], flags[310:320], flags[320:330] = 1, 2, 3
    return values, flags


def write(
    folder: Path,
    channel: str,
    area: str = "la",
    *,
    lies: Grid | None = None,
    image: tuple[np.ndarray, np.ndarray] | None = None,
    time: datetime = TIME,
) -> Path:
    lies = lies or GRIDS[area]
    return write_l1b(folder, time, area, channel, lies, *(image or scene(lies.shape)))


@pytest.fixture(scope="module")
def sector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IR112 of the sector, IR105 and IR123 beside it; IR123 is 1 K colder."""
    folder = tmp_path_factory.mktemp("la")
    values, flags = scene()
    write(folder, "ir105", image=(values + 0.5, flags))
    write(folder, "ir123", image=(values - 1, flags))
    return write(folder, "ir112", image=(values, flags))


@pytest.fixture
def edited(sector: Path, tmp_path: Path) -> Edit:
    """A copy of the sector's IR112, changed, and of IR123 as it is."""

    def edit(change: Callable[[netCDF4.Dataset], None], name: str = sector.name) -> Path:
        path = tmp_path / name
        shutil.copy(sector, path)
        shutil.copy(other(sector, "ir123"), tmp_path)
        with netCDF4.Dataset(path, "a") as dataset:
            change(dataset)
        return path

    return edit


def other(path: Path, channel: str) -> Path:
    return path.with_name(path.name.replace("ir112", channel))


def setting(**values: Any) -> Callable[[netCDF4.Dataset], None]:
    """Attributes of the file."""
    return lambda dataset: dataset.setncatts(values)


# ---- calibration


def test_the_config_knows_every_channel() -> None:
    channels = set(CHANNELS)
    assert set(get_args(AmiBand)) == channels | {"lst"}
    assert set(CALIBRATIONS) == channels and set(VALID_BITS) < channels


@pytest.mark.parametrize(("count", "known_k"), [(3508, 291.538), (3127, 296.397), (6198, 246.946)])
def test_counts_of_ir105_are_the_temperatures_that_kma_broadcasts(
    count: int, known_k: float
) -> None:
    assert CALIBRATIONS["ir105"].physical()[count] == pytest.approx(known_k, abs=1e-3)


def test_trap_2_the_label_of_the_wavelength_is_not_the_wavenumber() -> None:
    """Planck's law inverted at "10.5" micrometres is 1.56 K off, as pinned in tests elsewhere."""
    calibration = CALIBRATIONS["ir105"]
    radiance = calibration.gain * 3508 + calibration.offset
    at_label = planck_k(radiance, 1e4 / 10.5)
    c0, c1, c2 = calibration.coefficients
    assert c0 + c1 * at_label + c2 * at_label**2 == pytest.approx(289.978, abs=1e-3)


def test_planck_s_law_is_that_of_the_units_in_the_files() -> None:
    """Written out in SI, per metre: 1e-5 of what the files count in."""
    h, c, k = 6.62606957e-34, 299792458.0, 1.3806488e-23
    per_m = WAVENUMBERS["ir112"] * 100
    si = 2 * h * c**2 * per_m**3 / (np.exp(h * c * per_m / (k * 300)) - 1)
    assert planck(300.0, WAVENUMBERS["ir112"]) * 1e-5 == pytest.approx(si, rel=1e-6)
    assert planck_k(planck(300.0, 900.0), 900.0) == pytest.approx(300)


@pytest.mark.parametrize("channel", sorted(CALIBRATIONS))
def test_every_channel_comes_back_to_half_a_count(channel: str, tmp_path: Path) -> None:
    """Also at both ends of its counts: fewer bits than it has would fold them."""
    calibration = CALIBRATIONS[channel]
    table = calibration.physical()
    counts = np.flatnonzero(np.isfinite(table))
    counts = np.tile(counts[[0, 1, len(counts) // 2, -2, -1]], (6, 2))
    small = SECTOR.window(0, 0, *counts.shape)
    values = table[counts].astype(np.float32)
    path = write(tmp_path, channel, lies=small, image=(values, np.zeros(counts.shape, np.uint8)))
    image = read(path, of(channel))
    assert image.unit == ("kelvin" if channel in WAVENUMBERS else "reflectance")
    np.testing.assert_allclose(image.values[0], values, rtol=1e-6)
    with netCDF4.Dataset(path) as dataset:
        stored = dataset["image_pixel_values"][:]
    np.testing.assert_array_equal(stored & (2**calibration.bits - 1), counts)


@pytest.mark.parametrize("channel", sorted(VALID_BITS))
def test_trap_3_valid_bits_other_than_the_channel_s_are_refused(
    channel: str, tmp_path: Path
) -> None:
    """SW038 under a mask of 13 bits looks like a plausible scene of 376 K."""
    path = write(tmp_path, channel, lies=SECTOR.window(0, 0, 400, 300))
    bits = VALID_BITS[channel]
    stated = 13 if bits != 13 else 12
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["image_pixel_values"].number_of_valid_bits_per_pixel = np.uint8(stated)
    words = f"bits_per_pixel fits {channel} .the file states {stated}, {channel} has {bits}"
    with pytest.raises(SceneError, match=words):
        read(path, of(channel))


def test_the_13_bits_of_the_trap_would_make_sw038_hot() -> None:
    calibration = CALIBRATIONS["sw038"]
    counts = np.arange(2**14)
    at_290 = int(np.nanargmin(np.abs(calibration.physical() - 290)))
    assert at_290 > 2**13
    assert calibration.physical()[counts[at_290] & (2**13 - 1)] > 340


def test_flags_and_space(sector: Path) -> None:
    values, flags = scene()
    with netCDF4.Dataset(sector) as dataset:
        assert (dataset["image_pixel_values"][100:140, 200:260] == 0x8000).all()
    image = read(sector, of("ir112"))
    np.testing.assert_array_equal(image.valid, np.isfinite(values) & (flags == 0))
    assert np.isnan(image.values[0][~image.valid]).all()
    np.testing.assert_allclose(image.values[0][image.valid], values[image.valid], atol=0.008)
    lenient = read(sector, of("ir112", accepted=[0, 1]))
    np.testing.assert_array_equal(lenient.valid, np.isfinite(values) & (flags <= 1))
    narrow = read(sector, of("ir112", valid_min=296.0, valid_max=299.0))
    assert 296 <= np.nanmin(narrow.values) < np.nanmax(narrow.values) <= 299


# ---- where pixels lie

SIDE = 40
WINDOWS = {
    "la": [(0, 0), (230, 200), (460, 420)],
    "fd": [(1200, 2600), (4000, 3500)],
    "ko": [(0, 0), (430, 430), (860, 820)],
    "ea": [(0, 0), (1300, 1500), (2560, 2920)],
}
K_PER_DEG = 40


def truth(area: str, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lon, lat) of pixel centres, rows and columns from 0, by the area's published numbers."""
    if area in ("fd", "la"):
        coff, loff = {"fd": (2750.5, 2750.5), "la": (314.30357, 2089.57138)}[area]
        return scan_place((column + 1 - coff) * STEP, -(row + 1 - loff) * STEP)
    west, north = {"ko": (-899_000, 899_000), "ea": (-2_999_000, 2_599_000)}[area]
    return lambert_place(west + 2000.0 * column, north - 2000.0 * row)


@pytest.mark.parametrize("area", sorted(WINDOWS))
def test_pixels_lie_where_closed_formulas_say(area: str, tmp_path: Path) -> None:
    """Temperature encodes the longitude of each pixel in one window, the latitude beside it."""
    seen_k = np.full(GRIDS[area].shape, np.nan, np.float32)
    middles = []
    for row, column in WINDOWS[area]:
        for axis in (0, 1):
            part = np.s_[row : row + SIDE, column + SIDE * axis : column + SIDE * (axis + 1)]
            degrees = truth(area, *np.mgrid[part].astype(float))[axis]
            middles.append((part, axis, degrees.mean()))
            seen_k[part] = 280 + K_PER_DEG * (degrees - degrees.mean())
    flags = np.zeros(seen_k.shape, np.uint8)
    if area in ("ko", "ea"):
        write(tmp_path, "ir105", lies=SECTOR)
    image = read(write(tmp_path, "ir105", area, image=(seen_k, flags)), of("ir105"))
    assert image.grid.shape == GRIDS[area].shape
    assert image.viewpoint is not None and image.viewpoint.longitude_deg == pytest.approx(128.2)
    to_degrees = Transformer.from_crs(image.grid.crs, "EPSG:4326", always_xy=True)
    for part, axis, middle in middles:
        row, column = np.mgrid[part]
        ours = to_degrees.transform(*(image.grid.transform @ (column + 0.5, row + 0.5)))[axis]
        encoded = middle + (image.values[0][part] - 280) / K_PER_DEG
        per_pixel = np.hypot(*np.gradient(ours))
        assert np.abs((encoded - ours) / per_pixel).max() < 0.05


def test_the_sector_s_corner_is_the_one_that_the_real_file_states(sector: Path) -> None:
    placed = grid(sector, LST)
    to_degrees = Transformer.from_crs(placed.crs, "EPSG:4326", always_xy=True)
    corner = to_degrees.transform(*(placed.transform @ (0.5, 0.5)))
    assert corner == pytest.approx((119.91453, 44.17488), abs=1e-5)
    assert read(sector, LST).viewpoint == Viewpoint(pytest.approx(128.2), 42_164_000.0)


def test_trap_11_each_sector_lies_by_its_own_header(tmp_path: Path) -> None:
    """Not on the pixels of the full disk, nor where the last scan's were."""
    disk = ~AREAS["fd"].transform
    for row, column in ((0.0, 0.0), (3.37, -1.62)):
        lies = SECTOR.moved(row, column)
        placed = grid(write(tmp_path, "ir105", lies=lies), of("ir105"))
        assert placed.transform.almost_equals(lies.transform, precision=1.0)
        corner = np.array(disk @ placed.corners[0])
        assert (np.abs(corner - corner.round()) > 0.05).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loff": 2089.07138}, "image_upperleft_x/y on the grid .off by 0.50 pixels"),
        ({"coff": 314.1}, "image_upperleft_x/y on the grid .off by 0.20 pixels"),
        ({"image_lowerright_y": 0.08}, "image_lowerright_x/y on the grid"),
        ({"image_upperleft_latitude": -0.77}, "image_upperleft_latitude/longitude on the grid"),
        ({"lfac": 20425338.9}, "lfac = 2.04253e\\+07 should be negative"),
        ({"cfac": 20425338.9 / 2}, "image_upperleft_x/y on the grid"),
        ({"sub_longitude": 128.2}, "sub_longitude = 128.2 is not GK2A's 128.2 E in radians"),
        ({"nominal_satellite_height": 35_785_863.0}, "is not the distance of a geostationary"),
        ({"number_of_lines": 499}, "number_of_lines is the size of the image .499 and 500"),
        ({"projection_type": "UTM"}, "projection_type = 'utm' is neither GEOS"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_header_whose_parts_disagree_is_refused(
    edited: Edit, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SceneError, match=words) as caught:
        read(edited(setting(**changes)), LST)
    assert "\n" not in str(caught.value)


def test_the_observation_mode_is_the_parent_s_and_decides_nothing(edited: Edit) -> None:
    for change in (setting(observation_mode="FD"), lambda one: one.delncattr("observation_mode")):
        assert grid(edited(change), LST) == grid(edited(lambda dataset: None), LST)


def test_a_sector_that_is_named_full_disk_is_refused(edited: Edit) -> None:
    renamed = edited(lambda dataset: None, "gk2a_ami_le1b_ir112_fd020ge_202507190210.nc")
    with pytest.raises(SceneError, match="outer edges match the area fd"):
        grid(renamed, LST)


def test_a_small_disk_s_corners_are_in_space(tmp_path: Path) -> None:
    coarse = Grid(AREAS["fd"].crs, AREAS["fd"].transform @ Affine.scale(50), 110, 110)
    path = write(tmp_path, "ir105", "fd", lies=coarse, image=scene((110, 110)))
    np.testing.assert_allclose(grid(path, LST).corners, AREAS["fd"].corners, rtol=1e-9)
    assert all(check.passed for check in inspect(path).assertions)


def test_numbers_may_be_stored_as_text(edited: Edit) -> None:
    path = edited(setting(coff="314.30357", number_of_columns="500"))
    assert grid(path, LST).transform.almost_equals(SECTOR.transform, precision=1e-6)


def test_a_sector_that_looks_at_the_sea_does_not_meet_the_scene(tmp_path: Path) -> None:
    """The header is right, the sector has followed a typhoon: one line at the align stage."""
    moved = SECTOR.window(700, 300, 500, 500)
    values = np.full(moved.shape, 295.0, np.float32)
    flags = np.zeros(moved.shape, np.uint8)
    write(tmp_path, "ir123", lies=moved, image=(values, flags))
    image = read(write(tmp_path, "ir112", lies=moved, image=(values, flags)), LST)
    assert image.valid.all()
    footprint = Grid("EPSG:32652", Affine(250, 0, 340_000, 0, -250, 4_100_000), 64, 64)
    here = SensorImage(
        np.full((1, 64, 64), 300, np.float32),
        np.ones((64, 64), bool),
        footprint,
        ("lst",),
        "kelvin",
        "x",
    )
    settings = AlignConfig.model_validate(
        {
            "anchor": "target",
            "scale": 8,
            "grid": {"crs": "EPSG:32652", "spacing_m": 2000},
            "registration": {"reference": False, "input": False},
        }
    )
    images = {"input": image, "target": here, "reference": replace(here, unit="index")}
    with pytest.raises(SceneError, match="^input and target share 0.0% .*: input shows another"):
        to_triplet("a", images, settings)


# ---- against satpy


def satpy_scene(*paths: Path, mode: str = "file") -> Any:
    from satpy import Scene

    return Scene(
        [str(path) for path in paths], reader="ami_l1b", reader_kwargs={"calib_mode": mode}
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("channel", "off_k"), [("ir105", 0.0), ("ir112", -0.13), ("ir123", -0.14)])
def test_satpy_opens_it_and_finds_the_same_temperature(
    sector: Path, channel: str, off_k: float
) -> None:
    """Its mode "file" inverts Planck's law at wavelengths of its own: off by known amounts."""
    path = other(sector, channel)
    found = satpy_scene(path)
    found.load([channel.upper()])
    theirs = np.asarray(found[channel.upper()])
    ours = read(path, of(channel))
    np.testing.assert_array_equal(np.isfinite(theirs), ours.valid)
    difference = (theirs - ours.values[0])[ours.valid]
    assert difference == pytest.approx(off_k, abs=0.012)
    assert f"{found.start_time:%Y-%m-%dT%H:%M}" == "2025-07-19T02:10"


@pytest.mark.filterwarnings("ignore")
def test_satpy_finds_the_same_reflectance(tmp_path: Path) -> None:
    values = np.linspace(0.02, 0.9, 2500, dtype=np.float32).reshape(50, 50)
    small = SECTOR.window(0, 0, 50, 50)
    path = write(tmp_path, "vi006", lies=small, image=(values, np.zeros((50, 50), np.uint8)))
    found = satpy_scene(path)
    found.load(["VI006"])
    ours = read(path, of("vi006"))
    assert (ours.unit, ours.bands) == ("reflectance", ("vi006",))
    np.testing.assert_allclose(ours.values[0], np.asarray(found["VI006"]) / 100, atol=1e-5)
    np.testing.assert_allclose(ours.values[0], values, atol=2e-4)


@pytest.mark.filterwarnings("ignore")
def test_trap_1_satpy_puts_the_sector_south_of_the_equator_and_the_reader_does_not(
    sector: Path,
) -> None:
    found = satpy_scene(sector)
    found.load(["IR112"])
    lon, lat = found["IR112"].attrs["area"].get_lonlat(0, 0)
    assert (lon, lat) == pytest.approx((121.42, -31.14), abs=0.02)
    ours = grid(sector, LST)
    to_degrees = Transformer.from_crs(ours.crs, "EPSG:4326", always_xy=True)
    assert to_degrees.transform(*(ours.transform @ (0.5, 0.5)))[1] == pytest.approx(44.17, abs=0.01)


# ---- time


def test_trap_10_seconds_count_from_noon(sector: Path, edited: Edit) -> None:
    """The time is the middle of the scan; counted from midnight it would be 12 hours early."""
    assert read(sector, of("ir112")).time == "2025-07-19T02:10:30Z"
    since_midnight = (TIME - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds()
    path = edited(setting(observation_start_time=since_midnight))
    with pytest.raises(SceneError, match="in the slot of scene_acquisition_time .2025-07-19 14"):
        read(path, of("ir112"))


def test_the_name_s_slot_is_checked_too(edited: Edit) -> None:
    def forget(dataset: netCDF4.Dataset) -> None:
        dataset.delncattr("scene_acquisition_time")

    path = edited(forget, "gk2a_ami_le1b_ir112_la020ge_202507191410.nc")
    with pytest.raises(SceneError, match="in the slot of the name ..* for 2025-07-19 14:10"):
        read(path, of("ir112"))
    nameless = edited(forget, "gk2a_ir112_.nc")
    assert read(nameless, of("ir112")).time == "2025-07-19T02:10:30Z"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"observation_start_time": 1e18}, "observation_start_time = .* is not a time of GK2A"),
        ({"scene_acquisition_time": "noon"}, "scene_acquisition_time = 'noon' is not a time"),
    ],
)
def test_times_that_are_none_are_refused(edited: Edit, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SceneError, match=words):
        read(edited(setting(**changes)), of("ir112"))


# ---- navigation


def test_a_scan_that_is_navigated_badly_is_refused_by_name(edited: Edit) -> None:
    def badly(dataset: netCDF4.Dataset) -> None:
        dataset["nav_average_residual_ns"][:] = -0.9 * STEP

    path = edited(badly)
    with pytest.raises(
        SceneError, match=f"^{path.name}: nav_average_residual_ns is 0.90 pixels, but max"
    ):
        read(path, of("ir112"))
    assert read(path, of("ir112", max_residual_px=1.0)).valid.any()


# ---- KO and EA, without calibration


@pytest.mark.parametrize("area", ["ko", "ea"])
@pytest.mark.parametrize("beside", ["fd", "la"])
def test_korea_is_calibrated_with_the_file_of_its_slot(
    area: str, beside: str, tmp_path: Path
) -> None:
    values = np.full(AREAS[area].shape, np.nan, np.float32)
    values[400:420, 400:430] = np.linspace(280, 300, 600, dtype=np.float32).reshape(20, 30)
    path = write(tmp_path, "ir112", area, image=(values, np.zeros(values.shape, np.uint8)))
    with pytest.raises(SceneError, match="KO and EA files have no calibration. Put the FD or"):
        read(path, of("ir112"))
    write(tmp_path, "ir105", "la")
    write(tmp_path, "ir112", "la", time=TIME + timedelta(minutes=2))
    with pytest.raises(SceneError, match="gk2a_ami_le1b_ir112_fd..._202507190210.nc of the same"):
        read(path, of("ir112"))
    coarse = Grid(AREAS["fd"].crs, AREAS["fd"].transform @ Affine.scale(50), 110, 110)
    write(tmp_path, "ir112", beside, lies=coarse if beside == "fd" else SECTOR)
    image = read(path, of("ir112"))
    np.testing.assert_allclose(
        image.values[0][400:420, 400:430], values[400:420, 400:430], atol=0.008
    )
    assert image.time == "2025-07-19T02:10:00Z"
    np.testing.assert_allclose(image.grid.corners, AREAS[area].corners)


def test_korea_beside_its_area_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "ir112", "ko", lies=AREAS["ko"].moved(0.5, 0))
    with pytest.raises(SceneError, match="outer edges match the area ko .off by 0.50 pixels"):
        grid(path, LST)


# ---- LST


def test_lst_is_the_split_window_of_two_files(sector: Path) -> None:
    image, (values, flags) = read(sector, LST), scene()
    assert (image.bands, image.unit) == (("lst",), "kelvin")
    assert image.time == "2025-07-19T02:10:30Z"
    np.testing.assert_array_equal(image.valid, np.isfinite(values) & (flags == 0))
    known = values[image.valid]
    expected = split_window_k(known, known - 1, 0.978, -0.003, 2.5)
    # half a count of each channel, 0.008 and 0.01 K, weighs 4.5 and 3.5 times
    np.testing.assert_allclose(image.values[0][image.valid], expected, atol=0.08)
    # whichever of the two the scene names
    np.testing.assert_array_equal(read(other(sector, "ir123"), LST).values, image.values)


def test_lst_needs_both_channels(sector: Path, tmp_path: Path) -> None:
    alone = tmp_path / sector.name
    shutil.copy(sector, alone)
    with pytest.raises(
        SceneError, match=f"{alone.name}: LST also needs gk2a_ami_le1b_ir123_.* Put it"
    ):
        read(alone, LST)
    with pytest.raises(SceneError, match="LST needs the file of IR112 or IR123"):
        read(other(sector, "ir105"), LST)
    write(tmp_path, "ir123", lies=SECTOR.moved(0.5, 0))
    with pytest.raises(SceneError, match="IR112 and IR123 lie on different grids"):
        read(alone, LST)


def test_a_scene_of_cloud_has_no_valid_pixel(tmp_path: Path) -> None:
    values = np.full(SECTOR.shape, 232.0, np.float32)
    flags = np.zeros(values.shape, np.uint8)
    write(tmp_path, "ir123", image=(values - 1, flags))
    path = write(tmp_path, "ir112", image=(values, flags))
    with pytest.raises(
        SceneError, match="no valid pixel. If the scene is not all cloud, change accepted"
    ):
        read(path, LST)


# ---- bad files


def test_the_wrong_channel_is_refused(sector: Path, edited: Edit) -> None:
    with pytest.raises(SceneError, match="holds ir112, but the config asks for vi006. Name"):
        read(sector, of("vi006"))
    renamed = edited(lambda dataset: None, sector.name.replace("ir112", "ir105"))
    with pytest.raises(
        SceneError, match="the channel of the name is the channel of the image .ir105 and"
    ):
        read(renamed, of("ir105"))


@pytest.mark.parametrize(
    "name",
    [
        "DN_to_Radiance_Gain",
        "Teff_to_Tbb_c1",
        "cfac",
        "sub_longitude",
        "image_upperleft_x",
        "image_lowerright_latitude",
        "observation_start_time",
        "projection_type",
        "earth_polar_radius",
    ],
)
def test_a_missing_attribute_is_named(edited: Edit, name: str) -> None:
    path = edited(lambda dataset: dataset.delncattr(name))
    with pytest.raises(SceneError, match=f"^{path.name}: attribute {name} is missing$"):
        read(path, LST)


def test_missing_bits_and_image_are_named(edited: Edit) -> None:
    def forget(dataset: netCDF4.Dataset) -> None:
        dataset["image_pixel_values"].delncattr("number_of_valid_bits_per_pixel")

    with pytest.raises(SceneError, match="attribute number_of_valid_bits_per_pixel is missing"):
        read(edited(forget), LST)
    path = edited(lambda dataset: dataset.renameVariable("image_pixel_values", "other"))
    with pytest.raises(SceneError, match="variable image_pixel_values is missing"):
        read(path, LST)


def test_truncated_bytes_are_named(sector: Path, tmp_path: Path) -> None:
    path = tmp_path / sector.name
    whole = sector.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SceneError, match=f"^{path.name}: "):
        read(path, of("ir112"))
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gk2a_ami_le1b_ir112_none.nc", of("ir112"))


# ---- inspect


def test_inspect_tells_what_holds_and_what_does_not(sector: Path, edited: Edit) -> None:
    assert detect(sector) == "gk2a-l1b"
    found = inspect(sector)
    facts = dict(found.facts)
    assert facts["time"] == "2025-07-19T02:10:30Z"
    assert facts["band"] == "ir112, 13 valid bits"
    assert facts["wavenumber"] == "891.713 cm-1"
    assert facts["navigation residual"] == "ew 0.18 pixels, ns 0.18 pixels"
    assert facts["quality"].startswith("0: 93.")
    assert found.assertions and all(check.passed for check in found.assertions)
    bad = inspect(edited(setting(loff=2089.0, observation_start_time=8e8)))
    failed = [check.claim for check in bad.assertions if not check.passed]
    assert "image_upperleft_x/y on the grid" in failed
    assert "observation_start_time is in the slot of the name" in failed


def test_inspect_of_a_bare_file_tells_what_can_be_read(edited: Edit) -> None:
    path = edited(lambda dataset: dataset.delncattr("projection_type"))
    failed = {check.claim: check.found for check in inspect(path).assertions if not check.passed}
    for claim in ("the projection is understood", "the grid can be checked"):
        assert failed[claim] == f"{path.name}: attribute projection_type is missing"
    path = edited(lambda dataset: dataset.delncattr("DN_to_Radiance_Gain"))
    failed = {check.claim: check.found for check in inspect(path).assertions if not check.passed}
    assert failed == {
        "counts can be calibrated": f"{path.name}: attribute DN_to_Radiance_Gain is missing"
    }


@pytest.mark.parametrize(
    ("kind", "size", "words"),
    [
        ("f4", 4, "image_pixel_values holds float32. Counts with flags must be 16-bit"),
        (str, 4, "variable image_pixel_values does not hold numbers"),
        ("u2", 0, r"image_pixel_values has shape \(0, 0\). Expected \(rows, columns\)"),
    ],
)
def test_an_image_that_holds_no_words_is_named(
    edited: Edit, kind: Any, size: int, words: str
) -> None:
    def swap(dataset: netCDF4.Dataset) -> None:
        dataset.renameVariable("image_pixel_values", "other")
        dataset.createDimension("row", size)
        dataset.createDimension("column", size)
        dataset.createVariable("image_pixel_values", kind, ("row", "column"))

    path = edited(swap)
    with pytest.raises(SceneError, match=f"^{path.name}: {words}"):
        read(path, of("ir112"))
    failed = [check.claim for check in inspect(path).assertions if not check.passed]
    assert "counts can be calibrated" in failed


@pytest.mark.parametrize("bits", [0, 15, 1e9, 12.5, "many"])
def test_inspect_survives_any_number_of_bits(edited: Edit, bits: float | str) -> None:
    def change(dataset: netCDF4.Dataset) -> None:
        dataset["image_pixel_values"].setncattr("number_of_valid_bits_per_pixel", bits)

    failed = [check.claim for check in inspect(edited(change)).assertions if not check.passed]
    assert "counts can be calibrated" in failed
