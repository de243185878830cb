"""Writing what was matched: the manifest, what was rejected, and how much there is to download."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from lstsr.catalogs.landsat_stac import scene_of
from lstsr.catalogs.product import Product, Rejected, RemoteFile
from lstsr.files import write_csv
from lstsr.match.pairs import Triple
from lstsr.scenes import ROLES, STATIC
from lstsr.transfer.download import GB

COLUMNS = ("scene", *ROLES, "lon", "lat", "time", *STATIC) + (
    "score",
    "cloud_percent",
    "input_min",
    "reference_min",
)
FILES = ("address", "bytes", "checksum")
MB = 1e6
TYPICAL_MB = {
    "_ST_B10.TIF": 75,
    "_ST_QA.TIF": 50,
    "_QA_PIXEL.TIF": 4,
    "_QA_RADSAT.TIF": 1,
    "_MTL.json": 0.02,
    "_AC.nc": 380,
    **{f"_SR_B{number}.TIF": 85 for number in range(1, 8)},
}
"""By the end of a file's name, where a catalog states no size: products as users report them."""
OTHERWISE_MB = {"apihub.kma.go.kr": 0.4, "nosc.go.kr": 2500}


def write(
    path: Path,
    triples: Sequence[Triple],
    rejected: Sequence[Rejected],
    static: dict[str, Path],
) -> None:
    """Write the manifest and, beside it, ``NAME.files.csv`` and ``NAME.rejected.csv``.

    Cells hold addresses, separated by spaces, the one that is opened first; sizes and checksums,
    where they are known, stand in the second table. ``static`` names rasters that all scenes share.
    """
    write_csv(path, COLUMNS, [_row(one, path, static) for one in triples])
    write_csv(
        path.with_suffix(".files.csv"),
        FILES,
        (
            {"address": file.address, "bytes": file.size, "checksum": file.checksum}
            for _, file in _files(triples)
        ),
    )
    write_csv(
        path.with_suffix(".rejected.csv"),
        ("candidate", "source", "time", "reason"),
        (
            {
                "candidate": one.name,
                "source": one.source,
                "time": f"{one.time:%Y-%m-%dT%H:%M:%SZ}" if one.time else "",
                "reason": one.reason,
            }
            for one in sorted(rejected, key=lambda one: (one.source, one.name, one.reason))
        ),
    )


def within(triples: Sequence[Triple], max_bytes: float) -> tuple[list[Triple], list[Rejected]]:
    """The best triplets whose files are no more than ``max_bytes`` together, and the others."""
    kept: list[Triple] = []
    seen: set[str] = set()
    total = 0.0
    for one in triples:
        more = {file.address: _bytes(product, file) for product, file in _files([one])}
        total += sum(size for address, size in more.items() if address not in seen)
        if total > max_bytes:
            break
        seen |= set(more)
        kept.append(one)
    reason = f"beyond --max-gb {max_bytes / GB:g}; others score higher"
    left = (one.target for one in triples[len(kept) :])
    return kept, [Rejected(one.name, one.source, one.time, reason) for one in left]


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
    return MB * next(ends, OTHERWISE_MB.get(product.source, 0))


def _row(one: Triple, path: Path, static: dict[str, Path]) -> dict[str, object]:
    return {
        "scene": scene_of(one.target),
        **{role: " ".join(file.address for file in getattr(one, role).files) for role in ROLES},
        "lon": f"{one.lon:.4f}",
        "lat": f"{one.lat:.4f}",
        "time": f"{one.target.time:%Y-%m-%dT%H:%M:%SZ}",
        **{name: os.path.relpath(file, path.parent) for name, file in static.items()},
        "score": f"{one.score:.3f}",
        "cloud_percent": f"{one.target.cloud:.0%}".rstrip("%"),
        "input_min": f"{one.minutes('input'):+.1f}",
        "reference_min": f"{one.minutes('reference'):+.1f}",
    }
