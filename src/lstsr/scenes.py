"""The manifest: one row per scene, read and checked; and the split of scenes by place."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstsr.errors import LstsrError

if TYPE_CHECKING:
    from lstsr.config import SplitConfig

ROLES = ("input", "reference", "target")
STATIC = ("dem", "water")
SPLITS = ("train", "validation", "test")
DROPPED = "dropped"


@dataclass(frozen=True)
class Scene:
    """One row of the manifest: a name, three files and the centre in degrees (None: unknown).

    A file may be a product's folder. An optical image has neither input nor reference. ``dem`` is
    an elevation raster in metres and ``water`` one of the share of water, 0..1, if there are any.
    """

    scene: str
    input: Path | None
    reference: Path | None
    target: Path
    lon: float | None = None
    lat: float | None = None
    time: str = ""
    dem: Path | None = None
    water: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Every file of input, reference, target, elevation and water."""
        named = [self.input, self.reference, self.target, self.dem, self.water]
        return [file for path in filter(None, named) for file in product_files(path)]


def product_files(path: Path) -> list[Path]:
    """The files of a product: a folder's, those that go with an MTL file, or ``path`` itself.

    Of GK2A's Level 1B those of the same slot: another channel, or a calibration, may be among them.
    """
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    if path.name.startswith("gk2a_ami_le1b_"):
        return sorted(path.parent.glob(f"gk2a_ami_le1b_*_{path.stem.rpartition('_')[2]}.nc"))
    product, metadata, _ = path.name.partition("_MTL.")
    return sorted(path.parent.glob(f"{product}_*")) if metadata else [path]


Locate = Callable[[Path, str, str, str], Path]
"""From the manifest, a scene's name, a column and its cell to the path of the file."""


def beside_manifest(manifest: Path, scene: str, column: str, cell: str) -> Path:
    """The file that a cell names relative to the manifest. Raises LstsrError if it is missing."""
    file = manifest.parent / cell
    if not file.exists():
        raise LstsrError(
            f"{manifest}: {column} of scene {scene} is missing: {file}; "
            "name it relative to the manifest"
        )
    return file


def read_manifest(
    path: Path, roles: Sequence[str] = ROLES, locate: Locate = beside_manifest
) -> list[Scene]:
    """The scenes of a CSV: scene, input, reference, target[, lon, lat, time, dem, water].

    Of the images, only those of ``roles`` are asked for and read; other columns are passed over.
    File names are relative to the manifest's folder, unless ``locate`` knows better. Raises
    LstsrError for a missing manifest, column or file, a name used twice or unfit for a file name,
    and a coordinate that is no number. Blank lines and a byte-order mark, as spreadsheets leave
    them, are passed over.
    """
    if not path.is_file():
        raise LstsrError(f"{path}: no such manifest; set config keys data and acquire.manifest")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise LstsrError(f"{path}: not UTF-8 text; save the table as CSV in UTF-8") from None
    table = csv.DictReader(lines, skipinitialspace=True)
    missing = [name for name in ("scene", *roles) if name not in (table.fieldnames or [])]
    if missing:
        raise LstsrError(
            f"{path}: column {missing[0]} is missing from the first line, which names the columns "
            f"{', '.join(('scene', *roles))} and, if known, lon, lat, time, "
            f"{', '.join(STATIC)}; separate them by commas"
        )
    scenes = [_scene(path, row, roles, locate) for row in table if any(row.values())]
    if not scenes:
        raise LstsrError(f"{path}: no scene below the first line; add a line for each")
    names = [scene.scene for scene in scenes]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LstsrError(f"{path}: scene {twice} is named twice; give each row its own name")
    return scenes


def _scene(manifest: Path, row: Mapping[str, str], roles: Sequence[str], locate: Locate) -> Scene:
    name = row["scene"] or ""
    if not name or not all(char.isalnum() or char in "-_." for char in name) or name[0] == ".":
        raise LstsrError(f"{manifest}: scene '{name}' is no name; use letters, digits and - _ .")
    for role in roles:
        if not row[role]:
            raise LstsrError(f"{manifest}: {role} of scene {name} is empty; name its file")
    named = [role for role in (*roles, *STATIC) if row.get(role)]
    files: dict[str, Any] = dict.fromkeys(ROLES)
    files |= {role: locate(manifest, name, role, row[role]) for role in named}
    lon = _degrees(manifest, row, "lon", 360)
    lat = _degrees(manifest, row, "lat", 90)
    return Scene(name, **files, lon=lon, lat=lat, time=_time(manifest, row))


def is_time(text: str) -> bool:
    """Whether ``text`` is a moment in ISO 8601 with a time zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _time(manifest: Path, row: Mapping[str, str]) -> str:
    """ISO 8601 with a time zone; empty where unknown."""
    text = row.get("time") or ""
    if text and not is_time(text):
        raise LstsrError(
            f"{manifest}: time of scene {row['scene']} is '{text}'; write it as "
            "2023-05-12T02:10:00Z, or leave it empty"
        )
    return text


def _degrees(manifest: Path, row: Mapping[str, str], column: str, limit: float) -> float | None:
    text = row.get(column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= limit:
        raise LstsrError(
            f"{manifest}: {column} of scene {row['scene']} is '{text}'; "
            f"give degrees between -{limit} and {limit}, or nothing"
        )
    return value


def shard_of(scene: str, shards: int) -> int:
    """The shard of a scene, by a hash of its name: adding a scene moves no other."""
    return int(hashlib.sha256(scene.encode()).hexdigest(), 16) % shards


def shard_count(scenes: int, shard_size: int) -> int:
    """Number of shards: a power of two, so that it rarely changes as scenes are added."""
    count = 1
    while count * shard_size < scenes:
        count *= 2
    return count


@dataclass(frozen=True)
class Place:
    """Where a scene lies: its centre and the outline of its footprint, (lon, lat) in degrees."""

    scene: str
    lon: float | None
    lat: float | None
    outline: tuple[tuple[float, float], ...]


def region_of(lon: float | None, lat: float | None, split: SplitConfig) -> str:
    """The split whose region holds a place; LstsrError where the place is unknown."""
    if lon is None or lat is None:
        raise LstsrError("split by region needs the manifest columns lon and lat for every scene")
    for name in ("test", "validation"):
        box = getattr(split, name)
        if box.lon_min < lon < box.lon_max and box.lat_min < lat < box.lat_max:
            return name
    return "train"


def check_regions(scenes: Iterable[Scene], split: SplitConfig) -> None:
    """Raise LstsrError where a region, or too few scenes for shares, would leave a split empty."""
    if isinstance(split.test, float):
        if len(list(scenes)) < len(SPLITS):
            raise LstsrError("config key split: training, validation and test need 3 scenes")
        return
    found = {region_of(scene.lon, scene.lat, split) for scene in scenes}
    for name in SPLITS:
        if name not in found:
            raise LstsrError(f"config key split: no scene falls into {name}; change the regions")


def assign(places: list[Place], split: SplitConfig) -> dict[str, str]:
    """The split of each scene: no two scenes of different splits overlap.

    By region, a scene in conflict is dropped from the larger side: training gives way to
    validation and test, validation to test. By share, overlapping scenes stay together.
    Raises LstsrError for an empty split.
    """
    pairs = conflicts(places)
    if isinstance(split.test, float):
        assert isinstance(split.validation, float)
        chosen = _by_share(places, pairs, split.test, split.validation)
    else:
        chosen = {place.scene: region_of(place.lon, place.lat, split) for place in places}
        for keep, gives_way in (("test", "validation"), ("test", "train"), ("validation", "train")):
            for pair in pairs:
                for one, other in (pair, pair[::-1]):
                    if chosen[one] == keep and chosen[other] == gives_way:
                        chosen[other] = DROPPED
    for name in SPLITS:
        if name not in chosen.values():
            raise LstsrError(f"config key split: {name} is empty; change its region or share")
    check_assignment(chosen, pairs)
    return chosen


def check_assignment(chosen: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> None:
    """Raise LstsrError where two overlapping scenes stand in different splits."""
    for one, other in pairs:
        kept = {chosen[one], chosen[other]} - {DROPPED}
        if len(kept) > 1:
            where = " and ".join(sorted(kept))
            raise LstsrError(f"scenes {one} and {other} overlap but are in {where}")


def conflicts(places: list[Place]) -> list[tuple[str, str]]:
    """Pairs of scenes whose footprints overlap."""
    from shapely import STRtree
    from shapely.geometry import Polygon

    outlines = [Polygon(place.outline) for place in places]
    tree = STRtree(outlines)
    found = []
    for index, outline in enumerate(outlines):
        for other in tree.query(outline):
            if other > index and outline.intersection(outlines[other]).area > 0:
                found.append((places[index].scene, places[other].scene))
    return found


def _by_share(
    places: list[Place], pairs: list[tuple[str, str]], test: float, validation: float
) -> dict[str, str]:
    groups = _groups([place.scene for place in places], pairs)
    groups.sort(key=lambda group: hashlib.sha256(min(group).encode()).hexdigest())
    chosen: dict[str, str] = {}
    for name, share, kept in (("test", test, 2), ("validation", validation, 1)):
        taken = 0
        # a group each is kept for the splits that come after
        while len(groups) > kept and taken < share * len(places):
            group = groups.pop(0)
            chosen.update(dict.fromkeys(group, name))
            taken += len(group)
    for group in groups:
        chosen.update(dict.fromkeys(group, "train"))
    return chosen


def _groups(names: list[str], pairs: list[tuple[str, str]]) -> list[set[str]]:
    """Scenes joined by overlaps, directly or through others."""
    group = {name: {name} for name in names}
    for one, other in pairs:
        if group[one] is not group[other]:
            joined = group[one] | group[other]
            for name in joined:
                group[name] = joined
    return list({id(members): members for members in group.values()}.values())
