"""Reader of any georeferenced raster that GDAL opens, and writer of lstsr's own GeoTIFFs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from lstsr import __version__
from lstsr.errors import SceneError
from lstsr.files import whole
from lstsr.grid import Grid
from lstsr.image import Mask, SensorImage
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.sensors.plausible import limits
from lstsr.sensors.raster.calibration import KELVIN_AT_0_CELSIUS, Band, alpha_bands
from lstsr.sensors.raster.georeferencing import corners, crs_of, grid_of, unplaced
from lstsr.sensors.raster.opening import opened
from lstsr.sensors.raster.selection import common_grid, selected, variables
from lstsr.times import iso, read_time

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

MOST_PIXELS = 2**29
"""Larger bands are refused: scenes are smaller, and the layers would not fit into memory."""
SHOWN_PIXELS, SHOWN_BANDS = 2**24, 100
"""Most pixels of a band, and most bands, that `inspect` reads."""


def grid(path: Path, sensor: GeotiffConfig) -> Grid:
    """The grid in a raster's header. Raises OSError or SceneError like ``read``."""
    with selected(path, sensor) as bands:
        return grid_of(bands[0].dataset, sensor.crs)


def read(path: Path, sensor: GeotiffConfig) -> SensorImage:
    """The bands that ``sensor`` selects, physical = stored x scale + offset, celsius as kelvin.

    The file gives scale, offset and unit, unless ``sensor`` does (`Band.calibration`). No-data are
    the pixels that the file masks (`Band.usable`), values of ``sensor.nodata``, non-finite values,
    values outside the valid range in any band, and ``rim_erosion`` pixels along the edge of the
    rest. The file gives the time, if it states one. Raises SceneError if the content is at fault:
    unreadable, truncated, no CRS, a missing band, a calibration that contradicts ``sensor``,
    nothing valid.
    """
    with selected(path, sensor) as bands:
        if "flag_masks" in bands[0].dataset.tags():
            raise SceneError(f"{path.name}: it holds flags, not measurements. Name another file")
        image_grid = common_grid(path, bands, sensor.crs)
        if image_grid.width * image_grid.height > MOST_PIXELS:
            raise SceneError(
                f"{path.name}: {image_grid.height} rows x {image_grid.width} columns are too many. "
                f"Cut out the scene: gdal_translate -projwin LEFT TOP RIGHT BOTTOM {path.name} "
                "scene.tif"
            )
        values = np.empty((len(bands), *image_grid.shape), np.float32)
        valid = np.ones(image_grid.shape, bool)
        notes = set()
        for band, out in zip(bands, values, strict=True):
            out[:], unmasked, formula = _calibrated(band, sensor)
            valid &= unmasked
            notes.add(formula)
        time, note = _time(bands[0].dataset, bands[0].number)
    low, high = limits(sensor)
    with np.errstate(invalid="ignore"):
        valid &= (np.isfinite(values) & (values >= low) & (values <= high)).all(axis=0)
    if sensor.rim_erosion:
        # erode the swath's rim and the rims of gaps in it, but not the frame's edge
        valid = binary_erosion(
            valid, np.ones((3, 3)), iterations=sensor.rim_erosion, border_value=1
        )
    if not valid.any():
        known = values[np.isfinite(values)]
        extremes = ""
        if known.size:
            extremes = f". Its values lie between {known.min():g} and {known.max():g}"
        raise SceneError(
            f"{path.name}: no valid pixel. Check nodata, valid_min and valid_max of the reading, "
            f"and what the file masks{extremes}"
        )
    is_celsius = sensor.unit == "celsius"
    if is_celsius:
        values = values + np.float32(KELVIN_AT_0_CELSIUS)
    values[:, ~valid] = np.nan
    physical = "" if notes == {"stored x 1 + 0"} else f"physical = {', '.join(sorted(notes))}"
    return SensorImage(
        values,
        valid,
        image_grid,
        tuple(sensor.names),
        "kelvin" if is_celsius else sensor.unit,
        sensor.sensor,
        time,
        tuple(filter(None, (f"read {path.name}", physical, note))),
    )


def _calibrated(band: Band, sensor: GeotiffConfig) -> tuple[NDArray[np.float32], Mask, str]:
    """Values of one band in the unit of ``sensor``, pixels that nothing masks, and the formula."""
    if band.dtype.startswith("complex"):
        raise band.fault("holds complex numbers. Give a raster of real numbers")
    how = band.calibration(sensor)
    stored = band.dataset.read(band.number)
    # single precision has too few digits for integers of 32 bits
    number_type = np.result_type(stored.dtype, np.float32).type
    with np.errstate(over="ignore", invalid="ignore"):
        exact = stored * number_type(how.scale) + number_type(how.offset)
        values = exact.astype(np.float32)
    formula = f"stored x {how.scale:.9g} + {how.offset:.9g}"
    return values, band.usable(stored, sensor.nodata), formula


def _time(dataset: rasterio.DatasetReader, number: int) -> tuple[str, str]:
    """UTC time of a band, and a note on a tag that is not a time; empty if unknown.

    In a CF NetCDF file, the time is the band's coordinate on the time axis.
    """
    tags = dataset.tags()
    if text := str(tags.get("time", "")):
        time = read_time(text)
        note = f"ignored the tag time = {text!r}, which is not a time of ISO 8601"
        return (iso(time), "") if time else ("", note)
    value = dataset.tags(number).get("NETCDF_DIM_time") or tags.get("NETCDF_DIM_time")
    if "time#units" not in tags or value is None:
        return "", ""
    from cftime import num2pydate  # comes with netCDF4; few files need it

    try:
        calendar = tags.get("time#calendar", "standard")
        time = num2pydate(float(value), tags["time#units"], calendar)
    except (ValueError, OverflowError):
        return "", ""
    return iso(time.replace(tzinfo=UTC)), ""


def inspect(path: Path) -> Inspection:
    """The raster's header, band by band, or the list of its variables."""
    with opened(path) as dataset:
        product = f"raster ({dataset.driver})"
        if not dataset.count:
            held = ", ".join(variables(dataset))
            listed = f"{held}. Name one in bands, --input-band or --reference-band"
            check = Assertion("the file holds rasters", held or "none", bool(held))
            return Inspection(product, (("file", path.name), ("variables", listed)), (check,))
        time, note = _time(dataset, 1)
        system, is_placed = crs_of(dataset), not dataset.transform.is_identity
        crs = system.to_string() if system else "none"
        facts = [
            ("file", path.name),
            ("coordinate system", crs),
            ("size", f"{dataset.height} rows x {dataset.width} columns"),
            ("spacing", _spacing(dataset)),
            ("corners", corners(dataset)),
            ("time", time or note or "unknown"),
        ]
        opacity = tuple(alpha_bands(dataset))
        for number in dataset.indexes[:SHOWN_BANDS]:
            facts.append((f"band {number}", _band_facts(Band(dataset, number, opacity))))
        if dataset.count > SHOWN_BANDS:
            facts.append(("more bands", f"{dataset.count - SHOWN_BANDS}, not shown"))
        where = corners(dataset) if is_placed else unplaced(dataset)
        return Inspection(
            "geotiff" if dataset.driver in ("GTiff", "COG") else product,
            tuple(facts),
            (
                Assertion("the file states a coordinate system", crs, system is not None),
                Assertion("the geotransform places the pixels", where, is_placed),
            ),
        )


def _spacing(dataset: rasterio.DatasetReader) -> str:
    """In units of the coordinate system and, if there is one, in metres."""
    own = "{:g} x {:g}".format(*dataset.res)
    try:
        rows_m, columns_m = grid_of(dataset, None).spacing_m
    except SceneError:
        return own
    return f"{own} ({columns_m:.6g} m x {rows_m:.6g} m)"


def _band_facts(band: Band) -> str:
    """Stored type, name, unit, scaling, nodata, valid share and range of a band."""
    dataset, index = band.dataset, band.number - 1
    scale, offset = (band.stated_number(key) for key in ("scale", "offset"))
    return (
        f"{band.dtype}, {dataset.descriptions[index] or 'unnamed'}, unit {band.unit or '?'}, "
        f"scale {1.0 if scale is None else scale:g}, offset {offset or 0.0:g}, "
        f"nodata {dataset.nodatavals[index]}, {_content(band)}"
    )


def _content(band: Band) -> str:
    """Valid share and range of a band as stored; for a large band from every n-th pixel."""
    height, width = band.dataset.shape
    if band.dtype.startswith("complex"):
        return "complex numbers, which lstsr does not read"
    if height * width > MOST_PIXELS:
        return f"values not read because the band has more than {MOST_PIXELS:.3g} pixels"
    step = math.ceil(math.sqrt(height * width / SHOWN_PIXELS))
    shape = math.ceil(height / step), math.ceil(width / step)
    stored = band.dataset.read(band.number, out_shape=shape)
    valid = band.usable(stored)
    known = stored[valid & np.isfinite(stored)]
    extremes = f"{known.min():g} .. {known.max():g}" if known.size else "nothing valid"
    return f"valid {valid.mean():.1%}, stored values {extremes}"


def tags(path: Path) -> dict[str, str]:
    """The tags of a raster; raises like ``read``."""
    with opened(path) as dataset:
        return dict(dataset.tags())


def write(path: Path, image: SensorImage, tags: dict[str, str] | None = None) -> None:
    """A cloud-optimised GeoTIFF, float32, nodata NaN, with unit, sensor, time, history, versions.

    The file appears only when it is complete.
    """
    values = np.where(image.valid, image.values, np.float32(np.nan)).astype(np.float32)
    options = {"nodata": np.nan, "predictor": "yes", "overview_resampling": "average"}
    with _new_cog(path, image.grid, values, options) as dataset:
        dataset.descriptions = image.bands
        dataset.units = (image.unit,) * len(values)
        dataset.update_tags(
            unit=image.unit,
            sensor=image.sensor,
            time=image.time,
            history="; ".join(image.history),
            lstsr_version=__version__,
            gdal_version=rasterio.__gdal_version__,
            proj_version=pyproj.proj_version_str,
            **(tags or {}),
        )


def write_flags(
    path: Path, flags: NDArray[np.uint8], grid: Grid, meanings: Sequence[str], time: str
) -> None:
    """A cloud-optimised GeoTIFF of bit flags (row, column). Its tags name the bits (CF 3.5)."""
    with _new_cog(path, grid, flags[None], {"overview_resampling": "mode"}) as dataset:
        dataset.descriptions = ("flags",)
        dataset.update_tags(
            flag_meanings=" ".join(meanings),
            flag_masks=" ".join(str(1 << bit) for bit in range(len(meanings))),
            time=time,
            lstsr_version=__version__,
        )


@contextmanager
def _new_cog(
    path: Path, grid: Grid, values: NDArray, options: dict[str, Any]
) -> Iterator[rasterio.io.DatasetWriter]:
    """A new cloud-optimised GeoTIFF with ``values`` (band, row, column), open for its tags."""
    profile = {"driver": "COG", "compress": "deflate", "dtype": values.dtype, "count": len(values)}
    place = {"crs": grid.crs, "transform": grid.transform}
    size = {"height": grid.height, "width": grid.width}
    with (
        whole(path) as partial,
        rasterio.open(partial, "w", **profile, **place, **size, **options) as dataset,
    ):
        dataset.write(values)
        yield dataset


def read_written(path: Path) -> SensorImage:
    """The image that ``write`` wrote."""
    with rasterio.open(path) as dataset:
        values = dataset.read()
        tags = dataset.tags()
        return SensorImage(
            values,
            np.isfinite(values).all(axis=0),
            Grid(dataset.crs.to_wkt(), dataset.transform, dataset.width, dataset.height),
            tuple(dataset.descriptions),
            tags["unit"],
            # GDAL does not store empty tags
            tags.get("sensor", ""),
            tags.get("time", ""),
            tuple(filter(None, tags.get("history", "").split("; "))),
        )
