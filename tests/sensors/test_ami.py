"""What AMI's products share: slots, seconds, and the geostationary lattice."""

from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import pytest

from lstsr.errors import SceneError
from lstsr.sensors.ami import AREAS, ScanNames, instant, lambert_grid, scan_grid, time_in_name

NAMES = ScanNames("cfac", "lfac", "coff", "loff")


def test_a_slot_is_twelve_digits_that_stand_alone() -> None:
    known = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
    for name in ("gk2a_ami_le1b_ir105_fd020ge_202305140210.nc", "202305140210.nc"):
        assert time_in_name(name) == known
    for name in ("ir105.nc", "20230514021000.nc"):
        with pytest.raises(SceneError, match="the file name has no time"):
            time_in_name(name)
    with pytest.raises(SceneError, match="202313140210 is not a time"):
        time_in_name("a_202313140210.nc")


def test_seconds_count_from_noon_of_the_first_day_of_2000(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncatts({"start": 43_200.0 + 86_400 * 8_534, "text": "737337600", "other": 0.0})
        assert instant(dataset, "start") == datetime(2023, 5, 15, tzinfo=UTC)
        assert instant(dataset, "text") == datetime(2023, 5, 14, 12, tzinfo=UTC)
        with pytest.raises(SceneError, match="other = 0 is not a time of GK2A"):
            instant(dataset, "other")


def test_the_full_disk_is_what_its_published_numbers_make(tmp_path: Path) -> None:
    """CFAC of 2 km, offsets 2750.5: 5500 pixels of 2004 m about the point below the satellite."""
    factor = 20425338.903339352
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncatts({"cfac": factor, "lfac": -factor, "coff": 2750.5, "loff": 2750.5})
        disk = scan_grid(dataset, NAMES, AREAS["fd"].crs, 35_785_863.0, (5500, 5500))
    assert disk.gsd_m == pytest.approx(2004.0, abs=0.1)
    for corner, known in zip(disk.corners, AREAS["fd"].corners, strict=True):
        assert corner == pytest.approx(known)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cfac": 0.0}, "cfac = 0 should be positive"),
        ({"cfac": 1e-300}, "cfac = 1e-300 makes pixels wider than the full disk"),
        ({"lfac": "fast"}, "attribute lfac = 'fast' is not a usable number"),
        ({"coff": [1.0, 2.0]}, "attribute coff = .* is not a usable number"),
        ({"loff": float("nan")}, "attribute loff = .*nan.* is not a usable number"),
    ],
)
def test_scan_angles_that_cannot_be_are_refused(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        right = {"cfac": 2e7, "lfac": -2e7, "coff": 2750.5, "loff": 2750.5}
        dataset.setncatts(right | changes)
        with pytest.raises(SceneError, match=f"^a.nc: {words}$"):
            scan_grid(dataset, NAMES, AREAS["fd"].crs, 35_785_863.0, (5500, 5500))


def test_numbers_that_make_no_projection_are_refused(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncatts({"standard_parallel1": 30.0, "standard_parallel2": -30.0})
        dataset.setncatts({"origin_latitude": 38.0, "central_meridian": 126.0})
        with pytest.raises(SceneError, match="^a.nc: the projection attributes are not valid"):
            lambert_grid(dataset, (900, 900))
