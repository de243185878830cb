"""The split of scenes into training, validation and test, by place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstsr.errors import LstsrError
from lstsr.globe import Outline, overlaps
from lstsr.manifest import Scene

if TYPE_CHECKING:
    from lstsr.config import SplitConfig

SPLITS = ("train", "validation", "test")
DROPPED = "dropped"
NEXT_TO_180 = 180 + 1e-9  # a region without a bound on one side includes 180 degrees


@dataclass(frozen=True)
class Place:
    """Where a scene lies: its centre and the outline of its footprint, degrees."""

    scene: str
    lon: float | None
    lat: float | None
    outline: Outline


def splits_of(split: SplitConfig) -> list[str]:
    """The splits that must contain scenes: all of `SPLITS`, except test if it is null."""
    return [name for name in SPLITS if name != "test" or split.folds or split.test is not None]


def region_of(lon: float | None, lat: float | None, split: SplitConfig) -> str:
    """The split whose region contains a place, in any turn of longitude.

    Raises LstsrError if the place is unknown.
    """
    if lon is None or lat is None:
        raise LstsrError(
            "a split by region needs every scene's place. Fill in the manifest columns lon and lat"
        )
    for name in ("test", "validation"):
        if (box := getattr(split, name)) is None:
            continue
        south = -math.inf if box.lat_min is None else box.lat_min
        north = math.inf if box.lat_max is None else box.lat_max
        if south < lat < north and _between(lon, box.lon_min, box.lon_max):
            return name
    return "train"


def _between(lon: float, west: float | None, east: float | None) -> bool:
    """Whether a longitude lies strictly between two, in any turn.

    A region with one bound ends at 180 degrees, or at the end of the turn that contains its bound.
    For example, a region east of 10 does not include places west of Greenwich.
    """
    if west is None:
        if east is None:
            return True
        west = -NEXT_TO_180 if east > -180 else -360
    elif east is None:
        east = NEXT_TO_180 if west < 180 else 360
    return east - west >= 360 or 0 < (lon - west) % 360 < east - west


def check_regions(scenes: Iterable[Scene], split: SplitConfig) -> None:
    """Raise LstsrError if a region is empty, or if the split needs more scenes."""
    scenes, names = list(scenes), splits_of(split)
    if split.folds:
        if len(scenes) < split.folds:
            raise LstsrError(
                f"config key split.folds = {split.folds}: there are {len(scenes)} scenes. "
                "Use fewer folds or add scenes"
            )
    elif isinstance(split.validation, float):
        if len(scenes) < len(names):
            raise LstsrError(
                f"config key split: {', '.join(names)} need {len(names)} scenes. Add scenes"
            )
    else:
        used = {region_of(scene.lon, scene.lat, split) for scene in scenes}
        for name in names:
            if name not in used:
                raise LstsrError(f"config key split: no scene lies in {name}. Change the regions")


def assign(places: list[Place], split: SplitConfig) -> dict[str, str]:
    """The split of each scene: no two scenes of different splits overlap.

    By region, one scene of each overlapping pair is dropped (`give_way`). By share, overlapping
    scenes stay together. Raises LstsrError for an empty split.
    """
    pairs, names = conflicts(places), splits_of(split)
    if isinstance(split.validation, float):
        shares = {name: getattr(split, name) for name in reversed(names) if name != "train"}
        chosen = _by_share(places, pairs, shares)
    else:
        chosen = {place.scene: region_of(place.lon, place.lat, split) for place in places}
        give_way(chosen, pairs)
    for name in names:
        if name not in chosen.values():
            raise LstsrError(f"config key split: {name} is empty. Change its region or share")
    check_assignment(chosen, pairs)
    return chosen


def give_way(chosen: dict[str, str], pairs: Sequence[tuple[str, str]]) -> None:
    """Drop scenes in conflict: training gives way to validation and test, validation to test."""
    for keep, gives_way in (("test", "validation"), ("test", "train"), ("validation", "train")):
        for pair in pairs:
            for first, second in (pair, pair[::-1]):
                if chosen[first] == keep and chosen[second] == gives_way:
                    chosen[second] = DROPPED


def check_assignment(chosen: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> None:
    """Raise LstsrError if two overlapping scenes are in different splits."""
    for first, second in pairs:
        kept = {chosen[first], chosen[second]} - {DROPPED}
        if len(kept) > 1:
            where = " and ".join(sorted(kept))
            raise LstsrError(f"scenes {first} and {second} overlap but are in {where}")


def conflicts(places: list[Place]) -> list[tuple[str, str]]:
    """Pairs of scenes whose footprints overlap by more than a shared edge."""
    pairs = overlaps([place.outline for place in places])
    return [(places[first].scene, places[second].scene) for first, second in pairs]


def _by_share(
    places: list[Place], pairs: list[tuple[str, str]], shares: Mapping[str, float]
) -> dict[str, str]:
    groups = _groups([place.scene for place in places], pairs)
    if len(groups) <= len(shares):
        raise LstsrError(
            f"config key split: the scenes make {len(groups)} groups that do not overlap, but "
            f"{', '.join(('train', *shares))} need {len(shares) + 1}. Add scenes elsewhere"
        )
    groups.sort(key=lambda group: hashlib.sha256(min(group).encode()).hexdigest())
    chosen: dict[str, str] = {}
    for number, (name, share) in enumerate(shares.items()):
        before = len(chosen)
        # the later splits need one group each
        while len(groups) > len(shares) - number and len(chosen) - before < share * len(places):
            chosen |= dict.fromkeys(groups.pop(0), name)
    return chosen | dict.fromkeys(set().union(*groups), "train")


def _groups(names: list[str], pairs: list[tuple[str, str]]) -> list[set[str]]:
    """Sets of scenes that overlap directly or through others."""
    group = {name: {name} for name in names}
    for first, second in pairs:
        if group[first] is not group[second]:
            joined = group[first] | group[second]
            group |= dict.fromkeys(joined, joined)
    return list({id(members): members for members in group.values()}.values())
