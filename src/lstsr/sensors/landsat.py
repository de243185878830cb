"""Landsat 8/9 Collection-2 Level-2 products, and brightness temperature from Level 1 (TM to TIRS).

A product is a folder, or the MTL file in it: text (ODL) or JSON that states grid, time, scale and
offset of the rasters beside it, one a band. Layouts and quality bits: USGS Landsat 8-9 Collection 2
Level 2 Science Product Guide (LSDS-1619); Landsat Collection 1 Level 1 Product Definition
(LSDS-1656) for BQA.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.sensors.opening import opened
from lstsr.sensors.placing import grid_of
from lstsr.times import iso, read_time

if TYPE_CHECKING:
    from lstsr.config import LandsatConfig

REFLECTANCE = {
    "coastal": 1,
    "blue": 2,
    "green": 3,
    "red": 4,
    "nir08": 5,
    "swir16": 6,
    "swir22": 7,
}
"""Number of each reflectance band of OLI."""

THERMAL = {"OLI_TIRS": "10", "TIRS": "10", "ETM": "6_VCID_1", "TM": "6"}
"""Thermal band by sensor; of ETM+ the low gain, which does not saturate over hot land."""

PLANCK = {
    "LANDSAT_4": (671.62, 1284.30),
    "LANDSAT_5": (607.76, 1260.56),
    "LANDSAT_7": (666.09, 1282.71),
}
"""K1 (W m-2 sr-1 um-1) and K2 (K) where the MTL states none: Chander, Markham and Helder (2009),
Remote Sensing of Environment 113, 893, thermal constants of TM and ETM+."""

FILL, UNCERTAINTY_FILL = 0, -9999
UNCERTAINTY_SCALE_K = 0.01
LST_RANGE_K = (240.0, 380.0)

FILL_BIT = (1 << 0,)
QA_PIXEL = {
    "dilated_cloud": (1 << 1,),
    "cirrus": (1 << 2,),
    "cloud": (1 << 3,),
    "cloud_shadow": (1 << 4,),
    "snow": (1 << 5,),
    "water": (1 << 7,),
}
"""Bits of each flag, Collection 2; a flag is up where all bits of one of its patterns are."""
BQA = {
    "cloud": (1 << 4, 3 << 5),
    "cloud_shadow": (3 << 7,),
    "snow": (3 << 9,),
    "cirrus": (3 << 11,),
}
"""The same for Collection 1: a bit, or a confidence of two bits that is high."""
BQA_SATURATION = 1 << 1 | 3 << 2
"""What QA_RADSAT says in Collection 2: terrain occlusion (dropped for ETM+), saturated bands."""

LATTICE_TOLERANCE_PX = 0.01
UTM_ZONES = 60
# Most characters of a file's line in a message.
LONGEST = 60

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
PRODUCT_NAME = (
    r"L[COTEM]0[4-9]_(?P<level>L1TP|L1GT|L1GS|L2SP|L2SR)_\d{6}_\d{8}(?:_\d{8})?"
    r"_(?P<collection>\d\d)_(?:T1|T2|RT)"
)
"""A product id of Collection 1 or 2. Ids of STAC items have no processing date."""
TEMPERATURE_BAND = r"ST_B(?:6|10)|lwir(?:11)?"
REFLECTANCE_BAND = rf"SR_B[1-7]|{'|'.join(REFLECTANCE)}"
OTHER_BAND = (
    r"B\d{1,2}(?:_VCID_[12])?|BQA|[SV][AZ]A|pan|cirrus|(?:SR_)?QA_AEROSOL|QA_PIXEL|QA_RADSAT"
    r"|SR_ATMOS_OPACITY|SR_CLOUD_QA|(?:ST_)?(?:QA|ATRAN|CDIST|DRAD|EMIS|EMSD|TRAD|URAD)"
)
BAND_FILE = re.compile(
    rf"(?P<product>{PRODUCT_NAME})_"
    rf"(?:(?P<temperature>{TEMPERATURE_BAND})|(?P<reflectance>{REFLECTANCE_BAND})|{OTHER_BAND})"
    r"\.tiff?",
    re.IGNORECASE,
)
"""File name of one band: as USGS names it, or by its STAC asset."""


def grid(path: Path, sensor: LandsatConfig) -> Grid:
    """The grid of a product's raster. Raises SceneError if the MTL disagrees."""
    product = _product(path)
    return _grid(product, _layers(product, sensor.bands)[0].file)


def read(path: Path, sensor: LandsatConfig) -> SensorImage:
    """The bands that ``sensor`` selects: kelvin, or surface reflectance.

    It masks fill, the flags in ``sensor.masked``, saturation and terrain occlusion, LST with
    unknown or high uncertainty (ST_QA), saturated thermal numbers of Level 1, and values outside
    the valid range (LST: 240 to 380 K unless set). ``history`` lists the masks that were applied.
    Raises SceneError if the level has no such band, a file is missing or truncated, raster and MTL
    disagree, or no pixel is valid. Raises OSError if the product cannot be opened.
    """
    product = _product(path)
    layers = _layers(product, sensor.bands)
    placed = _grid(product, layers[0].file)
    history = [f"read {product.name}"]
    valid = np.ones(placed.shape, bool)
    for note, unusable in _masks(product, sensor, placed):
        history.append(note)
        valid &= ~unusable

    low, high = _valid_range(sensor)
    values = np.empty((len(layers), *placed.shape), np.float32)
    for layer, band in zip(layers, values, strict=True):
        numbers = _numbers(layer.file, placed)
        band[:] = layer.calibrated(numbers)
        valid &= layer.known(numbers)
        # no comparison holds for NaN, the temperature of no radiance
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
        placed,
        tuple(sensor.bands),
        sensor.unit,
        sensor.sensor,
        _time(product),
        tuple(history),
    )


def inspect(path: Path) -> Inspection:
    """What the MTL states and what the rasters hold; the first band must be there, others may."""
    product = _product(path)
    bands = _bands(product)
    with opened(_layer(product, bands[0]).file) as dataset:
        placed = _placed(dataset)
    facts = [
        ("file", product.metadata.name),
        ("product", f"{product.name}, level {product.level}"),
        ("sensor", f"{product.text('SPACECRAFT_ID')} {product.text('SENSOR_ID')}"),
        ("time", _time(product)),
        ("path and row", f"{product.text('WRS_PATH')}, {product.text('WRS_ROW')}"),
        ("cloud cover", f"{product.text('CLOUD_COVER')} % of the full scene"),
        ("coordinate system", CRS.from_wkt(placed.crs).to_string()),
        ("size", f"{placed.height} rows x {placed.width} columns"),
        ("spacing", f"{placed.steps[1]:g} m"),
        ("corners", _corners(placed)),
        *((band, _band_facts(product, band, placed)) for band in bands),
        ("flags", _flag_facts(product, placed)),
    ]
    return Inspection("landsat", tuple(facts), _agreement(product, placed))


def check_path(path: Path) -> None:
    """Raise SceneError, with the fix, for a path that does not name one readable Landsat product.

    These are an XML MTL, an archive, a folder with several products, and a folder without an MTL.
    Every other path passes, even if it does not exist.
    """
    name = path.name.lower()
    if path.is_dir():
        _check_folder(path)
    elif name.endswith("_mtl.xml"):
        raise SceneError(
            f"{path.name}: lstsr does not read the XML form of the MTL. Name {path.name[:-3]}txt, "
            f"{path.name[:-3]}json or the product's folder."
        )
    elif name.endswith(ARCHIVES) and not name.endswith(".zarr.zip"):
        raise SceneError(f"{path.name}: this is an archive. Unpack it and name the folder.")


def band_cure(path: Path) -> str | None:
    """Advice if ``path`` is named like one band of a Landsat product; None for any other name.

    The advice says what to name instead, without the file's name in front. For LST and reflectance
    of Collection 2 Level 2 it also gives scale and offset. The file is not read.
    """
    found = BAND_FILE.fullmatch(path.name)
    if found is None:
        return None
    product, is_level_2 = found["product"], found["level"].upper().startswith("L2")
    cure = (
        f"This is one band of a Landsat product. Name the product's folder or its MTL file "
        f"({product}_MTL.txt)."
    )
    if found["collection"] == "02" and is_level_2 and found["temperature"]:
        cure += " To read the band alone, set scale 0.00341802, offset 149.0 and unit kelvin."
    if found["collection"] == "02" and is_level_2 and found["reflectance"]:
        cure += " To read the band alone, set scale 0.0000275 and offset -0.2 (reflectance)."
    return cure


def brightness_temperature_k(radiance: Floats, k1: float, k2: float) -> Floats:
    """T = K2 / ln(K1 / L + 1), kelvin, of radiance L in the unit of K1; NaN where L <= 0.

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
        """Not fill and, in Level 1, not the highest number, at which the sensor is saturated."""
        known: Mask = numbers != FILL
        return known if self.planck is None else known & (numbers < np.iinfo(numbers.dtype).max)


@dataclass(frozen=True)
class _Product:
    """An MTL file and its keys."""

    metadata: Path
    keys: Mapping[str, str]

    def text(self, key: str) -> str:
        if key not in self.keys:
            raise SceneError(f"{self.metadata.name}: key {key} is missing")
        return self.keys[key]

    def number(self, key: str) -> float:
        text = self.text(key)
        try:
            found = float(text)
        except ValueError:
            found = np.nan
        if not isfinite(found):
            raise SceneError(f"{self.metadata.name}: {key} = {text!r} is not a number")
        return found

    def count(self, key: str, most: int | None = None) -> int:
        """An integer of at least 1 and, if given, at most ``most``."""
        number = self.number(key)
        if number < 1 or not number.is_integer() or (most is not None and number > most):
            raise SceneError(
                f"{self.metadata.name}: {key} = {self.keys[key]!r} is not a whole number from 1"
                f"{'' if most is None else f' to {most}'}"
            )
        return int(number)

    def file(self, key: str, ending: str) -> Path:
        """The raster that ``key`` names, or that is called so by convention."""
        name = self.keys.get(key, f"{self.name}_{ending}.TIF")
        # MTL files say .TIF where some archives deliver .tif
        for file in self.metadata.parent.iterdir():
            if file.name.lower() == name.lower():
                return file
        raise SceneError(f"{name}: missing beside {self.metadata.name}. Download it again.")

    @property
    def name(self) -> str:
        """The product's id; before Collection 1 products had only that of their scene."""
        return self.keys.get("LANDSAT_PRODUCT_ID") or self.text("LANDSAT_SCENE_ID")

    @property
    def level(self) -> str:
        """L2SP, L1TP, ...; before Collection 2 the MTL calls it the data type."""
        return self.keys.get("PROCESSING_LEVEL") or self.text("DATA_TYPE")


def _product(path: Path) -> _Product:
    metadata = _metadata(path)
    text = _text(metadata)
    try:
        groups = _json(text) if metadata.suffix.lower() == ".json" else _odl(text)
    except ValueError as error:
        raise SceneError(
            f"{metadata.name}: not a complete MTL file ({error}). Download it again."
        ) from None
    # A Level-2 MTL repeats that of the Level-1 product it was made from: other files and scales
    # under the same keys.
    if any(name.startswith("LEVEL2_") for name in groups):
        groups = {name: keys for name, keys in groups.items() if not name.startswith("LEVEL1_")}
    return _Product(metadata, {key: text for keys in groups.values() for key, text in keys.items()})


def _metadata(path: Path) -> Path:
    """The MTL file of a product's folder, or ``path`` itself."""
    check_path(path)
    if path.suffix and not path.is_dir():
        cure = band_cure(path)
        if cure:
            raise SceneError(f"{path.name}: {cure}")
        return path
    found = _metadata_files(path)
    if not found:
        raise SceneError(
            f"{path.name}: not a Landsat product. The folder has no file ..._MTL.txt or .json."
        )
    return found.popitem()[1]


def _metadata_files(folder: Path) -> dict[str, Path]:
    """The MTL file of each product in a folder; the text form if both text and JSON exist."""
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name.lower()):
        stem, _, ending = file.name.lower().partition("_mtl.")
        # macOS creates files ._NAME when it copies
        if ending in ("json", "txt") and not stem.startswith("."):
            found[stem] = file
    return found


def _check_folder(folder: Path) -> None:
    """Raise SceneError for a folder with several products or without an MTL."""
    found = _metadata_files(folder)
    if len(found) > 1:
        files = ", ".join(file.name for file in found.values())
        raise SceneError(
            f"{folder.name}: several Landsat products. Name the MTL file of one: {files}"
        )
    content = sorted(file.name for file in folder.iterdir())
    names = [folder.name, *content]
    if found or not any(re.match(PRODUCT_NAME, name, re.IGNORECASE) for name in names):
        return
    packed = [name for name in content if name.lower().endswith(ARCHIVES)]
    inside = [name for name in content if (folder / name).is_dir()]
    if any(name.lower().endswith("_mtl.xml") for name in content):
        cure = "lstsr does not read its XML form. Download ..._MTL.txt or .json into the folder."
    elif packed:
        cure = f"Unpack {packed[0]} and name the folder."
    elif inside:
        cure = f"Name the folder of one product, such as {inside[0]}."
    else:
        cure = "Download ..._MTL.txt or .json into the folder."
    raise SceneError(f"{folder.name}: the MTL file of the Landsat product is missing. {cure}")


def _text(metadata: Path) -> str:
    """The text of an MTL file in UTF-8 or UTF-16."""
    content = metadata.read_bytes()
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # an interrupted copy can end in NULs
    return content.decode("utf-16" if is_utf16 else "utf-8-sig", "replace").replace("\0", "")


def _odl(text: str) -> dict[str, dict[str, str]]:
    """Keys by group. The line END may be missing if all groups are closed.

    Raises ValueError if a group is not closed or the text is not ODL.
    """
    groups: dict[str, dict[str, str]] = {}
    within: list[str] = []
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line]
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
            raise ValueError(f"line {number} is not expected here: {_short(line)}")
        if key == "GROUP":
            within.append(value)
        elif closes:
            within.pop()
        elif within:
            groups.setdefault(within[-1], {})[key] = value.strip('"').strip()
    if within:
        raise ValueError(f"truncated: the group {within[-1]} is not closed")
    if not groups:
        raise ValueError("it has no groups of keys")
    return groups


def _json(text: str) -> dict[str, dict[str, str]]:
    """Keys by group. Raises ValueError if the text is not a JSON MTL."""
    try:
        content: Any = json.loads(text)
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None
    roots = content.items() if isinstance(content, dict) else ()
    root = next((value for key, value in roots if key.upper().endswith("METADATA_FILE")), None)
    groups = root.items() if isinstance(root, dict) else ()
    found = {name.upper(): _texts(keys) for name, keys in groups if isinstance(keys, dict)}
    if not found:
        raise ValueError("it has no groups of keys")
    return found


def _texts(keys: Mapping[str, Any]) -> dict[str, str]:
    """Values as in the text form, each on one line."""
    known = {key.upper(): value for key, value in keys.items() if value is not None}
    return {key: " ".join(str(value).split()) for key, value in known.items()}


def _short(line: str) -> str:
    """``line``, shortened for a message."""
    return repr(line if len(line) <= LONGEST else f"{line[:LONGEST]}...")


def _bands(product: _Product) -> tuple[str, ...]:
    """What a product of its level and sensor holds; SceneError for one that is not supported."""
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


def _layers(product: _Product, bands: Sequence[str]) -> list[_Layer]:
    """The raster of each band."""
    held = _bands(product)
    absent = [band for band in bands if band not in held]
    if absent:
        raise SceneError(
            f"{product.name}: level {product.level} has no {', '.join(absent)}. Surface "
            "temperature and reflectance come in L2SP products, brightness_temperature in Level 1."
        )
    return [_layer(product, band) for band in bands]


def _layer(product: _Product, band: str) -> _Layer:
    thermal = band == "brightness_temperature"
    return _brightness_temperature(product) if thermal else _surface(product, band)


def _surface(product: _Product, band: str) -> _Layer:
    if band == "lst":
        quantity, key, ending = "TEMPERATURE", "ST_B10", "ST_B10"
    else:
        number = REFLECTANCE[band]
        quantity, key, ending = "REFLECTANCE", f"{number}", f"SR_B{number}"
    return _Layer(
        product.file(f"FILE_NAME_BAND_{key}", ending),
        product.number(f"{quantity}_MULT_BAND_{key}"),
        product.number(f"{quantity}_ADD_BAND_{key}"),
    )


def _brightness_temperature(product: _Product) -> _Layer:
    band, spacecraft = THERMAL[product.text("SENSOR_ID")], product.text("SPACECRAFT_ID")
    stated = f"K1_CONSTANT_BAND_{band}" in product.keys
    if stated or spacecraft not in PLANCK:
        k1, k2 = (product.number(f"{key}_CONSTANT_BAND_{band}") for key in ("K1", "K2"))
    else:
        k1, k2 = PLANCK[spacecraft]
    file = product.file(f"FILE_NAME_BAND_{band}", f"B{band}")
    return _Layer(file, *_radiance(product, band), (k1, k2))


def _radiance(product: _Product, band: str) -> tuple[float, float]:
    """Scale and offset from number to radiance, or what follows from its range."""
    if f"RADIANCE_MULT_BAND_{band}" in product.keys:
        mult, add = (product.number(f"RADIANCE_{key}_BAND_{band}") for key in ("MULT", "ADD"))
        return mult, add
    low, high = (product.number(f"RADIANCE_{key}IMUM_BAND_{band}") for key in ("MIN", "MAX"))
    first, last = (product.number(f"QUANTIZE_CAL_{key}_BAND_{band}") for key in ("MIN", "MAX"))
    if last == first:
        raise SceneError(f"{product.metadata.name}: the range QUANTIZE_CAL of band {band} is empty")
    scale = (high - low) / (last - first)
    return scale, low - scale * first


def _valid_range(sensor: LandsatConfig) -> tuple[float, float]:
    low, high = LST_RANGE_K if sensor.bands == ["lst"] else (-np.inf, np.inf)
    return (
        low if sensor.valid_min is None else sensor.valid_min,
        high if sensor.valid_max is None else sensor.valid_max,
    )


def _masks(product: _Product, sensor: LandsatConfig, placed: Grid) -> Iterator[tuple[str, Mask]]:
    """What the quality rasters say, one after the other: a note, and where pixels are unusable."""
    quality = _quality(product)
    if quality is None:
        yield "no quality band: clouds are not masked", np.zeros(placed.shape, bool)
    else:
        numbers = _bits(quality.file, placed)
        known = {"fill": FILL_BIT} | {
            flag: quality.flags[flag] for flag in sensor.masked if flag in quality.flags
        }
        unusable = np.any([_up(numbers, patterns) for patterns in known.values()], axis=0)
        absent = [flag for flag in sensor.masked if flag not in quality.flags]
        note = f"masked {', '.join(known)} of {quality.name}"
        yield note + (f", which has no {', '.join(absent)}" if absent else ""), unusable
        if sensor.masked_saturation:
            if quality.saturation is None:
                key = "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION"
                saturated = _numbers(product.file(key, "QA_RADSAT"), placed) > 0
            else:
                saturated = numbers & quality.saturation > 0
            yield "masked saturation and terrain occlusion", saturated
    if sensor.bands == ["lst"] and sensor.max_uncertainty_k is not None:
        key = "FILE_NAME_QUALITY_L2_SURFACE_TEMPERATURE"
        numbers = _numbers(product.file(key, "ST_QA"), placed)
        most = sensor.max_uncertainty_k
        # 70 x 0.01 is more than 0.7 in floating point
        uncertain = numbers > round(most / UNCERTAINTY_SCALE_K, 6)
        yield f"masked uncertainty above {most:g} K", uncertain | (numbers == UNCERTAINTY_FILL)


@dataclass(frozen=True)
class _Quality:
    """A quality band: bits of its flags and, where no raster of its own has them, of saturation."""

    name: str
    file: Path
    flags: Mapping[str, tuple[int, ...]]
    saturation: int | None = None


def _quality(product: _Product) -> _Quality | None:
    """The quality band that a product has, if any."""
    key = "FILE_NAME_QUALITY_L1_PIXEL"
    if product.level.startswith("L2") or key in product.keys:
        return _Quality("QA_PIXEL", product.file(key, "QA_PIXEL"), QA_PIXEL)
    key = "FILE_NAME_BAND_QUALITY"
    if key not in product.keys:
        return None
    # before Collection 1, BQA had other bits
    if product.number("COLLECTION_NUMBER") != 1:
        raise SceneError(
            f"{product.name}: lstsr reads BQA only in Collection 1. Use a newer product."
        )
    return _Quality("BQA", product.file(key, "BQA"), BQA, BQA_SATURATION)


def _up(numbers: np.ndarray, patterns: tuple[int, ...]) -> Mask:
    up: Mask = np.any([numbers & bits == bits for bits in patterns], axis=0)
    return up


def _numbers(file: Path, placed: Grid) -> np.ndarray:
    """The integers of a raster that must lie on ``placed``."""
    with opened(file) as dataset:
        if _placed(dataset) != placed:
            raise SceneError(f"{file.name}: its grid differs from the other rasters' grid")
        numbers: np.ndarray = dataset.read(1)
    if numbers.dtype.kind not in "iu":
        raise SceneError(
            f"{file.name}: holds {numbers.dtype}, but products hold integers. Download it again."
        )
    return numbers


def _bits(file: Path, placed: Grid) -> np.ndarray:
    """The flags of a quality raster. They need 16 bits."""
    numbers = _numbers(file, placed)
    if numbers.dtype.itemsize < 2:
        raise SceneError(
            f"{file.name}: holds {numbers.dtype}, but flags have 16 bits. Download it again."
        )
    return numbers


def _placed(dataset: rasterio.DatasetReader) -> Grid:
    try:
        return grid_of(dataset, None)
    except SceneError:  # its cure, an own coordinate system, is none for Landsat
        name = Path(dataset.name).name
        raise SceneError(
            f"{name}: no georeferencing. The file may be truncated. Download it again."
        ) from None


def _grid(product: _Product, file: Path) -> Grid:
    """The grid of a raster, which must be that of the MTL."""
    with opened(file) as dataset:
        placed = _placed(dataset)
    for one in _agreement(product, placed):
        if not one.passed:
            raise SceneError(f"{file.name}: raster and MTL disagree, {one.claim}: {one.found}")
    return placed


def _agreement(product: _Product, placed: Grid) -> tuple[Assertion, ...]:
    """Whether a raster lies where the MTL says."""
    stated = _stated(product)
    crs, utm = CRS.from_wkt(placed.crs), CRS.from_string(stated.crs)
    # the raster's corners, in columns and rows of the stated grid
    relative = ~stated.transform @ placed.transform
    corners = np.array(
        [relative @ (0, 0), relative @ (placed.width, 0), relative @ (placed.width, placed.height)]
    )
    (column, row), _, (last_column, last_row) = whole = np.rint(corners).astype(int)
    off_px = float(np.abs(corners - whole).max())
    upright = [last_column, row] == whole[1].tolist()
    size = last_row - row, last_column - column
    # users also share clips of scenes: some rows and columns, values unchanged
    inside = min(row, column) >= 0 and last_row <= stated.height and last_column <= stated.width
    end = stated.transform @ (stated.width - 0.5, stated.height - 0.5)
    said = tuple(product.number(f"CORNER_LR_PROJECTION_{axis}_PRODUCT") for axis in "XY")
    return (
        Assertion(
            "the corners of the MTL span its lines and samples",
            "lower right {:.0f}, {:.0f}, stated {:.0f}, {:.0f}".format(*end, *said),
            bool(np.allclose(end, said, rtol=0, atol=stated.transform.a / 2)),
        ),
        Assertion(
            "the coordinate system is the MTL's UTM zone, north",
            f"{crs.to_string()}, stated {stated.crs}",
            crs == utm or crs.to_epsg() == utm.to_epsg(),
        ),
        Assertion(
            "the corners of the MTL are centres of the raster's pixels",
            f"{off_px:.2f} pixels off, spacing {placed.steps[1]:g} m",
            off_px < LATTICE_TOLERANCE_PX and upright and size == placed.shape,
        ),
        Assertion(
            "the raster lies inside the lines and samples of the MTL",
            f"rows {row} to {last_row} of {stated.height}, "
            f"columns {column} to {last_column} of {stated.width}",
            bool(inside),
        ),
    )


def _stated(product: _Product) -> Grid:
    """The grid of the MTL, whose corners are pixel centres, in UTM north on both hemispheres."""
    step = product.number("GRID_CELL_SIZE_THERMAL")
    if step < 1:
        raise SceneError(
            f"{product.metadata.name}: GRID_CELL_SIZE_THERMAL = {step:g} is not a size in metres"
        )
    x, y = (product.number(f"CORNER_UL_PROJECTION_{axis}_PRODUCT") for axis in "XY")
    return Grid(
        f"EPSG:{32600 + product.count('UTM_ZONE', UTM_ZONES)}",
        Affine(step, 0, x - step / 2, 0, -step, y + step / 2),
        product.count("THERMAL_SAMPLES"),
        product.count("THERMAL_LINES"),
    )


def _time(product: _Product) -> str:
    stamp = f"{product.text('DATE_ACQUIRED')}T{product.text('SCENE_CENTER_TIME')}"
    found = read_time(stamp)
    if found is None:
        raise SceneError(
            f"{product.metadata.name}: DATE_ACQUIRED, SCENE_CENTER_TIME = {stamp!r} is not a time"
        )
    return iso(found)


def _corners(placed: Grid) -> str:
    try:
        to_degrees = Transformer.from_crs(placed.crs, "EPSG:4326", always_xy=True)
    except ProjError:
        return "unknown"
    names = ("upper left", "upper right", "lower right", "lower left")
    degrees = (to_degrees.transform(*corner) for corner in placed.corners)
    return "; ".join(
        f"{name} {lat:.4f} N {lon:.4f} E" for name, (lon, lat) in zip(names, degrees, strict=True)
    )


def _band_facts(product: _Product, band: str, placed: Grid) -> str:
    try:
        layer = _layer(product, band)
    except SceneError as error:
        return str(error)
    numbers = _numbers(layer.file, placed)
    known = layer.known(numbers)
    values = layer.calibrated(numbers)[known]
    seen = f"{np.nanmin(values):.4g} .. {np.nanmax(values):.4g}" if values.size else "all fill"
    planck = "" if layer.planck is None else "K1 {:g}, K2 {:g}, ".format(*layer.planck)
    return (
        f"{layer.file.name}, {numbers.dtype}, x {layer.scale:g} + {layer.offset:g}, {planck}"
        f"fill {FILL}, valid {known.mean():.1%}, {seen}"
    )


def _flag_facts(product: _Product, placed: Grid) -> str:
    try:
        quality = _quality(product)
    except SceneError as error:
        return str(error)
    if quality is None:
        return "no quality band"
    numbers = _bits(quality.file, placed)
    shares = (
        f"{flag} {_up(numbers, patterns).mean():.1%}"
        for flag, patterns in {"fill": FILL_BIT, **quality.flags}.items()
    )
    return f"{quality.file.name}: {', '.join(shares)}"
