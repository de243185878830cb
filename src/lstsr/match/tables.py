"""Writing what was matched: the manifest, what was rejected, and how much there is to download."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from lstsr.catalogs.landsat_stac import scene_of
from lstsr.catalogs.results import Product, Rejected, RemoteFile
from lstsr.files import write_csv
from lstsr.manifest import ROLES, STATIC
from lstsr.match.triples import Triple
from lstsr.times import iso
from lstsr.transfer.fetch import GB

COLUMNS = ("scene", *ROLES, "lon", "lat", "time", *STATIC) + (
    "score",
    "cloud_percent",
    "input_min",
    "reference_min",
)
FILES = ("address", "bytes", "checksum")
REJECTED = ("candidate", "source", "time", "reason")
MB = 1e6
TYPICAL_MB = {
    "_ST_B10.TIF": 75,
    "_ST_QA.TIF": 50,
    "_QA_PIXEL.TIF": 4,
    "_QA_RADSAT.TIF": 1,
    "_MTL.json": 0.02,
    **{f"_SR_B{number}.TIF": 85 for number in range(1, 8)},
    "_S007_AC.nc": 380,
    "_LA_AC.nc": 12 * 380,
    "_S007.nc": 420,
    "_LA.nc": 12 * 420,
}
"""By the end of a file's name, where a catalog states no size. Landsat's bands and the slot of
GOCI-II's Level 2 as users report them; a mosaic of Level 1B is 90.6 Mpx x 56 B (12 bands, latitude
and longitude). A mosaic has 12 slots."""
OF_SOURCE_MB = {"apihub.kma.go.kr": 0.4}


def write(
    path: Path,
    triples: Sequence[Triple],
    rejected: Sequence[Rejected],
    static: dict[str, Path],
) -> None:
    """Write ``NAME.rejected.csv`` and ``NAME.files.csv``, and the manifest beside them, last.

    Cells hold addresses, separated by spaces, the one that is opened first; sizes and checksums,
    where they are known, stand in the second table. ``static`` names rasters that all scenes share.
    """
    write_rejected(path, rejected)
    write_csv(
        path.with_suffix(".files.csv"),
        FILES,
        (
            {"address": file.address, "bytes": file.size, "checksum": file.checksum}
            for _, file in _files(triples)
        ),
    )
    write_csv(path, COLUMNS, [_row(one, path, static) for one in triples])


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> Path:
    """Write ``NAME.rejected.csv`` beside where the manifest is, or would be; the table's path."""
    table = path.with_suffix(".rejected.csv")
    write_csv(
        table,
        REJECTED,
        (
            {
                "candidate": one.name,
                "source": one.source,
                "time": iso(one.time) if one.time else "",
                "reason": one.reason,
            }
            for one in sorted(rejected, key=lambda one: (one.source, one.name, one.reason))
        ),
    )
    return table


def commonest(rejected: Iterable[Rejected]) -> str:
    """A reason of the most frequent kind, whatever its names and numbers are."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for one in rejected:
        kinds[re.sub(r"\S*\d\S*", "", one.reason)].append(one.reason)
    return min(max(kinds.items(), key=lambda kind: (len(kind[1]), kind[0]))[1])


def within(triples: Sequence[Triple], max_bytes: float) -> tuple[list[Triple], list[Rejected]]:
    """From the first on, the triplets whose files fit into ``max_bytes`` together; the others."""
    kept: list[Triple] = []
    left: list[Rejected] = []
    seen: set[str] = set()
    total = 0.0
    for one in triples:
        sizes = {file.address: _bytes(product, file) for product, file in _files([one])}
        more = sum(size for address, size in sizes.items() if address not in seen)
        if total + more <= max_bytes:
            total += more
            seen |= set(sizes)
            kept.append(one)
        else:
            reason = f"{more / GB:.2g} GB more would exceed --max-gb {max_bytes / GB:g}"
            left.append(Rejected(one.target.name, one.target.source, one.target.time, reason))
    return kept, left


def volume(triples: Iterable[Triple]) -> dict[str, float]:
    """Bytes to be downloaded from each source, by the catalogs or typical of the product."""
    found: dict[str, float] = defaultdict(float)
    for product, file in _files(triples):
        found[product.source] += _bytes(product, file)
    return dict(found)


def _files(triples: Iterable[Triple]) -> Iterable[tuple[Product, RemoteFile]]:
    """Every file once: scenes may share one."""
    seen: dict[str, tuple[Product, RemoteFile]] = {}
    for one in triples:
        for role in ROLES:
            product = getattr(one, role)
            for file in product.files:
                seen.setdefault(file.address, (product, file))
    return seen.values()


def _bytes(product: Product, file: RemoteFile) -> float:
    if file.size is not None:
        return file.size
    ends = (mb for end, mb in TYPICAL_MB.items() if file.name.endswith(end))
    return MB * next(ends, OF_SOURCE_MB.get(product.source, 0))


def _row(one: Triple, path: Path, static: dict[str, Path]) -> dict[str, object]:
    return {
        "scene": scene_of(one.target),
        **{role: " ".join(file.address for file in getattr(one, role).files) for role in ROLES},
        "lon": f"{one.lon:.4f}",
        "lat": f"{one.lat:.4f}",
        "time": iso(one.target.time),
        # `..` of a folder that is a link leads out of where it points
        **{
            name: os.path.relpath(file.resolve(), path.parent.resolve())
            for name, file in static.items()
        },
        "score": f"{one.score:.3f}",
        "cloud_percent": f"{one.target.cloud:.0%}".rstrip("%"),
        "input_min": f"{one.minutes('input'):+.1f}",
        "reference_min": f"{one.minutes('reference'):+.1f}",
    }
