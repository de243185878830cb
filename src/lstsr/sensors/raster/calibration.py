"""Unit, scale, offset and no-data of a raster's bands, from GDAL tags and CF attributes.

CF attributes follow the CF conventions (1.8, sections 2.5.1, 3.1 and 8.1). GDAL keeps them as tags
of bands when it converts a NetCDF file to another format.
"""

from __future__ import annotations

import logging
import math
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NodataShadowWarning

from lstsr.errors import SceneError
from lstsr.image import Mask

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

logger = logging.getLogger(__name__)
KELVIN_AT_0_CELSIUS = 273.15
CDL_TYPE = re.compile(r"(?<=[\d.])(?:[fd]|u?[bsl]|u)$", re.IGNORECASE)
"""Suffixes of typed numbers in CDL."""
UNITS: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(("k", "kelvin", "kelvins", "degk", "degreekelvin", "degreeskelvin"), ("K", 1)),
    **dict.fromkeys(("c", "celsius", "degc", "degreec", "degreesc"), ("C", 1)),
    **dict.fromkeys(("degreecelsius", "degreescelsius", "centigrade"), ("C", 1)),
    **dict.fromkeys(("f", "fahrenheit", "degf", "degreefahrenheit", "degreesfahrenheit"), ("F", 1)),
    **dict.fromkeys(("1", "unitless", "dimensionless"), ("", 1)),
    **dict.fromkeys(("reflectance", "index", "ndvi"), ("", 1)),
    **dict.fromkeys(("%", "percent", "percentage"), ("", 0.01)),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("m", 1)),
    **dict.fromkeys(("ft", "foot", "feet", "usft", "ussurveyfoot"), ("m", 0.3048)),
    **dict.fromkeys(("km", "kilometre", "kilometer"), ("m", 1000)),
    **dict.fromkeys(("dm", "decimetre", "decimeter", "decimetres", "decimeters"), ("m", 0.1)),
    **dict.fromkeys(("cm", "centimetre", "centimeter", "centimetres", "centimeters"), ("m", 0.01)),
}
"""Unit as files write it, without blanks, to its kind and the factor to the kind's own unit."""
UNSTATED = frozenset(("", "-", "?", "none", "na", "n/a", "unspecified", "unknown", "undefined"))
"""Words for a missing unit, without blanks."""
KINDS = {"kelvin": "K", "celsius": "C", "reflectance": "", "index": "", "metre": "m"}
"""Kind of each unit of a reading."""


@dataclass(frozen=True)
class Calibration:
    """physical = stored x scale + offset."""

    scale: float
    offset: float


@dataclass(frozen=True)
class Band:
    """A band of an open raster, numbered from 1, and the bands that hold its opacity."""

    dataset: rasterio.DatasetReader
    number: int
    opacity: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        """The stored type, such as uint16 or complex_int16."""
        return str(self.dataset.dtypes[self.number - 1])

    @property
    def is_packed(self) -> bool:
        """Whether the band stores integers, to which CF attributes of packing apply."""
        return not self.dtype.startswith(("float", "complex"))

    @property
    def unit(self) -> str:
        """The unit as the file writes it; empty if it states none."""
        text = self.dataset.units[self.number - 1] or self.tag("units", "unit") or ""
        return "" if _plain(text) in UNSTATED else text.strip()

    def tag(self, *names: str) -> str | None:
        """A tag of the band, or of the file if it has one band, in upper or lower case."""
        dataset = self.dataset
        sources = [dataset.tags(self.number)]
        if dataset.count <= 2 and dataset.count - len(alpha_bands(dataset)) == 1:
            sources.append(dataset.tags())
        for tags in sources:
            lower = {key.lower(): str(value) for key, value in tags.items()}
            for name in names:
                if name.lower() in lower:
                    return lower[name.lower()]
        return None

    def calibration(self, reading: GeotiffConfig) -> Calibration:
        """How the stored values of a band become values in the unit of ``reading``.

        The reading comes first, then the file, then scale 1 and offset 0. Raises SceneError if
        reading and file differ, or if the numbers in the file are not usable.
        """
        numbers = {}
        for key, neutral in (("scale", 1.0), ("offset", 0.0)):
            stated, asked = self.stated_number(key), getattr(reading, key)
            if stated is not None and asked is not None and not _same(stated, asked):
                raise self.fault(
                    f"has {key} {stated:g} in the file, but the reading (config, checkpoint or "
                    f"option) says {asked:g}. Remove the wrong one of the two"
                )
            known = stated if asked is None else asked
            numbers[key] = neutral if known is None else known
        factor = self._factor(reading)
        return Calibration(numbers["scale"] * factor, numbers["offset"] * factor)

    def stated_number(self, key: str) -> float | None:
        """The ``scale`` or ``offset`` that a file states for a band; None if it states none.

        Raises SceneError if GDAL's tag and the CF attribute differ, or one is not a usable number.
        """
        gdal, neutral, attribute = {
            "scale": (self.dataset.scales[self.number - 1], 1.0, "scale_factor"),
            "offset": (self.dataset.offsets[self.number - 1], 0.0, "add_offset"),
        }[key]
        text, of_cf = self.tag(attribute), None
        # unpacked floats can still carry these tags of the packed file
        if text is not None and self.is_packed:
            of_cf = _float(text)
            if of_cf is None:
                raise self.fault(
                    f"has {attribute} = '{text}', which is not a number. Correct the attribute in "
                    "the file"
                )
        for value in (gdal, of_cf):
            if value is not None and (not math.isfinite(value) or (key == "scale" and not value)):
                raise self.fault(
                    f"has {key} {value:g} in the file, which is not usable. Correct it in the file"
                )
        if gdal == neutral:
            return None if of_cf == neutral else of_cf
        if of_cf is not None and not _same(gdal, of_cf):
            raise self.fault(
                f"has {key} {gdal:g} and {attribute} {of_cf:g}. Remove the wrong one of the two "
                "from the file"
            )
        return float(gdal)

    def usable(self, stored: NDArray, nodata: Iterable[float] = ()) -> Mask:
        """Pixels that nothing masks, in the shape of ``stored``, which may be thinned.

        Masks are the file's no-data value, its mask band (internal or a separate file), the bands
        of opacity, CF attributes for missing and valid values, and the stored values ``nodata``.
        """
        dataset, number = self.dataset, self.number
        valid: Mask = np.ones(stored.shape, bool)
        if self.opacity or MaskFlags.alpha not in dataset.mask_flag_enums[number - 1]:
            with warnings.catch_warnings():
                # an alpha band is applied below in any case
                warnings.simplefilter("ignore", NodataShadowWarning)
                valid = dataset.read_masks(number, out_shape=stored.shape) > 0
        # GDAL's mask reflects only one of these
        stated = (_floats(self.tag(name)) for name in ("_FillValue", "missing_value"))
        for value in (dataset.nodatavals[number - 1], *nodata, *chain(*stated)):
            if value is not None:
                valid &= ~_equal(stored, value)
        for alpha in self.opacity:
            valid &= dataset.read(alpha, out_shape=stored.shape) > 0
        low, high = self._valid_range()
        with np.errstate(invalid="ignore"):
            if low is not None:
                valid &= stored >= low
            if high is not None:
                valid &= stored <= high
        return valid

    def fault(self, text: str) -> SceneError:
        """The error ``text`` about this band, with the file's name in front."""
        return SceneError(f"{file_name(self.dataset)}: band {self.number} {text}")

    def _factor(self, reading: GeotiffConfig) -> float:
        """Factor from the file's unit to the reading's. Raises SceneError if kinds differ."""
        name, text = file_name(self.dataset), self.unit
        system = self.dataset.crs.to_wkt() if self.dataset.crs else ""
        by_gdal = self.dataset.units[self.number - 1] or ""
        # GDAL states the unit of a vertical coordinate system as the unit of every band
        is_of_heights = system.startswith("COMPD_CS") and kind(by_gdal) == "m"
        if not text or (reading.unit != "metre" and is_of_heights):
            return 1.0
        known = UNITS.get(_plain(text))
        if known is None and reading.unit == "metre":
            raise self.fault(
                f"has the unit '{text}', which lstsr does not know. Convert the band to metres"
            )
        if known is None:
            logger.warning(
                "%s: band %d has the unit '%s', which lstsr does not know. It is read as %s",
                *(name, self.number, text, reading.unit),
            )
            return 1.0
        own, factor = known
        if own == "F" and KINDS[reading.unit] in "KC":
            raise self.fault(
                "is in degrees Fahrenheit, which lstsr does not read. Convert it: gdal_calc.py "
                f'-A {name} --A_band={self.number} --calc="(A+459.67)/1.8" --type=Float32 '
                "--outfile=kelvin.tif"
            )
        if own != KINDS[reading.unit]:
            raise self.fault(
                f"has the unit '{text}' in the file, but the reading (config, checkpoint or "
                f"option) says {reading.unit}. Set the right unit, or correct it in the file"
            )
        # a scale from the user already includes the unit
        return 1.0 if reading.scale is not None else factor

    def _valid_range(self) -> tuple[float | None, float | None]:
        """Lowest and highest stored value that CF attributes allow; None if they set no limit."""
        dataset, index = self.dataset, self.number - 1
        is_unscaled = dataset.scales[index] == 1 and dataset.offsets[index] == 0
        # floats can carry attributes of a packed file, whose valid range is in packed numbers
        if not self.is_packed and is_unscaled and self.tag("scale_factor", "add_offset"):
            return None, None
        ends: list[float | None] = [*_floats(self.tag("valid_range"))]
        if len(ends) != 2:
            ends = [_float(self.tag(name)) for name in ("valid_min", "valid_max")]
        low, high = (None if end is None or math.isnan(end) else end for end in ends)
        return low, high


def kind(text: str) -> str | None:
    """K, C, F, m or '' (a pure number) for a unit as files write it; None if it is unknown."""
    known = UNITS.get(_plain(text))
    return known[0] if known else None


def alpha_bands(dataset: rasterio.DatasetReader) -> list[int]:
    """Numbers of the bands that hold opacity."""
    pairs = zip(dataset.indexes, dataset.colorinterp, strict=True)
    return [number for number, colour in pairs if colour == ColorInterp.alpha]


def file_name(dataset: rasterio.DatasetReader) -> str:
    """Name of the file behind a raster or one of its variables, for messages."""
    # for example netcdf:/folder/lst.nc:data/LST, ZARR:"/folder/lst.zarr":/lst
    inside = re.fullmatch(r'[A-Za-z0-9]+:"?(/.+?)"?:[^:"]+(?::\d+)?', dataset.name)
    return Path(inside[1] if inside else dataset.name).name


def _same(first: float, second: float) -> bool:
    """Whether two numbers are equal in single precision, which files often store."""
    return math.isclose(first, second, rel_tol=1e-6)


def _plain(text: str) -> str:
    # NFKC turns the sign for degrees Celsius into the letter C
    return re.sub(r"[\s_°º.()]+", "", unicodedata.normalize("NFKC", text.replace("º", "")).lower())


def _float(text: str | None) -> float | None:
    """The number in ``text``; None unless it holds exactly one."""
    numbers = _floats(text)
    return numbers[0] if len(numbers) == 1 else None


def _floats(text: str | None) -> list[float]:
    """Numbers as GDAL lists them or CDL writes them ({-9999,-888} or 0.1f); otherwise empty."""
    words = re.split(r"[\s,]+", (text or "").strip(" {}[]"))
    try:
        return [float(CDL_TYPE.sub("", word)) for word in words]
    except ValueError:
        return []


def _equal(stored: NDArray, value: float) -> Mask:
    """Pixels whose stored number is ``value``, rounded to the stored type."""
    is_float = stored.dtype.kind == "f"
    if math.isnan(value):
        return np.isnan(stored) if is_float else np.zeros(stored.shape, bool)
    with np.errstate(over="ignore"):
        return np.asarray(stored == (stored.dtype.type(value) if is_float else value))
