"""The written file has the layout of KMA's, as far as it is known."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from lstsr.config import Gk2aConfig
from lstsr.sensors.ami import AREAS
from lstsr.sensors.gk2a import read
from lstsr.simulate.gk2a import SECTOR, level_1_name, write_l1b, write_lst

TIME = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
SHAPES = {"ko": (900, 900), "ea": (2600, 3000), "fd": (5500, 5500)}
PROJECTION = "gk2a_imager_projection"


def lst(area: str) -> tuple[np.ndarray, np.ndarray]:
    lst_k = np.full(SHAPES[area], np.nan, np.float32)
    lst_k[10:20, 30:50] = np.random.default_rng(0).uniform(250, 330, (10, 20))
    quality = np.full(SHAPES[area], 2, np.uint8)
    quality[10:20, 30:50] = 0
    return lst_k, quality


@pytest.fixture(scope="module")
def korea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lst(tmp_path_factory.mktemp("ko"), TIME, "ko", *lst("ko"))


@pytest.mark.parametrize(
    ("area", "code", "corner"),
    [("ko", "ko020lc", (-899_000, 899_000)), ("ea", "ea020lc", (-2_999_000, 2_599_000))],
)
def test_name_size_and_corners_are_those_of_the_area(
    area: str, code: str, corner: tuple[float, float], tmp_path: Path
) -> None:
    path = write_lst(tmp_path, TIME, area, *lst(area))
    assert path == tmp_path / f"gk2a_ami_le2_lst_{code}_202305140210.nc"
    with netCDF4.Dataset(path) as dataset:
        assert dataset["LST"].shape == dataset["DQF_LST"].shape == SHAPES[area]
        projection = dataset[PROJECTION]
        assert projection.shape == () and projection.dtype == np.int32
        height, width = SHAPES[area]
        assert (projection.image_width, projection.image_height) == (width, height)
        west, north = projection.upper_left_easting, projection.upper_left_northing
        assert (west, north) == pytest.approx(corner)
        assert projection.lower_right_easting == pytest.approx(west + 2000 * (width - 1))
        assert projection.lower_right_northing == pytest.approx(north - 2000 * (height - 1))
        assert (projection.standard_parallel1, projection.standard_parallel2) == (30, 60)
        assert (projection.origin_latitude, projection.central_meridian) == (38, 126)
        assert projection.pixel_size == pytest.approx(2000)


def test_the_disk_has_scan_angles_and_no_corners(tmp_path: Path) -> None:
    path = write_lst(tmp_path, TIME, "fd", *lst("fd"))
    assert path.name == "gk2a_ami_le2_lst_fd020ge_202305140210.nc"
    with netCDF4.Dataset(path) as dataset:
        assert dataset["LST"].shape == SHAPES["fd"]
        assert dataset[PROJECTION].__dict__ == {
            "grid_mapping_name": "geostationary",
            "longitude_of_projection_origin": 128.2,
            "perspective_point_height": 35_785_863.0,
            "semi_major_axis": 6_378_137.0,
            "semi_minor_axis": 6_356_752.3,
            "column_scale_factor": 20425338.903339352,
            "line_scale_factor": -20425338.903339352,
            "column_offset": 2750.5,
            "line_offset": 2750.5,
            "sweep_angle_axis": "y",
        }


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
    lst_k, quality = lst("ko")
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
    assert write_lst(tmp_path, seoul, "ko", *lst("ko")).name.endswith("_202305140210.nc")


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    lst_k, quality = lst("ko")
    with pytest.raises((ValueError, IndexError)):
        write_lst(tmp_path, TIME, "ko", lst_k[:800], quality)
    assert not list(tmp_path.iterdir())


# ---- Level 1B


def level_1(folder: Path, area: str, channel: str = "ir105") -> Path:
    lies = SECTOR if area == "la" else AREAS[area]
    values = np.full(lies.shape, np.nan, np.float32)
    values[10:20, 10:20] = 291.538
    return write_l1b(folder, TIME, area, channel, lies, values, np.zeros(lies.shape, np.uint8))


def test_names_of_level_1_are_those_of_the_bucket() -> None:
    assert level_1_name("ir105", "fd", TIME) == "gk2a_ami_le1b_ir105_fd020ge_202305140210.nc"
    assert level_1_name("vi006", "la", TIME) == "gk2a_ami_le1b_vi006_la005ge_202305140210.nc"
    assert level_1_name("vi008", "ko", TIME) == "gk2a_ami_le1b_vi008_ko010lc_202305140210.nc"


def test_the_sector_s_header_is_the_real_one_s(tmp_path: Path) -> None:
    with netCDF4.Dataset(level_1(tmp_path, "la")) as dataset:
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


def test_korea_s_header_has_no_calibration_no_times_and_no_flags(tmp_path: Path) -> None:
    with netCDF4.Dataset(level_1(tmp_path, "ko")) as dataset:
        image, found = dataset["image_pixel_values"], dataset.__dict__
        assert image.dimensions == ("dim_y", "dim_x") and image.shape == (900, 900)
        assert found["projection_type"] == "lambert_conformal_conic"
        assert (found["standard_parallel1"], found["upper_left_easting"]) == (30, -899_000)
        assert found["origianl_sourece_file"] == "gk2a_ami_le1b_ir105_ela020ge_202305140210.nc"
        absent = ("DN_to", "Teff", "observation_", "scene_acq", "cfac")
        assert not [name for name in found if name.startswith(absent)]
        assert not [name for name in image.ncattrs() if "quality" in name]
