"""GK2A/AMI Level-2 LST: KO and EA (Lambert) and FD (geostationary) files.

Where a pixel lies is taken from the file's own projection attributes and asserted against its own
corners: GDAL reads a wrong coordinate system from these files, not a missing one. The layout is
that of public readers of KO files; what awaits a first real file stands in docs/first-real-file.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import inf, radians
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from affine import Affine

from lstsr.errors import SceneError
from lstsr.geo.resample import outline
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage, Viewpoint
from lstsr.sensors.inspection import Assertion, Inspection
from lstsr.sensors.netcdf import attribute, file_name, number, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Gk2aConfig

PROJECTION = "gk2a_imager_projection"
# Sub-satellite longitude of GK2A, degrees east.
LONGITUDE_DEG = 128.2
# Packing of LST in kelvin, where a file does not state its own.
SCALE_FACTOR, ADD_OFFSET, FILL = 0.01, 0.0, 65535
NAME_TIME = re.compile(r"(?<!\d)(\d{12})(?!\d)")
NAME_AREA = re.compile(r"_(ko|ea|fd)(?:\d{3}(?:lc|ge))?_")
# Corner by corner, as the attributes are named, the (row, column) of its pixel: 0 first, 1 last.
CORNERS = {
    "upper_left": (0, 0),
    "upper_right": (0, 1),
    "lower_left": (1, 0),
    "lower_right": (1, 1),
}
# By so many pixels a file's corners may miss its own grid, or the edges of its area.
TOLERANCE_PX = 0.05
# A grid whose edges come so near to an area's means that area.
REACH_PX = 2
# AMI counts seconds from noon, not from midnight; other years than these are another epoch's.
EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)
YEARS = range(2018, 2050)

Fact = tuple[str, str]


def lambert(lat_1: float, lat_2: float, lat_0: float, lon_0: float) -> str:
    """The Lambert conformal conic system of KMA's products.

    They do not write the ellipsoid; WGS84 meets KMA's own latitudes and longitudes to 1e-5 degree.
    """
    return (
        f"+proj=lcc +lat_1={lat_1:.7g} +lat_2={lat_2:.7g} +lat_0={lat_0:.7g} +lon_0={lon_0:.7g} "
        "+datum=WGS84 +units=m"
    )


def geostationary(lon_0: float, height_m: float, a: float, b: float) -> str:
    """The geostationary system; ``height_m`` is above the ellipsoid."""
    return f"+proj=geos +lon_0={lon_0:.7g} +h={height_m:.10g} +a={a:.10g} +b={b:.10g} +sweep=y"


def _centred(crs: str, half_width_m: float, half_height_m: float, step_m: float) -> Grid:
    width, height = (round(2 * half / step_m) for half in (half_width_m, half_height_m))
    return Grid(crs, Affine(step_m, 0, -half_width_m, 0, -step_m, half_height_m), width, height)


_KOREA = lambert(30, 60, 38, 126)
# The 2 km column factor of AMI: pixels of 56 microradians in 2^16 degrees.
COLUMN_FACTOR = 20425338.903339352
FD_SIZE, FD_HEIGHT_M, FD_A_M, FD_B_M = 5500, 35_785_863.0, 6_378_137.0, 6_356_752.3
_FD_STEP_M = radians(65536 / COLUMN_FACTOR) * FD_HEIGHT_M
AREAS = {
    "ko": _centred(_KOREA, 900_000, 900_000, 2000),
    "ea": _centred(_KOREA, 3_000_000, 2_600_000, 2000),
    "fd": _centred(
        geostationary(LONGITUDE_DEG, FD_HEIGHT_M, FD_A_M, FD_B_M),
        FD_SIZE / 2 * _FD_STEP_M,
        FD_SIZE / 2 * _FD_STEP_M,
        _FD_STEP_M,
    ),
}
"""The grids of the three areas at 2 km: Korea, East Asia and the full disk."""


def grid(path: Path, sensor: Gk2aConfig) -> Grid:
    """The grid that the file's projection attributes state, which its corners must meet.

    Raises SceneError with the attribute that disagrees, and OSError where the file cannot be had.
    """
    with opened(path) as dataset:
        return _placed(dataset)


def read(path: Path, sensor: Gk2aConfig) -> SensorImage:
    """LST in kelvin where the quality flag DQF_LST is one of ``sensor.accepted``.

    The time is the middle of the observation where the file states it, otherwise that of its name.
    Raises SceneError where the file is truncated, lacks a variable, contradicts itself or its name,
    or holds no valid pixel.
    """
    with opened(path) as dataset:
        placed = _placed(dataset)
        lst_k, stored = _lst_k(dataset)
        quality = _quality(dataset)
        taken = _time(dataset)
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
    """What the file says of itself, and whether its parts agree.

    A part that is missing or damaged is a failed assertion among the others; SceneError is raised
    only where the file cannot be opened.
    """
    facts: list[Fact] = [("file", path.name)]
    checks: list[Assertion] = []
    parts = {
        "the observation time is known": _time_facts,
        "the projection is understood": _grid_facts,
        "LST can be read": _lst_facts,
        "DQF_LST can be read": _quality_facts,
    }
    with opened(path) as dataset:
        for claim, part in parts.items():
            try:
                facts += part(dataset)
            except (SceneError, RuntimeError) as error:  # RuntimeError: damaged chunks
                checks.append(Assertion(claim, str(error), False))
        try:
            checks += _assertions(dataset, _stated(dataset))
        except SceneError as error:
            checks.append(Assertion("the grid can be checked", str(error), False))
    return Inspection("GK2A/AMI L2 LST", tuple(facts), tuple(checks))


def _time_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    return [("time", _time(dataset))]


def _grid_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    placed = _stated(dataset)
    try:
        corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in outline(placed, 1))
    except SceneError:
        corners = "in space, beside the disk"
    return [
        ("coordinate system", placed.crs),
        ("size", f"{placed.height} rows x {placed.width} columns of {placed.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
    ]


def _lst_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    scale, offset, fill = _packing(dataset)
    lst_k, stored = _lst_k(dataset)
    known = lst_k[stored]
    return [
        ("band", f"lst, kelvin = stored x {scale:g} + {offset:g}, fill {fill:g}"),
        ("LST", f"{known.min():.2f} .. {known.max():.2f} K" if known.size else "only fill"),
    ]


def _quality_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    quality = _quality(dataset)
    codes, counts = np.unique(quality, return_counts=True)
    shares = zip(codes, counts / quality.size, strict=True)
    good = (_lst_k(dataset)[1] & (quality == 0)).mean()
    return [
        ("DQF_LST", ", ".join(f"{code}: {share:.1%}" for code, share in shares)),
        ("valid share", f"{good:.1%} (not fill, DQF_LST 0)"),
    ]


def _lst_k(dataset: netCDF4.Dataset) -> tuple[Floats, Mask]:
    """LST in kelvin, and where it is not fill.

    Values are read as stored and scaled once: scaled twice, 276 K turn into 2.76.
    """
    scale, offset, fill = _packing(dataset)
    stored = np.asarray(variable(dataset, "LST")[:])
    return (stored * scale + offset).astype(np.float32), stored != fill


def _packing(dataset: netCDF4.Dataset) -> tuple[float, float, float]:
    """(scale, offset, fill) of LST: the file's own, KMA's where it states none."""
    lst = variable(dataset, "LST")
    known = {"scale_factor": SCALE_FACTOR, "add_offset": ADD_OFFSET, "_FillValue": FILL}
    scale, offset, fill = (
        number(lst, name) if name in lst.ncattrs() else usual for name, usual in known.items()
    )
    return scale, offset, fill


def _quality(dataset: netCDF4.Dataset) -> np.ndarray:
    """DQF_LST as stored, of LST's shape."""
    quality = variable(dataset, "DQF_LST")
    if quality.shape != _shape(dataset):
        raise SceneError(
            f"{file_name(dataset)}: DQF_LST of {quality.shape} for LST of {_shape(dataset)}"
        )
    return np.asarray(quality[:])


def _shape(dataset: netCDF4.Dataset) -> tuple[int, int]:
    shape = variable(dataset, "LST").shape
    if len(shape) != 2:
        raise SceneError(f"{file_name(dataset)}: LST of {shape} where (rows, columns) belong")
    return shape[0], shape[1]


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
        f"{file_name(dataset)}: wrong area: projection {name!r} is neither Lambert (KO, EA) nor "
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
    if not step > 0:
        raise SceneError(f"{file_name(dataset)}: pixel_size = {step:g} is no size in metres")
    west = number(projection, "upper_left_easting") - step / 2
    north = number(projection, "upper_left_northing") + step / 2
    height, width = _shape(dataset)
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
    factors = {}
    for axis, sign in (("column", 1), ("line", -1)):
        stated = number(projection, f"{axis}_scale_factor")
        # of the other sign, the image would be mirrored, which symmetric offsets do not show
        if not sign * stated > 0:
            raise SceneError(
                f"{file_name(dataset)}: {axis}_scale_factor = {stated:g} should be "
                f"{'positive' if sign > 0 else 'negative'}"
            )
        factors[axis] = abs(stated)
    across, down = (radians(65536 / factors[axis]) * height_m for axis in ("column", "line"))
    west = (0.5 - number(projection, "column_offset")) * across
    north = (number(projection, "line_offset") - 0.5) * down
    height, width = _shape(dataset)
    return Grid(crs, Affine(across, 0, west, 0, -down, north), width, height)


def _assertions(dataset: netCDF4.Dataset, placed: Grid) -> tuple[Assertion, ...]:
    """What must hold of the attributes, then of the area as a whole."""
    projection = variable(dataset, PROJECTION)
    of_projection = _lambert_checks if "+proj=lcc" in placed.crs else _geostationary_checks
    return (
        *_size_checks(projection, placed),
        *of_projection(projection, placed),
        *_area_checks(dataset, placed),
    )


def _size_checks(projection: netCDF4.Variable, placed: Grid) -> Iterator[Assertion]:
    for axis, length in (("width", placed.width), ("height", placed.height)):
        if f"image_{axis}" in projection.ncattrs():
            stated = number(projection, f"image_{axis}")
            yield Assertion(f"image_{axis} = LST's", f"{stated:g} and {length}", stated == length)


def _lambert_checks(projection: netCDF4.Variable, placed: Grid) -> Iterator[Assertion]:
    for name in ("false_easting", "false_northing"):
        if name in projection.ncattrs():
            stated = number(projection, name)
            yield Assertion(f"{name} = 0", f"{stated:g}", stated == 0)
    yield _pixel_size(projection, placed)
    for name in CORNERS:
        yield _corner(projection, placed, name)


def _pixel_size(projection: netCDF4.Variable, placed: Grid) -> Assertion:
    """Whether corners that form a rectangle stand pixel_size apart; others are at fault alone."""
    (west, north), upper_right, lower_left, (east, south) = (
        _stated_corner(projection, name) for name in CORNERS
    )
    step = placed.gsd_m
    sides = ((east - west, placed.width), (north - south, placed.height))
    found = " and ".join(f"{side:.1f} m over {length} pixels" for side, length in sides)
    is_rectangle = upper_right == (east, north) and lower_left == (west, south)
    meets = any(abs(side - (length - 1) * step) <= TOLERANCE_PX * step for side, length in sides)
    return Assertion(
        f"pixel_size = {step:g} is the step between the corners' centres",
        found,
        meets or not is_rectangle,
    )


def _corner(projection: netCDF4.Variable, placed: Grid, name: str) -> Assertion:
    """Whether a corner pixel's stated centre is that of the grid."""
    last_row, last_column = CORNERS[name]
    centre = (last_column * (placed.width - 1) + 0.5, last_row * (placed.height - 1) + 0.5)
    x, y = placed.transform @ centre
    stated = _stated_corner(projection, name)
    off_px = np.hypot(stated[0] - x, stated[1] - y) / placed.gsd_m
    found = f"stated {stated[0]:.1f}, {stated[1]:.1f}; by grid {x:.1f}, {y:.1f}"
    return Assertion(f"{name}_easting/northing on the grid", found, bool(off_px <= TOLERANCE_PX))


def _stated_corner(projection: netCDF4.Variable, name: str) -> tuple[float, float]:
    return number(projection, f"{name}_easting"), number(projection, f"{name}_northing")


def _geostationary_checks(projection: netCDF4.Variable, placed: Grid) -> Iterator[Assertion]:
    """The file gives no corners; the full disk is symmetric about the satellite."""
    for axis, length in (("column", placed.width), ("line", placed.height)):
        offset = number(projection, f"{axis}_offset")
        yield Assertion(
            f"{axis}_offset is the middle of the full disk",
            f"{offset:g} of {length}",
            abs(offset - (length + 1) / 2) <= TOLERANCE_PX,
        )
    if "sweep_angle_axis" in projection.ncattrs():
        axis = str(attribute(projection, "sweep_angle_axis"))
        yield Assertion("sweep_angle_axis = y", axis, axis == "y")


def _area_checks(dataset: netCDF4.Dataset, placed: Grid) -> Iterator[Assertion]:
    """Whether the grid has the edges of the area that it comes near to, or that is claimed.

    The four corners of a file may agree and still lie beside the area; a geostationary grid is the
    full disk or none.
    """
    misses = {name: _miss_px(area, placed) for name, area in AREAS.items()}
    nearest = min(misses, key=lambda name: misses[name])
    near = misses[nearest] < REACH_PX
    if near or "+proj=geos" in placed.crs:
        area = nearest if near else "fd"
        yield Assertion(
            f"outer edges are those of {area}",
            f"off by {misses[area]:.2f} pixels",
            misses[area] <= TOLERANCE_PX,
        )
    for source, code in _claims(dataset):
        yield Assertion(
            f"the area code of {source}",
            f"{source} says {code}, the grid is that of {nearest if near else 'another area'}",
            near and code == nearest,
        )


def _claims(dataset: netCDF4.Dataset) -> Iterator[tuple[str, str]]:
    """Who claims which area: the name, and processing_area unless it tells the scan (ELA)."""
    in_name = NAME_AREA.search(file_name(dataset).lower())
    if in_name:
        yield "name", in_name.group(1)
    if "processing_area" in dataset.ncattrs():
        code = str(attribute(dataset, "processing_area")).lower()
        if code in AREAS:
            yield "processing_area", code


def _miss_px(area: Grid, placed: Grid) -> float:
    """By how many pixels the outer corners miss the area's; infinite in another system."""
    if _system(area) != _system(placed):
        return inf
    ends = np.abs(np.array(area.corners) - np.array(placed.corners))
    return float(ends.max() / placed.gsd_m)


def _system(placed: Grid) -> list[str]:
    """The projection without height and ellipsoid, of which files may give other digits."""
    return [word for word in placed.crs.split() if not word.startswith(("+h=", "+a=", "+b="))]


def _time(dataset: netCDF4.Dataset) -> str:
    """ISO 8601 UTC: the middle of the observation where it is stated, otherwise the name's slot."""
    stated = [
        _instant(dataset, name)
        for name in ("observation_start_time", "observation_end_time")
        if name in dataset.ncattrs()
    ]
    if not stated:
        return f"{_time_in_name(file_name(dataset)):%Y-%m-%dT%H:%M:%SZ}"
    return f"{stated[0] + (stated[-1] - stated[0]) / 2:%Y-%m-%dT%H:%M:%SZ}"


def _instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    """A time attribute as in AMI's Level 1B: seconds since 2000-01-01 12:00."""
    seconds = number(dataset, name)
    try:
        time = EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        time = EPOCH
    if time.year not in YEARS:
        raise SceneError(
            f"{file_name(dataset)}: {name} = {attribute(dataset, name)!r} is no time of GK2A in "
            "seconds since 2000-01-01 12:00"
        )
    return time


def _time_in_name(name: str) -> datetime:
    found = NAME_TIME.search(name)
    if found is None:
        raise SceneError(f"{name}: no time in the name; rename it to ..._YYYYMMDDHHMM.nc")
    try:
        return datetime.strptime(found.group(1), "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise SceneError(f"{name}: {found.group(1)} is no time YYYYMMDDHHMM; rename it") from None
