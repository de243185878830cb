"""Unfinished files on disk: partial files, their locks, and the cache that runs share."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

from lstsr.errors import TransferError

POLL_S = 0.2
"""How often a download checks whether another process has finished the same file."""


class Partial:
    """The unfinished `NAME.part` of a file. One thread of one process holds it at a time.

    The kernel holds the lock (flock), so the lock ends with its process. ``validator`` is the
    server's ETag or Last-Modified, ``total`` the length of the whole file in bytes. Both are stored
    in `NAME.part.json` with a digest of the address, so that another process can resume the file.
    """

    def __init__(self, final: Path, address: str, stop: threading.Event) -> None:
        self.final = final
        self.path = final.with_name(final.name + ".part")
        self._notes_path = final.with_name(final.name + ".part.json")
        self._source = hashlib.sha256(address.encode()).hexdigest()
        final.parent.mkdir(parents=True, exist_ok=True)
        self._fd = _lock(self.path, stop)
        self.length = os.fstat(self._fd).st_size
        self.validator: str | None = None
        self.total: int | None = None
        try:
            if self.length and not self._read_notes():
                self.restart(None, None)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.length and _has_name(self._fd, self.path):
            self.path.unlink()
            self._notes_path.unlink(missing_ok=True)
        os.close(self._fd)

    def restart(self, validator: str | None, total: int | None) -> None:
        """Empty the partial file and store the notes on its new content."""
        os.ftruncate(self._fd, 0)
        self.length = 0
        self.validator, self.total = validator, total
        notes = {"source": self._source, "validator": validator, "total": total}
        # a crash can leave these notes unfinished: they are not JSON, and the file starts again
        self._notes_path.write_text(json.dumps(notes))

    def write(self, chunk: bytes) -> None:
        """Append. Raises OSError if the disk is full; the bytes that fitted stay."""
        rest = memoryview(chunk)
        while rest:
            written = os.pwrite(self._fd, rest, self.length)
            self.length += written
            rest = rest[written:]

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return os.pread(self._fd, count, 0)

    def finish(self) -> None:
        """Give the file its final name."""
        os.fsync(self._fd)  # otherwise a crash of the machine can leave the name without the bytes
        os.replace(self.path, self.final)
        self._notes_path.unlink(missing_ok=True)

    def _read_notes(self) -> bool:
        """Read the notes. False if they are missing or do not fit the bytes on disk."""
        try:
            notes = json.loads(self._notes_path.read_text())
            self.validator, self.total = notes["validator"], notes["total"]
            fits = self.total is None or self.length <= self.total
            return fits and bool(notes["source"] == self._source)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False


def _lock(path: Path, stop: threading.Event) -> int:
    """Open and lock a file. Only a file that still has this name then is returned."""
    while not stop.is_set():
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _has_name(fd, path):
                return fd
        except BlockingIOError:
            stop.wait(POLL_S)
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
    raise TransferError("stopped")


def _has_name(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def cache_path(path: Path, address: str, checksum: str | None, size: int | None) -> Path:
    """Where a file for ``path`` is stored: in the folder LSTSR_CACHE, or ``path`` without one."""
    folder = os.environ.get("LSTSR_CACHE")
    if not folder:
        return path
    key = hashlib.sha256(f"{address}\n{checksum or size}".encode()).hexdigest()
    # the suffix decides how the content is checked
    return Path(folder).expanduser() / key[:2] / (key + path.suffix)


def link_or_copy(stored: Path, path: Path) -> None:
    """Give a stored file another name: a hard link, or a copy if links are not possible.

    Links share their bytes, so the stored file becomes read-only first.
    """
    if stored == path:
        return
    if stored.stat().st_mode & 0o222:
        stored.chmod(0o444)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        own = Path(folder) / path.name  # no other process uses this name
        try:
            os.link(stored, own)
        except OSError:  # file systems refuse links with various codes
            shutil.copyfile(stored, own)
        os.replace(own, path)
