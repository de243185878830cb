"""File names that come from catalogs, kept inside the folder that they are meant for."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from lstsr.errors import LstsrError

MAX_BYTES = 200
"""Of one part of a name: common file systems take 255; room is left for `.part.json`."""
FORBIDDEN = frozenset('\\<>:"|?*')
RESERVED = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)]
)
"""Device names of Windows, where a run's folder may be looked at."""
OURS = (".part", ".part.json")
"""Endings of files that have not arrived yet."""


def safe_path(folder: Path, name: str) -> Path:
    """``folder / name`` for a name from a catalog, which may hold subfolders (`AMI/L1B/x.nc`).

    Raises LstsrError for a name that is absolute, leads out of the folder (by `..` or through a
    symbolic link), or that some file system would take for something else.
    """
    for part in name.split("/"):
        if fault := _fault(part):
            raise LstsrError(f"file name {name[:MAX_BYTES]!r} of a catalog is refused: {fault}")
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise LstsrError(
            f"file name {name!r} of a catalog is refused: a link leads out of {folder}"
        )
    return path


def _fault(part: str) -> str:
    """What is wrong with one part of a name; '' where nothing is."""
    if part in ("", ".", ".."):
        return "it is empty, absolute, or has empty, `.` or `..` parts"
    if any(unicodedata.category(letter).startswith("C") for letter in part):
        return "it holds control characters"
    if FORBIDDEN & set(part):
        return f"it holds one of {' '.join(sorted(FORBIDDEN))}"
    if part[-1] in ". " or part[0] == " ":
        return "a part begins with a space, or ends with a dot or space"
    if part.split(".")[0].strip().lower() in RESERVED:
        return "it is the name of a device"
    if part.endswith(OURS):
        return f"{', '.join(OURS)} are kept for downloads themselves"
    if len(part.encode()) > MAX_BYTES:
        return f"a part is longer than {MAX_BYTES} bytes"
    return ""
