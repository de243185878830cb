"""What a raster states of its bands: unit, scale, offset and no-data (GDAL tags, CF attributes).

CF attributes are those of the CF conventions (1.8, sections 2.5.1, 3.1 and 8.1). GDAL passes them
on as tags of bands when a NetCDF file becomes another format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from lstsr.errors import SceneError
from lstsr.image import Mask

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

FOOT_M = 0.3048
UNITS: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(("k", "kelvin", "kelvins", "degk", "degreekelvin", "degreeskelvin"), ("K", 1)),
    **dict.fromkeys(("c", "celsius", "degc", "degreec", "degreesc"), ("C", 1)),
    **dict.fromkeys(("degreecelsius", "degreescelsius", "centigrade"), ("C", 1)),
    **dict.fromkeys(("f", "fahrenheit", "degf", "degreefahrenheit", "degreesfahrenheit"), ("F", 1)),
    **dict.fromkeys(("1", "none", "unitless", "dimensionless", "reflectance", "ndvi"), ("", 1)),
    **dict.fromkeys(("%", "percent", "percentage"), ("", 0.01)),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("m", 1)),
    **dict.fromkeys(("ft", "foot", "feet", "usft", "ussurveyfoot"), ("m", FOOT_M)),
    **dict.fromkeys(("km", "kilometre", "kilometer"), ("m", 1000)),
}
"""A unit as files write it, without blanks, to its kind and the factor to the unit of the kind."""
KINDS = {"kelvin": "K", "celsius": "C", "reflectance": "", "index": "", "metre": "m"}
"""Kind of each unit that a reading can have."""


@dataclass(frozen=True)
class Calibration:
    """physical = stored x scale + offset."""

    scale: float
    offset: float


def calibration(
    dataset: rasterio.DatasetReader, number: int, reading: GeotiffConfig
) -> Calibration:
    """How the stored values of band ``number`` become values in the unit of ``reading``.

    What the reading leaves open is the file's own, or 1 and 0. Raises SceneError where both state
    something and differ.
    """
    name = Path(dataset.name).name
    found = {}
    for key, neutral in (("scale", 1.0), ("offset", 0.0)):
        stated, asked = stated_number(dataset, number, key), getattr(reading, key)
        if stated is not None and asked is not None and not math.isclose(stated, asked):
            raise SceneError(
                f"{name}: band {number} has {key} {stated:g} in the file, but the reading (config, "
                f"checkpoint or option) says {asked:g}. Remove the wrong one of the two"
            )
        known = stated if asked is None else asked
        found[key] = neutral if known is None else known
    factor = _factor(name, number, unit(dataset, number), reading)
    return Calibration(found["scale"] * factor, found["offset"] * factor)


def unit(dataset: rasterio.DatasetReader, number: int) -> str:
    """The unit of a band as the file writes it; empty if it states none."""
    text = dataset.units[number - 1] or _tag(dataset, number, "units", "unit") or ""
    return text.strip()


def kind(text: str) -> str | None:
    """K, C, F, m or '' (a pure number) for a unit as files write it; None if it is not known."""
    known = UNITS.get(_plain(text))
    return known[0] if known else None


def stated_number(dataset: rasterio.DatasetReader, number: int, key: str) -> float | None:
    """The ``scale`` or ``offset`` that a file states for a band; None where it states none.

    Raises SceneError where GDAL's tag and the CF attribute differ.
    """
    gdal, neutral, attribute = {
        "scale": (dataset.scales[number - 1], 1.0, "scale_factor"),
        "offset": (dataset.offsets[number - 1], 0.0, "add_offset"),
    }[key]
    packed = np.dtype(dataset.dtypes[number - 1]).kind in "iu"
    # floats keep these tags of the packed file that they were unpacked from
    of_cf = _float(_tag(dataset, number, attribute)) if packed else None
    if gdal == neutral:
        return None if of_cf == neutral else of_cf
    if of_cf is not None and not math.isclose(gdal, of_cf):
        raise SceneError(
            f"{Path(dataset.name).name}: band {number} has {key} {gdal:g} and {attribute} "
            f"{of_cf:g}. Remove the wrong one of the two from the file"
        )
    return float(gdal)


def usable(
    dataset: rasterio.DatasetReader, number: int, stored: NDArray, nodata: list[float]
) -> Mask:
    """Pixels of a band that nothing masks.

    What counts: the file's no-data value, its mask band (internal or beside it), an alpha band,
    CF attributes for missing and valid values, and the stored values ``nodata``.
    """
    valid: Mask = dataset.read_masks(number) > 0
    # GDAL's mask is that of only one of these
    values = [dataset.nodatavals[number - 1], *nodata]
    values += [_float(_tag(dataset, number, name)) for name in ("_FillValue", "missing_value")]
    for value in values:
        if value is not None:
            valid &= ~_equal(stored, value)
    for alpha in alpha_bands(dataset):
        valid &= dataset.read(alpha) > 0
    low, high = _valid_range(dataset, number)
    with np.errstate(invalid="ignore"):
        if low is not None:
            valid &= stored >= low
        if high is not None:
            valid &= stored <= high
    return valid


def alpha_bands(dataset: rasterio.DatasetReader) -> list[int]:
    """Numbers of the bands that hold opacity."""
    pairs = zip(dataset.indexes, dataset.colorinterp, strict=True)
    return [number for number, colour in pairs if colour == ColorInterp.alpha]


def _factor(name: str, number: int, text: str, reading: GeotiffConfig) -> float:
    """From the file's unit to that of ``reading``; SceneError where they are of two kinds."""
    known = UNITS.get(_plain(text)) if text else None
    if known is None:
        return 1.0
    own, factor = known
    if own != KINDS[reading.unit]:
        raise SceneError(
            f"{name}: band {number} has the unit '{text}' in the file, but the reading (config, "
            f"checkpoint or option) says {reading.unit}. Set the unit that is right"
        )
    # a scale that the user gave leads to the unit already
    return 1.0 if reading.scale is not None else factor


def _plain(text: str) -> str:
    return re.sub(r"[\s_°.()]+", "", text.lower())


def _tag(dataset: rasterio.DatasetReader, number: int, *names: str) -> str | None:
    """A tag of the band, or of the file where it has one band, whatever its capitals."""
    places = [dataset.tags(number)]
    if dataset.count == 1:
        places.append(dataset.tags())
    for tags in places:
        lower = {key.lower(): str(value) for key, value in tags.items()}
        for name in names:
            if name.lower() in lower:
                return lower[name.lower()]
    return None


def _float(text: str | None) -> float | None:
    try:
        return None if text is None else float(text.strip(" {}"))
    except ValueError:
        return None


def _equal(stored: NDArray, value: float) -> Mask:
    """Where stored numbers are ``value``, as their own type holds it."""
    if math.isnan(value):
        return np.asarray(
            np.isnan(stored) if stored.dtype.kind == "f" else np.zeros_like(stored, bool)
        )
    if stored.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(stored == stored.dtype.type(value))
    return np.asarray(stored == value)


def _valid_range(dataset: rasterio.DatasetReader, number: int) -> tuple[float | None, float | None]:
    both = (_tag(dataset, number, "valid_range") or "").strip(" {}[]").split(",")
    if len(both) == 2:
        return _float(both[0]), _float(both[1])
    low, high = (_float(_tag(dataset, number, name)) for name in ("valid_min", "valid_max"))
    return low, high
