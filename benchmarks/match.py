"""Matching a year: 1,000 Landsat scenes against every slot of GK2A and GOCI-II of 365 days.

    python benchmarks/match.py [--scenes 1000] [--days 365]

The scenes are STAC items of a catalog on this machine. Slots of GK2A's
local area come every 2 minutes (262,800 a year), scans of GOCI-II ten a day; scenes pass on any day
between 01:55 and 02:20 UTC somewhere over Korea. Bars: 10 s for search and match, and 500 MB for
the whole process. The first 20 scenes are matched again by trying every slot, with the same result.
Exits with 1 if a bar is missed or the results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from shapely import affinity
from shapely.geometry import Polygon, box, mapping
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs import landsat_stac
from lstsr.catalogs.gk2a_bucket import OUTLINES as GK2A_OUTLINES
from lstsr.catalogs.nosc import KOREA
from lstsr.catalogs.nosc import OUTLINES as GOCI2_OUTLINES
from lstsr.catalogs.results import Product, RemoteFile
from lstsr.match.triples import Rules, Triple, match
from lstsr.transfer.sources import Sources

MOST_S, MOST_MB = 10, 500
PROVIDER = "planetary-computer"
START = datetime(2023, 1, 1, tzinfo=UTC)
AREA = box(124.5, 33, 131, 39)
RULES = Rules(0.3, 0.05, timedelta(minutes=10), timedelta(minutes=45))
FOOTPRINT = Polygon([(-0.8, 1.0), (1.2, 0.7), (0.8, -1.0), (-1.2, -0.7)])
"""Degrees around a scene's centre."""
ENDINGS = ("_MTL.json", "_QA_PIXEL.TIF", "_QA_RADSAT.TIF", "_ST_B10.TIF", "_ST_QA.TIF")
BLOBS = "https://landsateuwest.blob.core.windows.net/landsat-c2/level-2/standard/oli-tirs"
CHECKED = 20


def items(count: int, days: int) -> list[dict[str, Any]]:
    """STAC items of Landsat scenes of random days, places and cloud shares."""
    rng = random.Random(0)
    return [
        item(
            index,
            START + timedelta(days=rng.randrange(days), minutes=rng.uniform(115, 140)),
            affinity.translate(FOOTPRINT, rng.uniform(125.5, 130), rng.uniform(33.5, 38.5)),
            100 * rng.betavariate(0.6, 0.6),
        )
        for index in range(count)
    ]


def item(index: int, seen: datetime, outline: BaseGeometry, cloud_percent: float) -> dict[str, Any]:
    """An item as Planetary Computer writes it; its number replaces path and row."""
    core, end = f"LC08_L2SP_{index:06d}_{seen:%Y%m%d}", "02_T1"
    name = f"{core}_{seen:%Y%m%d}_{end}"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"{core}_{end}",
        "collection": "landsat-c2-l2",
        "geometry": mapping(outline),
        "bbox": outline.bounds,
        "properties": {"datetime": seen.isoformat(), "eo:cloud_cover": cloud_percent},
        "assets": {end: {"href": f"{BLOBS}/{name}/{name}{end}"} for end in ENDINGS},
        "links": [],
    }


@contextmanager
def serving(catalog: list[dict[str, Any]]) -> Iterator[Sources]:
    """A STAC API for the items, which replaces Planetary Computer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            query = dict(parse_qsl(urlsplit(self.path).query))
            start = int(query.get("token", 0))
            end = start + int(query["limit"])
            more = f"{root}{provider.path}/search?{urlencode({**query, 'token': end})}"
            links = [{"rel": "next", "href": more}] if end < len(catalog) else []
            page = {"type": "FeatureCollection", "features": catalog[start:end], "links": links}
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    provider = landsat_stac.PROVIDERS[PROVIDER]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        root = f"http://127.0.0.1:{server.server_port}"
        os.environ["LSTSR_ENDPOINTS"] = f"{provider.host}={root}"
        sources = Sources(frozenset({"127.0.0.1"}))
        threading.Thread(target=server.serve_forever).start()
        try:
            yield sources
        finally:
            server.shutdown()


def slots(days: int) -> list[Product]:
    """GK2A's local area, every two minutes."""
    return [
        slot("gk2a", START + timedelta(minutes=2 * index), GK2A_OUTLINES["la"])
        for index in range(days * 720)
    ]


def scans(days: int) -> list[Product]:
    """GOCI-II's slot of Korea, ten times a day."""
    first = START + timedelta(minutes=28)
    return [
        slot("goci2", first + timedelta(days=day, hours=hour), GOCI2_OUTLINES[KOREA])
        for day in range(days)
        for hour in (23, *range(9))
    ]


def slot(sensor: str, seen: datetime, outline: BaseGeometry) -> Product:
    """One product of one file."""
    name = f"{sensor}_{seen:%Y%m%d%H%M}"
    return Product(name, sensor, seen, outline, (RemoteFile(f"s3://bucket/{name}.nc", 500_000),))


def by_trying_all(target: Product, candidates: list[Product]) -> str:
    """The nearest candidate: every outline here covers the same tenths of a scene."""
    return min(candidates, key=lambda slot: (abs(slot.time - target.time), slot.name)).name


def agrees(triples: list[Triple], inputs: list[Product], references: list[Product]) -> bool:
    """Whether the first triplets are those of a search through everything."""
    return all(
        triple.input.name == by_trying_all(triple.target, inputs)
        and triple.reference.name == by_trying_all(triple.target, references)
        for triple in triples[:CHECKED]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Match and report; 0 if the bars are met and both ways agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args(arguments)
    inputs, references = slots(options.days), scans(options.days)
    first, last = START.date(), START.date() + timedelta(days=options.days)
    with serving(items(options.scenes, options.days)) as sources:
        start = time.perf_counter()
        landsat = landsat_stac.search(PROVIDER, AREA, first, last, ENDINGS, sources)
        searched = time.perf_counter()
    between = time.perf_counter()
    triples, rejected = match(landsat.products, inputs, references, AREA, RULES)
    search_s, match_s = searched - start, time.perf_counter() - between
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{len(landsat.products)} scenes of {options.scenes} STAC items")
    print(f"{len(inputs)} slots of GK2A, {len(references)} of GOCI-II")
    print(f"{len(triples)} triplets, {len(rejected)} rejected")
    print(f"search {search_s:.2f} s, match {match_s:.2f} s (bar {MOST_S} s together)")
    print(f"{peak_mb:.0f} MB (bar {MOST_MB} MB)")
    same = agrees(triples, inputs, references)
    print(f"the first {CHECKED} {'agree' if same else 'DISAGREE'} with a search through all slots")
    met = search_s + match_s <= MOST_S and peak_mb <= MOST_MB
    print("bars met" if met else "bars MISSED")
    return 0 if met and same and triples and len(landsat.products) == options.scenes else 1


if __name__ == "__main__":
    sys.exit(main())
