"""Grids of AMI: the full disk, and attributes that make no grid."""

from pathlib import Path

import netCDF4
import pytest

from lstsr.errors import SceneError
from lstsr.image import Viewpoint
from lstsr.sensors.ami.grids import AREAS, lambert_grid, scan_grid

NAMES = ("cfac", "lfac", "coff", "loff")


def test_the_full_disk_is_what_its_published_numbers_make(tmp_path: Path) -> None:
    """CFAC of 2 km, offsets 2750.5: 5500 pixels of 2004 m about the point below the satellite."""
    factor = 20425338.903339352
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncatts({"cfac": factor, "lfac": -factor, "coff": 2750.5, "loff": 2750.5})
        disk = scan_grid(dataset, NAMES, Viewpoint(128.2), (5500, 5500))
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
            scan_grid(dataset, NAMES, Viewpoint(128.2), (5500, 5500))


def test_numbers_that_make_no_projection_are_refused(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncatts({"standard_parallel1": 30.0, "standard_parallel2": -30.0})
        dataset.setncatts({"origin_latitude": 38.0, "central_meridian": 126.0})
        with pytest.raises(SceneError, match="^a.nc: the projection attributes are not valid"):
            lambert_grid(dataset, (900, 900))
