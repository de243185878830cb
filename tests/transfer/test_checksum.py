import hashlib
from pathlib import Path

import pytest

from lstsr.errors import LstsrError
from lstsr.transfer.checksum import matches, parse

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of `abc` (FIPS 180-2, appendix B.1)."""


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_file_is_recognised(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    right = hashlib.new(algorithm, b"abc").hexdigest()
    assert matches(tmp_path / "abc", f"{algorithm}:{right.upper()}")
    assert not matches(tmp_path / "abc", f"{algorithm}:{hashlib.new(algorithm).hexdigest()}")


def test_multihashes() -> None:
    assert parse("1220" + ABC) == parse("sha256:" + ABC) == ("sha256", ABC)
    # the example of SHA-1 in the multihash specification
    assert parse("11148a173fd3e32c0fa78b90fe42d305f202244e2739")[0] == "sha1"
    assert parse("d50110" + "0" * 32) == ("md5", "0" * 32)
    assert parse("1340" + "0" * 128) == ("sha512", "0" * 128)


@pytest.mark.parametrize("text", ["", ABC, "sha256:", "sha256:" + "g" * 64, "crc:12", "1220" + "0"])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(LstsrError, match="Write ALGORITHM:HEX"):
        parse(text)
