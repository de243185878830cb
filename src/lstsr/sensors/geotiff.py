"""Any georeferenced raster that GDAL reads, calibrated as the config says; and our own writer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

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
from lstsr.sensors.calibration import (
    KELVIN_AT_0_CELSIUS,
    alpha_bands,
    calibration,
    file_name,
    stated_number,
    unit,
    usable,
)
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.sensors.opening import opened
from lstsr.sensors.placing import corners, crs_of, grid_of, unplaced
from lstsr.sensors.selection import Band, common_grid, selected, variables
from lstsr.times import iso, read_time

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

MOST_PIXELS = 2**29
"""A band with more pixels is not read: a scene has fewer, and memory would not hold its layers."""
SHOWN_PIXELS, SHOWN_BANDS = 2**24, 100
"""So many pixels of a band, and so many bands, does `inspect` look at."""


def grid(path: Path, sensor: GeotiffConfig) -> Grid:
    """The grid that a raster's header states; OSError or SceneError as for ``read``."""
    with selected(path, sensor) as bands:
        return grid_of(bands[0].dataset, sensor.crs)


def read(path: Path, sensor: GeotiffConfig) -> SensorImage:
    """The bands that ``sensor`` selects, physical = stored x scale + offset, celsius as kelvin.

    The file gives scale, offset and unit, unless ``sensor`` does (`calibration`). No-data are the
    pixels that the file masks (`usable`), values of ``sensor.nodata``, non-finite values, values
    outside the valid range in any band, and ``rim_erosion`` pixels along the edge of the rest. The
    file gives the time, if it states one. Raises SceneError if the content is at fault: unreadable,
    truncated, no CRS, a missing band, a calibration that contradicts ``sensor``, nothing valid.
    """
    with selected(path, sensor) as bands:
        if "flag_masks" in bands[0].dataset.tags():
            raise SceneError(f"{path.name}: it holds flags, not measurements. Name another file")
        placed = common_grid(path, bands, sensor.crs)
        _check_size(path, placed)
        values = np.empty((len(bands), *placed.shape), np.float32)
        valid = np.empty(values.shape, bool)
        for index, band in enumerate(bands):
            values[index], valid[index] = _calibrated(band, sensor)
        time, note = _time(bands[0].dataset, bands[0].number)
        how = _told(bands, sensor)
    valid &= np.isfinite(values)
    with np.errstate(invalid="ignore"):
        if sensor.valid_min is not None:
            valid &= values >= sensor.valid_min
        if sensor.valid_max is not None:
            valid &= values <= sensor.valid_max
    everywhere: Mask = np.all(valid, axis=0)
    if sensor.rim_erosion:
        # only the rim of the swath is thinned, and gaps inside it; the frame's edge is no rim
        everywhere = binary_erosion(
            everywhere, np.ones((3, 3)), iterations=sensor.rim_erosion, border_value=1
        )
    if not everywhere.any():
        raise SceneError(
            f"{path.name}: no valid pixel. Check nodata, valid_min and valid_max of the reading, "
            f"and what the file masks{_seen(values)}"
        )
    if sensor.unit == "celsius":
        values = values + np.float32(KELVIN_AT_0_CELSIUS)
    values[:, ~everywhere] = np.nan
    return SensorImage(
        values,
        everywhere,
        placed,
        tuple(sensor.names),
        "kelvin" if sensor.unit == "celsius" else sensor.unit,
        sensor.sensor,
        time,
        (f"read {path.name}", *filter(None, (how, note))),
    )


def _told(bands: Sequence[Band], sensor: GeotiffConfig) -> str:
    """How stored values became physical ones; empty if they are the same."""
    found = [calibration(band.dataset, band.number, sensor) for band in bands]
    told = {f"stored x {one.scale:.9g} + {one.offset:.9g}" for one in found}
    return "" if told == {"stored x 1 + 0"} else "physical = " + ", ".join(sorted(told))


def _check_size(path: Path, placed: Grid) -> None:
    """Raise SceneError where a raster declares more pixels than memory is likely to hold."""
    if placed.width * placed.height > MOST_PIXELS:
        raise SceneError(
            f"{path.name}: {placed.height} rows x {placed.width} columns are too many. Cut out the "
            f"scene: gdal_translate -projwin LEFT TOP RIGHT BOTTOM {path.name} scene.tif"
        )


def _seen(values: NDArray[np.float32]) -> str:
    """The range of the calibrated values, for an error."""
    known = values[np.isfinite(values)]
    return f"; its values lie between {known.min():g} and {known.max():g}" if known.size else ""


def _calibrated(band: Band, sensor: GeotiffConfig) -> tuple[NDArray[np.float32], Mask]:
    """Values of one band in the unit of ``sensor``, and where nothing masks them."""
    dataset, number = band.dataset, band.number
    if dataset.dtypes[number - 1].startswith("complex"):
        raise SceneError(
            f"{file_name(dataset)}: band {number} holds complex numbers. Give a raster of real"
            " numbers"
        )
    known = calibration(dataset, number, sensor)
    stored = dataset.read(number)
    # single precision has too few digits for whole numbers of 32 bits
    number_type = np.result_type(stored.dtype, np.float32).type
    with np.errstate(over="ignore", invalid="ignore"):
        exact = stored * number_type(known.scale) + number_type(known.offset)
        values = exact.astype(np.float32)
    return values, usable(dataset, number, stored, sensor.nodata, band.opacity)


def _time(dataset: rasterio.DatasetReader, number: int) -> tuple[str, str]:
    """When the image was taken, UTC, and a note on a tag that gives no time; empty if unknown."""
    text = str(dataset.tags().get("time", ""))
    if not text:
        return _cf_time(dataset, number), ""
    found = read_time(text)
    if found is None:
        return "", f"passed over the tag time = {text!r}, which is not a time of ISO 8601"
    return iso(found), ""


def _cf_time(dataset: rasterio.DatasetReader, number: int) -> str:
    """The band's coordinate on the time axis of a CF NetCDF file; empty if there is none."""
    units = dataset.tags().get("time#units")
    value = dataset.tags(number).get("NETCDF_DIM_time") or dataset.tags().get("NETCDF_DIM_time")
    if not units or value is None:
        return ""
    from cftime import num2pydate  # comes with netCDF4; few files need it

    try:
        found = num2pydate(float(value), units, dataset.tags().get("time#calendar", "standard"))
    except (ValueError, OverflowError):
        return ""
    return iso(found.replace(tzinfo=UTC))


def inspect(path: Path) -> Inspection:
    """The raster's header, band by band, or the list of its variables."""
    with opened(path) as dataset:
        if not dataset.count:
            held = ", ".join(variables(dataset))
            return Inspection(
                f"raster ({dataset.driver})",
                (
                    ("file", path.name),
                    ("variables", f"{held}. Name one in bands, --input-band or --reference-band"),
                ),
                (Assertion("the file holds rasters", held or "none", bool(held)),),
            )
        time, note = _time(dataset, 1)
        system = crs_of(dataset)
        shown = dataset.indexes[:SHOWN_BANDS]
        more = dataset.count - len(shown)
        facts = (
            ("file", path.name),
            ("coordinate system", system.to_string() if system else "none"),
            ("size", f"{dataset.height} rows x {dataset.width} columns"),
            ("spacing", _spacing(dataset)),
            ("corners", corners(dataset)),
            ("time", time or note or "unknown"),
            *(
                (f"band {number}", f"{dataset.dtypes[number - 1]}, {_band_facts(dataset, number)}")
                for number in shown
            ),
            *([("more bands", f"{more}, not shown")] if more else []),
        )
        is_placed = not dataset.transform.is_identity
        return Inspection(
            "geotiff" if dataset.driver in ("GTiff", "COG") else f"raster ({dataset.driver})",
            facts,
            (
                Assertion("the file states a coordinate system", facts[1][1], system is not None),
                Assertion(
                    "the geotransform places the pixels",
                    facts[4][1] if is_placed else unplaced(dataset),
                    is_placed,
                ),
            ),
        )


def _spacing(dataset: rasterio.DatasetReader) -> str:
    """In units of the coordinate system and, where there is one, in metres."""
    own = "{:g} x {:g}".format(*dataset.res)
    try:
        rows_m, columns_m = grid_of(dataset, None).spacing_m
    except SceneError:
        return own
    return f"{own} ({columns_m:.6g} m x {rows_m:.6g} m)"


def _band_facts(dataset: rasterio.DatasetReader, number: int) -> str:
    """Name, unit, scaling, nodata, valid share and range of a band."""
    scale, offset = (stated_number(dataset, number, key) for key in ("scale", "offset"))
    return (
        f"{dataset.descriptions[number - 1] or 'unnamed'}, "
        f"unit {unit(dataset, number) or '?'}, "
        f"scale {1.0 if scale is None else scale:g}, offset {offset or 0.0:g}, "
        f"nodata {dataset.nodatavals[number - 1]}, {_content(dataset, number)}"
    )


def _content(dataset: rasterio.DatasetReader, number: int) -> str:
    """Valid share and range of a band as stored; of a large band by every n-th pixel."""
    pixels = dataset.width * dataset.height
    if dataset.dtypes[number - 1].startswith("complex"):
        return "complex numbers, which lstsr does not read"
    if pixels > MOST_PIXELS:
        return f"values not read, for a band has at most {MOST_PIXELS:.3g} pixels"
    step = math.ceil(math.sqrt(pixels / SHOWN_PIXELS))
    shape = math.ceil(dataset.height / step), math.ceil(dataset.width / step)
    stored = dataset.read(number, out_shape=shape)
    valid = usable(dataset, number, stored, [], alpha_bands(dataset))
    known = stored[valid & np.isfinite(stored)]
    seen = f"{known.min():g} .. {known.max():g}" if known.size else "nothing valid"
    return f"valid {valid.mean():.1%}, stored values {seen}"


def tags(path: Path) -> dict[str, str]:
    """The tags of a raster; raises as ``read``."""
    with opened(path) as dataset:
        return dict(dataset.tags())


def write(path: Path, image: SensorImage, tags: dict[str, str] | None = None) -> None:
    """A cloud-optimised GeoTIFF, float32, nodata NaN, with unit, sensor, time, history, versions.

    Written under a temporary name and renamed, so that a file of that name is always whole.
    """
    values = np.where(image.valid, image.values, np.float32(np.nan)).astype(np.float32)
    with (
        whole(path) as partial,
        rasterio.open(
            partial,
            "w",
            driver="COG",
            dtype="float32",
            count=len(values),
            height=image.grid.height,
            width=image.grid.width,
            crs=image.grid.crs,
            transform=image.grid.transform,
            nodata=np.nan,
            compress="deflate",
            predictor="yes",
            overview_resampling="average",
        ) as dataset,
    ):
        dataset.write(values)
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
    """A cloud-optimised GeoTIFF of bit flags (row, column), whose tags name the bits (CF 3.5)."""
    with (
        whole(path) as partial,
        rasterio.open(
            partial,
            "w",
            driver="COG",
            dtype="uint8",
            count=1,
            height=grid.height,
            width=grid.width,
            crs=grid.crs,
            transform=grid.transform,
            compress="deflate",
            overview_resampling="mode",
        ) as dataset,
    ):
        dataset.write(flags, 1)
        dataset.descriptions = ("flags",)
        dataset.update_tags(
            flag_meanings=" ".join(meanings),
            flag_masks=" ".join(str(1 << bit) for bit in range(len(meanings))),
            time=time,
            lstsr_version=__version__,
        )


def read_written(path: Path) -> SensorImage:
    """What ``write`` wrote."""
    with rasterio.open(path) as dataset:
        values = dataset.read()
        tags = dataset.tags()
        return SensorImage(
            values,
            np.isfinite(values).all(axis=0),
            Grid(dataset.crs.to_wkt(), dataset.transform, dataset.width, dataset.height),
            tuple(dataset.descriptions),
            tags["unit"],
            # GDAL leaves empty tags out
            tags.get("sensor", ""),
            tags.get("time", ""),
            tuple(filter(None, tags.get("history", "").split("; "))),
        )
