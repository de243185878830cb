import hashlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from netCDF4 import Dataset

from lstsr.errors import LstsrError
from lstsr.transfer.checks import content_fault, has_checksum, header_fault, parse_checksum
from lstsr.transfer.response import Response

PAGE = b"\n <!DOCTYPE html><html><form>Log in</form></html>"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of `abc` (FIPS 180-2, appendix B.1)."""


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_file_is_recognised(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    right = hashlib.new(algorithm, b"abc").hexdigest()
    assert has_checksum(tmp_path / "abc", f"{algorithm}:{right.upper()}")
    assert not has_checksum(tmp_path / "abc", f"{algorithm}:{hashlib.new(algorithm).hexdigest()}")


def test_multihashes() -> None:
    assert parse_checksum("1220" + ABC) == parse_checksum("sha256:" + ABC) == ("sha256", ABC)
    # the example of SHA-1 in the multihash specification
    assert parse_checksum("11148a173fd3e32c0fa78b90fe42d305f202244e2739")[0] == "sha1"
    assert parse_checksum("d50110" + "0" * 32) == ("md5", "0" * 32)
    assert parse_checksum("1340" + "0" * 128) == ("sha512", "0" * 128)


@pytest.mark.parametrize("text", ["", ABC, "sha256:", "sha256:" + "g" * 64, "crc:12", "1220" + "0"])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(LstsrError, match="Write ALGORITHM:HEX"):
        parse_checksum(text)


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
