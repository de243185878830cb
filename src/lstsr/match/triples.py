"""Match products of three sensors by time and footprint, scored by the expected clear overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter

import shapely
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.results import Product, Rejected

MIN_COVER = 0.01
"""Smaller fractions do not count as overlap."""


@dataclass(frozen=True)
class Rules:
    """What makes a triplet: fractions are 0..1, windows reach to either side.

    ``input_window`` is around the target's time, ``reference_window`` around the input's, as in
    alignment.
    """

    max_cloud: float
    min_score: float
    input_window: timedelta
    reference_window: timedelta


@dataclass(frozen=True, slots=True)
class Triple:
    """Three products that make a triplet.

    ``clear_deg2`` is the area in square degrees that all three footprints and the search area
    share, times 1 - the target's cloud. ``score`` is its fraction of the target's part of the
    search area, 0..1. ``lon``, ``lat`` is the centre of the shared area.
    """

    target: Product
    input: Product
    reference: Product
    clear_deg2: float
    score: float
    lon: float
    lat: float

    def minutes(self, role: str) -> float:
        """Time of a role after the target, minutes."""
        return float((getattr(self, role).time - self.target.time).total_seconds() / 60)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product near a target; ``cover``: its fraction of the target's part of the area, 0..1."""

    product: Product
    cover: float
    apart: timedelta

    @property
    def rank(self) -> tuple[float, timedelta, str]:
        """Best first: the largest cover, in tenths, and then the nearest in time."""
        return -round(self.cover, 1), self.apart, self.product.name


def around(products: Sequence[Product], product: Product, window: timedelta) -> Sequence[Product]:
    """The ``products``, in order of time, within the window to either side of a product's time."""
    time = attrgetter("time")
    first = bisect_left(products, product.time - window, key=time)
    return products[first : bisect_right(products, product.time + window, key=time)]


def match(
    targets: Iterable[Product],
    inputs: Sequence[Product],
    references: Sequence[Product] | None,
    area: BaseGeometry,
    rules: Rules,
) -> tuple[list[Triple], list[Rejected]]:
    """The triplets, largest clear area first, and the unused candidates with reasons.

    Inputs and references rank by cover, in tenths, and then by their distance in time. Each target
    gets the best input with a reference near enough, and the best such reference. Without
    ``references`` the target is its own reference. The order of the products does not matter.
    """
    in_order = attrgetter("time", "name")
    inputs = sorted(inputs, key=in_order)
    references = None if references is None else sorted(references, key=in_order)
    triples: list[Triple] = []
    rejected: list[Rejected] = []
    spare: dict[str, tuple[timedelta, str, Rejected]] = {}
    for target in sorted(targets, key=in_order):
        part = target.outline.intersection(area)
        if target.cloud > rules.max_cloud:
            cloud, most = _percents(target.cloud, rules.max_cloud)
            rejected.append(target.rejected(f"cloud {cloud} is above {most}"))
            continue
        # an area may be smaller than a scene
        if part.area < MIN_COVER * min(target.outline.area, area.area):
            rejected.append(target.rejected(f"less than {MIN_COVER:.0%} of it lies in the area"))
            continue
        coarse = _candidates(target, part, around(inputs, target, rules.input_window))
        guides = [Candidate(target, 1.0, timedelta(0))]
        if references is not None:
            # references lie around inputs
            window = rules.input_window + rules.reference_window
            guides = _candidates(target, part, around(references, target, window))
        outcome, pair = _best(target, part, coarse, guides, rules)
        if isinstance(outcome, Triple):
            triples.append(outcome)
        else:
            rejected.append(target.rejected(outcome))
        for candidate in (*coarse, *guides):
            if candidate.product is not target and candidate not in pair:
                reason = _not_taken(candidate, target, pair, candidate in coarse, rules)
                # of several targets, the nearest one gives the reason
                entry = candidate.apart, target.name, candidate.product.rejected(reason)
                spare[candidate.product.name] = min(entry, spare.get(candidate.product.name, entry))
    used = {getattr(triple, role).name for triple in triples for role in ("input", "reference")}
    rejected += [entry[-1] for name, entry in sorted(spare.items()) if name not in used]
    return sorted(triples, key=lambda triple: (-triple.clear_deg2, triple.target.name)), rejected


def _percents(share: float, bound: float) -> tuple[str, str]:
    """Both in percent, with one decimal, or with enough to show their difference."""
    for digits in range(1, 10):
        texts = f"{share:.{digits}%}", f"{bound:.{digits}%}"
        if texts[0] != texts[1]:
            break
    return texts


def _minutes(window: timedelta) -> str:
    return f"{window.total_seconds() / 60:g} min"


def _candidates(target: Product, part: BaseGeometry, near: Sequence[Product]) -> list[Candidate]:
    """Best first, including candidates that cover too little."""
    # slots of one kind share one outline
    outlines = {id(product.outline): product.outline for product in near}
    cover = {key: part.intersection(rim).area / part.area for key, rim in outlines.items()}
    candidates = [
        Candidate(product, cover[id(product.outline)], abs(product.time - target.time))
        for product in near
    ]
    return sorted(candidates, key=lambda candidate: candidate.rank)


def _together(guide: Candidate, coarse: Candidate, rules: Rules) -> bool:
    return abs(guide.product.time - coarse.product.time) <= rules.reference_window


def _best(
    target: Product,
    part: BaseGeometry,
    coarse: Sequence[Candidate],
    guides: Sequence[Candidate],
    rules: Rules,
) -> tuple[Triple | str, tuple[Candidate, ...]]:
    """The triplet of a target, or why it has none; and its input and reference, if any."""
    pair = next(
        (
            (candidate, guide)
            for candidate in coarse
            for guide in guides
            if min(candidate.cover, guide.cover) >= MIN_COVER and _together(guide, candidate, rules)
        ),
        None,
    )
    if pair is None:
        if all(candidate.cover < MIN_COVER for candidate in coarse):
            return f"no input covers it within {_minutes(rules.input_window)}", ()
        window = _minutes(rules.reference_window)
        return f"no reference covers it within {window} of an input", ()
    source, reference = (candidate.product for candidate in pair)
    common = shapely.intersection_all([part, source.outline, reference.outline])
    clear_deg2 = float(common.area) * (1 - target.cloud)
    score = clear_deg2 / float(part.area)
    if score < rules.min_score:
        share, least = _percents(score, rules.min_score)
        return f"expected clear overlap {share} of its part of the area is below {least}", ()
    centre = common.centroid
    return Triple(target, source, reference, clear_deg2, score, centre.x, centre.y), pair


def _not_taken(
    candidate: Candidate,
    target: Product,
    pair: tuple[Candidate, ...],
    is_input: bool,
    rules: Rules,
) -> str:
    """Why a target does not take a candidate."""
    if candidate.cover < MIN_COVER:
        return f"it covers less than {MIN_COVER:.0%} of {target.name} in the area"
    if not pair:
        return f"{target.name} is in no triplet"
    taken, window = pair[0 if is_input else 1], _minutes(rules.reference_window)
    name = taken.product.name
    if is_input and candidate.rank < taken.rank:
        return f"no reference is within {window} of it"
    if not is_input and not _together(candidate, pair[0], rules):
        return f"it is more than {window} from {pair[0].product.name}"
    if candidate.rank[0] > taken.rank[0]:
        return f"{name} covers more of {target.name}"
    if candidate.apart > taken.apart:
        return f"{name} is nearer to {target.name}"
    return f"{name} covers as much of {target.name} and is as near"
