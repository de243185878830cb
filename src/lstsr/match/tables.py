"""Write the tables of a search: the manifest, its files, and the rejected candidates."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path

from lstsr.catalogs.landsat_stac import scene_of
from lstsr.catalogs.results import Product, Rejected, RemoteFile
from lstsr.files import write_csv
from lstsr.manifest import ROLES, STATIC
from lstsr.match.triples import Triple
from lstsr.times import iso
from lstsr.transfer.credentials import KMA
from lstsr.transfer.fetch import GB

COLUMNS = ("scene", *ROLES, "lon", "lat", "time", *STATIC) + (
    "score",
    "cloud_percent",
    "input_min",
    "reference_min",
)
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
"""By the end of a file's name, if a catalog gives no size. Bands of Landsat and slots of GOCI-II
Level 2 as users report them; a mosaic of Level 1B is 90.6 Mpx x 56 B (12 bands, latitude and
longitude). A mosaic has 12 slots."""


def write(
    path: Path,
    triples: Sequence[Triple],
    rejected: Sequence[Rejected],
    static: dict[str, Path],
) -> None:
    """Write ``NAME.rejected.csv``, ``NAME.files.csv`` (sizes, checksums) and then the manifest.

    Cells of the manifest hold addresses, separated by spaces; a reader opens the first. ``static``
    names rasters that all scenes share.
    """
    write_rejected(path, rejected)
    rows = (
        {"address": file.address, "bytes": file.size, "checksum": file.checksum}
        for _, file in _files(triples)
    )
    write_csv(path.with_suffix(".files.csv"), ("address", "bytes", "checksum"), rows)
    # resolved: `..` in a linked folder leads out of the link's target
    home = path.parent.resolve()
    shared = {name: os.path.relpath(file.resolve(), home) for name, file in static.items()}
    scenes = []
    for triple in triples:
        roles = {role: getattr(triple, role).files for role in ROLES}
        scenes.append(
            {
                "scene": scene_of(triple.target),
                **{role: " ".join(file.address for file in roles[role]) for role in ROLES},
                "lon": f"{triple.lon:.4f}",
                "lat": f"{triple.lat:.4f}",
                "time": iso(triple.target.time),
                **shared,
                "score": f"{triple.score:.3f}",
                "cloud_percent": f"{100 * triple.target.cloud:.0f}",
                "input_min": f"{triple.minutes('input'):+.1f}",
                "reference_min": f"{triple.minutes('reference'):+.1f}",
            }
        )
    write_csv(path, COLUMNS, scenes)


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> Path:
    """Write ``NAME.rejected.csv`` beside the manifest ``path``, and return its path."""
    table = path.with_suffix(".rejected.csv")
    rows = (
        {
            "candidate": other.name,
            "source": other.source,
            "time": iso(other.time) if other.time else "",
            "reason": other.reason,
        }
        for other in sorted(rejected, key=attrgetter("source", "name", "reason"))
    )
    write_csv(table, ("candidate", "source", "time", "reason"), rows)
    return table


def commonest(rejected: Iterable[Rejected]) -> str:
    """A reason of the most frequent kind. Kinds ignore names and numbers."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for other in rejected:
        kinds[re.sub(r"\S*\d\S*", "", other.reason)].append(other.reason)
    return min(max(kinds.items(), key=lambda kind: (len(kind[1]), kind[0]))[1])


def within(triples: Sequence[Triple], max_bytes: float) -> tuple[list[Triple], list[Rejected]]:
    """The best triplets whose files fit into ``max_bytes`` together, and the rejected others."""
    kept: list[Triple] = []
    left: list[Rejected] = []
    seen: set[str] = set()
    total = 0.0
    for triple in triples:
        sizes = {file.address: _bytes(product, file) for product, file in _files([triple])}
        more = sum(size for address, size in sizes.items() if address not in seen)
        if total + more <= max_bytes:
            total += more
            seen |= set(sizes)
            kept.append(triple)
        else:
            reason = f"{more / GB:.2g} GB more would exceed --max-gb {max_bytes / GB:g}"
            left.append(triple.target.rejected(reason))
    return kept, left


def volume(triples: Iterable[Triple]) -> dict[str, float]:
    """Bytes to download from each source, from the catalog or typical of the product."""
    totals: dict[str, float] = defaultdict(float)
    for product, file in _files(triples):
        totals[product.source] += _bytes(product, file)
    return dict(totals)


def _files(triples: Iterable[Triple]) -> Iterable[tuple[Product, RemoteFile]]:
    """Every file once, because scenes can share files."""
    seen: dict[str, tuple[Product, RemoteFile]] = {}
    for product in (getattr(triple, role) for triple in triples for role in ROLES):
        for file in product.files:
            seen.setdefault(file.address, (product, file))
    return seen.values()


def _bytes(product: Product, file: RemoteFile) -> float:
    if file.size is not None:
        return file.size
    ends = (mb for end, mb in TYPICAL_MB.items() if file.name.endswith(end))
    return 1e6 * next(ends, 0.4 if product.source == KMA.host else 0)
