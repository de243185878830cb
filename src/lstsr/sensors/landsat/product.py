"""Landsat 8/9 Collection-2 Level-2 products, and brightness temperature from Level 1 (TM to TIRS).

A product is a folder with an MTL file and one raster per band. Layout: USGS Landsat 8-9 Collection
2 Level 2 Science Product Guide (LSDS-1619).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.crs import CRS

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.inspection import Assertion, Inspection, grid_facts
from lstsr.sensors.landsat.mtl import Product, open_product
from lstsr.sensors.landsat.names import REFLECTANCE
from lstsr.sensors.landsat.quality import FILL_BIT, is_set, quality_band
from lstsr.sensors.plausible import limits
from lstsr.sensors.raster.georeferencing import grid_of
from lstsr.sensors.raster.opening import opened

if TYPE_CHECKING:
    from lstsr.config import LandsatConfig

THERMAL = {"OLI_TIRS": "10", "TIRS": "10", "ETM": "6_VCID_1", "TM": "6"}
"""Thermal band by sensor; for ETM+ the low gain, which does not saturate over hot land."""

PLANCK = {
    "LANDSAT_4": (671.62, 1284.30),
    "LANDSAT_5": (607.76, 1260.56),
    "LANDSAT_7": (666.09, 1282.71),
}
"""K1 (W m-2 sr-1 um-1) and K2 (K) if the MTL has none: Chander, Markham and Helder (2009),
Remote Sensing of Environment 113, 893, thermal constants of TM and ETM+."""

FILL, UNCERTAINTY_FILL = 0, -9999
UNCERTAINTY_SCALE_K = 0.01
LST_RANGE_K = (240.0, 380.0)


def grid(path: Path, sensor: LandsatConfig) -> Grid:
    """The grid of a product's raster. Raises SceneError if the MTL disagrees."""
    product = open_product(path)
    return _checked_grid(product, _layers(product, sensor.bands)[0].file)


def read(path: Path, sensor: LandsatConfig) -> SensorImage:
    """The bands that ``sensor`` selects, in kelvin or surface reflectance.

    The reader masks fill, the flags in ``sensor.masked``, saturation and terrain occlusion, LST
    with unknown or high uncertainty (ST_QA), saturated thermal numbers of Level 1, and values
    outside the valid range (LST: 240 to 380 K unless set). ``history`` lists the applied masks.
    Raises SceneError if the level has no such band, a file is missing or truncated, raster and MTL
    disagree, or no pixel is valid.
    """
    product = open_product(path)
    layers = _layers(product, sensor.bands)
    image_grid = _checked_grid(product, layers[0].file)
    history = [f"read {product.name}"]
    valid = np.ones(image_grid.shape, bool)
    for note, unusable in _masks(product, sensor, image_grid):
        history.append(note)
        valid &= ~unusable

    low, high = limits(sensor, *(LST_RANGE_K if sensor.bands == ["lst"] else ()))
    values = np.empty((len(layers), *image_grid.shape), np.float32)
    for layer, band in zip(layers, values, strict=True):
        numbers = _numbers(layer.file, image_grid)
        band[:] = layer.calibrated(numbers)
        valid &= layer.known(numbers)
        # zero radiance has the temperature NaN, which fails both comparisons
        valid &= (band >= low) & (band <= high)
    if not valid.any():
        raise SceneError(
            f"{product.name}: no valid pixel, only fill or cloud. If that is wrong, relax masked, "
            "max_uncertainty_k, valid_min or valid_max."
        )
    values[:, ~valid] = np.nan
    return SensorImage(
        values,
        valid,
        image_grid,
        tuple(sensor.bands),
        sensor.unit,
        sensor.sensor,
        product.time,
        tuple(history),
    )


def inspect(path: Path) -> Inspection:
    """The statements of the MTL and the content of the rasters. Only the first band must exist."""
    product = open_product(path)
    bands = _bands(product)
    with opened(_layer(product, bands[0]).file) as dataset:
        image_grid = _grid_of(dataset)
    facts = [
        ("file", product.metadata.name),
        ("product", f"{product.name}, level {product.level}"),
        ("sensor", f"{product.text('SPACECRAFT_ID')} {product.text('SENSOR_ID')}"),
        ("time", product.time),
        ("path and row", f"{product.text('WRS_PATH')}, {product.text('WRS_ROW')}"),
        ("cloud cover", f"{product.text('CLOUD_COVER')} % of the full scene"),
        *grid_facts(replace(image_grid, crs=CRS.from_wkt(image_grid.crs).to_string())),
        *((band, _band_facts(product, band, image_grid)) for band in bands),
        ("flags", _flag_facts(product, image_grid)),
    ]
    return Inspection("landsat", tuple(facts), _agreement(product, image_grid))


def brightness_temperature_k(radiance: Floats, k1: float, k2: float) -> Floats:
    """T = K2 / ln(K1 / L + 1), kelvin, of radiance L in the unit of K1; NaN if L <= 0.

    Chander, Markham and Helder (2009), Remote Sensing of Environment 113, 893, section 5.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        temperature = np.float32(k2) / np.log(np.float32(k1) / radiance + 1)
    return np.where(radiance > 0, temperature, np.float32(np.nan))


@dataclass(frozen=True)
class _Layer:
    """A raster of numbers: number x scale + offset is the value, or the radiance for ``planck``."""

    file: Path
    scale: float
    offset: float
    planck: tuple[float, float] | None = None

    def calibrated(self, numbers: np.ndarray) -> Floats:
        values = numbers.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        return values if self.planck is None else brightness_temperature_k(values, *self.planck)

    def known(self, numbers: np.ndarray) -> Mask:
        """Pixels that are neither fill nor, in Level 1, the largest number (saturation)."""
        known: Mask = numbers != FILL
        return known if self.planck is None else known & (numbers < np.iinfo(numbers.dtype).max)


def _layers(product: Product, bands: Sequence[str]) -> list[_Layer]:
    """The raster of each band. Raises SceneError if the product does not have one of them."""
    absent = [band for band in bands if band not in _bands(product)]
    if absent:
        raise SceneError(
            f"{product.name}: level {product.level} has no {', '.join(absent)}. Surface "
            "temperature and reflectance come in L2SP products, brightness_temperature in Level 1."
        )
    return [_layer(product, band) for band in bands]


def _bands(product: Product) -> tuple[str, ...]:
    """The bands of a product. Raises SceneError if its level or sensor is not supported."""
    level, sensor = product.level, product.text("SENSOR_ID")
    if level.startswith("L1"):
        if sensor not in THERMAL:
            raise SceneError(f"{product.name}: sensor {sensor} has no thermal band")
        return ("brightness_temperature",)
    if level != "L2SP":
        raise SceneError(
            f"{product.name}: level {level} has no surface temperature (ST). Use an L2SP product."
        )
    if sensor != "OLI_TIRS":
        raise SceneError(
            f"{product.name}: Level 2 of {sensor} is not supported. Use one of Landsat 8 or 9."
        )
    return ("lst", *REFLECTANCE)


def _layer(product: Product, band: str) -> _Layer:
    if band == "brightness_temperature":
        number = THERMAL[product.text("SENSOR_ID")]
        file = product.file(f"FILE_NAME_BAND_{number}", f"B{number}")
        return _Layer(file, *_radiance(product, number), _planck(product, number))
    if band == "lst":
        quantity, key, ending = "TEMPERATURE", "ST_B10", "ST_B10"
    else:
        quantity, key = "REFLECTANCE", f"{REFLECTANCE[band]}"
        ending = f"SR_B{key}"
    return _Layer(
        product.file(f"FILE_NAME_BAND_{key}", ending),
        product.number(f"{quantity}_MULT_BAND_{key}"),
        product.number(f"{quantity}_ADD_BAND_{key}"),
    )


def _planck(product: Product, band: str) -> tuple[float, float]:
    """K1 and K2 of a thermal band, stated or published."""
    spacecraft = product.text("SPACECRAFT_ID")
    if f"K1_CONSTANT_BAND_{band}" not in product.keys and spacecraft in PLANCK:
        return PLANCK[spacecraft]
    k1, k2 = (product.number(f"{key}_CONSTANT_BAND_{band}") for key in ("K1", "K2"))
    return k1, k2


def _radiance(product: Product, band: str) -> tuple[float, float]:
    """Scale and offset from number to radiance, stated or computed from the stated ranges."""
    if f"RADIANCE_MULT_BAND_{band}" in product.keys:
        mult, add = (product.number(f"RADIANCE_{key}_BAND_{band}") for key in ("MULT", "ADD"))
        return mult, add
    low, high = (product.number(f"RADIANCE_{key}IMUM_BAND_{band}") for key in ("MIN", "MAX"))
    first, last = (product.number(f"QUANTIZE_CAL_{key}_BAND_{band}") for key in ("MIN", "MAX"))
    if last == first:
        raise SceneError(f"{product.metadata.name}: the range QUANTIZE_CAL of band {band} is empty")
    scale = (high - low) / (last - first)
    return scale, low - scale * first


def _masks(product: Product, sensor: LandsatConfig, image_grid: Grid) -> Iterator[tuple[str, Mask]]:
    """A note and the unusable pixels, for each quality raster."""
    quality = quality_band(product)
    if quality is None:
        yield "no quality band: clouds are not masked", np.zeros(image_grid.shape, bool)
    else:
        numbers = _numbers(quality.file, image_grid, least_bytes=2)
        yield quality.note(sensor.masked), quality.flagged(numbers, sensor.masked)
        if sensor.masked_saturation:
            if quality.saturation is None:
                key = "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION"
                saturated = _numbers(product.file(key, "QA_RADSAT"), image_grid) > 0
            else:
                saturated = numbers & quality.saturation > 0
            yield "masked saturation and terrain occlusion", saturated
    if sensor.bands == ["lst"] and sensor.max_uncertainty_k is not None:
        key = "FILE_NAME_QUALITY_L2_SURFACE_TEMPERATURE"
        numbers = _numbers(product.file(key, "ST_QA"), image_grid)
        most = sensor.max_uncertainty_k
        # 70 x 0.01 is more than 0.7 in floating point
        uncertain = numbers > round(most / UNCERTAINTY_SCALE_K, 6)
        yield f"masked uncertainty above {most:g} K", uncertain | (numbers == UNCERTAINTY_FILL)


def _numbers(file: Path, image_grid: Grid, least_bytes: int = 1) -> np.ndarray:
    """The integers of a raster that must lie on ``image_grid``."""
    with opened(file) as dataset:
        if _grid_of(dataset) != image_grid:
            raise SceneError(f"{file.name}: its grid differs from the other rasters' grid")
        numbers: np.ndarray = dataset.read(1)
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize < least_bytes:
        raise SceneError(
            f"{file.name}: holds {numbers.dtype}, but products hold integers"
            f"{', and flags have 16 bits' if least_bytes > 1 else ''}. Download it again."
        )
    return numbers


def _grid_of(dataset: rasterio.DatasetReader) -> Grid:
    try:
        return grid_of(dataset, None)
    except SceneError:  # its cure, to set a coordinate system, does not help here
        raise SceneError(
            f"{Path(dataset.name).name}: no georeferencing. The file may be truncated. Download it "
            "again."
        ) from None


def _checked_grid(product: Product, file: Path) -> Grid:
    """The grid of a raster. Raises SceneError if it disagrees with the MTL."""
    with opened(file) as dataset:
        image_grid = _grid_of(dataset)
    for check in _agreement(product, image_grid):
        if not check.passed:
            raise SceneError(f"{file.name}: raster and MTL disagree, {check.claim}: {check.found}")
    return image_grid


def _agreement(product: Product, image_grid: Grid) -> tuple[Assertion, ...]:
    """Whether a raster lies where the MTL says."""
    stated = product.grid
    crs, utm = CRS.from_wkt(image_grid.crs), CRS.from_string(stated.crs)
    # the raster's corners, in columns and rows of the stated grid
    relative = ~stated.transform @ image_grid.transform
    height, width = image_grid.shape
    ends = np.array([(0, 0), (width, 0), (width, height)])
    corners = np.array([relative @ tuple(end) for end in ends])
    column, row = np.rint(corners[0]).astype(int)
    off_px = np.abs(corners - ends - (column, row)).max()
    # users also share clips of scenes: some rows and columns, values unchanged
    last_row, last_column = row + height, column + width
    inside = min(row, column) >= 0 and last_row <= stated.height and last_column <= stated.width
    end = stated.transform @ (stated.width - 0.5, stated.height - 0.5)
    stated_end = tuple(product.number(f"CORNER_LR_PROJECTION_{axis}_PRODUCT") for axis in "XY")
    return (
        Assertion(
            "the corners of the MTL span its lines and samples",
            "lower right {:.0f}, {:.0f}, stated {:.0f}, {:.0f}".format(*end, *stated_end),
            bool(np.allclose(end, stated_end, rtol=0, atol=stated.transform.a / 2)),
        ),
        Assertion(
            "the coordinate system is the MTL's UTM zone, north",
            f"{crs.to_string()}, stated {stated.crs}",
            crs == utm or crs.to_epsg() == utm.to_epsg(),
        ),
        Assertion(
            "the corners of the MTL are centres of the raster's pixels",
            f"{off_px:.2f} pixels off, spacing {image_grid.steps[1]:g} m",
            bool(off_px < 0.01),
        ),
        Assertion(
            "the raster lies inside the lines and samples of the MTL",
            f"rows {row} to {last_row} of {stated.height}, "
            f"columns {column} to {last_column} of {stated.width}",
            bool(inside),
        ),
    )


def _band_facts(product: Product, band: str, image_grid: Grid) -> str:
    try:
        layer = _layer(product, band)
    except SceneError as error:
        return str(error)
    numbers = _numbers(layer.file, image_grid)
    known = layer.known(numbers)
    values = layer.calibrated(numbers)[known]
    extremes = f"{np.nanmin(values):.4g} .. {np.nanmax(values):.4g}" if values.size else "all fill"
    planck = "" if layer.planck is None else "K1 {:g}, K2 {:g}, ".format(*layer.planck)
    return (
        f"{layer.file.name}, {numbers.dtype}, x {layer.scale:g} + {layer.offset:g}, {planck}"
        f"fill {FILL}, valid {known.mean():.1%}, {extremes}"
    )


def _flag_facts(product: Product, image_grid: Grid) -> str:
    try:
        quality = quality_band(product)
    except SceneError as error:
        return str(error)
    if quality is None:
        return "no quality band"
    numbers = _numbers(quality.file, image_grid, least_bytes=2)
    shares = (
        f"{flag} {is_set(numbers, patterns).mean():.1%}"
        for flag, patterns in {"fill": FILL_BIT, **quality.flags}.items()
    )
    return f"{quality.file.name}: {', '.join(shares)}"
