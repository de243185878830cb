"""Triplets by time and place, against a search that tries everything."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from shapely.geometry import Point, box

from lstsr.catalogs.results import Product, RemoteFile
from lstsr.config import AlignConfig
from lstsr.dataset.align import check_times
from lstsr.errors import SceneError
from lstsr.match.triples import Rules, around, match

NOON = datetime(2023, 5, 12, 2, 10, tzinfo=UTC)
EVERYWHERE = box(100, 0, 150, 60)
RULES = Rules(0.3, 0.05, timedelta(minutes=10), timedelta(minutes=45))


def seen(name: str, minutes: float, outline=EVERYWHERE, cloud: float = 0.0) -> Product:
    time = NOON + timedelta(minutes=minutes)
    return Product(name, "test", time, outline, (RemoteFile(f"https://h/{name}"),), cloud)


def test_the_nearest_in_time_is_taken_and_the_others_are_told() -> None:
    target = seen("t", 0, box(126, 36, 128, 38), cloud=0.2)
    inputs = [seen("late", 4), seen("early", -3), seen("far", 11)]
    references = [seen("scan", 18)]
    (one,), rejected = match([target], inputs, references, EVERYWHERE, RULES)
    assert (one.input.name, one.reference.name) == ("early", "scan")
    assert (one.minutes("input"), one.minutes("reference")) == (-3, 18)
    assert one.clear_deg2 == pytest.approx(0.8 * 4)
    assert one.score == pytest.approx(0.8)
    assert (one.lon, one.lat) == pytest.approx((127, 37))
    assert [(other.name, other.reason) for other in rejected] == [("late", "early is nearer to t")]


def test_what_covers_more_stands_over_what_is_nearer() -> None:
    target = seen("t", 0, box(126, 36, 128, 38))
    half, whole = seen("half", 0, box(127, 30, 140, 40)), seen("whole", 8)
    inputs = [half, whole, seen("beside", 1, box(127.99, 30, 140, 40))]
    (one,), rejected = match([target], inputs, [seen("scan", 0)], EVERYWHERE, RULES)
    assert one.input.name == "whole"
    assert {other.name: other.reason for other in rejected} == {
        "half": "whole covers more of t",
        "beside": "it covers less than 1% of t in the area",
    }


def test_the_score_is_the_clear_share_of_the_target_s_part_of_the_area() -> None:
    target = seen("t", 0, box(120, 30, 130, 40), cloud=0.1)
    slot = seen("slot", 0, box(125, 30, 150, 40))  # the eastern half
    scan = seen("scan", 0, box(100, 35, 150, 60))  # the northern half
    (one,), _ = match([target], [slot], [scan], box(100, 0, 128, 60), RULES)
    assert one.clear_deg2 == pytest.approx(0.9 * 3 * 5)
    assert one.score == pytest.approx(0.9 * 3 * 5 / (8 * 10))
    assert (one.lon, one.lat) == pytest.approx((126.5, 37.5))


def test_a_target_that_fits_nothing_is_rejected_by_reason() -> None:
    place = box(126, 36, 128, 38)
    targets = [
        seen("cloudy", 0, place, cloud=0.31),
        seen("elsewhere", 0, box(10, 10, 11, 11)),
        seen("no input", 60, place),
        seen("no reference", 200, place),
        seen("a sliver", 0, box(127.9, 36, 130, 38)),
        seen("beside", 0, box(128.5, 36, 129, 38)),
    ]
    inputs = [seen("slot", 0, box(100, 30, 128, 40)), seen("later", 200)]
    triples, rejected = match(targets, inputs, [seen("scan", 10)], EVERYWHERE, RULES)
    assert not triples
    assert {one.name: one.reason for one in rejected} == {
        "cloudy": "cloud 31.0% is above 30.0%",
        "elsewhere": "less than 1% of it lies in the area",
        "no input": "no input covers it within 10 min",
        "no reference": "no reference covers it within 45 min of an input",
        "a sliver": "expected clear overlap 4.8% of its part of the area is below 5.0%",
        "beside": "no input covers it within 10 min",
        "slot": "a sliver is in no triplet",
        "later": "no reference is in no triplet",
        "scan": "a sliver is in no triplet",
    }


@pytest.mark.parametrize(
    ("cloud", "reason"),
    [(0.304, "cloud 30.4% is above 30.0%"), (0.30004, "cloud 30.004% is above 30.000%")],
)
def test_a_reason_tells_what_is_apart(cloud: float, reason: str) -> None:
    target = seen("t", 0, box(126, 36, 128, 38), cloud=cloud)
    _, rejected = match([target], [], None, EVERYWHERE, RULES)
    assert [one.reason for one in rejected] == [reason]


def test_a_small_area_within_a_scene_is_matched() -> None:
    """20 km by 20 km are about a hundredth of a scene, less than the least score."""
    scene, town = box(126, 36, 128, 38), box(126.9, 36.9, 127.12, 37.08)
    assert town.area / scene.area < RULES.min_score
    target = seen("t", 0, scene, cloud=0.2)
    (one,), _ = match([target], [seen("slot", 0)], [seen("scan", 0)], town, RULES)
    assert one.score == pytest.approx(0.8)
    assert town.contains(Point(one.lon, one.lat))
    half = seen("half", 0, box(120, 30, 127.01, 40))
    (one,), _ = match([target], [half], [seen("scan", 0)], town, RULES)
    assert one.score == pytest.approx(0.4)


def test_a_sliver_of_a_scene_neither_passes_nor_comes_first() -> None:
    whole, edge = seen("whole", 0, box(126, 36, 128, 38), cloud=0.1), box(126, 36, 128.1, 40)
    sliver = seen("sliver", 0, box(128, 36, 130, 38))
    guides = [seen("scan", 0)]
    found, _ = match([sliver, whole], [seen("slot", 0)], guides, edge, RULES)
    assert [(one.target.name, round(one.score, 3)) for one in found] == [
        ("whole", 0.9),
        ("sliver", 1.0),
    ]
    touched = box(126, 36, 128.01, 40)
    found, rejected = match([sliver, whole], [seen("slot", 0)], guides, touched, RULES)
    assert [one.target.name for one in found] == ["whole"]
    assert [one.reason for one in rejected] == ["less than 1% of it lies in the area"]


def test_the_reference_is_near_to_the_input_not_only_to_the_target() -> None:
    target = seen("t", 0, box(126, 36, 128, 38))
    scan, slots = seen("scan", 42), [seen("near", -4), seen("far", 5)]
    (one,), rejected = match([target], slots, [scan], EVERYWHERE, RULES)
    assert (one.input.name, one.reference.name) == ("far", "scan")
    assert [item.reason for item in rejected] == ["no reference is within 45 min of it"]
    late = seen("late", 48)
    (one,), rejected = match([target], slots, [late], EVERYWHERE, RULES)
    assert one.input.name == "far", "43 minutes before the scan"
    none, rejected = match([target], slots[:1], [scan], EVERYWHERE, RULES)
    assert not none
    assert {item.name: item.reason for item in rejected} == {
        "t": "no reference covers it within 45 min of an input",
        "near": "t is in no triplet",
        "scan": "t is in no triplet",
    }
    early = seen("early", -41)
    (one,), rejected = match([target], slots[1:], [early, scan], EVERYWHERE, RULES)
    assert one.reference.name == "scan"
    assert [item.reason for item in rejected] == ["it is more than 45 min from far"]


@pytest.mark.parametrize("seed", range(20))
def test_alignment_takes_the_times_of_every_pair_and_of_no_other(seed: int) -> None:
    """What is matched passes the later check, and where nothing is no pair would have."""
    rng = random.Random(seed)
    settings = AlignConfig(time_window_min=10, reference_max_age_h=0.75)
    rules = replace(RULES, reference_window=settings.reference_window)
    target = seen("t", 0, box(126, 36, 128, 38))
    inputs = [seen(f"i{n}", rng.uniform(-12, 12)) for n in range(2)]
    references = [seen(f"r{n}", rng.choice((-1, 1)) * rng.uniform(33, 57)) for n in range(2)]
    triples, _ = match([target], inputs, references, EVERYWHERE, rules)

    def passes(coarse: Product, reference: Product) -> bool:
        at = {"input": coarse, "reference": reference, "target": target}
        images: Any = {role: SimpleNamespace(time=one.time.isoformat()) for role, one in at.items()}
        try:
            return check_times(images, settings) is not None
        except SceneError:
            return False

    assert all(passes(one.input, one.reference) for one in triples)
    assert bool(triples) == any(passes(i, r) for i in inputs for r in references)


def test_without_references_the_target_is_its_own() -> None:
    target = seen("t", 0, box(126, 36, 128, 38))
    (one,), _ = match([target], [seen("slot", 1)], None, EVERYWHERE, RULES)
    assert one.reference is target


@pytest.mark.parametrize("seed", range(5))
def test_a_bisected_window_holds_what_a_full_search_finds(seed: int) -> None:
    rng = random.Random(seed)
    products = [seen(f"p{index}", rng.randint(-500, 500)) for index in range(300)]
    target, window = seen("t", rng.randint(-500, 500)), timedelta(minutes=rng.randint(0, 90))
    near = around(sorted(products, key=lambda one: one.time), target, window)
    expected = [one for one in products if abs(one.time - target.time) <= window]
    assert sorted(one.name for one in near) == sorted(one.name for one in expected)
    assert near == sorted(near, key=lambda one: one.time)


def test_the_best_come_first() -> None:
    targets = [seen(f"t{n}", n, box(126, 36, 128, 38), cloud=n / 100) for n in (5, 1, 9)]
    inputs = [seen(f"i{n}", n) for n in range(-5, 15)]
    found, _ = match(targets, inputs, [seen("scan", 10)], EVERYWHERE, RULES)
    assert [triple.target.name for triple in found] == ["t1", "t5", "t9"]


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_products_does_not_matter(seed: int) -> None:
    """Neither for the triplets nor for the reasons; a candidate has one row, or is used."""
    rng = random.Random(seed)
    half, corner = box(100, 0, 127, 60), box(127.97, 37.97, 130, 40)
    targets = [
        seen(f"t{n}", 7 * n, box(126 + n / 2, 36, 128 + n / 2, 38), cloud=n / 20) for n in range(8)
    ]
    inputs = [
        seen(f"i{n}", rng.randint(-30, 90), rng.choice([EVERYWHERE, half, corner]))
        for n in range(20)
    ]
    references = [
        seen(f"r{n}", rng.randint(-60, 90), rng.choice([EVERYWHERE, half, corner]))
        for n in range(6)
    ]
    expected = match(targets, inputs, references, box(126, 30, 130, 40), RULES)
    for products in (targets, inputs, references):
        rng.shuffle(products)
    assert match(targets, inputs, references, box(126, 30, 130, 40), RULES) == expected

    triples, rejected = expected
    used = {one.name for triple in triples for one in (triple.target, triple.input)}
    used |= {triple.reference.name for triple in triples}
    names = [one.name for one in rejected]
    assert len(set(names)) == len(names)
    assert not used & set(names)
    clear = [one for one in targets if one.cloud <= RULES.max_cloud]
    near = [
        one
        for one in inputs
        if any(abs(one.time - target.time) <= RULES.input_window for target in clear)
    ]
    # all of them lie in the area
    assert {one.name for one in near} <= used | set(names)


@pytest.mark.parametrize("seed", range(10))
def test_a_reason_is_true(seed: int) -> None:
    rng = random.Random(seed)
    half = box(100, 0, 127, 60)
    target = seen("t", 0, box(126, 36, 128, 38))
    inputs = [seen(f"i{n}", rng.randint(-9, 9), rng.choice([EVERYWHERE, half])) for n in range(6)]
    (one,), rejected = match([target], inputs, None, EVERYWHERE, RULES)
    by_name = {item.name: item for item in inputs}
    for item in rejected:
        other, taken = by_name[item.name], one.input
        later = abs(other.time - target.time) - abs(taken.time - target.time)
        less = taken.outline is EVERYWHERE and other.outline is half
        if item.reason == f"{taken.name} covers more of t":
            assert less
        elif item.reason == f"{taken.name} is nearer to t":
            assert not less and later > timedelta(0)
        else:
            assert item.reason == f"{taken.name} covers as much of t and is as near"
            assert not less and later == timedelta(0)
