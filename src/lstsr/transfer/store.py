"""Files on disk while they arrive: parts, their locks, and the cache that runs share."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lstsr.errors import TransferError

CACHE = "LSTSR_CACHE"
"""Environment variable: a folder where downloads are kept for other runs; unset: none."""
POLL_S = 0.2
"""How often a download looks whether another process has finished the same file."""
READ_ONLY = 0o444
WRITABLE = 0o222


@dataclass(frozen=True)
class Notes:
    """What a part belongs to, kept beside it: enough to go on with it, and no URL.

    ``source`` is a digest of the address; ``validator`` the server's ETag, or else Last-Modified;
    ``total`` the length of the whole file, bytes.
    """

    source: str
    validator: str | None
    total: int | None


class Part:
    """The unfinished `NAME.part` of a file, which one thread of one process holds at a time.

    The lock is the kernel's (flock): it ends with the process, however that ends.
    """

    def __init__(self, final: Path, address: str, stop: threading.Event) -> None:
        self.final = final
        self.path = final.with_name(final.name + ".part")
        self._noted = final.with_name(final.name + ".part.json")
        self._source = hashlib.sha256(address.encode()).hexdigest()
        final.parent.mkdir(parents=True, exist_ok=True)
        self._fd = _lock(self.path, stop)
        self.length = os.fstat(self._fd).st_size
        self.notes = Notes(self._source, None, None)
        try:
            self._resume()
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.length and _same(self._fd, self.path):
            self.path.unlink()
            self._noted.unlink(missing_ok=True)
        os.close(self._fd)

    def restart(self, validator: str | None, total: int | None) -> None:
        """Empty the part and note what will fill it."""
        os.ftruncate(self._fd, 0)
        self.length = 0
        self.notes = Notes(self._source, validator, total)
        # notes that a crash leaves unfinished are no JSON, and the part begins anew
        self._noted.write_text(json.dumps(asdict(self.notes)))

    def write(self, chunk: bytes) -> None:
        """Append. Raises OSError where the disk is full; what fitted stays and counts."""
        rest = memoryview(chunk)
        while rest:
            written = os.pwrite(self._fd, rest, self.length)
            self.length += written
            rest = rest[written:]

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return os.pread(self._fd, count, 0)

    def finish(self) -> None:
        """Give the part its final name."""
        os.fsync(self._fd)  # or a crash of the machine may leave the name without the bytes
        os.replace(self.path, self.final)
        self._noted.unlink(missing_ok=True)

    def _resume(self) -> None:
        """Read the notes; a part that they do not fit, or without any, begins anew."""
        if not self.length:
            return
        try:
            self.notes = Notes(**json.loads(self._noted.read_text()))
            fits = self.notes.total is None or self.length <= self.notes.total
        except (FileNotFoundError, ValueError, TypeError):
            fits = False
        if not fits or self.notes.source != self._source:
            self.restart(None, None)


def _lock(path: Path, stop: threading.Event) -> int:
    """Open a file and hold its lock; the file is still the one that bears the name."""
    while not stop.is_set():
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(fd, path):
                return fd
        except BlockingIOError:
            stop.wait(POLL_S)
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
    raise TransferError("stopped")


def _same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def cached(path: Path, address: str, checksum: str | None, size: int | None) -> Path:
    """Where a file is downloaded to: its place in the cache, or ``path`` itself without one."""
    folder = os.environ.get(CACHE)
    if not folder:
        return path
    key = hashlib.sha256(f"{address}\n{checksum or size}".encode()).hexdigest()
    # the suffix stays: what a file must begin with is judged by it
    return Path(folder).expanduser() / key[:2] / (key + path.suffix)


def place(stored: Path, path: Path) -> None:
    """Give a cached file its name in a run: a hard link, or a copy where none can be made.

    Links share their bytes, so the cached file is made read-only first.
    """
    if stored == path:
        return
    if stored.stat().st_mode & WRITABLE:
        stored.chmod(READ_ONLY)
    with _beside(path) as partial:
        try:
            os.link(stored, partial)
        except OSError:  # file systems say in many ways that they make none
            shutil.copyfile(stored, partial)
        os.replace(partial, path)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A name that no other process uses; gone at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
