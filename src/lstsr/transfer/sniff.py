"""Recognise web pages and messages that a server sends in place of a file.

Some services answer with status 200 and a login page, or with a message about quotas.
"""

from __future__ import annotations

from pathlib import Path

from lstsr.transfer.response import Response

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
