"""What a config's three sensors are looked for in: the catalogs, asked in the order of need."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
Ask = Callable[[Sequence[datetime], timedelta, Sources], Found]
"""From moments and a window around them to what a catalog offers then."""
INPUT_WINDOW_MIN = 10.0
"""Default if the config sets no limit: on a clear morning, LST rises by 2 to 4 K/h."""


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
    ask_input = _catalog(source, query)
    ask_reference = None if guide.product == "landsat" else _catalog(guide, query)
    rules = _rules(config, query)
    of_target = _endings(config)
    of_reference = landsat_stac.endings(guide) if guide.product == "landsat" else ()
    wanted = list(dict.fromkeys([*of_target, *of_reference]))
    found = landsat_stac.search(query.landsat, query.area, query.start, query.end, wanted)
    moments = [one.time for one in found.products if one.cloud <= rules.max_cloud]
    logger.info("Landsat: %d scenes, %d clear enough", len(found.products), len(moments))

    inputs = references = Found()
    if moments:
        inputs = ask_input(moments, rules.input_window, sources)
        logger.info("%s: %d slots around them", source.sensor, len(inputs.products))
    if moments and ask_reference:
        # a reference may lie beyond an input on either side
        window = rules.input_window + rules.reference_window
        references = ask_reference(moments, window, sources)
        logger.info("%s: %d slots around them", guide.sensor, len(references.products))
    triples, unmatched = match(
        found.products,
        inputs.products,
        references.products if ask_reference else None,
        query.area,
        rules,
    )
    rejected = [*found.rejected, *inputs.rejected, *references.rejected, *unmatched]
    return [_with_files(one, of_target, of_reference) for one in triples], rejected


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


def _catalog(sensor: SensorConfig, query: Query) -> Ask:
    """How the sensor's slots are asked for. Raises LstsrError where no catalog offers it."""
    if sensor.product == "gk2a":
        return kma_hub.slots
    if sensor.product == "gk2a-l1b":
        lst = sensor.bands == ["lst"]
        channels = ["ir112", "ir123"] if lst else sensor.bands
        area = query.gk2a_area
        return lambda moments, window, _: gk2a_bucket.slots(moments, window, channels, area)
    if sensor.product == "goci2" or sensor.product == "goci2-l1b":
        ask, product = {"opendap": nosc.slots, "openapi": nosc.search}[query.goci2], sensor.product
        return lambda moments, window, sources: ask(moments, window, product, sources)
    raise LstsrError(f"sensors: no catalog offers {sensor.product} as input or reference")


def _with_files(triple: Triple, of_target: Sequence[str], of_reference: Sequence[str]) -> Triple:
    """Of a Landsat product each role takes the files that it reads."""
    product = triple.target
    target = replace(product, files=landsat_stac.of_files(product, of_target))
    reference = triple.reference
    if of_reference:
        reference = replace(product, files=landsat_stac.of_files(product, of_reference))
    return replace(triple, target=target, reference=reference)
