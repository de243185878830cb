"""Write files completely or not at all; tables, digests, checks of outputs."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lstsr.errors import LstsrError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that replaces it if the block ends without an error.

    Raises LstsrError if the folder cannot be made or ``path`` is a folder.
    """
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        with _naming(path):
            # some writers make private files, but a group may share the folder of a run
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in errors of the file system."""
    try:
        yield
    except OSError as error:
        raise LstsrError(
            f"{path} cannot be written ({error.strerror}). Check the folder, or name another file"
        ) from None


def write_csv(path: Path, columns: Iterable[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with a header line. Raises LstsrError if the file cannot be written."""
    rows = list(records)  # their errors do not concern the file
    with _naming(path), whole(path) as partial, partial.open("w", newline="") as file:
        table = csv.DictWriter(file, list(columns))
        table.writeheader()
        table.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table, with all values as text."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check_output(output: Path, inputs: Iterable[Path | None]) -> None:
    """Raise LstsrError if writing ``output`` would change one of ``inputs``, under any name."""
    target = output.resolve()
    for path in inputs:
        if path is None or not path.exists():
            continue
        inside = path.is_dir() and path.resolve() in target.parents
        if inside or (target.exists() and target.samefile(path)):
            raise LstsrError(
                f"{output} {'lies inside' if inside else 'is'} the input {path} and would "
                "overwrite it. Name another output"
            )


def check_suffix(output: Path, *allowed: str) -> None:
    """Raise LstsrError if the suffix of ``output`` does not match the written format."""
    if output.suffix.lower() not in allowed:
        raise LstsrError(
            f"{output}: the suffix does not fit the format. Use {' or '.join(allowed)}"
        )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
