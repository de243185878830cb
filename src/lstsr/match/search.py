"""Search the catalogs for the three sensors of a config."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry

from lstsr.catalogs import gk2a_bucket, kma_hub, landsat_stac, nosc
from lstsr.catalogs.results import Rejected, SearchResult
from lstsr.errors import LstsrError
from lstsr.match.triples import Rules, Triple, match
from lstsr.transfer.sources import Sources

if TYPE_CHECKING:
    from lstsr.config import Config, SensorConfig

logger = logging.getLogger(__name__)
INPUT_WINDOW_MIN = 10.0
"""Default if the config sets no limit: on a clear morning, LST rises by 2 to 4 K/h."""


@dataclass(frozen=True)
class Query:
    """Area, days (UTC, both included), maximum cloud fraction (0..1), and the services to ask."""

    area: BaseGeometry
    start: date
    end: date
    max_cloud: float = 0.3
    landsat: str = "planetary-computer"
    gk2a_area: str = "la"
    goci2: str = "opendap"


def find(config: Config, query: Query, sources: Sources) -> tuple[list[Triple], list[Rejected]]:
    """The triplets of a config's sensors, best first, and all rejected candidates.

    Searches for GK2A and GOCI-II cover only the times around usable Landsat scenes. Raises
    LstsrError for sensors that no catalog offers, TransferError if a service does not answer.
    """
    source, target, guide = config.sensors.input, config.sensors.target, config.sensors.reference
    if source is None or guide is None:
        raise LstsrError("task: optical has one image per scene. lstsr match finds triplets")
    ask_input = _catalog(source, query)
    ask_reference = None if guide.product == "landsat" else _catalog(guide, query)
    if target.product != "landsat":
        raise LstsrError(
            f"sensors.target: no catalog offers {target.product}. lstsr match finds landsat"
        )
    band = config.align.registration.target_band
    of_target = landsat_stac.endings(target, [band] if band else [])
    of_reference = landsat_stac.endings(guide) if guide.product == "landsat" else ()
    rules = Rules(
        max_cloud=query.max_cloud,
        min_score=config.align.min_valid,
        input_window=timedelta(minutes=config.align.time_window_min or INPUT_WINDOW_MIN),
        reference_window=config.align.reference_window,
    )
    wanted = list(dict.fromkeys([*of_target, *of_reference]))
    landsat = landsat_stac.search(
        query.landsat, query.area, query.start, query.end, wanted, sources
    )
    moments = [scene.time for scene in landsat.products if scene.cloud <= rules.max_cloud]
    logger.info("Landsat: %d scenes, %d clear enough", len(landsat.products), len(moments))

    inputs = references = SearchResult()
    if moments:
        inputs = ask_input(moments, rules.input_window, sources=sources)
        logger.info("%s: %d slots around them", source.sensor, len(inputs.products))
    if moments and ask_reference:
        # references lie around inputs
        window = rules.input_window + rules.reference_window
        references = ask_reference(moments, window, sources=sources)
        logger.info("%s: %d slots around them", guide.sensor, len(references.products))
    triples, unmatched = match(
        landsat.products,
        inputs.products,
        references.products if ask_reference else None,
        query.area,
        rules,
    )
    rejected = [*landsat.rejected, *inputs.rejected, *references.rejected, *unmatched]
    found = []
    for triple in triples:  # each role takes only the Landsat files that it reads
        reference = triple.reference
        if of_reference:
            reference = landsat_stac.keep(triple.target, of_reference)
        kept = landsat_stac.keep(triple.target, of_target)
        found.append(replace(triple, target=kept, reference=reference))
    return found, rejected


def _catalog(sensor: SensorConfig, query: Query) -> Callable[..., SearchResult]:
    """The search for the sensor's slots. Raises LstsrError if no catalog offers it."""
    if sensor.product == "gk2a":
        return kma_hub.slots
    if sensor.product == "gk2a-l1b":
        channels = ["ir112", "ir123"] if sensor.bands == ["lst"] else sensor.bands
        return partial(gk2a_bucket.slots, channels=channels, area=query.gk2a_area)
    if sensor.product == "goci2" or sensor.product == "goci2-l1b":
        ask = {"opendap": nosc.slots, "openapi": nosc.search}[query.goci2]
        return partial(ask, product=sensor.product)
    raise LstsrError(f"sensors: no catalog offers {sensor.product} as input or reference")
