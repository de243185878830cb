from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lstsr.errors import TransferError
from lstsr.transfer.partial import Partial, cache_path, link_or_copy

ADDRESS = "https://host.org/file.bin"
UNSOUND = '{"source": "x", "validator": null, "total": "many"}'


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., Partial]:
    return lambda address=ADDRESS: Partial(tmp_path / "file.bin", address, threading.Event())


def test_a_part_is_found_again_and_finished(begin: Callable[..., Partial], tmp_path: Path) -> None:
    with begin() as part:
        part.restart('"tag"', 6)
        part.write(b"abc")
    with begin() as part:
        assert (part.length, part.validator, part.total) == (3, '"tag"', 6)
        part.write(b"def")
        assert part.head(4) == b"abcd"
        part.finish()
    assert (tmp_path / "file.bin").read_bytes() == b"abcdef"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_an_empty_part_leaves_nothing(begin: Callable[..., Partial], tmp_path: Path) -> None:
    with begin() as part:
        part.restart('"tag"', 6)
    assert os.listdir(tmp_path) == []


def test_a_part_longer_than_its_notes_say_begins_anew(begin: Callable[..., Partial]) -> None:
    with begin() as part:
        part.restart('"tag"', 2)
        part.write(b"abc")
    with begin() as part:
        assert (part.length, part.validator) == (0, None)


@pytest.mark.parametrize("notes", [None, "", '{"source": "x", "valid', "[1]", '{"a": 1}', UNSOUND])
def test_a_part_without_sound_notes_begins_anew(
    begin: Callable[..., Partial], tmp_path: Path, notes: str | None
) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"of unknown origin")
    if notes is not None:
        (tmp_path / "file.bin.part.json").write_text(notes)
    with begin() as part:
        assert (part.length, part.validator) == (0, None)


def test_a_part_of_another_address_begins_anew(begin: Callable[..., Partial]) -> None:
    with begin() as part:
        part.restart('"tag"', 6)
        part.write(b"abc")
    with begin("https://host.org/other.bin") as part:
        assert (part.length, part.validator) == (0, None)


def test_notes_hold_no_address(begin: Callable[..., Partial], tmp_path: Path) -> None:
    with begin() as part:
        part.restart('"tag"', 6)
        assert "host.org" not in (tmp_path / "file.bin.part.json").read_text()


def test_a_part_has_one_holder_at_a_time(begin: Callable[..., Partial], tmp_path: Path) -> None:
    held: list[bytes] = []

    def wait() -> None:
        with begin() as part:
            held.append((tmp_path / "file.bin").read_bytes())
            assert part.length == 0

    with begin() as part:
        other = threading.Thread(target=wait)
        other.start()
        part.restart(None, 3)
        part.write(b"abc")
        part.finish()
        assert not held
    other.join(10)
    # the waiting one did not take the finished file for its part
    assert held == [b"abc"]
    assert (tmp_path / "file.bin").read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_waiting_for_a_part_can_be_stopped(begin: Callable[..., Partial], tmp_path: Path) -> None:
    stop = threading.Event()
    with begin():
        threading.Timer(0.05, stop.set).start()
        with pytest.raises(TransferError, match="stopped"):
            Partial(tmp_path / "file.bin", ADDRESS, stop)


def test_the_place_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    assert cache_path(path, ADDRESS, None, None) == path
    monkeypatch.setenv("LSTSR_CACHE", str(tmp_path / "cache"))
    places = {
        cache_path(path, *known)
        for known in [
            (ADDRESS, None, None),
            (ADDRESS, None, 1),
            (ADDRESS, "sha256:1", 1),
            (ADDRESS + "2", None, None),
        ]
    }
    assert len(places) == 4
    assert all(one.is_relative_to(tmp_path / "cache") for one in places)
    assert cache_path(tmp_path / "elsewhere.bin", ADDRESS, None, 1) in places


def test_a_link_shares_bytes_that_nobody_can_write(tmp_path: Path) -> None:
    stored, path = tmp_path / "stored", tmp_path / "run" / "file.bin"
    stored.write_bytes(b"abc")
    link_or_copy(stored, path)
    assert path.samefile(stored)
    assert path.stat().st_mode & 0o222 == 0
    path.unlink()
    path.write_bytes(b"mine")
    link_or_copy(stored, path)
    assert path.read_bytes() == b"abc"
    assert os.listdir(path.parent) == ["file.bin"]


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOSYS, errno.EACCES])
def test_where_no_link_can_be_made_a_copy_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    stored, path = tmp_path / "stored", tmp_path / "run" / "file.bin"
    stored.write_bytes(b"abc")
    link_or_copy(stored, path)
    assert path.read_bytes() == b"abc" and not path.samefile(stored)
    assert os.listdir(path.parent) == ["file.bin"]
