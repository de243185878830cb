"""Triplets of products: by time of observation and footprint, scored by expected clear overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import shapely
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.results import Product, Rejected

MIN_COVER = 0.01
"""Less is no overlap."""


@dataclass(frozen=True)
class Rules:
    """What makes a triplet: shares are 0..1, windows reach to either side.

    ``input_window`` is around the target's time, ``reference_window`` around the input's, as
    alignment checks it.
    """

    max_cloud: float
    min_score: float
    input_window: timedelta
    reference_window: timedelta


@dataclass(frozen=True, slots=True)
class Triple:
    """Three products that belong together.

    ``clear_deg2`` is the ground, in square degrees, that lies in the area and in all three
    footprints, times 1 - the target's cloud: what is expected to be seen. ``score`` is its share
    of the target's part of the area, 0..1. ``lon``, ``lat`` is the centre of the common ground.
    """

    target: Product
    input: Product
    reference: Product
    clear_deg2: float
    score: float
    lon: float
    lat: float

    def minutes(self, role: str) -> float:
        """How long after the target a role was seen."""
        return float((getattr(self, role).time - self.target.time).total_seconds() / 60)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product near a target: what share of the target's part of the area it covers, 0..1."""

    product: Product
    cover: float
    apart: timedelta

    @property
    def rank(self) -> tuple[float, timedelta, str]:
        """Best first: what covers most, in tenths, and of those the nearest in time."""
        return -round(self.cover, 1), self.apart, self.product.name


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
    """The triplets, most clear ground first, and the candidates that are in none, with reasons.

    Of several inputs in the window the one that covers most, in tenths, is taken, and of those the
    nearest in time, provided that a reference lies near enough to it; likewise of the references.
    Without ``references`` the target is its own. The order of the products does not matter.
    """
    all_inputs, all_references = Timeline(inputs), Timeline(references or [])
    triples: list[Triple] = []
    rejected: list[Rejected] = []
    spare: dict[str, tuple[timedelta, str, Rejected]] = {}
    for target in sorted(targets, key=lambda target: (target.time, target.name)):
        part = target.outline.intersection(area)
        if reason := _unfit(target, part, area, rules):
            rejected.append(_reject(target, reason))
            continue
        coarse = _candidates(target, part, all_inputs.around(target, rules.input_window))
        guides = [Candidate(target, 1.0, timedelta(0))]
        if references is not None:
            # a reference may lie beyond an input on either side
            window = rules.input_window + rules.reference_window
            guides = _candidates(target, part, all_references.around(target, window))
        pair = _pair(coarse, guides, rules)
        found = _triple(target, part, pair, rules) if pair else _lacking(coarse, rules)
        if isinstance(found, Triple):
            triples.append(found)
        else:
            rejected.append(_reject(target, found))
            pair = None
        for one, reason in _not_taken(target, coarse, guides, pair, rules):
            if one.product is not target:
                # of several targets that a slot is near to, the nearest one's reason stands
                told = one.apart, target.name, _reject(one.product, reason)
                spare[one.product.name] = min(told, spare.get(one.product.name, told))
    used = {getattr(one, role).name for one in triples for role in ("input", "reference")}
    rejected += [told[-1] for name, told in sorted(spare.items()) if name not in used]
    return sorted(triples, key=lambda one: (-one.clear_deg2, one.target.name)), rejected


def _reject(product: Product, reason: str) -> Rejected:
    return Rejected(product.name, product.source, product.time, reason)


def _unfit(target: Product, part: BaseGeometry, area: BaseGeometry, rules: Rules) -> str:
    """Why a target cannot serve, whatever else was seen; '' if it can."""
    if target.cloud > rules.max_cloud:
        cloud, most = _percents(target.cloud, rules.max_cloud)
        return f"cloud {cloud} is above {most}"
    # an area may be smaller than a scene
    if part.area < MIN_COVER * min(target.outline.area, area.area):
        return f"less than {MIN_COVER:.0%} of it lies in the area"
    return ""


def _percents(share: float, bound: float) -> tuple[str, str]:
    """Both in percent, with one decimal, or as many as tell them apart."""
    for digits in range(1, 10):
        texts = f"{share:.{digits}%}", f"{bound:.{digits}%}"
        if texts[0] != texts[1]:
            break
    return texts


def _minutes(window: timedelta) -> str:
    return f"{window.total_seconds() / 60:g} min"


def _candidates(target: Product, part: BaseGeometry, near: list[Product]) -> list[Candidate]:
    """Best first, those that cover too little among them."""
    # slots of one kind share one outline
    outlines = {id(product.outline): product.outline for product in near}
    cover = {key: part.intersection(rim).area / part.area for key, rim in outlines.items()}
    found = [
        Candidate(product, cover[id(product.outline)], abs(product.time - target.time))
        for product in near
    ]
    return sorted(found, key=lambda one: one.rank)


def _pair(
    coarse: Sequence[Candidate], guides: Sequence[Candidate], rules: Rules
) -> tuple[Candidate, Candidate] | None:
    """The best input that has a reference, and the best of those."""
    for one in coarse:
        for guide in guides:
            enough = min(one.cover, guide.cover) >= MIN_COVER
            if enough and _together(guide, one, rules):
                return one, guide
    return None


def _together(guide: Candidate, coarse: Candidate, rules: Rules) -> bool:
    return abs(guide.product.time - coarse.product.time) <= rules.reference_window


def _lacking(coarse: Sequence[Candidate], rules: Rules) -> str:
    """Why a target has no pair."""
    if all(one.cover < MIN_COVER for one in coarse):
        return f"no input covers it within {_minutes(rules.input_window)}"
    return f"no reference covers it within {_minutes(rules.reference_window)} of an input"


def _triple(
    target: Product, part: BaseGeometry, pair: tuple[Candidate, Candidate], rules: Rules
) -> Triple | str:
    """The triplet, or why it shows too little."""
    coarse, reference = (one.product for one in pair)
    common = shapely.intersection_all([part, coarse.outline, reference.outline])
    clear_deg2 = float(common.area) * (1 - target.cloud)
    score = clear_deg2 / float(part.area)
    if score < rules.min_score:
        share, least = _percents(score, rules.min_score)
        return f"expected clear overlap {share} of its part of the area is below {least}"
    centre = common.centroid
    return Triple(target, coarse, reference, clear_deg2, score, centre.x, centre.y)


def _not_taken(
    target: Product,
    coarse: Sequence[Candidate],
    guides: Sequence[Candidate],
    pair: tuple[Candidate, Candidate] | None,
    rules: Rules,
) -> Iterator[tuple[Candidate, str]]:
    """The candidates that a target does not take, and why."""
    if pair is None:
        for one in (*coarse, *guides):
            yield one, _too_little(one, target) or f"{target.name} is in no triplet"
        return
    window = _minutes(rules.reference_window)
    for one in coarse:
        if one is not pair[0]:
            alone = one.rank < pair[0].rank and f"no reference is within {window} of it"
            yield one, _too_little(one, target) or alone or _worse(one, pair[0], target)
    for one in guides:
        if one is not pair[1]:
            far = not _together(one, pair[0], rules) and (
                f"it is more than {window} from {pair[0].product.name}"
            )
            yield one, _too_little(one, target) or far or _worse(one, pair[1], target)


def _too_little(one: Candidate, target: Product) -> str:
    little = one.cover < MIN_COVER
    return f"it covers less than {MIN_COVER:.0%} of {target.name} in the area" if little else ""


def _worse(one: Candidate, taken: Candidate, target: Product) -> str:
    """In what another candidate is better."""
    best = taken.product.name
    if one.rank[0] > taken.rank[0]:
        return f"{best} covers more of {target.name}"
    if one.apart > taken.apart:
        return f"{best} is nearer to {target.name}"
    return f"{best} covers as much of {target.name} and is as near"
