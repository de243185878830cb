"""Splits by place that no overlap ever crosses."""

import random
from pathlib import Path

import pytest

from lstsr.config import Region, SplitConfig
from lstsr.errors import LstsrError
from lstsr.manifest import Scene
from lstsr.split import (
    DROPPED,
    SPLITS,
    Place,
    assign,
    check_assignment,
    check_regions,
    conflicts,
    region_of,
)


def square(name: str, lon: float, lat: float = 0.0, size: float = 1.0) -> Place:
    """A square footprint around (lon, lat)."""
    half = size / 2
    corners = [(-half, half), (half, half), (half, -half), (-half, -half)]
    return Place(name, lon, lat, tuple((lon + x, lat + y) for x, y in corners))


REGIONS = SplitConfig(test=Region(lon_min=10), validation=Region(lon_max=2))


def test_regions_are_open_boxes_and_test_comes_first() -> None:
    split = SplitConfig(test=Region(lon_min=3.8), validation=Region(lat_max=43.75))
    assert region_of(3.9, 45, split) == "test"
    assert region_of(3.9, 43, split) == "test"
    assert region_of(3.8, 43, split) == "validation"
    assert region_of(3.8, 43.75, split) == "train"
    with pytest.raises(LstsrError, match="split by region needs every scene's place"):
        region_of(None, 43, split)


@pytest.mark.parametrize("turn", [-360, 0, 360])
def test_a_region_is_the_same_in_every_turn(turn: float) -> None:
    across = SplitConfig(
        test=Region(lon_min=170, lon_max=190), validation=Region(lon_min=230, lon_max=250)
    )
    for lon, right in ((180, "test"), (-175, "test"), (-120, "validation"), (0, "train")):
        if abs(lon + turn) <= 360:
            assert region_of(lon + turn, 0, across) == right


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        (Region(lon_min=3.8), (3.9, 179, 180, -180), (-1, 3.8, 359, -179)),
        (Region(lon_max=127.3), (-180, 0, 127, 185, 240), (127.3, 179)),
        (Region(lon_min=200), (201, -120, 359, -1), (1, 199, 180)),
        (Region(lon_max=-190), (-191, 169, 1), (-189, 171, 180)),
        (Region(), (-360, -180, 0, 180, 360), ()),
        (Region(lon_min=-180, lon_max=180), (-180, 0, 180, 270), ()),
    ],
)
def test_a_region_with_one_bound_ends_at_180_degrees(
    region: Region, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    split = SplitConfig(test=region, validation=Region(lat_min=80))
    assert {region_of(lon, 0, split) for lon in inside} == {"test"}
    assert {region_of(lon, 0, split) for lon in outside} <= {"train"}


def test_footprints_that_only_touch_do_not_conflict() -> None:
    places = [square("a", 0), square("b", 1), square("c", 1.5), square("d", 9)]
    assert conflicts(places) == [("b", "c")]


def test_conflicts_cross_180_degrees_in_any_turn() -> None:
    places = [square("a", 179.8), square("b", -179.5), square("c", 180.9), square("d", 540.4)]
    assert conflicts(places) == [("a", "b"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert conflicts([square("e", 0), square("f", 2), square("g", 179)]) == []


@pytest.mark.parametrize("order", [1, -1])
def test_in_a_conflict_the_larger_side_gives_way(order: int) -> None:
    places = [
        square("test", 10.2),
        square("train beside test", 9.6),
        square("train", 6),
        square("train beside validation", 2.3),
        square("validation", 1.6),
    ][::order]
    assert assign(places, REGIONS) == {
        "test": "test",
        "train beside test": DROPPED,
        "train": "train",
        "train beside validation": DROPPED,
        "validation": "validation",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_scene_that_is_dropped_drops_no_other(order: int) -> None:
    """In a chain of test, validation and train, validation goes, and so train may stay."""
    split = SplitConfig(test=Region(lon_min=10), validation=Region(lon_min=9, lon_max=10))
    places = [
        square("test", 10.3),
        square("validation", 9.5),
        square("train", 8.7),
        square("far validation", 9.5, 20),
    ][::order]
    assert len(conflicts(places)) == 2
    assert assign(places, split) == {
        "test": "test",
        "validation": DROPPED,
        "train": "train",
        "far validation": "validation",
    }


def random_places(seed: int) -> list[Place]:
    rng = random.Random(seed)
    count = rng.randint(5, 60)
    return [
        square(f"s{index}", rng.uniform(0, 12), rng.uniform(0, 3), rng.uniform(0.2, 1.2))
        for index in range(count)
    ]


@pytest.mark.parametrize("split", [REGIONS, SplitConfig(test=0.25, validation=0.15)])
def test_no_two_splits_ever_overlap(split: SplitConfig) -> None:
    done = 0
    for seed in range(40):
        places = random_places(seed)
        try:
            chosen = assign(places, split)
        except LstsrError as error:
            assert "is empty" in str(error) or "do not overlap" in str(error)
            continue
        done += 1
        assert set(chosen) == {place.scene for place in places}
        assert set(SPLITS) <= set(chosen.values())
        for one in places:
            for other in places:
                kept = {chosen[one.scene], chosen[other.scene]} - {DROPPED}
                assert len(kept) < 2 or apart(one, other)
    assert done > 10, "most draws can be split"


def apart(one: Place, other: Place) -> bool:
    """Whether two squares have no area in common: their ranges are disjoint along an axis."""
    for axis in (0, 1):
        ranges = [sorted(point[axis] for point in place.outline) for place in (one, other)]
        if max(low for low, *_ in ranges) >= min(high for *_, high in ranges) - 1e-9:
            return True
    return False


def test_shares_keep_overlapping_scenes_together_and_never_drop_one() -> None:
    for seed in range(20):
        places = [*random_places(seed), *(square(f"far{k}", 100 + 2 * k) for k in range(30))]
        chosen = assign(places, SplitConfig(test=0.3, validation=0.2))
        assert all(chosen[one] == chosen[other] for one, other in conflicts(places))
        assert set(chosen.values()) == set(SPLITS)


def test_shares_do_not_depend_on_the_order_of_scenes_and_come_near_what_was_asked() -> None:
    places = [square(f"scene-{index}", 2.0 * index) for index in range(100)]
    split = SplitConfig(test=0.25, validation=0.15)
    chosen = assign(places, split)
    assert assign(places[::-1], split) == chosen
    counts = {name: list(chosen.values()).count(name) for name in SPLITS}
    assert counts == {"train": 60, "validation": 15, "test": 25}
    # taking a scene away moves at most a few others
    fewer = assign(places[1:], split)
    assert sum(fewer[name] != chosen[name] for name in fewer) <= 2


@pytest.mark.parametrize("shares", [(0.5, 0.45), (0.9, 0.05), (0.01, 0.98)])
def test_three_scenes_apart_fill_three_splits_whatever_the_shares(
    shares: tuple[float, float],
) -> None:
    places = [square(name, 2.0 * index) for index, name in enumerate("abc")]
    chosen = assign(places, SplitConfig(test=shares[0], validation=shares[1]))
    assert sorted(chosen.values()) == sorted(SPLITS)


def test_a_split_that_stays_empty_is_named() -> None:
    with pytest.raises(LstsrError, match="split: validation is empty. Change its region"):
        assign([square("a", 11), square("b", 5)], REGIONS)
    with pytest.raises(LstsrError, match="the scenes make 1 groups that do not overlap"):
        assign([square(name, 0) for name in "abcd"], SplitConfig(test=0.2, validation=0.2))


def test_an_assignment_across_an_overlap_is_found_out() -> None:
    pairs = [("a", "b"), ("b", "c")]
    check_assignment({"a": "test", "b": DROPPED, "c": "train"}, pairs)
    with pytest.raises(LstsrError, match="scenes b and c overlap but are in test and train"):
        check_assignment({"a": "test", "b": "test", "c": "train"}, pairs)


def test_an_empty_split_is_known_before_anything_runs(tmp_path: Path) -> None:
    def scene(name: str, lon: float | None) -> Scene:
        return Scene(name, tmp_path, tmp_path, tmp_path, lon, 0.0)

    check_regions([scene("a", 11), scene("b", 5), scene("c", 1)], REGIONS)
    with pytest.raises(LstsrError, match="config key split: no scene lies in validation"):
        check_regions([scene("a", 11), scene("b", 5)], REGIONS)
    with pytest.raises(LstsrError, match="Fill in the manifest columns lon and lat"):
        check_regions([scene("a", None)], REGIONS)
    shares = SplitConfig(test=0.2, validation=0.2)
    check_regions([scene(name, None) for name in "abc"], shares)
    with pytest.raises(LstsrError, match="need 3 scenes"):
        check_regions([scene(name, None) for name in "ab"], shares)


@pytest.mark.parametrize("validation", [Region(lat_max=1.5), 0.2])
def test_without_test_scenes_the_rest_is_training(validation: Region | float) -> None:
    split = SplitConfig(test=None, validation=validation)
    places = [*random_places(3), square("south", 40, 0), square("north", 80, 3)]
    chosen = assign(places, split)
    assert set(chosen.values()) - {DROPPED} == {"train", "validation"}
    for one, other in conflicts(places):
        assert len({chosen[one], chosen[other]} - {DROPPED}) < 2
    with pytest.raises(LstsrError, match="config key split: "):
        assign([square("alone", 0, 0)], split)
    check_regions([Scene(p.scene, None, None, Path(), p.lon, p.lat) for p in places], split)
    with pytest.raises(LstsrError, match="lies in train|train, validation need 2 scenes"):
        check_regions([Scene("alone", None, None, Path(), 0, 0)], split)
