"""Whether the bytes that a server sent can be the file that was asked for.

Services answer with status 200 and a login page, or a message about quotas, in place of a file.
"""

from __future__ import annotations

from pathlib import Path

from lstsr.transfer.client import Response

HEAD_BYTES = 512
HDF5 = b"\x89HDF\r\n\x1a\n"
BEGINNINGS = {
    ".nc": (HDF5, b"CDF"),
    ".h5": (HDF5,),
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
"""First bytes by suffix: NetCDF-4 is HDF5, NetCDF-3 begins with CDF; TIFF and BigTIFF."""
PAGES = (".html", ".htm")
A_PAGE = "the server sent a web page (a login?) instead"


def announced_fault(path: Path, response: Response) -> str:
    """What the headers of an answer for ``path`` give away; '' where nothing."""
    kind = response.headers.get("content-type", "")
    return A_PAGE if kind.startswith("text/html") and not _page(path) else ""


def fault(path: Path, head: bytes) -> str:
    """What the first HEAD_BYTES of the file for ``path`` give away; '' where nothing."""
    if not _page(path) and head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return A_PAGE
    suffix = path.suffix.lower()
    if not head.startswith(BEGINNINGS.get(suffix, b"")):
        return f"what the server sent is no {suffix} file, but perhaps a message"
    return ""


def _page(path: Path) -> bool:
    return path.suffix.lower() in PAGES
