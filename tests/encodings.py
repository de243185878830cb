"""Rasters as users have them: one image in many data types, units, masks, row orders and formats.

`encodings` draws an `Encoding` that its format can hold, `write` writes the file, and `told` is
what a user has to say because the file does not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from lstsr.grid import Grid
from lstsr.image import SensorImage

Orientation = tuple[int, bool]
"""Quarter turns against the clock, and whether the rows are then reversed."""
NORTH_UP: Orientation = (0, False)
ALL = tuple((turns, flipped) for turns in range(4) for flipped in (False, True))
FLOATS = ("float32", "float64")
DTYPES = ("int16", "uint16", "int32", *FLOATS)
OTHER = 7  # what the bands hold that nobody asks for

BY_VALUE = ("tag", "told", "several told", "tag and told", "attribute")
TWO = ("several told", "tag and told")
BY_NAN = ("nan", "nan tag")
BY_MASK = ("internal", "msk", "alpha", "tag and internal", "tag and alpha")
FILLS = {
    "uint8": (0, 255),
    "int16": (-9999, 0, -32768),
    "uint16": (0, 65535),
    "int32": (-9999, 0, -(2**31)),
    "float32": (-9999, 0, float(np.finfo(np.float32).min)),
    "float64": (-9999, 0, -1e30),
}


@dataclass(frozen=True)
class Format:
    """What a format of GDAL can hold."""

    driver: str
    suffix: str
    holes: tuple[str, ...]
    orientations: tuple[Orientation, ...] = ALL
    styles: tuple[str, ...] = ("gdal", "cf")


FORMATS = {
    "GeoTIFF": Format("GTiff", ".tif", (*BY_VALUE, *BY_NAN, *BY_MASK)),
    "COG": Format("COG", ".tif", (*BY_VALUE, *BY_NAN, *(one for one in BY_MASK if one != "msk"))),
    # places a grid by its first pixel and an angle, and has no unit of a band
    "ENVI": Format(
        "ENVI",
        ".img",
        (*BY_VALUE, *BY_NAN, "msk"),
        ((0, False), (0, True), (1, False), (3, False)),
        ("cf",),
    ),
    "HFA": Format(
        "HFA",
        ".img",
        (*BY_VALUE, *BY_NAN, "msk"),
        tuple(one for one in ALL if one[0] != 2),
    ),
    "VRT": Format("VRT", ".vrt", (*BY_VALUE, *BY_NAN, *BY_MASK)),
    "ASCII": Format("AAIGrid", ".asc", ("tag", "told", "tag and told"), (NORTH_UP,)),
    "NetCDF": Format("netCDF", ".nc", (*BY_VALUE, *BY_NAN), (NORTH_UP, (0, True)), ("cf",)),
}


@dataclass(frozen=True)
class Unit:
    """A unit as a file writes it: written = physical x factor + shift."""

    text: str
    name: str
    factor: float = 1.0
    shift: float = 0.0


UNITS = {
    "kelvin": (
        *(Unit(text, "kelvin") for text in ("", "K", "kelvin")),
        *(Unit(text, "celsius", 1, -273.15) for text in ("", "degC", "°C", "Celsius")),
    ),
    "reflectance": (Unit("", "reflectance"), Unit("1", "reflectance"), Unit("%", "percent", 100)),
}
# Steps of the stored numbers, in the unit of the file; the stored numbers are never 0.
STEPS = {
    "kelvin": {
        "int16": (0.01, 0.02, 0.1),
        "uint16": (0.01, 0.005),
        "int32": (0.001, 0.01),
        "float32": (1.0, 0.1, 0.02),
        "float64": (1.0, 0.1),
    },
    "reflectance": {
        "uint8": (0.004,),
        "int16": (1e-4,),
        "uint16": (1e-4, 2e-5),
        "int32": (1e-6,),
        "float32": (1.0, 0.01),
        "float64": (1.0, 1e-4),
    },
}
OFFSETS = {"kelvin": (0.0, 5.0, -5.0), "reflectance": (0.0, -0.1)}


@dataclass(frozen=True)
class Encoding:
    """How the file of an image is written, physical = (stored x scale + offset) in ``unit``.

    ``style`` is whether scale, offset and unit are tags of GDAL or attributes of CF,
    ``calibration`` and ``crs`` whether the file states them, the user tells them, or both; ``hole``
    is how no-data is marked, by ``fills`` where by a value. ``bands`` are the names of the file's
    bands in order, which the user chooses ``by_name`` or by number.
    """

    format: str
    dtype: str
    scale: float
    offset: float
    unit: Unit
    style: str
    calibration: str
    hole: str
    fills: tuple[float, float]
    orientation: Orientation
    bands: tuple[str, ...]
    by_name: bool
    crs: str
    crs_text: str

    @property
    def half_step(self) -> float:
        """By how much rounding of the stored numbers changes a physical value at most."""
        if self.dtype in FLOATS:
            return 2e-7 if self.unit.name in ("reflectance", "percent") else 5e-5
        return self.scale / self.unit.factor / 2

    @property
    def seen(self) -> Orientation:
        """The orientation of the grid as GDAL reads it, which turns NetCDF north up."""
        return NORTH_UP if self.format == "NetCDF" else self.orientation


@st.composite
def encodings(draw: st.DrawFn, image: SensorImage, crs_texts: tuple[str, ...]) -> Encoding:
    """Any encoding of ``image``, whose coordinate system has the names ``crs_texts``."""
    single = len(image.bands) == 1
    kind = draw(st.sampled_from([one for one in FORMATS if single or one != "ASCII"]))
    form = FORMATS[kind]
    of_text = kind == "ASCII"
    dtype = draw(st.sampled_from(["float32"] if of_text else list(STEPS[image.unit])))
    is_float = dtype in FLOATS
    style = draw(st.sampled_from(form.styles))
    # attributes of a file of floats are those of the packed file that it was unpacked from
    ways = ["told"] if is_float and style == "cf" else ["stated", "told", "both"]
    calibration = draw(st.sampled_from(ways))
    # a scale that is told leads to the unit of the reading
    units = [one for one in UNITS[image.unit] if one.name != "percent" or calibration == "stated"]
    unit = draw(st.sampled_from(units))
    in_percent = unit.name == "percent"
    scale = draw(st.sampled_from(STEPS[image.unit][dtype])) * unit.factor
    offset = 0.0 if is_float or in_percent else draw(st.sampled_from(OFFSETS[image.unit]))
    if dtype == "uint8":
        offset = -0.1 * unit.factor
    masks = [one for one in form.holes if is_float or one not in BY_NAN]
    hole = draw(st.sampled_from(masks))
    fills = draw(st.permutations(FILLS[dtype]))
    several = not of_text and (kind != "NetCDF" or draw(st.booleans()))
    others = draw(st.integers(0, 2)) if several else 0
    names = [*image.bands, *(f"other {number}" for number in range(others))]
    return Encoding(
        kind,
        dtype,
        scale,
        offset,
        unit,
        style,
        calibration,
        hole,
        (fills[0], fills[1]),
        draw(st.sampled_from(form.orientations)),
        tuple(draw(st.permutations(names))),
        kind == "NetCDF" or draw(st.booleans()),
        draw(st.sampled_from(["stated", "told", "both"])),
        draw(st.sampled_from(crs_texts)),
    )


def turned(array: np.ndarray, orientation: Orientation) -> np.ndarray:
    """(..., row, column) with the rows where ``orientation`` has them."""
    array = np.rot90(array, orientation[0], (-2, -1))
    return array[..., ::-1, :] if orientation[1] else array


def turned_grid(grid: Grid, orientation: Orientation) -> Grid:
    """The grid of a `turned` array: each pixel stays in its place."""
    height, width, transform = grid.height, grid.width, grid.transform
    for _ in range(orientation[0]):
        transform = transform @ Affine(0, -1, width, 1, 0, 0)
        height, width = width, height
    if orientation[1]:
        transform = transform @ Affine(1, 0, 0, 0, -1, height)
    return Grid(grid.crs, transform, width, height)


def write(folder: Path, name: str, image: SensorImage, how: Encoding) -> Path:
    """Write ``image`` to a file of that ``name`` in ``folder``; its suffix is the format's."""
    path = folder / f"{name}{FORMATS[how.format].suffix}"
    stored = _stored(image, how)
    grid = turned_grid(image.grid, how.orientation)
    if how.format == "NetCDF":
        _write_netcdf(path, stored, grid, how)
        return path
    valid = turned(image.valid, how.orientation)
    plain = path if how.format == "GeoTIFF" else folder / f"{name}-plain.tif"
    _write_geotiff(plain, stored, valid, grid, how)
    if plain != path:
        rasterio.shutil.copy(plain, path, driver=FORMATS[how.format].driver)
    return path


def told(image: SensorImage, how: Encoding) -> dict[str, Any]:
    """The keys of a reading that the file leaves open."""
    found: dict[str, Any] = {}
    if how.unit.name == "celsius":
        found["unit"] = "celsius"
    if how.calibration != "stated":
        found |= {"scale": how.scale, "offset": how.offset}
    values = {"told": how.fills[:1], "several told": how.fills, "tag and told": how.fills[1:]}
    if how.hole in values:
        found["nodata"] = list(values[how.hole])
    if how.bands != image.bands:
        found["bands"] = [
            band if how.by_name else how.bands.index(band) + 1 for band in image.bands
        ]
    if how.crs != "stated":
        found["crs"] = how.crs_text
    return found


def _stored(image: SensorImage, how: Encoding) -> np.ndarray:
    """Stored numbers (band, row, column), turned; two fills share a hole where there are two."""
    written = image.values.astype(np.float64) * how.unit.factor + how.unit.shift
    numbers = (written - how.offset) / how.scale
    if how.dtype not in FLOATS:
        numbers = np.round(numbers)
    if how.hole in BY_NAN:
        first = second = np.nan
    elif how.hole in BY_MASK:
        # as plausible as any value, so that nothing but the mask hides it
        first = second = float(numbers[:, image.valid].mean().round())
        if how.hole.startswith("tag"):
            second = how.fills[0]
    else:
        first, second = how.fills if how.hole in TWO else 2 * how.fills[:1]
    odd = np.indices(image.grid.shape).sum(axis=0) % 2 == 1
    numbers = np.where(image.valid, numbers, np.where(odd, first, second))
    of_band = dict(zip(image.bands, numbers, strict=True))
    other = np.full(image.grid.shape, float(OTHER))
    stack = np.stack([of_band.get(band, other) for band in how.bands])
    return turned(stack, how.orientation).astype(how.dtype)


def _attributes(how: Encoding) -> dict[str, Any]:
    """Attributes of CF that the wanted bands have."""
    found: dict[str, Any] = {}
    if how.style == "cf":
        if how.dtype in FLOATS and how.format != "NetCDF":
            # GDAL unpacks the numbers of a NetCDF file and keeps these
            found |= {"scale_factor": 0.01, "add_offset": 3.0}
        elif how.calibration != "told":
            found |= {"scale_factor": how.scale, "add_offset": how.offset}
        if how.unit.text:
            found["units"] = how.unit.text
    if how.hole == "attribute":
        found["missing_value"] = how.fills[0]
    return found


def _tag(how: Encoding) -> float | None:
    """The no-data value that the file states."""
    if how.hole == "nan tag":
        return float("nan")
    return how.fills[0] if how.hole.startswith("tag") else None


def _write_geotiff(
    path: Path, stored: np.ndarray, valid: np.ndarray, grid: Grid, how: Encoding
) -> None:
    bands = list(how.bands)
    # the tag masks the part of the hole that the mask shows
    shown = valid | (stored == _tag(how)).any(axis=0)
    if how.hole.endswith("alpha"):
        bands.append("alpha")
    wanted = [not band.startswith(("other", "alpha")) for band in bands]
    states = how.style == "gdal" and how.calibration != "told"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=how.hole != "msk"),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=len(bands),
            height=grid.height,
            width=grid.width,
            dtype=how.dtype,
            crs=None if how.crs == "told" else CRS.from_string(grid.crs),
            transform=grid.transform,
            nodata=_tag(how),
        ) as dataset,
    ):
        dataset.write(stored, list(range(1, len(stored) + 1)))
        dataset.descriptions = bands
        if states:
            dataset.scales = [how.scale if one else 1.0 for one in wanted]
            dataset.offsets = [how.offset if one else 0.0 for one in wanted]
        if how.style == "gdal":
            dataset.units = [how.unit.text if one else "" for one in wanted]
        for number, one in enumerate(wanted, 1):
            if one:
                dataset.update_tags(number, **_attributes(how))
        if how.hole.endswith("alpha"):
            colours = [ColorInterp.undefined] * len(stored)
            dataset.colorinterp = [*colours, ColorInterp.alpha]
            dataset.write((shown * 255).astype(how.dtype), len(bands))
        elif how.hole in BY_MASK:
            dataset.write_mask(shown)


def _write_netcdf(path: Path, stored: np.ndarray, grid: Grid, how: Encoding) -> None:
    """Variables on the axes y and x, whose cells GDAL turns north up."""
    with netCDF4.Dataset(os.fspath(path), "w") as dataset:
        dataset.Conventions = "CF-1.8"
        axes = {
            "y": grid.transform.f + grid.transform.e * (np.arange(grid.height) + 0.5),
            "x": grid.transform.c + grid.transform.a * (np.arange(grid.width) + 0.5),
        }
        for axis, places in axes.items():
            dataset.createDimension(axis, len(places))
            variable = dataset.createVariable(axis, "f8", (axis,))
            variable.setncatts({"standard_name": f"projection_{axis}_coordinate", "units": "m"})
            variable[:] = places
        if how.crs != "told":
            dataset.createVariable("crs", "i4").crs_wkt = CRS.from_string(grid.crs).to_wkt()
        for band, values in zip(how.bands, stored, strict=True):
            variable = dataset.createVariable(band, how.dtype, ("y", "x"), fill_value=_tag(how))
            variable.set_auto_maskandscale(False)
            if how.crs != "told":
                variable.grid_mapping = "crs"
            if not band.startswith("other"):
                variable.setncatts(_attributes(how))
            variable[:] = values
