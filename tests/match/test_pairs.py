"""Triplets by time and place, against a search that tries everything."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import box

from lstsr.catalogs.product import Product, RemoteFile
from lstsr.match.pairs import Rules, Timeline, match

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
    assert one.overlap == pytest.approx(1)
    assert one.score == pytest.approx(0.8)
    assert (one.lon, one.lat) == pytest.approx((127, 37))
    assert [(other.name, other.reason) for other in rejected] == [
        ("late", "early is nearer to t, or covers more")
    ]


def test_what_covers_more_stands_over_what_is_nearer() -> None:
    target = seen("t", 0, box(126, 36, 128, 38))
    half, whole = seen("half", 0, box(127, 30, 140, 40)), seen("whole", 8)
    (one,), _ = match([target], [half, whole], [seen("scan", 0)], EVERYWHERE, RULES)
    assert one.input.name == "whole"


def test_the_score_is_the_clear_overlap_of_area_and_footprints() -> None:
    target = seen("t", 0, box(120, 30, 130, 40), cloud=0.1)
    slot = seen("slot", 0, box(125, 30, 150, 40))  # the eastern half
    scan = seen("scan", 0, box(100, 35, 150, 60))  # the northern half
    (one,), _ = match([target], [slot], [scan], box(100, 0, 128, 60), RULES)
    assert one.overlap == pytest.approx(3 * 5 / 100)
    assert one.score == pytest.approx(0.9 * 0.15)
    assert (one.lon, one.lat) == pytest.approx((126.5, 37.5))


def test_a_target_that_fits_nothing_is_rejected_by_reason() -> None:
    place = box(126, 36, 128, 38)
    targets = [
        seen("cloudy", 0, place, cloud=0.31),
        seen("elsewhere", 0, box(10, 10, 11, 11)),
        seen("no input", 60, place),
        seen("no reference", 200, place),
        seen("a sliver", 0, box(127.9, 36, 130, 38)),
    ]
    inputs = [seen("slot", 0, box(100, 30, 128, 40)), seen("later", 200)]
    triples, rejected = match(targets, inputs, [seen("scan", 10)], EVERYWHERE, RULES)
    assert not triples
    assert {one.name: one.reason for one in rejected} == {
        "cloudy": "cloud 31% is above 30%",
        "elsewhere": "it does not meet the area",
        "no input": "no input covers it within 10 min",
        "no reference": "no reference covers it within 45 min",
        "a sliver": "expected clear overlap 0.048 is below 0.050",
    }


def test_without_references_the_target_is_its_own() -> None:
    target = seen("t", 0, box(126, 36, 128, 38))
    (one,), _ = match([target], [seen("slot", 1)], None, EVERYWHERE, RULES)
    assert one.reference is target


@pytest.mark.parametrize("seed", range(5))
def test_a_bisected_window_holds_what_a_full_search_finds(seed: int) -> None:
    rng = random.Random(seed)
    products = [seen(f"p{index}", rng.randint(-500, 500)) for index in range(300)]
    target, window = seen("t", rng.randint(-500, 500)), timedelta(minutes=rng.randint(0, 90))
    near = Timeline(products).around(target, window)
    expected = [one for one in products if abs(one.time - target.time) <= window]
    assert sorted(one.name for one in near) == sorted(one.name for one in expected)
    assert near == sorted(near, key=lambda one: one.time)


def test_the_best_come_first_and_order_does_not_matter() -> None:
    targets = [seen(f"t{n}", n, box(126, 36, 128, 38), cloud=n / 100) for n in (5, 1, 9)]
    inputs = [seen(f"i{n}", n) for n in range(-5, 15)]
    one = match(targets, inputs, [seen("scan", 10)], EVERYWHERE, RULES)
    other = match(targets[::-1], inputs[::-1], [seen("scan", 10)], EVERYWHERE, RULES)
    assert [triple.target.name for triple in one[0]] == ["t1", "t5", "t9"]
    assert one[0] == other[0]
    assert {item.name for item in one[1]} == {item.name for item in other[1]}
