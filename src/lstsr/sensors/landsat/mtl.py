"""The metadata file (MTL) of a Landsat product, as text (ODL) or JSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

from affine import Affine

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.sensors.landsat.names import metadata_file
from lstsr.times import iso, read_time

Groups = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Product:
    """A Landsat product: its MTL file and the keys in it."""

    metadata: Path
    keys: Mapping[str, str]

    @property
    def name(self) -> str:
        """The product id; before Collection 1, the scene id."""
        return self.keys.get("LANDSAT_PRODUCT_ID") or self.text("LANDSAT_SCENE_ID")

    @property
    def level(self) -> str:
        """L2SP, L1TP, ...; before Collection 2 the MTL calls it the data type."""
        return self.keys.get("PROCESSING_LEVEL") or self.text("DATA_TYPE")

    def text(self, key: str) -> str:
        """The value of a key. Raises SceneError if it is missing."""
        if key not in self.keys:
            raise self._fault(f"key {key} is missing")
        return self.keys[key]

    def number(self, key: str) -> float:
        """The finite number of a key. Raises SceneError for any other value."""
        text = self.text(key)
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not isfinite(value):
            raise self._fault(f"{key} = {text!r} is not a number")
        return value

    def count(self, key: str, most: float = inf) -> int:
        """A whole number from 1 to ``most``. Raises like `number`."""
        number = self.number(key)
        if not (1 <= number <= most and number.is_integer()):
            to = "" if most == inf else f" to {most:g}"
            raise self._fault(f"{key} = {self.keys[key]!r} is not a whole number from 1{to}")
        return int(number)

    def _fault(self, text: str) -> SceneError:
        return SceneError(f"{self.metadata.name}: {text}")

    def file(self, key: str, ending: str) -> Path:
        """The raster that ``key`` names; without the key, the one with the usual name.

        Raises SceneError if it is missing.
        """
        name = self.keys.get(key, f"{self.name}_{ending}.TIF")
        # MTL files say .TIF; some archives deliver .tif
        for file in self.metadata.parent.iterdir():
            if file.name.lower() == name.lower():
                return file
        raise SceneError(f"{name}: missing beside {self.metadata.name}. Download it again.")

    @property
    def time(self) -> str:
        """Time of the scene's centre, ISO 8601 UTC."""
        stamp = f"{self.text('DATE_ACQUIRED')}T{self.text('SCENE_CENTER_TIME')}"
        time = read_time(stamp)
        if time is None:
            raise self._fault(f"DATE_ACQUIRED, SCENE_CENTER_TIME = {stamp!r} is not a time")
        return iso(time)

    @property
    def grid(self) -> Grid:
        """The grid of the MTL in UTM north, on both hemispheres. Its corners are pixel centres."""
        step = self.number("GRID_CELL_SIZE_THERMAL")
        if step < 1:
            raise self._fault(f"GRID_CELL_SIZE_THERMAL = {step:g} is not a size in metres")
        x, y = (self.number(f"CORNER_UL_PROJECTION_{axis}_PRODUCT") for axis in "XY")
        return Grid(
            f"EPSG:{32600 + self.count('UTM_ZONE', 60)}",
            Affine(step, 0, x - step / 2, 0, -step, y + step / 2),
            self.count("THERMAL_SAMPLES"),
            self.count("THERMAL_LINES"),
        )


def open_product(path: Path) -> Product:
    """The product of a folder or an MTL file.

    Raises SceneError if ``path`` does not lead to one complete MTL, and OSError if the file cannot
    be read from disk.
    """
    metadata = metadata_file(path)
    content = metadata.read_bytes()
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # an interrupted copy can end in NULs
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig", "replace").replace("\0", "")
    try:
        groups = _json(text) if metadata.suffix.lower() == ".json" else _odl(text)
        if not groups:
            raise ValueError("it has no groups of keys")
    except ValueError as error:
        raise SceneError(
            f"{metadata.name}: not a complete MTL file ({error}). Download it again."
        ) from None
    # a Level-2 MTL repeats the MTL of its Level-1 product, which has other files and scales under
    # the same keys
    if any(name.startswith("LEVEL2_") for name in groups):
        groups = {name: keys for name, keys in groups.items() if not name.startswith("LEVEL1_")}
    return Product(metadata, {key: text for keys in groups.values() for key, text in keys.items()})


def _odl(text: str) -> Groups:
    """Keys by group. The line END can be missing. Raises ValueError if the text is not ODL."""
    groups: Groups = {}
    within: list[str] = []
    numbered = enumerate(map(str.strip, text.splitlines()), 1)
    lines = [(number, line) for number, line in numbered if line]
    for number, line in lines:
        key, equals, value = (part.strip() for part in line.partition("="))
        if line == "END" or (groups and not within and not equals):
            break
        closes = key == "END_GROUP"
        unnamed = key == "GROUP" and not value
        if not equals or unnamed or (closes and within[-1:] != [value]):
            # a truncated file can end inside a line
            if within and number == lines[-1][0]:
                break
            raise ValueError(f"line {number} is not expected here: '{line:.60}'")
        if key == "GROUP":
            within.append(value)
        elif closes:
            within.pop()
        elif within:
            groups.setdefault(within[-1], {})[key] = value.strip('"').strip()
    if within:
        raise ValueError(f"truncated: the group {within[-1]} is not closed")
    return groups


def _json(text: str) -> Groups:
    """Keys by group. Raises ValueError if the text is not a JSON MTL."""
    try:
        content: Any = json.loads(text)
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None
    roots = content.items() if isinstance(content, dict) else ()
    root = next((value for key, value in roots if key.upper().endswith("METADATA_FILE")), None)
    # values as in the text form, each on one line
    return {
        name.upper(): {
            key.upper(): " ".join(str(value).split())
            for key, value in keys.items()
            if value is not None
        }
        for name, keys in (root.items() if isinstance(root, dict) else ())
        if isinstance(keys, dict)
    }
