"""GK2B/GOCI-II Level-2 AC: Rayleigh-corrected reflectance (RhoC) of a slot or a mosaic.

The files give latitude and longitude pixel by pixel. They are on a regular grid of the
geostationary projection; an affine is fitted and used only where it meets them to a twentieth of a
pixel. The layout is that of public readers; what awaits a first real file stands in
docs/simulation.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from affine import Affine
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
FLAG, LATITUDE, LONGITUDE = (
    "geophysical_data/flag",
    "navigation_data/latitude",
    "navigation_data/longitude",
)
FILL = -999.0
# Sub-satellite longitude of GK2B, degrees east, where a file does not state its own.
LONGITUDE_DEG = 128.2
HEIGHT_M, EQUATORIAL_M, POLAR_M = 35_785_863.0, 6_378_137.0, 6_356_752.3
# So many pixels the fitted grid may miss any sampled one.
MAX_RESIDUAL = 0.05
# Sampled pixels along a side: enough to see a curve, few enough to be read at once.
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
        values = np.stack([_band(dataset, name) for name in sensor.bands])
        clear = _clear(dataset, sensor.masked, sensor.flag_bits)
        taken = _time(dataset)
    low = np.array(
        [max(sensor.valid_min, -1.0 if name == "ndvi" else -np.inf) for name in sensor.bands]
    )
    high = np.array(
        [min(sensor.valid_max, 1.0 if name == "ndvi" else np.inf) for name in sensor.bands]
    )
    with np.errstate(invalid="ignore"):
        inside = (values >= low[:, None, None]) & (values <= high[:, None, None])
    valid = clear & inside.all(axis=0)
    if not valid.any():
        filled = np.isfinite(values).all(axis=0).mean()
        raise SceneError(
            f"{path.name}: no valid pixel: RhoC is filled in {filled:.1%}, "
            f"{clear.mean():.1%} carries none of the flags {', '.join(sensor.masked)}"
        )
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
        bits = _bits(dataset, FLAG_BITS)
        flags = np.asarray(variable(dataset, FLAG)[:])
        filled = [
            f"{name} {np.isfinite(_band(dataset, name)).mean():.1%}" for name in _rhoc_names()
        ]
        found = [f"{name} (bit {bit}) {_bit(flags, bit).mean():.1%}" for name, bit in bits.items()]
        times = [
            str(attribute(dataset, f"observation_{end}_time"))
            if f"observation_{end}_time" in dataset.ncattrs()
            else "missing"
            for end in ("start", "end")
        ]
    corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in outline(placed, 1))
    facts = (
        ("file", path.name),
        ("observed", " to ".join(times)),
        ("coordinate system", placed.crs),
        ("size", f"{placed.height} rows x {placed.width} columns of {placed.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
        ("bands", "reflectance, filled: " + ", ".join(filled)),
        ("flags", ", ".join(found)),
    )
    checks = (
        Assertion(
            f"latitude and longitude are regular to {MAX_RESIDUAL} pixel",
            f"largest residual {residual:.4f} pixel",
            residual <= MAX_RESIDUAL,
        ),
        Assertion("observation times are stated", " to ".join(times), "missing" not in times),
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


def _rhoc_names() -> list[str]:
    return [f"rhoc_{wavelength}" for wavelength in WAVELENGTHS_NM]


def _band(dataset: netCDF4.Dataset, name: str) -> Floats:
    """A reflectance, or NDVI from two of them; NaN where fill."""
    if name == "ndvi":
        red, nir = _band(dataset, "rhoc_660"), _band(dataset, "rhoc_865")
        total = red + nir
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > DARKEST, (nir - red) / total, np.float32(np.nan))
    stored = variable(dataset, f"geophysical_data/RhoC/RhoC_{name.removeprefix('rhoc_')}")
    stated = stored.ncattrs()
    fill = number(stored, "_FillValue") if "_FillValue" in stated else FILL
    scale = number(stored, "scale_factor") if "scale_factor" in stated else 1.0
    offset = number(stored, "add_offset") if "add_offset" in stated else 0.0
    values = np.asarray(stored[:])
    known = np.isfinite(values) & (values != fill) & (values != FILL)
    return np.where(known, values * scale + offset, np.nan).astype(np.float32)


def _clear(dataset: netCDF4.Dataset, masked: list[str], given: dict[str, int]) -> Mask:
    """Where none of the named flags stands."""
    bits = _bits(dataset, given)
    flags = np.asarray(variable(dataset, FLAG)[:])
    clear = np.ones(flags.shape, bool)
    for name in masked:
        if name not in bits:
            raise SceneError(
                f"{file_name(dataset)}: flag {name} is unknown; known are {', '.join(bits)}: "
                "set the sensor's masked or flag_bits"
            )
        clear &= ~_bit(flags, bits[name])
    return clear


def _bits(dataset: netCDF4.Dataset, given: dict[str, int]) -> dict[str, int]:
    """Name to bit, from the file where it says so, otherwise as given."""
    flag = variable(dataset, FLAG)
    if not {"flag_masks", "flag_meanings"} <= set(flag.ncattrs()):
        return given
    masks = np.atleast_1d(attribute(flag, "flag_masks")).astype(np.int64)
    names = str(attribute(flag, "flag_meanings")).replace(",", " ").split()
    return {name: int(mask).bit_length() - 1 for name, mask in zip(names, masks, strict=False)}


def _bit(flags: np.ndarray, bit: int) -> Mask:
    return (flags.astype(np.int64) >> bit & 1).astype(bool)


def _placed(dataset: netCDF4.Dataset) -> Grid:
    placed, residual = _fitted(dataset)
    if not residual <= MAX_RESIDUAL:
        raise SceneError(
            f"{file_name(dataset)}: latitude and longitude are no regular geostationary grid "
            f"(off by {residual:.2f} pixel); curvilinear files are not supported yet"
        )
    return placed


def _fitted(dataset: netCDF4.Dataset) -> tuple[Grid, float]:
    """The affine grid nearest to the sampled pixels' centres, and its largest miss in pixels."""
    latitude, longitude = variable(dataset, LATITUDE), variable(dataset, LONGITUDE)
    shape = latitude.shape
    rows, columns = (
        np.unique(np.linspace(0, length - 1, min(SAMPLES, length)).round().astype(int))
        for length in shape
    )
    lat, lon = (np.asarray(one[:][np.ix_(rows, columns)], float) for one in (latitude, longitude))
    known = (np.abs(lat) <= 90) & (np.abs(lon) <= 360)
    crs = geostationary(_longitude_deg(dataset))
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon[known], lat[known])
    seen = np.isfinite(x) & np.isfinite(y)
    row, column = (index[known][seen] for index in np.meshgrid(rows, columns, indexing="ij"))
    if seen.sum() < 3 or np.ptp(row) == 0 or np.ptp(column) == 0:
        raise SceneError(f"{file_name(dataset)}: latitude and longitude are empty")
    centres = np.stack([column + 0.5, row + 0.5, np.ones(len(row))], axis=1)
    places = np.stack([x[seen], y[seen]], axis=1)
    middle = places.mean(axis=0)  # metres of 1e6 would lose digits
    fit, *_ = np.linalg.lstsq(centres, places - middle, rcond=None)
    (a, d), (b, e), (c, f) = fit
    transform = Affine(a, b, c + middle[0], d, e, f + middle[1])
    spacing = np.sqrt(abs(transform.determinant))
    residual = np.hypot(*(centres @ fit - (places - middle)).T).max() / spacing
    return Grid(crs, transform, shape[1], shape[0]), float(residual)


def _longitude_deg(dataset: netCDF4.Dataset) -> float:
    for name in ("sub_longitude", "longitude_of_projection_origin"):
        if name in dataset.ncattrs():
            return number(dataset, name)
    return LONGITUDE_DEG


def _time(dataset: netCDF4.Dataset) -> str:
    """The middle of the observation, ISO 8601 UTC."""
    start, end = (_instant(dataset, f"observation_{name}_time") for name in ("start", "end"))
    return f"{start + (end - start) / 2:%Y-%m-%dT%H:%M:%SZ}"


def _instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    text = str(attribute(dataset, name))
    try:
        if "_" in text:
            return datetime.strptime(text, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SceneError(f"{file_name(dataset)}: {name} = {text!r} is no time") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
