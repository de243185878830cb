"""Regional folds: every scene is tested once, by a network that never saw its region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from lstsr.errors import LstsrError
from lstsr.globe import EARTH_RADIUS_KM, distance_km, extent_deg, middle_of
from lstsr.split import SPLITS, Place, conflicts, give_way

Doubles = NDArray[np.float64]


def assign_folds(places: Sequence[Place], folds: int, buffer_km: float) -> list[dict[str, str]]:
    """The split of each scene, fold by fold.

    In fold f, region f is the test, the next region is the validation, the others are training.
    If footprints of different splits overlap, or are nearer than ``buffer_km`` from edge to edge,
    one of the scenes is dropped from this fold (`give_way`). Raises LstsrError for an unknown
    place or a fold with an empty split.
    """
    region = regions(places, folds)
    near = [*conflicts(list(places)), *_nearer(places, buffer_km)]
    splits = []
    for fold in range(folds):
        held_out = {fold: "test", (fold + 1) % folds: "validation"}
        chosen = {scene: held_out.get(number, "train") for scene, number in region.items()}
        give_way(chosen, near)
        for name in SPLITS:
            if name not in chosen.values():
                raise LstsrError(
                    f"config key split.folds: {name} is empty in fold {fold}. "
                    "Reduce split.buffer_km or the number of folds, or add scenes"
                )
        splits.append(chosen)
    return splits


def _nearer(places: Sequence[Place], buffer_km: float) -> list[tuple[str, str]]:
    """Pairs of scenes whose footprints are nearer than ``buffer_km``, edge to edge."""
    rims = [place.outline for place in places]
    middles = np.array([_on_sphere(*middle_of(rim)) for rim in rims])
    # no edge lies farther from the middle of its footprint than the footprint is long
    reach = buffer_km / EARTH_RADIUS_KM + 2 * np.radians(max(map(extent_deg, rims)))
    return [
        (places[first].scene, places[second].scene)
        for first, second in KDTree(middles).query_pairs(reach)
        if distance_km(rims[first], rims[second]) < buffer_km
    ]


def regions(places: Sequence[Place], count: int) -> dict[str, int]:
    """The region of each scene, 0 to ``count`` - 1 from west to east.

    Regions are clusters of places on the sphere. Raises LstsrError for an unknown place.
    """
    places = sorted(places, key=lambda place: place.scene)  # the given order has no effect
    unit_vectors = []
    for place in places:
        if place.lon is None or place.lat is None:
            raise LstsrError(
                f"scene {place.scene}: split.folds needs its place. Fill in the manifest columns "
                "lon and lat"
            )
        unit_vectors.append(_on_sphere(place.lon, place.lat))
    points = np.array(unit_vectors)
    labels = balanced_clusters(points, count)
    centres = [points[labels == label].mean(axis=0) for label in range(count)]
    eastward = sorted(range(count), key=lambda label: np.arctan2(*centres[label][1::-1]))
    return {place.scene: eastward.index(label) for place, label in zip(places, labels, strict=True)}


def balanced_clusters(points: Doubles, count: int) -> NDArray[np.intp]:
    """Labels of k-means clusters of ``points`` (n, 3) whose sizes differ by one at most.

    Balanced k-means (Malinen & Franti 2014, S+SSPR, section 3): each step assigns the points to
    slots of the clusters at the least sum of squared distances. It starts from the farthest-first
    traversal (Gonzalez 1985, Theoretical Computer Science 38, 293), so nothing is random.
    """
    first = int(np.argmax(cdist(points, points.mean(axis=0, keepdims=True))))
    seeds = [first]
    while len(seeds) < count:
        seeds.append(int(np.argmax(cdist(points, points[seeds]).min(axis=1))))
    centres = points[seeds]
    slots = np.arange(len(points)) % count
    while True:
        _, chosen = linear_sum_assignment(cdist(points, centres, "sqeuclidean")[:, slots])
        labels = slots[chosen]
        moved = np.array([points[labels == label].mean(axis=0) for label in range(count)])
        if np.allclose(moved, centres):
            return labels
        centres = moved


def _on_sphere(lon_deg: float, lat_deg: float) -> Doubles:
    lon, lat = np.radians([lon_deg, lat_deg])
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
