from pathlib import Path

import numpy as np
import pytest
import rasterio
from netCDF4 import Dataset

from lstsr.transfer.response import Response
from lstsr.transfer.sniff import content_fault, header_fault

PAGE = b"\n <!DOCTYPE html><html><form>Log in</form></html>"


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"])
def test_netcdf_files_are_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.nc"
    Dataset(path, "w", format=kind).close()
    assert not content_fault(path, path.read_bytes()[:512])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("big", ["YES", "NO"])
@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
def test_tiff_files_are_files(tmp_path: Path, big: str, endianness: str) -> None:
    path, shape = tmp_path / "x.TIF", {"width": 2, "height": 2, "count": 1, "dtype": "uint8"}
    options = {"BIGTIFF": big, "ENDIANNESS": endianness}
    with rasterio.open(path, "w", driver="GTiff", **shape, **options) as file:
        file.write(np.zeros((1, 2, 2), np.uint8))
    assert not content_fault(path, path.read_bytes()[:512])


@pytest.mark.parametrize("name", ["x.nc", "x.h5", "x.tif", "x.TIF", "x.bin", "x"])
def test_a_page_is_none(name: str) -> None:
    assert "web page" in content_fault(Path(name), PAGE)
    assert "web page" in header_fault(Path(name), Response(200, {"content-type": "text/html"}))


def test_a_page_may_be_asked_for() -> None:
    path = Path("contents.html")
    assert not content_fault(path, PAGE)
    assert not header_fault(path, Response(200, {"content-type": "text/html; charset=utf-8"}))


@pytest.mark.parametrize("head", [b"", b"quota exceeded", b'{"status": 403}'])
def test_a_message_is_no_image(head: bytes) -> None:
    assert content_fault(Path("x.nc"), head).startswith(
        "the server sent something that is not a .nc file"
    )
    assert not content_fault(Path("x_MTL.txt"), head)
