"""The manifest: one row per scene, read and checked."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lstsr.errors import LstsrError
from lstsr.side_files import side_files, vrt_sources
from lstsr.times import iso, read_time

ROLES = ("input", "reference", "target")
STATIC = ("dem", "water")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class Scene:
    """One row of the manifest: a name, three files and the centre in degrees (None: unknown).

    A file can also be the folder of a product. An optical image has neither input nor reference.
    ``dem`` is a raster of the elevation in metres, ``water`` one of the share of water, 0..1.
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
        named = [getattr(self, name) for name in (*ROLES, *STATIC)]
        return [file for path in filter(None, named) for file in product_files(path)]


def product_files(path: Path) -> list[Path]:
    """``path`` and all existing files that belong to its product.

    - Folder or Esri grid: all files in the folder. Zarr store: also those in its subfolders.
    - MTL file: all files of its product.
    - GK2A Level 1B: all files of the same slot, which can include another channel or a calibration.
    - Any other raster: its side files; for a VRT also the files of its sources.
    """
    if path.suffix.lower() == ".adf":  # an Esri grid is a whole folder
        path = path.parent
    if path.is_dir():
        marks = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
        is_zarr = path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in marks)
        inside = path.rglob("*") if is_zarr else path.iterdir()
        return sorted(file for file in inside if file.is_file())
    if path.name.startswith("gk2a_ami_le1b_"):
        return sorted(path.parent.glob(f"gk2a_ami_le1b_*_{path.stem.rpartition('_')[2]}.nc"))
    product, metadata, _ = path.name.partition("_MTL.")
    if metadata:
        return sorted(path.parent.glob(f"{product}_*"))
    return _raster_files(path)


def _raster_files(raster: Path) -> list[Path]:
    """A raster, its side files and those of its sources. A VRT can name itself as a source."""
    files: dict[Path, None] = {}
    seen = set()
    waiting = [raster]
    while waiting:
        file = waiting.pop()
        if file.is_dir():
            files |= dict.fromkeys(product_files(file))
        elif file.resolve() not in seen:
            seen.add(file.resolve())
            files |= dict.fromkeys([file, *side_files(file)])
            waiting += vrt_sources(file)
    return list(files)


Locate = Callable[[Path, str, str, str], Path]
"""The path of a file from the manifest, the scene's name, the column and its cell."""


def beside_manifest(manifest: Path, scene: str, column: str, cell: str) -> Path:
    """The file that a cell names relative to the manifest. Raises LstsrError if it is missing.

    The Unicode form (NFC or NFD) of the name can differ from the form on disk.
    """
    file = manifest.parent / cell
    existing = file if os.path.exists(file) else _in_other_form(file)
    if existing is None:
        raise LstsrError(
            f"{manifest}: {column} of scene {scene} is missing: {file}. "
            "Name it relative to the manifest"
        )
    return existing


def _in_other_form(file: Path) -> Path | None:
    """The existing path that equals ``file`` except for its Unicode form; None if there is none."""
    existing = Path(file.anchor)
    for part in file.relative_to(file.anchor).parts:
        if os.path.exists(existing / part):
            existing /= part
            continue
        try:
            names = sorted(os.listdir(existing))
        except OSError:
            return None
        same = [name for name in names if _composed(name) == _composed(part)]
        if not same:
            return None
        existing /= same[0]
    return existing


def _composed(text: str) -> str:
    """``text`` in Unicode form NFC. macOS decomposes letters in file names."""
    return unicodedata.normalize("NFC", text)


def read_manifest(
    path: Path, roles: Sequence[str] = ROLES, locate: Locate = beside_manifest
) -> list[Scene]:
    """The scenes of a CSV: scene, input, reference, target[, lon, lat, time, dem, water].

    Only the images of ``roles`` are required and read; unknown columns are ignored. File names are
    relative to the manifest's folder, unless ``locate`` finds them elsewhere. Blank lines, blanks
    around cells and a byte-order mark, which spreadsheets leave, are ignored. Raises LstsrError for
    a missing manifest, column or file, a repeated column or name, a row with more cells than
    columns, a name that cannot be a file name, and an invalid coordinate or time.
    """
    if not path.is_file():
        raise LstsrError(f"{path}: no such manifest. Set config keys data and acquire.manifest")
    (_, columns), *rows = _rows(path) or [(0, [])]
    _check_columns(path, columns, roles)
    for line, row in rows:
        if any(row[len(columns) :]):
            raise LstsrError(
                f"{path} line {line} has {len(row)} cells, but the first line names {len(columns)} "
                "columns. Use a decimal point, not a comma, and quote any cell that contains commas"
            )
    cells = [dict(zip_longest(columns, row[: len(columns)], fillvalue="")) for _, row in rows]
    scenes = [_scene(path, row, roles, locate) for row in cells]
    if not scenes:
        raise LstsrError(f"{path}: no scene below the first line. Add a line for each scene")
    name, uses = Counter(scene.scene for scene in scenes).most_common(1)[0]
    if uses > 1:
        raise LstsrError(f"{path}: two rows name the scene {name}. Give each its own name")
    return scenes


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and stripped cells of each row that is not blank."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
        table = csv.reader(lines, skipinitialspace=True)
        rows = [(table.line_num, [cell.strip() for cell in row]) for row in table]
    except UnicodeDecodeError:
        raise LstsrError(f"{path}: not UTF-8 text. Save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise LstsrError(
            f"{path} line {table.line_num} is not CSV: {error}. Save the table as CSV"
        ) from None
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}. Check the path and its permissions") from None
    return [(line, row) for line, row in rows if any(row)]


def _check_columns(path: Path, columns: list[str], roles: Sequence[str]) -> None:
    """Raise LstsrError if a column is missing or appears twice."""
    missing = [name for name in ("scene", *roles) if name not in columns]
    if missing:
        for character, name in SEPARATORS.items():
            if any(character in column for column in columns):
                raise LstsrError(
                    f"{path}: the first line separates its columns with {name}. "
                    "Save the table with commas and use a decimal point"
                )
        raise LstsrError(
            f"{path}: the first line has no column {missing[0]}. It must name the columns "
            f"{', '.join(('scene', *roles))} and can name lon, lat, time, "
            f"{', '.join(STATIC)}, separated by commas"
        )
    for name in filter(None, columns):
        if columns.count(name) > 1:
            raise LstsrError(f"{path}: column {name} appears twice in the first line. Remove one")


def _scene(manifest: Path, row: Mapping[str, str], roles: Sequence[str], locate: Locate) -> Scene:
    name = _composed(row["scene"])
    if not name or not all(char.isalnum() or char in "-_." for char in name) or name[0] == ".":
        raise LstsrError(
            f"{manifest}: '{name}' is not a valid scene name. Use letters, digits and - _ ."
        )
    for role in roles:
        if not row[role]:
            raise LstsrError(f"{manifest}: {role} of scene {name} is empty. Name its file")
    named = [role for role in (*roles, *STATIC) if row.get(role)]
    files: dict[str, Any] = dict.fromkeys(ROLES)
    files |= {role: locate(manifest, name, role, row[role]) for role in named}
    lon, lat = (_degrees(manifest, row, *axis) for axis in (("lon", 360), ("lat", 90)))
    return Scene(name, **files, lon=lon, lat=lat, time=_time(manifest, row))


def _time(manifest: Path, row: Mapping[str, str]) -> str:
    """The time of a row in UTC, as 2023-05-12T02:10:00Z; empty if unknown."""
    text = row.get("time") or ""
    moment = read_time(text)
    if not text or moment:
        return iso(moment) if moment else ""
    without = ", without a time of day" if read_time(f"{text}T00:00Z") else ""
    raise LstsrError(
        f"{manifest}: time of scene {row['scene']} is '{text}'{without}. Write it as "
        "2023-05-12T02:10:00Z or leave it empty"
    )


def _degrees(manifest: Path, row: Mapping[str, str], column: str, limit: float) -> float | None:
    text = row.get(column)
    if not text:
        return None
    value = _number(text)
    if abs(value) <= limit:
        return value
    cure = f"Give degrees between -{limit} and {limit}, or leave it empty"
    if math.isfinite(_number(with_point := text.replace(",", "."))) and "," in text:
        cure = f"Use a decimal point: {with_point}"
    elif column == "lat" and abs(value) <= 360 and abs(_number(row.get("lon", ""))) <= limit:
        cure += ". Are lon and lat swapped?"
    raise LstsrError(f"{manifest}: {column} of scene {row['scene']} is '{text}'. {cure}")


def _number(text: str) -> float:
    """``text`` as a number; NaN if it is not one."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def shard_of(scene: str, shards: int) -> int:
    """The shard of a scene, by a hash of its name: a new scene does not move the others."""
    return int(hashlib.sha256(scene.encode()).hexdigest(), 16) % shards


def shard_count(scenes: int, shard_size: int) -> int:
    """Number of shards: a power of two, so that it rarely changes as scenes are added."""
    count = 1
    while count * shard_size < scenes:
        count *= 2
    return count
