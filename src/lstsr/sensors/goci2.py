"""GK2B/GOCI-II Level-2 AC: Rayleigh-corrected reflectance (RhoC) of a slot or a mosaic.

The files give latitude and longitude pixel by pixel. They are on a regular grid of the
geostationary projection; an affine is fitted and used only where it meets them to a twentieth of a
pixel. The layout is that of public readers; what awaits a first real file stands in
docs/first-real-file.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from lstsr.errors import SceneError
from lstsr.geo.resample import outline
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage, Viewpoint
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.sensors.netcdf import attribute, file_name, number, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Goci2Config

WAVELENGTHS_NM = (380, 412, 443, 490, 510, 555, 620, 660, 680, 709, 745, 865)
RHOC, FLAG, LATITUDE, LONGITUDE = (
    "geophysical_data/RhoC",
    "geophysical_data/flag",
    "navigation_data/latitude",
    "navigation_data/longitude",
)
FILL = -999.0
# Nominal sub-satellite longitude of GK2B, degrees east.
LONGITUDE_DEG = 128.2
# Root attributes that may state the longitude from which the grid is drawn.
ORIGINS = ("longitude_of_projection_origin", "sub_longitude")
HEIGHT_M, EQUATORIAL_M, POLAR_M = 35_785_863.0, 6_378_137.0, 6_356_752.3
# So many pixels the fitted grid may miss any sampled one.
MAX_RESIDUAL = 0.05
# Sampled pixels along a side, rim included: enough to see a curve.
SAMPLES = 65
# Bits of the flags of an AC file that names none [one public reader, not confirmed].
FLAG_BITS = {
    "COASTLINE": 0,
    "LAND": 1,
    "CLOUD": 2,
    "HIGH_GLINT": 3,
    "CLOUD_SHADOW": 4,
    "NEGATIVE_RRS": 5,
    "TURBID_WATER": 6,
    "COCCOLITHOPHORE": 7,
    "AC_FAIL": 16,
}
# Less red and near-infrared light together than this leaves no vegetation index.
DARKEST = 0.01


def geostationary(lon_0: float) -> str:
    """The geostationary system of the grid."""
    return (
        f"+proj=geos +lon_0={lon_0:g} +h={HEIGHT_M:.0f} +a={EQUATORIAL_M:.0f} +b={POLAR_M} +sweep=y"
    )


def grid(path: Path, sensor: Goci2Config) -> Grid:
    """The grid fitted to the file's latitudes and longitudes; SceneError where none fits."""
    with opened(path) as dataset:
        _check_product(dataset)
        return _placed(dataset)


def read(path: Path, sensor: Goci2Config) -> SensorImage:
    """The bands of ``sensor``, where no flag of ``sensor.masked`` stands.

    ``ndvi`` is made of 660 and 865 nm. The time is the middle of the file's own observation times,
    never that of its name: slots of one scan are seen up to 20 minutes apart. Raises SceneError
    where the file is truncated, no Level-2 AC, lacks a variable, is no regular grid, or holds no
    valid pixel.
    """
    with opened(path) as dataset:
        _check_product(dataset)
        placed = _placed(dataset)
        values = _values(dataset, sensor)
        clear = _clear(_flags(dataset, sensor.flag_bits), sensor.masked, path.name)
        taken = _time(dataset)
    known: Mask = np.all(np.isfinite(values), axis=0)
    valid: Mask = known & clear
    if not valid.any():
        raise SceneError(f"{path.name}: no valid pixel: {_why_none(known, clear, sensor)}")
    values[:, ~valid] = np.nan
    return SensorImage(
        values,
        valid,
        placed,
        tuple(sensor.bands),
        "reflectance",
        sensor.sensor,
        taken,
        (f"read {path.name}", f"without {', '.join(sensor.masked)}"),
        Viewpoint(LONGITUDE_DEG),
    )


def inspect(path: Path) -> Inspection:
    """What the file says of itself, and how well a regular grid fits it."""
    with opened(path) as dataset:
        _check_product(dataset)
        placed, residual = _fitted(dataset)
        missing = [nm for nm in WAVELENGTHS_NM if f"RhoC_{nm}" not in dataset[RHOC].variables]
        flags = _flags(dataset, FLAG_BITS)
        bands = [_band_facts(dataset, nm, flags) for nm in WAVELENGTHS_NM if nm not in missing]
        times, timed = _time_facts(dataset)
    corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in outline(placed, 1))
    shares = ", ".join(
        f"{name} (bit {b}) {flags.up(name).mean():.1%}" for name, b in flags.bits.items()
    )
    facts = (
        ("file", path.name),
        ("observed", times),
        ("coordinate system", placed.crs),
        ("size", f"{placed.height} rows x {placed.width} columns of {placed.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
        ("bands", "reflectance; " + "; ".join(bands)),
        ("flags", f"{shares} (bits {'of the file' if flags.stated else 'assumed'})"),
    )
    checks = (
        Assertion(
            f"latitude and longitude are regular to {MAX_RESIDUAL} pixel",
            f"largest residual {residual:.4f} pixel",
            residual <= MAX_RESIDUAL,
        ),
        Assertion("observation times are stated", times, timed),
        Assertion(
            f"all {len(WAVELENGTHS_NM)} RhoC are there",
            f"missing {', '.join(map(str, missing)) or 'none'}",
            not missing,
        ),
    )
    return Inspection("GK2B/GOCI-II L2 AC", facts, checks)


def _check_product(dataset: netCDF4.Dataset) -> None:
    group = dataset.groups.get("geophysical_data")
    if group is not None and any(name.startswith("L_TOA_") for name in group.variables):
        raise SceneError(
            f"{file_name(dataset)}: Level 1B (L_TOA), not Level 2 AC; give the AC file"
        )
    if group is None or "RhoC" not in group.groups:
        raise SceneError(
            f"{file_name(dataset)}: no RhoC in it; give a Level 2 file ending in _AC.nc"
        )


def _rhoc(wavelength: str | int) -> str:
    return f"{RHOC}/RhoC_{wavelength}"


def _plane(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """A variable of lines and pixels; SceneError where its shape is not that of the latitudes."""
    found, shape = variable(dataset, name), variable(dataset, LATITUDE).shape
    if len(shape) != 2 or found.shape != shape:
        raise SceneError(
            f"{file_name(dataset)}: {name} has shape {found.shape}, {LATITUDE} {shape}; "
            "lines x pixels are expected"
        )
    return found


def _physical(dataset: netCDF4.Dataset, name: str, at: Any = ...) -> NDArray[np.floating]:
    """Scaled values, of the pixels ``at`` of the whole; NaN where fill."""
    stored = _plane(dataset, name)
    stated = stored.ncattrs()
    fill = number(stored, "_FillValue") if "_FillValue" in stated else FILL
    scale = number(stored, "scale_factor") if "scale_factor" in stated else 1.0
    offset = number(stored, "add_offset") if "add_offset" in stated else 0.0
    numbers = np.asarray(stored[:])[at]
    return np.where(numbers != fill, numbers * scale + offset, np.nan)


def _values(dataset: netCDF4.Dataset, sensor: Goci2Config) -> Floats:
    """The bands of ``sensor`` (band, row, column); NaN where fill or out of range."""
    parts = ["rhoc_660", "rhoc_865"] if "ndvi" in sensor.bands else []
    values = {}
    for name in dict.fromkeys([*sensor.bands, *parts]):
        if name != "ndvi":
            rhoc = _physical(dataset, _rhoc(name.removeprefix("rhoc_"))).astype(np.float32)
            inside = (rhoc >= sensor.valid_min) & (rhoc <= sensor.valid_max)
            values[name] = np.where(inside, rhoc, np.float32(np.nan))
    if parts:
        values["ndvi"] = _ndvi(*(values[name] for name in parts))
    return np.stack([values[name] for name in sensor.bands])


def _ndvi(red: Floats, nir: Floats) -> Floats:
    """(nir - red) / (nir + red); NaN where that is not between -1 and 1, or all is dark."""
    total = red + nir
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = (nir - red) / total
    return np.where((total > DARKEST) & (np.abs(ndvi) <= 1), ndvi, np.float32(np.nan))


@dataclass(frozen=True)
class _Flags:
    """The flags (row, column) and the bit of each name, ``stated`` by the file or assumed."""

    numbers: NDArray[np.int64]
    bits: Mapping[str, int]
    stated: bool

    def up(self, name: str) -> Mask:
        """Where the flag ``name`` stands."""
        return (self.numbers >> self.bits[name] & 1).astype(bool)


def _flags(dataset: netCDF4.Dataset, given: Mapping[str, int]) -> _Flags:
    """The file's flags, with the bits that it states, otherwise those ``given``."""
    flag = _plane(dataset, FLAG)
    stated = {"flag_masks", "flag_meanings"} <= set(flag.ncattrs())
    return _Flags(
        np.asarray(flag[:]).astype(np.int64), _stated_bits(flag) if stated else given, stated
    )


def _stated_bits(flag: netCDF4.Variable) -> dict[str, int]:
    """Name to bit, from attributes of the CF conventions (section 3.5)."""
    masks, meanings = (attribute(flag, name) for name in ("flag_masks", "flag_meanings"))
    names = str(meanings).replace(",", " ").split()
    listed = masks.replace(",", " ").split() if isinstance(masks, str) else np.atleast_1d(masks)
    try:
        numbers = [int(mask) for mask in listed]
    except ValueError:
        numbers = []
    if len(numbers) != len(names) or any(mask.bit_count() != 1 for mask in numbers):
        raise SceneError(
            f"{file_name(flag)}: flag_masks {masks} are no single bits of flag_meanings "
            f"{meanings!r}"
        )
    return {name: mask.bit_length() - 1 for name, mask in zip(names, numbers, strict=True)}


def _clear(flags: _Flags, masked: list[str], file: str) -> Mask:
    """Where none of the ``masked`` flags stands, and flags are there at all."""
    clear = flags.numbers != FILL
    for name in masked:
        if name not in flags.bits:
            where = "" if flags.stated else " or flag_bits"
            raise SceneError(
                f"{file}: flag {name} is unknown; known are {', '.join(flags.bits)}: "
                f"set the sensor's masked{where}"
            )
        clear &= ~flags.up(name)
    return clear


def _why_none(known: Mask, clear: Mask, sensor: Goci2Config) -> str:
    if not known.any():
        return (
            f"RhoC is empty there (fill, or outside {sensor.valid_min:g} .. {sensor.valid_max:g}), "
            "as it may be over land"
        )
    return (
        f"RhoC is there in {known.mean():.1%}, "
        f"{clear.mean():.1%} carries none of the flags {', '.join(sensor.masked)}"
    )


def _placed(dataset: netCDF4.Dataset) -> Grid:
    placed, residual = _fitted(dataset)
    if not residual <= MAX_RESIDUAL:
        raise SceneError(
            f"{file_name(dataset)}: latitude and longitude are no regular geostationary grid "
            f"(off by {residual:.3f} pixel); curvilinear files are not supported yet"
        )
    return placed


def _fitted(dataset: netCDF4.Dataset) -> tuple[Grid, float]:
    """The affine grid nearest to the sampled pixels' centres, and its largest miss in pixels.

    Of the longitudes that the grid may be drawn from, the one that fits best: files may state the
    satellite's, which drifts, and 0.01 degrees amount to 0.4 pixel across a mosaic.
    """
    shape = _plane(dataset, LATITUDE).shape
    rows, columns = (
        np.unique(np.linspace(0, length - 1, min(SAMPLES, length)).round().astype(int))
        for length in shape
    )
    at = np.ix_(rows, columns)
    lat, lon = (_physical(dataset, name, at).astype(float) for name in (LATITUDE, LONGITUDE))
    known = (np.abs(lat) <= 90) & (np.abs(lon) <= 360)
    row, column = (index[known] for index in np.meshgrid(rows, columns, indexing="ij"))
    lat, lon = lat[known], lon[known]
    if not row.size or min(map(np.ptp, (row, column, lat, lon))) == 0:
        raise SceneError(f"{file_name(dataset)}: latitude and longitude are empty or constant")
    centres = np.stack([column + 0.5, row + 0.5, np.ones(len(row))], axis=1)
    fits = []
    for crs in _systems(dataset):
        to_crs = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        places = np.stack(to_crs.transform(lon, lat), axis=1)
        if np.isfinite(places).all():  # else it looks at another side of the Earth
            fits.append((crs, *_fit(centres, places)))
    if not fits:
        raise SceneError(
            f"{file_name(dataset)}: latitude and longitude are not all seen from the satellite"
        )
    crs, transform, residual = min(fits, key=lambda fit: fit[2])
    return Grid(crs, transform, shape[1], shape[0]), residual


def _fit(centres: NDArray, places: NDArray) -> tuple[Affine, float]:
    """The affine from (column, row, 1) to (x, y) by least squares, and its largest miss, cells."""
    middle = places.mean(axis=0)  # metres of 1e6 would lose digits
    fit, *_ = np.linalg.lstsq(centres, places - middle, rcond=None)
    (a, d), (b, e), (c, f) = fit
    transform = Affine(a, b, c + middle[0], d, e, f + middle[1])
    miss_m = np.hypot(*(centres @ fit - (places - middle)).T).max()
    return transform, float(miss_m / np.sqrt(abs(transform.determinant)))


def _systems(dataset: netCDF4.Dataset) -> list[str]:
    stated = [number(dataset, name) for name in ORIGINS if name in dataset.ncattrs()]
    return list(dict.fromkeys(geostationary(lon_0) for lon_0 in [*stated, LONGITUDE_DEG]))


def _time(dataset: netCDF4.Dataset) -> str:
    """The middle of the observation, ISO 8601 UTC."""
    start, end = (_instant(dataset, f"observation_{name}_time") for name in ("start", "end"))
    return f"{start + (end - start) / 2:%Y-%m-%dT%H:%M:%SZ}"


def _instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    text = str(attribute(dataset, name)).strip()
    try:
        if "_" in text:
            return datetime.strptime(text, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SceneError(f"{file_name(dataset)}: {name} = {text!r} is no time") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _time_facts(dataset: netCDF4.Dataset) -> tuple[str, bool]:
    """The observation times as they stand in the file, and whether they can be read."""
    names = (f"observation_{end}_time" for end in ("start", "end"))
    stated = [
        str(attribute(dataset, name)) if name in dataset.ncattrs() else "missing" for name in names
    ]
    try:
        return f"{' to '.join(stated)}, middle {_time(dataset)}", True
    except SceneError:
        return " to ".join(stated), False


def _band_facts(dataset: netCDF4.Dataset, wavelength: int, flags: _Flags) -> str:
    """How much of a band is there, over land too, in which range, and how it is stored."""
    values = _physical(dataset, _rhoc(wavelength))
    known = np.isfinite(values)
    land = known[flags.up("LAND")] if "LAND" in flags.bits else known[:0]
    over_land = f" ({land.mean():.1%} over land)" if land.size else ""
    seen = f", {values[known].min():.4g} .. {values[known].max():.4g}" if known.any() else ""
    kind = variable(dataset, _rhoc(wavelength)).dtype
    return f"rhoc_{wavelength} {known.mean():.1%}{over_land}{seen}, {kind}"
