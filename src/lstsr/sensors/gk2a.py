"""GK2A/AMI Level-2 LST: KO and EA (Lambert) and FD (geostationary) files.

Where a pixel lies is taken from the file's own projection attributes and asserted against its own
corners: GDAL reads a wrong coordinate system from these files, not a missing one. The layout is
that of public readers of KO files; what awaits a first real file stands in docs/simulation.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from affine import Affine

from lstsr.errors import SceneError
from lstsr.geo.resample import outline
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.sensors.netcdf import attribute, file_name, number, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Gk2aConfig

PROJECTION = "gk2a_imager_projection"
# Sub-satellite longitude of GK2A, degrees east.
LONGITUDE_DEG = 128.2
# Packing of LST in kelvin, where a file does not state its own.
SCALE_FACTOR, ADD_OFFSET, FILL = 0.01, 0.0, 65535
NAME_TIME = re.compile(r"(\d{12})(?!\d)")
NAME_AREA = re.compile(r"_(ko|ea|fd)(?:\d{3}(?:lc|ge))?_")
# Corner by corner, as the attributes are named, the (row, column) of its pixel: 0 first, 1 last.
CORNERS = {
    "upper_left": (0, 0),
    "upper_right": (0, 1),
    "lower_left": (1, 0),
    "lower_right": (1, 1),
}
# By so many pixels a file's corners may miss its own grid.
TOLERANCE = 0.01


def lambert(lat_1: float, lat_2: float, lat_0: float, lon_0: float) -> str:
    """The Lambert conformal conic system of KMA's products.

    They do not write the ellipsoid; WGS84 meets KMA's own latitudes and longitudes to 1e-5 degree.
    """
    return (
        f"+proj=lcc +lat_1={lat_1:g} +lat_2={lat_2:g} +lat_0={lat_0:g} +lon_0={lon_0:g} "
        "+datum=WGS84 +units=m"
    )


def geostationary(lon_0: float, height_m: float, a: float, b: float) -> str:
    """The geostationary system; ``height_m`` is above the ellipsoid."""
    return f"+proj=geos +lon_0={lon_0:g} +h={height_m:.10g} +a={a:.10g} +b={b:.10g} +sweep=y"


def _square(crs: str, half_width_m: float, half_height_m: float, step_m: float) -> Grid:
    width, height = (round(2 * half / step_m) for half in (half_width_m, half_height_m))
    return Grid(crs, Affine(step_m, 0, -half_width_m, 0, -step_m, half_height_m), width, height)


_KOREA = lambert(30, 60, 38, 126)
# The 2 km column factor of AMI: 65536 units of 2^-16 degree a pixel (GK2A AMI data user guide).
COLUMN_FACTOR = 20425338.903339352
FD_SIZE, FD_HEIGHT_M, FD_A_M, FD_B_M = 5500, 35_785_863.0, 6_378_137.0, 6_356_752.3
_FD_STEP_M = radians(65536 / COLUMN_FACTOR) * FD_HEIGHT_M
AREAS = {
    "ko": _square(_KOREA, 900_000, 900_000, 2000),
    "ea": _square(_KOREA, 3_000_000, 2_600_000, 2000),
    "fd": _square(
        geostationary(LONGITUDE_DEG, FD_HEIGHT_M, FD_A_M, FD_B_M),
        FD_SIZE / 2 * _FD_STEP_M,
        FD_SIZE / 2 * _FD_STEP_M,
        _FD_STEP_M,
    ),
}
"""The grids of the three areas at 2 km: Korea, East Asia and the full disk."""


def grid(path: Path, sensor: Gk2aConfig) -> Grid:
    """The grid that the file's projection attributes state, which its corners must meet."""
    with opened(path) as dataset:
        return _placed(dataset)


def read(path: Path, sensor: Gk2aConfig) -> SensorImage:
    """LST in kelvin where the quality flag DQF_LST is one of ``sensor.accepted``.

    Raises SceneError where the file is truncated, lacks a variable, contradicts itself or its name,
    or holds no valid pixel.
    """
    with opened(path) as dataset:
        placed = _placed(dataset)
        lst_k, stored = _lst_k(dataset)
        quality = np.asarray(variable(dataset, "DQF_LST")[:])
        taken = _time(dataset)
    if quality.shape != lst_k.shape:
        raise SceneError(f"{path.name}: DQF_LST of {quality.shape} for LST of {lst_k.shape}")
    valid = stored & np.isin(quality, sensor.accepted)
    valid &= (lst_k >= sensor.valid_min) & (lst_k <= sensor.valid_max)
    if not valid.any():
        raise SceneError(
            f"{path.name}: no valid pixel; is all of it cloud? DQF_LST accepted: {sensor.accepted}"
        )
    return SensorImage(
        np.where(valid, lst_k, np.float32(np.nan))[None],
        valid,
        placed,
        ("lst",),
        "kelvin",
        sensor.sensor,
        taken,
        (f"read {path.name}", f"DQF_LST in {sensor.accepted}"),
        Viewpoint(LONGITUDE_DEG),
    )


def inspect(path: Path) -> Inspection:
    """What the file says of itself, and whether its parts agree."""
    with opened(path) as dataset:
        placed = _stated(dataset)
        checks = _assertions(dataset, placed)
        lst_k, stored = _lst_k(dataset)
        quality = np.asarray(variable(dataset, "DQF_LST")[:])
        try:
            taken = _time(dataset)
        except SceneError as error:
            taken = "unknown"
            checks = (*checks, Assertion("the observation time is known", str(error), False))
    codes, counts = np.unique(quality, return_counts=True)
    listed = ", ".join(
        f"{code}: {count / quality.size:.1%}" for code, count in zip(codes, counts, strict=True)
    )
    known = lst_k[stored]
    corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in outline(placed, 1))
    facts = (
        ("file", path.name),
        ("time", taken),
        ("coordinate system", placed.crs),
        ("size", f"{placed.height} rows x {placed.width} columns of {placed.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
        ("band", f"lst, kelvin = stored x {SCALE_FACTOR:g} + {ADD_OFFSET:g} unless stated"),
        ("LST", f"{known.min():.2f} .. {known.max():.2f} K" if known.size else "only fill"),
        ("DQF_LST", listed),
        ("valid share", f"{(stored & (quality == 0)).mean():.1%} (not fill, DQF_LST 0)"),
    )
    return Inspection("GK2A/AMI L2 LST", facts, checks)


def _lst_k(dataset: netCDF4.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """LST in kelvin, float32, and where it is not fill.

    Values are read as stored and scaled once: scaled twice, 276 K turn into 2.76.
    """
    lst = variable(dataset, "LST")
    stated = lst.ncattrs()
    scale = number(lst, "scale_factor") if "scale_factor" in stated else SCALE_FACTOR
    offset = number(lst, "add_offset") if "add_offset" in stated else ADD_OFFSET
    fill = number(lst, "_FillValue") if "_FillValue" in stated else FILL
    stored = np.asarray(lst[:])
    return (stored * scale + offset).astype(np.float32), stored != fill


def _placed(dataset: netCDF4.Dataset) -> Grid:
    """The stated grid; SceneError with the first assertion that fails."""
    placed = _stated(dataset)
    for check in _assertions(dataset, placed):
        if not check.passed:
            raise SceneError(f"{file_name(dataset)}: {check.claim} fails: {check.found}")
    return placed


def _stated(dataset: netCDF4.Dataset) -> Grid:
    """The grid of the projection attributes alone."""
    projection = variable(dataset, PROJECTION)
    name = str(attribute(projection, "grid_mapping_name")).lower()
    if "lambert" in name:
        return _stated_lambert(dataset, projection)
    if "geos" in name:
        return _stated_geostationary(dataset, projection)
    raise SceneError(
        f"{file_name(dataset)}: projection {name!r} is neither Lambert (KO, EA) nor "
        "geostationary (FD)"
    )


def _stated_lambert(dataset: netCDF4.Dataset, projection: netCDF4.Variable) -> Grid:
    """Corner attributes are the centres of corner pixels."""
    crs = lambert(
        *(
            number(projection, name)
            for name in (
                "standard_parallel1",
                "standard_parallel2",
                "origin_latitude",
                "central_meridian",
            )
        )
    )
    step = number(projection, "pixel_size")
    west = number(projection, "upper_left_easting") - step / 2
    north = number(projection, "upper_left_northing") + step / 2
    height, width = variable(dataset, "LST").shape
    return Grid(crs, Affine(step, 0, west, 0, -step, north), width, height)


def _stated_geostationary(dataset: netCDF4.Dataset, projection: netCDF4.Variable) -> Grid:
    """Columns and rows count from 1, at pixel centres; the line factor is negative in the files."""
    height_m = number(projection, "perspective_point_height")
    crs = geostationary(
        number(projection, "longitude_of_projection_origin"),
        height_m,
        number(projection, "semi_major_axis"),
        number(projection, "semi_minor_axis"),
    )
    steps = [
        radians(65536 / abs(number(projection, f"{axis}_scale_factor"))) * height_m
        for axis in ("column", "line")
    ]
    west = (0.5 - number(projection, "column_offset")) * steps[0]
    north = (number(projection, "line_offset") - 0.5) * steps[1]
    height, width = variable(dataset, "LST").shape
    return Grid(crs, Affine(steps[0], 0, west, 0, -steps[1], north), width, height)


def _assertions(dataset: netCDF4.Dataset, placed: Grid) -> tuple[Assertion, ...]:
    projection = variable(dataset, PROJECTION)
    checks = [_area_claimed(dataset, placed)]
    for axis, length in (("width", placed.width), ("height", placed.height)):
        if f"image_{axis}" in projection.ncattrs():
            stated = number(projection, f"image_{axis}")
            checks.append(
                Assertion(f"image_{axis} = LST's", f"{stated:g} and {length}", stated == length)
            )
    if "+proj=lcc" in placed.crs:
        checks += [_corner(projection, placed, name) for name in CORNERS]
    else:
        for axis, length in (("column", placed.width), ("line", placed.height)):
            offset = number(projection, f"{axis}_offset")
            checks.append(
                Assertion(
                    f"{axis}_offset is the middle of the full disk",
                    f"{offset:g} of {length}",
                    abs(offset - (length + 1) / 2) <= TOLERANCE,
                )
            )
    return tuple(checks)


def _corner(projection: netCDF4.Variable, placed: Grid, name: str) -> Assertion:
    """Whether a corner pixel's stated centre is that of the grid."""
    last_row, last_column = CORNERS[name]
    centre = (last_column * (placed.width - 1) + 0.5, last_row * (placed.height - 1) + 0.5)
    x, y = placed.transform @ centre
    stated = [number(projection, f"{name}_{axis}") for axis in ("easting", "northing")]
    off = max(abs(stated[0] - x), abs(stated[1] - y)) / placed.gsd_m
    found = f"stated {stated[0]:.1f}, {stated[1]:.1f}; by grid {x:.1f}, {y:.1f}"
    return Assertion(f"{name}_easting/northing on the grid", found, off <= TOLERANCE)


def _area_claimed(dataset: netCDF4.Dataset, placed: Grid) -> Assertion:
    """Whether the area in the file's name, if there is one, is that of the grid."""
    claimed = NAME_AREA.search(file_name(dataset).lower())
    found = next((name for name, area in AREAS.items() if _same_extent(area, placed)), "another")
    said = claimed.group(1) if claimed else "none"
    words = f"name says {said}, the grid is that of {found}"
    return Assertion("area code of the name = the grid's", words, said in ("none", found))


def _same_extent(area: Grid, placed: Grid) -> bool:
    ends = zip(area.corners, placed.corners, strict=True)
    near = all(
        abs(one - other) <= area.gsd_m for pair in ends for one, other in zip(*pair, strict=True)
    )
    return near and area.crs.split()[0] == placed.crs.split()[0]


def _time(dataset: netCDF4.Dataset) -> str:
    """The slot's time in the file's name, ISO 8601 UTC: the files hold no other."""
    name = file_name(dataset)
    found = NAME_TIME.search(name)
    if found is None:
        raise SceneError(f"{name}: no time in the name; rename it to ..._YYYYMMDDHHMM.nc")
    try:
        time = datetime.strptime(found.group(1), "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise SceneError(f"{name}: {found.group(1)} is no time YYYYMMDDHHMM; rename it") from None
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
