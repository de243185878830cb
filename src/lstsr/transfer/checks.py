"""Check that a download is the file itself: checksums, and pages or messages in place of files.

Some services answer with status 200 and a login page, or with a message about quotas.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from lstsr.errors import LstsrError
from lstsr.transfer.response import Response

HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
MULTIHASH = {"d50110": "md5", "1114": "sha1", "1220": "sha256", "1340": "sha512"}
"""Code and length in bytes, each a varint, at the start of a multihash (multicodec table)."""
HEAD_BYTES = 512
HDF5 = b"\x89HDF\r\n\x1a\n"
BEGINNINGS = {
    ".nc": (HDF5, b"CDF"),
    ".h5": (HDF5,),
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
"""First bytes by suffix: NetCDF-4 is HDF5, NetCDF-3 begins with CDF; TIFF and BigTIFF."""
PAGES = (".html", ".htm")
A_PAGE = "the server sent a web page instead of the file, perhaps a login page"


def parse_checksum(text: str) -> tuple[str, str]:
    """Algorithm and lower-case hexadecimal digest of `sha256:...` or of a hexadecimal multihash.

    `file:checksum` of the STAC file extension is a multihash. Raises LstsrError.
    """
    lower = text.strip().lower()
    name, colon, digits = lower.partition(":")
    if not colon:
        code = next((code for code in MULTIHASH if lower.startswith(code)), "")
        name, digits = MULTIHASH.get(code, ""), lower.removeprefix(code)
    if len(digits) != HEX_DIGITS.get(name) or not re.fullmatch("[0-9a-f]+", digits):
        raise LstsrError(
            f"checksum {text[:140]!r} cannot be read. Write ALGORITHM:HEX "
            f"({', '.join(HEX_DIGITS)}) or a multihash"
        )
    return name, digits


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file has this checksum."""
    algorithm, digits = parse_checksum(checksum)
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digits


def header_fault(path: Path, response: Response) -> str:
    """What the headers show to be wrong with an answer for ``path``; '' if nothing."""
    kind = response.headers.get("content-type", "")
    return A_PAGE if kind.startswith("text/html") and path.suffix.lower() not in PAGES else ""


def content_fault(path: Path, head: bytes) -> str:
    """What the first HEAD_BYTES show to be wrong with the file for ``path``; '' if nothing."""
    suffix = path.suffix.lower()
    is_page = head.lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if is_page and suffix not in PAGES:
        return A_PAGE
    if not head.startswith(BEGINNINGS.get(suffix, b"")):
        return f"the server sent something that is not a {suffix} file, perhaps a message"
    return ""
