"""Files: written whole or not at all, digests, tables."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ORDINARY = 0o666
"""Mode of a file as `open` makes it, before the umask."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, which takes its place once the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        # some writers keep their files to their owner; a run's folder may be a group's
        partial.chmod(ORDINARY & ~_umask())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_csv(path: Path, columns: Iterable[str], records: Iterable[Mapping[str, Any]]) -> None:
    """A table with a header line; a column that a record lacks is left empty."""
    with whole(path) as partial, partial.open("w", newline="") as file:
        table = csv.DictWriter(file, list(columns))
        table.writeheader()
        table.writerows(records)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The records of a table, all values as text."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
