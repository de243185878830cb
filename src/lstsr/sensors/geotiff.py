"""Any georeferenced raster that GDAL reads, calibrated as the config says; and our own writer."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from scipy.io import netcdf_file
from scipy.ndimage import binary_erosion

from lstsr import __version__
from lstsr.errors import SceneError
from lstsr.files import whole
from lstsr.grid import Grid
from lstsr.image import Mask, SensorImage
from lstsr.sensors import netcdf
from lstsr.sensors.calibration import (
    alpha_bands,
    calibration,
    file_name,
    kind,
    stated_number,
    unit,
    usable,
)
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.times import iso, read_time

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

# What GDAL reports comes as an exception too, and its warnings are about formats.
logging.getLogger("rasterio").setLevel(logging.ERROR)
KELVIN_AT_0_CELSIUS = 273.15
MOST_PIXELS = 2**29
"""A band with more pixels is not read: a scene has fewer, and memory would not hold its layers."""
MOST_BANDS = 512
"""More bands are no reference; to choose among them takes a name or number."""
SHOWN_PIXELS, SHOWN_BANDS = 2**24, 100
"""So many pixels of a band, and so many bands, does `inspect` look at."""
INDEX = re.compile(r"\bindex\b|nd[bmsvw]i(?![a-z])", re.IGNORECASE)
"""How units and names of bands call an index from -1 to 1."""
LATITUDE = frozenset(
    ("degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn")
)
LONGITUDE = frozenset(
    ("degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese")
)
"""Units by which CF knows its axes (sections 4.1 and 4.2), in lower case."""
PROJECTED = frozenset(("projection_x_coordinate", "projection_y_coordinate"))
"""Standard names by which CF knows the axes of a projection (appendix F)."""
UNEVEN_CELLS = 0.1
"""By so much of a cell may a coordinate of an axis miss its even place."""
RAW = frozenset(("EHdr", "ENVI", "ERS", "GenBin", "ISCE", "PAux", "ROI_PAC", "RRASTER"))
"""Formats of plain numbers in a file without a header; GDAL reads zeros beyond its end."""
# Where a raster keeps the places of its pixels when it has no geotransform, and what warps it.
WARPED = {
    "gcps": ("ground control points", "gdalwarp -tps -r bilinear {file} warped.tif"),
    "rpcs": (
        "rational polynomials (RPC)",
        "gdalwarp -rpc -to RPC_DEM=dem.tif -r bilinear {file} warped.tif",
    ),
    "geolocation": (
        "arrays of longitude and latitude",
        "gdalwarp -geoloc -r bilinear {file} warped.tif",
    ),
}


def grid(path: Path, sensor: GeotiffConfig) -> Grid:
    """The grid that a raster's header states; OSError or SceneError as for ``read``."""
    with selected(path, sensor) as bands:
        return grid_of(bands[0].dataset, sensor.crs)


def read(path: Path, sensor: GeotiffConfig) -> SensorImage:
    """The bands that ``sensor`` selects, physical = stored x scale + offset, celsius as kelvin.

    Scale, offset and unit are those of the file, unless ``sensor`` gives them (`calibration`).
    Masked are what the file masks (`usable`), values of ``sensor.nodata``, non-finite values,
    values outside the valid range in any band, and ``rim_erosion`` pixels along the edge of what
    remains. The time is that of the file, if it states one. Raises SceneError where the content is
    at fault: unreadable, truncated, no CRS, a missing band, a calibration that contradicts
    ``sensor``, nothing valid.
    """
    with selected(path, sensor) as bands:
        placed = _common_grid(path, bands, sensor.crs)
        _check_size(path, placed)
        values = np.empty((len(bands), *placed.shape), np.float32)
        valid = np.empty(values.shape, bool)
        for index, band in enumerate(bands):
            values[index], valid[index] = _calibrated(band, sensor)
        time, note = _time(bands[0].dataset, bands[0].number)
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
        (f"read {path.name}", *([note] if note else [])),
    )


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
            held = ", ".join(_variables(dataset))
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
            ("corners", _corners(dataset)),
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
                    facts[4][1] if is_placed else _unplaced(dataset),
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


@contextmanager
def opened(path: Path, variable: str = "") -> Iterator[rasterio.DatasetReader]:
    """The raster at ``path``, or one ``variable`` of a file of several.

    Raises SceneError where GDAL cannot make sense of its bytes. A file whose bytes cannot be had
    (missing, permission, disk, network) raises OSError instead: that is not the scene's fault.
    """
    try:
        with warnings.catch_warnings():
            # a raster without places is refused below, with the cure
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(variable or path)
        with dataset:
            if dataset.driver in RAW:
                _check_size_of(path, dataset)
            if dataset.driver == "netCDF":
                _check_whole(path)
                _check_axes(path, dataset)
            yield dataset
    except RasterioError as error:
        _readable(path)
        why = error.__cause__ or error
        raise SceneError(
            f"{path.name}: cannot be read. It may be truncated, or of a format that this build of "
            f"GDAL does not know; convert it with gdal_translate ({_line(why)})"
        ) from None


def _check_size_of(path: Path, dataset: rasterio.DatasetReader) -> None:
    """Raise SceneError where no file of a raw raster is as large as its numbers."""
    packed = "NBITS" in dataset.tags(1, ns="IMAGE_STRUCTURE")
    compressed = dataset.tags(ns="ENVI").get("file_compression", "0") != "0"
    if packed or compressed:
        return
    sizes = (4 if name == "complex_int16" else np.dtype(name).itemsize for name in dataset.dtypes)
    expected = dataset.width * dataset.height * sum(sizes)
    found = max(Path(file).stat().st_size for file in dataset.files if Path(file).is_file())
    if found < expected:
        raise SceneError(
            f"{path.name}: truncated, {found} bytes of the {expected} that its header asks for. "
            "Get it again, or correct the header"
        )


def _check_whole(path: Path) -> None:
    """Raise SceneError where a classic NetCDF file ends before its data: GDAL reads zeros there."""
    with path.open("rb") as file:
        if file.read(4) not in (b"CDF\x01", b"CDF\x02"):
            return
    try:
        # the arrays of all variables are made, but none of their values is read
        netcdf_file(path, mmap=True)
    except ValueError:
        raise SceneError(f"{path.name}: truncated, it ends before its data. Get it again") from None


def _check_axes(path: Path, dataset: rasterio.DatasetReader) -> None:
    """Raise SceneError where the axes of a NetCDF are not even, which GDAL takes them for."""
    names = {
        name
        for name, _, attribute in (key.rpartition("#") for key in dataset.tags())
        if (attribute == "units" and _is_degrees(dataset.tags()[f"{name}#units"]))
        or dataset.tags().get(f"{name}#standard_name") in PROJECTED
    }
    if not names or dataset.transform.is_identity:
        return
    with netcdf.opened(path) as file:
        for name in sorted(names & file.variables.keys()):
            axis = file.variables[name]
            values = np.asarray(axis[:], np.float64) if axis.ndim == 1 else np.zeros(0)
            if len(values) < 3:
                continue
            even = np.linspace(values[0], values[-1], len(values))
            step = abs(values[-1] - values[0]) / (len(values) - 1)
            if not np.abs(values - even).max() <= UNEVEN_CELLS * step:
                raise SceneError(
                    f"{path.name}: the coordinates {name} are not evenly spaced. Interpolate to a "
                    "regular grid first, such as with `cdo remapbil`"
                )


def _is_degrees(text: str) -> bool:
    """Whether a unit is that of latitudes or longitudes."""
    return text.lower() in LATITUDE | LONGITUDE


def _readable(path: Path) -> None:
    """Raise OSError where the bytes of ``path`` cannot be had."""
    is_store = path.is_dir() and any(path.glob("*z*"))  # .zgroup, .zmetadata, zarr.json
    if not is_store:
        with path.open("rb") as file:
            file.read(1)


def _line(error: object) -> str:
    return " ".join(str(error).split())


@dataclass(frozen=True)
class Band:
    """A band of an open raster, numbered from 1, and the bands that hold its opacity."""

    dataset: rasterio.DatasetReader
    number: int
    opacity: tuple[int, ...] = ()


@contextmanager
def selected(path: Path, sensor: GeotiffConfig) -> Iterator[list[Band]]:
    """The open bands that ``sensor`` names: by number, by name, or all of them.

    Raises SceneError with the list of bands where one is missing, or where the file has more than
    ``sensor`` has names for.
    """
    with ExitStack() as stack:
        dataset = stack.enter_context(opened(path))
        if dataset.count:
            numbers = _numbers(dataset, sensor)
            opacity = tuple(set(alpha_bands(dataset)).difference(numbers))
            yield [Band(dataset, number, opacity) for number in numbers]
            return
        held = _variables(dataset)
        asked = list(held) if sensor.bands is None else sensor.bands
        wanted = [name for one in asked if (name := _variable(held, one))]
        if not len(wanted) == len(asked) == len(sensor.names):
            raise SceneError(
                f"{path.name}: the file holds the variables {', '.join(held) or 'none'}. Name "
                f"{_how_many(sensor)} of them (bands, --input-band or --reference-band)"
            )
        inner = [stack.enter_context(opened(path, held[name])) for name in wanted]
        for name, one in zip(wanted, inner, strict=True):
            if one.count != 1:
                raise SceneError(
                    f"{path.name}: the variable {name} has {one.count} layers. Take one out with "
                    f"gdal_translate -b NUMBER '{held[name]}' layer.tif"
                )
        yield [Band(one, 1, tuple(alpha_bands(one))) for one in inner]


def _variables(dataset: rasterio.DatasetReader) -> dict[str, str]:
    """Name of each raster inside a container file, to the name that GDAL opens it by."""
    return {name.rpartition(":")[2].strip('/"'): name for name in dataset.subdatasets}


def _variable(held: Mapping[str, str], asked: int | str) -> str | None:
    """The name in ``held`` that is asked for: by number, in full, or without its groups."""
    if isinstance(asked, int):
        return list(held)[asked - 1] if asked <= len(held) else None
    for form in (str, str.lower, lambda name: name.lower().rpartition("/")[2]):
        found = [name for name in held if form(name) in (asked, asked.lower())]
        if len(found) == 1:
            return found[0]
    return None


def _numbers(dataset: rasterio.DatasetReader, sensor: GeotiffConfig) -> list[int]:
    """Numbers of the bands that ``sensor`` selects."""
    alpha = alpha_bands(dataset)
    held = [number for number in dataset.indexes if number not in alpha]
    name = file_name(dataset)
    if sensor.bands is None:
        # GDAL marks the last of four bands of 8 bits as alpha, whatever it is
        for numbers in (held, list(dataset.indexes)):
            if len(numbers) == len(sensor.names):
                return numbers
        raise SceneError(
            f"{name}: the file has {_count(len(held), 'band')}: {_listed(dataset, held)}. Choose "
            f"{_how_many(sensor)} of them (bands, --input-band or --reference-band)"
        )
    titles = {_title(dataset, number).lower(): number for number in reversed(dataset.indexes)}
    found: list[int] = []
    for band in sensor.bands:
        number = titles.get(band.lower(), 0) if isinstance(band, str) else band
        if number not in dataset.indexes:
            raise SceneError(
                f"{name}: band {band} is missing, the file has {_count(len(held), 'band')}: "
                f"{_listed(dataset, held)}"
            )
        found.append(number)
    return found


def _how_many(sensor: GeotiffConfig) -> str:
    return "one" if len(sensor.names) == 1 else str(len(sensor.names))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _listed(dataset: rasterio.DatasetReader, numbers: Sequence[int], most: int = 12) -> str:
    """Bands by number and name, for an error."""
    shown = [
        f"{number} {_title(dataset, number)}{_layer(dataset, number)}".strip()
        for number in numbers[:most]
    ]
    return ", ".join(shown) + (", ..." if len(numbers) > most else "")


def _title(dataset: rasterio.DatasetReader, number: int) -> str:
    """What a file calls a band; empty if it has no name."""
    tags = dataset.tags(number)
    named = dataset.descriptions[number - 1] or tags.get("NETCDF_VARNAME")
    return str(named or tags.get("long_name") or "")


def _layer(dataset: rasterio.DatasetReader, number: int) -> str:
    """Where a band lies on the further axes of a CF file, such as " (time 0)"; empty elsewhere."""
    start = "NETCDF_DIM_"
    found = [
        f"{key.removeprefix(start)} {value}"
        for key, value in dataset.tags(number).items()
        if key.startswith(start)
    ]
    return f" ({', '.join(found)})" if found else ""


def crs_of(dataset: rasterio.DatasetReader) -> CRS | None:
    """The coordinate system that a raster states; WGS 84 where it only has CF axes in degrees."""
    if dataset.crs:
        return dataset.crs
    units = {text.lower() for key, text in dataset.tags().items() if key.endswith("#units")}
    left, bottom, right, top = dataset.bounds
    in_degrees = -361 < min(left, right) < 361 and max(abs(bottom), abs(top)) < 91
    if in_degrees and units & LATITUDE and units & LONGITUDE and not dataset.transform.is_identity:
        return CRS.from_epsg(4326)
    return None


def band_names(path: Path) -> list[str]:
    """Names of a raster's bands in order, "band N" if it has none; raises as ``read``."""
    with opened(path) as dataset:
        if not dataset.count:
            return list(_variables(dataset))
        alpha = alpha_bands(dataset)
        held = [number for number in dataset.indexes if number not in alpha]
        if len(held) > MOST_BANDS:
            raise SceneError(
                f"{path.name}: {len(held)} bands are too many. Choose at most {MOST_BANDS} of them "
                "(bands, --input-band or --reference-band)"
            )
        return [_title(dataset, number) or f"band {number}" for number in held]


def states_crs(path: Path) -> bool:
    """Whether a raster states a coordinate system; raises as ``read``."""
    with opened(path) as dataset:
        held = _variables(dataset)
        if dataset.count or not held:
            return crs_of(dataset) is not None
        with opened(path, next(iter(held.values()))) as inner:
            return crs_of(inner) is not None


@dataclass(frozen=True)
class Stated:
    """What a raster states of the first band that is read from it.

    ``kind`` is that of its unit (`calibration.kind`), ``calibrated`` whether it has a scale or an
    offset of its own, ``is_index`` whether its unit or name is that of an index from -1 to 1.
    """

    kind: str | None
    calibrated: bool
    is_index: bool


def stated(path: Path, sensor: GeotiffConfig) -> Stated:
    """What the file itself says of the bands that ``sensor`` selects; raises as ``read``."""
    with selected(path, sensor) as bands:
        dataset, number = bands[0].dataset, bands[0].number
        text = unit(dataset, number)
        numbers = [stated_number(dataset, number, key) for key in ("scale", "offset")]
        return Stated(
            kind(text) if text else None,
            any(value is not None for value in numbers),
            bool(INDEX.search(text) or INDEX.search(_title(dataset, number))),
        )


def _common_grid(path: Path, bands: Sequence[Band], crs: str | None) -> Grid:
    """The grid of all ``bands``; SceneError where they differ."""
    first, *others = (grid_of(band.dataset, crs) for band in bands)
    if any(other != first for other in others):
        raise SceneError(f"{path.name}: its variables lie on different grids. Name those of one")
    return first


def grid_of(dataset: rasterio.DatasetReader, crs: str | None) -> Grid:
    """The grid that a raster's header states; ``crs`` replaces its own coordinate system."""
    name = file_name(dataset)
    if dataset.transform.is_identity:
        raise SceneError(f"{name}: {_unplaced(dataset)}")
    own = crs_of(dataset)
    stated = crs or (own and own.to_wkt())
    if not stated:
        raise SceneError(
            f"{name}: no coordinate system. State it in the sensor's crs (config), or with "
            "--input-crs or --reference-crs"
        )
    try:
        system = CRS.from_string(stated)
    except CRSError as error:
        raise SceneError(f"{name}: coordinate system not understood: {_line(error)}") from None
    if system.is_geographic and system.units_factor[1] == 1:
        # PROJ and pyproj disagree on the unit of such coordinates
        raise SceneError(
            f"{name}: longitudes and latitudes in radians are not supported. Convert them: "
            f"gdalwarp -t_srs EPSG:4326 {name} degrees.tif"
        )
    if not math.isfinite(sum(dataset.transform)) or not dataset.transform.determinant:
        raise SceneError(
            f"{name}: the geotransform {tuple(dataset.transform)[:6]} has no area. Correct it with "
            "gdal_translate -a_ullr LEFT TOP RIGHT BOTTOM"
        )
    if not _on_globe(dataset, system):
        raise SceneError(
            f"{name}: its corners {_corners(dataset)} are not longitudes and latitudes, but its "
            "coordinate system is geographic. Correct it: gdal_translate -a_srs CRS"
        )
    placed = Grid(system.to_wkt(), dataset.transform, dataset.width, dataset.height)
    if not _reaches_earth(placed, system):
        raise SceneError(
            f"{name}: its coordinate system gives no longitude and latitude on the Earth. State "
            "another in the sensor's crs (config), or with --input-crs or --reference-crs"
        )
    return placed


def _on_globe(dataset: rasterio.DatasetReader, system: CRS) -> bool:
    """Whether corners are places on the Earth, up to one cell beyond the poles."""
    if not system.is_geographic:
        return True
    quarter = math.pi / 2 / system.units_factor[1]
    left, bottom, right, top = dataset.bounds
    beyond = max(abs(bottom), abs(top)) - quarter
    return max(abs(left), abs(right)) <= 8 * quarter and beyond <= dataset.res[1]


def _reaches_earth(placed: Grid, system: CRS) -> bool:
    """Whether PROJ leads from a coordinate system to longitude and latitude, whatever the place."""
    if not (system.is_geographic or system.is_projected):
        return False
    try:
        placed.degrees(np.zeros(1), np.zeros(1))
    except ProjError:
        return False
    return True


def _corners(dataset: rasterio.DatasetReader) -> str:
    first, last = dataset.transform @ (0, 0), dataset.transform @ (dataset.width, dataset.height)
    return f"upper left {first[0]:.3f}, {first[1]:.3f}; lower right {last[0]:.3f}, {last[1]:.3f}"


def _unplaced(dataset: rasterio.DatasetReader) -> str:
    """Why a raster without geotransform cannot be used, and the command that mends it."""
    # a variable of a file is named as GDAL calls it
    is_file = file_name(dataset) == Path(dataset.name).name
    file = file_name(dataset) if is_file else f"'{dataset.name}'"
    found = {
        "gcps": bool(dataset.gcps[0]),
        "rpcs": dataset.rpcs is not None,
        "geolocation": bool(dataset.tags(ns="GEOLOCATION")),
    }
    for key, there in found.items():
        if there:
            what, command = WARPED[key]
            return (
                f"pixels are placed by {what} only. Warp the file first: "
                f"{command.format(file=file)}"
            )
    return (
        "no georeferencing (the geotransform is the identity). Add it: gdal_translate -a_srs CRS "
        f"-a_ullr LEFT TOP RIGHT BOTTOM {file} placed.tif"
    )


def tags(path: Path) -> dict[str, str]:
    """The tags of a raster; raises as ``read``."""
    with opened(path) as dataset:
        return dict(dataset.tags())


def write(path: Path, image: SensorImage, tags: dict[str, str] | None = None) -> None:
    """A cloud-optimised GeoTIFF, float32, nodata NaN, with unit, sensor, time, history, version.

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
