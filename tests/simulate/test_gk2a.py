"""The written file has the layout of KMA's, as far as it is known."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from lstsr.config import Gk2aConfig
from lstsr.sensors.gk2a import read
from lstsr.simulate.gk2a import write_lst

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
