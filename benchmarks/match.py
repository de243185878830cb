"""Matching a year: 1,000 Landsat scenes against every slot of GK2A and GOCI-II of 365 days.

    python benchmarks/match.py [--scenes 1000] [--days 365]

Slots of GK2A's local area come every 2 minutes (262,800 a year), scans of GOCI-II ten a day; scenes
pass on any day between 01:55 and 02:20 UTC somewhere over Korea. Bars: 10 s, and 500 MB for the
whole process. The first 20 scenes are matched again by trying every slot, which must find the same.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from datetime import UTC, datetime, timedelta

from shapely import affinity
from shapely.geometry import Polygon, box

from lstsr.catalogs.gk2a_bucket import OUTLINES as GK2A_OUTLINES
from lstsr.catalogs.nosc import KOREA
from lstsr.catalogs.nosc import OUTLINES as GOCI2_OUTLINES
from lstsr.catalogs.product import Product, RemoteFile
from lstsr.match.pairs import Rules, Triple, match

START = datetime(2023, 1, 1, tzinfo=UTC)
AREA = box(124.5, 33, 131, 39)
RULES = Rules(0.3, 0.05, timedelta(minutes=10), timedelta(minutes=45))
FOOTPRINT = Polygon([(-0.8, 1.0), (1.2, 0.7), (0.8, -1.0), (-1.2, -0.7)])
"""Degrees around a scene's centre."""
CHECKED = 20


def scenes(count: int, days: int) -> list[Product]:
    """Landsat scenes of random days, places and cloud shares."""
    rng = random.Random(0)
    return [
        Product(
            f"LC08_{index:04d}",
            "landsat",
            START + timedelta(days=rng.randrange(days), minutes=rng.uniform(115, 140)),
            affinity.translate(FOOTPRINT, rng.uniform(125.5, 130), rng.uniform(33.5, 38.5)),
            (RemoteFile(f"https://host/{index}"),),
            rng.betavariate(0.6, 0.6),
        )
        for index in range(count)
    ]


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


def slot(sensor: str, seen: datetime, outline: object) -> Product:
    """One product of one file."""
    name = f"{sensor}_{seen:%Y%m%d%H%M}"
    return Product(name, sensor, seen, outline, (RemoteFile(f"s3://bucket/{name}.nc", 500_000),))


def by_trying_all(target: Product, candidates: list[Product]) -> str:
    """The nearest of all: every outline here covers the same tenths of a scene."""
    return min(candidates, key=lambda one: (abs(one.time - target.time), one.name)).name


def agrees(triples: list[Triple], inputs: list[Product], references: list[Product]) -> bool:
    """Whether the first triplets are those of a search through everything."""
    return all(
        one.input.name == by_trying_all(one.target, inputs)
        and one.reference.name == by_trying_all(one.target, references)
        for one in triples[:CHECKED]
    )


def main() -> None:
    """Match and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    targets = scenes(options.scenes, options.days)
    inputs, references = slots(options.days), scans(options.days)
    start = time.perf_counter()
    triples, rejected = match(targets, inputs, references, AREA, RULES)
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{len(targets)} scenes, {len(inputs)} slots of GK2A, {len(references)} of GOCI-II")
    print(f"{len(triples)} triplets, {len(rejected)} rejected: {seconds:.2f} s, {peak_mb:.0f} MB")
    same = agrees(triples, inputs, references)
    print(f"the first {CHECKED} {'agree' if same else 'DISAGREE'} with a search through all slots")


if __name__ == "__main__":
    main()
