"""Files that belong to a raster: side files that GDAL reads with it, and sources of a VRT."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

# Endings after the whole name: metadata, overviews, masks, headers.
OF_NAME = (".aux.xml", ".aux", ".ovr", ".msk", ".msk.ovr", ".hdr", ".vat.dbf")
# Endings that replace the suffix: headers, georeferencing, rational polynomials, colours, overflow.
OF_STEM = (
    *(".hdr", ".aux", ".prj", ".tab", ".stx", ".clr", ".clb", ".rrd", ".rde", ".ige", ".wld"),
    *(".rpb", ".rpc", "_rpc.txt", ".imd", ".xml", ".att", ".eph", ".geo", ".til"),
)
# Formats that store a header or values in a second file with the same stem.
OF_FORMAT = {
    ".sdat": (".sgrd", ".mgrd"),
    ".grd": (".gri",),
    ".rst": (".rdc", ".ref", ".smp"),
    ".ers": ("",),
    ".bil": (".blw",),
    ".bip": (".bpw",),
    ".bsq": (".bqw",),
}
# File systems have coarse clocks, so the list of a folder that has just changed is not cached.
SETTLED_NS = 5_000_000_000
_ARCHIVE = re.compile(r"^(?:/vsi(?:zip|tar|gzip|7z|rar)/)+")


def side_files(raster: Path) -> list[Path]:
    """The side files that GDAL reads with ``raster``, in upper or lower case, sorted by name.

    World files follow GDAL's rule: first and last letter of the suffix, or all of it, then w.
    """
    names = _lower_names(raster.parent)
    suffix = raster.suffix.lower()
    world = {f".{suffix[1]}{suffix[-1]}w", f"{suffix}w"} if suffix[1:] else set()
    of_stem = (*OF_STEM, *OF_FORMAT.get(suffix, ()), *world)
    wanted = {(raster.name, end) for end in OF_NAME} | {(raster.stem, end) for end in of_stem}
    fitting = {
        name
        for start, end in wanted
        for name in names.get((start + end).lower(), ())
        if name.startswith(start) and name != raster.name
    }
    files = (raster.with_name(name) for name in sorted(fitting))
    return [file for file in files if file.is_file()]


def vrt_sources(vrt: Path) -> list[Path]:
    """The existing local files and folders that a VRT names as its sources.

    Empty if the file is not a VRT or cannot be read.
    """
    if vrt.suffix.lower() != ".vrt":
        return []
    try:
        root = ElementTree.parse(vrt).getroot()
    except (ElementTree.ParseError, LookupError, ValueError, OSError):
        return []
    beside = vrt.resolve().parent
    sources: dict[Path, None] = {}
    for tag in ("SourceFilename", "SourceDataset"):
        for element in root.iter(tag):
            folder = beside if element.get("relativeToVRT") == "1" else Path()
            if source := next(_existing(element.text or "", folder), None):
                sources[source] = None
    return list(sources)


def _existing(text: str, folder: Path) -> Iterator[Path]:
    """The existing files behind a dataset's name: a file, a subdataset's file, or an archive."""
    quoted = re.findall(r'"([^"]+)"', text)
    connection = re.findall(r"^vrt://([^?]+)", text)
    for name in (text, *quoted, *connection, *text.split(":")):
        inside = _ARCHIVE.sub("", name.strip())
        file = folder / inside
        if not inside.strip("/."):
            continue
        if os.path.exists(file):
            yield file
        elif inside != name.strip():
            yield from (archive for archive in file.parents if archive.is_file())


def _lower_names(folder: Path) -> dict[str, list[str]]:
    """The names in a folder by lower-case name; empty if the folder cannot be listed."""
    try:
        changed_ns = folder.stat().st_mtime_ns
        settled = abs(time.time_ns() - changed_ns) >= SETTLED_NS
        return (_listed if settled else _listed.__wrapped__)(folder, changed_ns)
    except OSError:
        return {}


@lru_cache(maxsize=64)  # thousands of rasters can share a folder
def _listed(folder: Path, changed_ns: int) -> dict[str, list[str]]:
    """The names of a folder that was last changed at ``changed_ns``."""
    listed: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        listed.setdefault(name.lower(), []).append(name)
    return listed
