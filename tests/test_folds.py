"""Regional folds: a partition into regions, nothing near the test in training."""

from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from lstsr.errors import LstsrError
from lstsr.folds import assign_folds, balanced_clusters, regions
from lstsr.globe import distance_km
from lstsr.split import DROPPED, SPLITS, Place, conflicts


def scattered(count: int, seed: int, lon: float = 0.0, side: float = 0.3) -> list[Place]:
    """Squares of ``side`` degrees in 6 x 4 degrees. Many overlap."""
    rng = np.random.default_rng(seed)
    places = []
    for index, (x, y) in enumerate(rng.uniform((0, 40), (6, 44), (count, 2))):
        west, east = lon + x - side / 2, lon + x + side / 2
        south, north = y - side / 2, y + side / 2
        outline = ((west, north), (east, north), (east, south), (west, south))
        places.append(Place(f"s{index:02}", lon + x, y, outline))
    return places


@pytest.mark.parametrize("lon", [0.0, 177.0])
@pytest.mark.parametrize("buffer_km", [0.0, 30.0])
def test_folds_are_a_partition_and_nothing_is_near_another_split(
    lon: float, buffer_km: float
) -> None:
    places = scattered(80, 1, lon)
    folds = assign_folds(places, 5, buffer_km)
    tested = Counter(name for fold in folds for name, split in fold.items() if split == "test")
    assert tested == {place.scene: 1 for place in places}
    overlapping = set(conflicts(places))
    dropped = 0
    for fold in folds:
        assert list(fold) == [place.scene for place in sorted(places, key=lambda one: one.scene)]
        assert set(SPLITS) <= set(fold.values())
        sizes = Counter(fold.values())
        assert sizes["test"] == 16
        dropped += sizes[DROPPED]
        for one, other in combinations(places, 2):
            kept = {fold[one.scene], fold[other.scene]} - {DROPPED}
            if len(kept) == 2:
                assert (one.scene, other.scene) not in overlapping
                assert distance_km(one.outline, other.outline) >= buffer_km
    assert dropped > 0, "neighbours of other regions exist"


def test_no_scene_is_dropped_without_a_neighbour_in_a_split_before_it() -> None:
    places = {place.scene: place for place in scattered(60, 2)}
    for fold in assign_folds(list(places.values()), 4, 25.0):
        for name, split in fold.items():
            if split == DROPPED:
                near = [
                    distance_km(places[name].outline, places[other].outline)
                    for other in places
                    if fold[other] in ("test", "validation")
                ]
                assert min(near) < 25


def test_the_order_of_scenes_has_no_effect() -> None:
    places = scattered(37, 3)
    assert assign_folds(places[::-1], 5, 20.0) == assign_folds(places, 5, 20.0)


def test_regions_run_from_west_to_east() -> None:
    places = [Place(f"s{lon}", lon, 0.0, ()) for lon in (40, 10, 41, 21, 11, 20)]
    assert regions(places, 3) == {"s10": 0, "s11": 0, "s20": 1, "s21": 1, "s40": 2, "s41": 2}


def test_clusters_are_balanced_and_not_improved_by_any_exchange() -> None:
    """Sizes differ by one at most; no permutation of labels at fixed centres costs less."""
    points = np.random.default_rng(4).normal(size=(7, 3))
    labels = balanced_clusters(points, 3)
    assert sorted(Counter(labels).values()) == [2, 2, 3]
    centres = np.array([points[labels == label].mean(axis=0) for label in range(3)])
    squared = cdist(points, centres, "sqeuclidean")
    cost = squared[range(7), labels].sum()
    every = (squared[range(7), list(one)].sum() for one in set(permutations(labels)))
    assert cost <= min(every) + 1e-12


def test_faults_are_named() -> None:
    places = scattered(12, 5)
    with pytest.raises(LstsrError, match=r"scene x: split\.folds needs its place.*lon and lat"):
        assign_folds([*places, Place("x", None, None, places[0].outline)], 3, 0.0)
    with pytest.raises(LstsrError, match="train is empty in fold 0. Reduce split.buffer_km"):
        assign_folds(places, 3, 2000.0)
