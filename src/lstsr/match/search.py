"""What a config's three sensors are looked for in: the catalogs, asked in the order of need."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry

from lstsr.catalogs import gk2a_bucket, kma_hub, landsat_stac, nosc
from lstsr.catalogs.product import Found, Rejected
from lstsr.errors import LstsrError
from lstsr.match.pairs import Rules, Triple, match
from lstsr.transfer.sources import Sources

if TYPE_CHECKING:
    from lstsr.config import Config, SensorConfig

logger = logging.getLogger(__name__)
INPUT_WINDOW_MIN = 10.0
"""Where the config checks no time: LST of a clear morning rises by 2 to 4 K/h."""


@dataclass(frozen=True)
class Query:
    """Where, when (UTC days, both included) and how cloudy (0..1); and whom to ask."""

    area: BaseGeometry
    start: date
    end: date
    max_cloud: float = 0.3
    landsat: str = "planetary-computer"
    gk2a_area: str = "la"
    goci2: str = "opendap"


def find(config: Config, query: Query, sources: Sources) -> tuple[list[Triple], list[Rejected]]:
    """The triplets of a config's sensors, best first, and all that was rejected.

    GK2A and GOCI-II are only asked for the times around usable Landsat scenes. Raises LstsrError
    for sensors that no catalog offers, TransferError where a service does not answer.
    """
    source, guide = config.sensors.input, config.sensors.reference
    if source is None or guide is None:
        raise LstsrError("task: match finds triplets, task optical has one image a scene")
    rules = _rules(config, query)
    of_target = _endings(config)
    of_reference: tuple[str, ...] = ()
    if guide.product == "landsat":
        of_reference = landsat_stac.endings(guide)
    wanted = list(dict.fromkeys([*of_target, *of_reference]))
    found = landsat_stac.search(query.landsat, query.area, query.start, query.end, wanted)
    rejected = found.rejected
    moments = [one.time for one in found.products if one.cloud <= rules.max_cloud]
    logger.info("Landsat: %d scenes, %d clear enough", len(found.products), len(moments))

    inputs = _slots(source, moments, rules.input_window, query, sources)
    rejected += inputs.rejected
    references = None
    if guide.product != "landsat":
        window = rules.input_window + rules.reference_window
        seen = _slots(guide, moments, window, query, sources)
        rejected += seen.rejected
        references = seen.products
    triples, unmatched = match(found.products, inputs.products, references, query.area, rules)
    return [_with_files(one, of_target, of_reference) for one in triples], rejected + unmatched


def _rules(config: Config, query: Query) -> Rules:
    window = config.align.time_window_min or INPUT_WINDOW_MIN
    return Rules(
        max_cloud=query.max_cloud,
        min_score=config.align.min_valid,
        input_window=timedelta(minutes=window),
        reference_window=config.align.reference_window,
    )


def _endings(config: Config) -> tuple[str, ...]:
    target = config.sensors.target
    if target.product != "landsat":
        raise LstsrError(f"sensors.target: no catalog offers {target.product}, match finds landsat")
    matched = config.align.registration.target_band
    return landsat_stac.endings(target, [matched] if matched else [])


def _slots(
    sensor: SensorConfig,
    moments: Sequence[datetime],
    window: timedelta,
    query: Query,
    sources: Sources,
) -> Found:
    """What the sensor's catalog offers around the moments."""
    if not moments:
        return Found()
    if sensor.product == "gk2a":
        found = kma_hub.slots(moments, window, sources)
    elif sensor.product == "gk2a-l1b":
        lst = sensor.bands == ["lst"]
        channels = ["ir112", "ir123"] if lst else sensor.bands
        found = gk2a_bucket.slots(moments, window, channels, query.gk2a_area)
    elif sensor.product == "goci2" or sensor.product == "goci2-l1b":
        ask = {"opendap": nosc.slots, "openapi": nosc.search}[query.goci2]
        found = ask(moments, window, sensor.product, sources)
    else:
        raise LstsrError(f"sensors: no catalog offers {sensor.product} as input or reference")
    logger.info("%s: %d slots around them", sensor.sensor, len(found.products))
    return found


def _with_files(triple: Triple, of_target: Sequence[str], of_reference: Sequence[str]) -> Triple:
    """Of a Landsat product each role takes the files that it reads."""
    product = triple.target
    target = replace(product, files=landsat_stac.of_files(product, of_target))
    reference = triple.reference
    if of_reference:
        reference = replace(product, files=landsat_stac.of_files(product, of_reference))
    return replace(triple, target=target, reference=reference)
