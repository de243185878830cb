"""Triplets of products: by time of observation and footprint, scored by expected clear overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import shapely
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.product import Product, Rejected

MIN_COVER = 0.01
"""Less of the target's part of the area is no overlap."""


@dataclass(frozen=True)
class Rules:
    """What makes a triplet: shares are 0..1, windows to either side of the target's time."""

    max_cloud: float
    min_score: float
    input_window: timedelta
    reference_window: timedelta


@dataclass(frozen=True, slots=True)
class Triple:
    """Three products that belong together.

    ``overlap`` is the share of the target's footprint that lies in the area and in all three;
    ``score`` the share of it that is expected to be clear: overlap x (1 - the target's cloud).
    """

    target: Product
    input: Product
    reference: Product
    overlap: float
    score: float
    lon: float
    lat: float

    def minutes(self, role: str) -> float:
        """How long after the target a role was seen."""
        return float((getattr(self, role).time - self.target.time).total_seconds() / 60)


class Timeline:
    """Products by time."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._products = sorted(products, key=lambda product: (product.time, product.name))
        self._times = [product.time for product in self._products]

    def around(self, product: Product, window: timedelta) -> list[Product]:
        """Those within the window to either side of a product's time."""
        first = bisect_left(self._times, product.time - window)
        return self._products[first : bisect_right(self._times, product.time + window)]


def match(
    targets: Iterable[Product],
    inputs: Sequence[Product],
    references: Sequence[Product] | None,
    area: BaseGeometry,
    rules: Rules,
) -> tuple[list[Triple], list[Rejected]]:
    """The triplets, best score first, and the candidates that are in none, with reasons.

    Of several inputs or references in the window the one that covers most, in tenths, is taken,
    and of those the nearest in time. Without ``references`` the target is its own.
    """
    all_inputs = Timeline(inputs)
    all_references = Timeline(references or [])
    triples: list[Triple] = []
    rejected: list[Rejected] = []
    spare: dict[str, Rejected] = {}
    for target in targets:
        part = target.outline.intersection(area)
        reason = _unfit(target, part, rules)
        chosen: dict[str, Product] = {}
        if not reason and references is None:
            chosen["reference"] = target
        for role, timeline, window in (
            ("input", all_inputs, rules.input_window),
            ("reference", all_references, rules.reference_window),
        ):
            if reason or role in chosen:
                continue
            ranked = list(_ranked(target, part, timeline.around(target, window)))
            if ranked:
                chosen[role] = ranked[0]
                spare.update(_not_taken(target, ranked))
            else:
                minutes = window.total_seconds() / 60
                reason = f"no {role} covers it within {minutes:.0f} min"
        if not reason:
            triple = _triple(target, chosen["input"], chosen["reference"], part)
            if triple.score >= rules.min_score:
                triples.append(triple)
                continue
            reason = f"expected clear overlap {triple.score:.3f} is below {rules.min_score:.3f}"
        rejected.append(Rejected(target.name, target.source, target.time, reason))
    used = {getattr(one, role).name for one in triples for role in ("input", "reference")}
    rejected += [one for name, one in spare.items() if name not in used]
    return sorted(triples, key=lambda one: (-one.score, one.target.name)), rejected


def _unfit(target: Product, part: BaseGeometry, rules: Rules) -> str:
    """Why a target cannot serve, whatever else was seen; '' if it can."""
    if target.cloud > rules.max_cloud:
        return f"cloud {target.cloud:.0%} is above {rules.max_cloud:.0%}"
    return "" if part.area > 0 else "it does not meet the area"


def _ranked(target: Product, part: BaseGeometry, near: list[Product]) -> Iterator[Product]:
    """Those that cover some of the part, best first."""
    # slots of one kind share one outline
    outlines = {id(product.outline): product.outline for product in near}
    cover = {key: part.intersection(rim).area / part.area for key, rim in outlines.items()}
    yield from sorted(
        (product for product in near if cover[id(product.outline)] >= MIN_COVER),
        key=lambda product: (
            -round(cover[id(product.outline)], 1),
            abs(product.time - target.time),
            product.name,
        ),
    )


def _not_taken(target: Product, ranked: list[Product]) -> Iterator[tuple[str, Rejected]]:
    reason = f"{ranked[0].name} is nearer to {target.name}, or covers more"
    for product in ranked[1:]:
        yield product.name, Rejected(product.name, product.source, product.time, reason)


def _triple(target: Product, coarse: Product, reference: Product, part: BaseGeometry) -> Triple:
    common = shapely.intersection_all([part, coarse.outline, reference.outline])
    overlap = float(common.area / target.outline.area)
    centre = (common if common.area else part).centroid
    score = overlap * (1 - target.cloud)
    return Triple(target, coarse, reference, overlap, score, centre.x, centre.y)
