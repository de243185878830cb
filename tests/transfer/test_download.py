from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from lstsr.errors import TransferError
from lstsr.transfer.download import Download, fetch
from lstsr.transfer.sources import Sources
from tests.transfer.server import Server, cut, status

DATA = random.Random(1).randbytes(1_000_000)
SHA256 = "sha256:" + hashlib.sha256(DATA).hexdigest()


def get(server: Server, path: Path, **known: object) -> None:
    server.files.setdefault("/file.bin", DATA)
    fetch([Download(server.url("/file.bin"), path, **known)], Sources())


def test_a_file_arrives_and_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        get(server, tmp_path / "sub" / "file.bin", size=len(DATA), checksum=SHA256)
    assert (tmp_path / "sub" / "file.bin").read_bytes() == DATA
    assert len(server.asked) == 1
    assert os.listdir(tmp_path / "sub") == ["file.bin"]


def test_a_cut_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [cut(0.3)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.headers()["range"] == "bytes=300000-"
    assert server.headers()["if-range"] == '"1"'
    assert server.body_bytes == len(DATA)


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.faults["/file.bin"] = [cut(0.3)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.body_bytes == 1_300_000


def test_a_fault_of_the_server_passes(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [status(500), status(503, b"busy")]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_fault_that_stays_is_one_line(server: Server, tmp_path: Path) -> None:
    server.always["/file.bin"] = status(500)
    with pytest.raises(TransferError, match="file.bin: status 500; gave up after 6 attempts"):
        get(server, tmp_path / "file.bin")
    assert os.listdir(tmp_path) == []
