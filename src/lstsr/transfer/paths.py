"""Name the file of an address, and keep names from catalogs inside their folder."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit

from lstsr.errors import LstsrError

KMA_LST = "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date="
"""GK2A LST of the Korean area on KMA's API hub; a time follows (YYYYMMDDHHMM, UTC)."""
MAX_BYTES = 200
"""Longest part of a name. Common file systems allow 255 bytes, and `.part.json` needs some."""
FORBIDDEN = frozenset('\\<>:"|?*')
RESERVED = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)]
)
"""Device names of Windows, where people may open the folder of a run."""
OURS = (".part", ".part.json")


def file_name(address: str) -> str:
    """The last part of the address's path. For KMA's LST, which has none, KMA's own file name."""
    stamp = address.removeprefix(KMA_LST)
    if stamp != address and re.fullmatch(r"\d{12}", stamp):
        return f"gk2a_ami_le2_lst_ko020lc_{stamp}.nc"
    return urlsplit(address).path.rpartition("/")[2]


def safe_path(folder: Path, name: str) -> Path:
    """``folder / name`` for a name from a catalog, which may hold subfolders (`AMI/L1B/x.nc`).

    Raises LstsrError for a name that is absolute, leads out of the folder (by `..` or through a
    symbolic link), or has a special meaning in some file system.
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
    """What is wrong with one part of a name; '' if nothing."""
    if part in ("", ".", ".."):
        return "it is empty, absolute, or has empty, `.` or `..` parts"
    if any(unicodedata.category(letter).startswith("C") for letter in part):
        return "it holds control characters"
    if FORBIDDEN & set(part):
        return f"it holds one of {' '.join(sorted(FORBIDDEN))}"
    if part[-1] in ". " or part[0] == " ":
        return "a part begins with a space, or ends with a dot or space"
    if part.split(".")[0].strip().lower() in RESERVED:
        return "Windows reserves it for a device"
    if part.endswith(OURS):
        return f"unfinished downloads use the endings {', '.join(OURS)}"
    if len(part.encode()) > MAX_BYTES:
        return f"a part is longer than {MAX_BYTES} bytes"
    return ""
