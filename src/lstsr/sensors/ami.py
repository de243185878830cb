"""What the products of GK2A/AMI share: times, names, projections, areas, and checks of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import inf, radians
from typing import NamedTuple

import netCDF4
import numpy as np
from affine import Affine
from pyproj import Transformer
from pyproj.exceptions import ProjError

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.sensors.inspection import Assertion
from lstsr.sensors.netcdf import file_name, number

Holder = netCDF4.Dataset | netCDF4.Variable
Fact = tuple[str, str]

# Sub-satellite longitude of GK2A, degrees east.
LONGITUDE_DEG = 128.2
NAME_TIME = re.compile(r"(?<!\d)(\d{12})(?!\d)")
NAME_AREA = re.compile(r"_(ko|ea|fd)(?:\d{3}(?:lc|ge))?_")
# Corner by corner, as the attributes are named, the (row, column) of its pixel: 0 first, 1 last.
CORNERS = {
    "upper_left": (0, 0),
    "upper_right": (0, 1),
    "lower_left": (1, 0),
    "lower_right": (1, 1),
}
# Largest distance in pixels of a file's corners from its own grid or from its area's edges.
TOLERANCE_PX = 0.05
# With a smaller factor a pixel would be wider than the full disk (18 degrees).
LEAST_FACTOR = 65536 / 18
# A grid whose edges come so near to an area's means that area.
REACH_PX = 2
# AMI counts seconds from noon, not from midnight; other years than these are another epoch's.
EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)
YEARS = range(2018, 2050)


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


class ScanNames(NamedTuple):
    """What a product calls the factors and offsets of its scan angles."""

    column_factor: str
    line_factor: str
    column_offset: str
    line_offset: str


def scan_grid(
    holder: Holder, names: ScanNames, crs: str, height_m: float, shape: tuple[int, int]
) -> Grid:
    """The geostationary grid that factors and offsets state.

    A pixel spans 2^16 degrees / factor. Columns and rows count from 1, at pixel centres; the line
    factor is negative in the files (CGMS 03, LRIT/HRIT Global Specification, 4.4.3.2).
    """
    factors = []
    for name, sign in ((names.column_factor, 1), (names.line_factor, -1)):
        stated = number(holder, name)
        # of the other sign, the image would be mirrored, which symmetric offsets do not show
        if not sign * stated > 0:
            raise SceneError(
                f"{file_name(holder)}: {name} = {stated:g} should be "
                f"{'positive' if sign > 0 else 'negative'}"
            )
        if abs(stated) < LEAST_FACTOR:
            raise SceneError(
                f"{file_name(holder)}: {name} = {stated:g} makes pixels wider than the full disk"
            )
        factors.append(abs(stated))
    _check_system(holder, crs)
    across, down = (radians(65536 / factor) * height_m for factor in factors)
    west = (0.5 - number(holder, names.column_offset)) * across
    north = (number(holder, names.line_offset) - 0.5) * down
    return Grid(crs, Affine(across, 0, west, 0, -down, north), shape[1], shape[0])


def lambert_grid(holder: Holder, shape: tuple[int, int]) -> Grid:
    """The Lambert grid that attributes state; those of corners are the centres of their pixels."""
    crs = lambert(
        *(
            number(holder, name)
            for name in (
                "standard_parallel1",
                "standard_parallel2",
                "origin_latitude",
                "central_meridian",
            )
        )
    )
    _check_system(holder, crs)
    step = number(holder, "pixel_size")
    if not step > 0:
        raise SceneError(f"{file_name(holder)}: pixel_size = {step:g} is not a size in metres")
    west = number(holder, "upper_left_easting") - step / 2
    north = number(holder, "upper_left_northing") + step / 2
    return Grid(crs, Affine(step, 0, west, 0, -step, north), shape[1], shape[0])


def _check_system(holder: Holder, crs: str) -> None:
    """Raise SceneError if ``crs`` is not a valid projection."""
    try:
        Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except ProjError:
        raise SceneError(
            f"{file_name(holder)}: the projection attributes are not valid together: {crs}"
        ) from None


def passed(holder: Holder, checks: Iterable[Assertion]) -> None:
    """Raise SceneError with the first of ``checks`` that fails."""
    for check in checks:
        if not check.passed:
            raise SceneError(f"{file_name(holder)}: {check.claim} fails: {check.found}")


def gathered(
    dataset: netCDF4.Dataset, parts: Mapping[str, Callable[[netCDF4.Dataset], list[Fact]]]
) -> tuple[list[Fact], list[Assertion]]:
    """The facts of a file's ``parts``; what cannot be read is a failed assertion, named by key."""
    facts: list[Fact] = [("file", file_name(dataset))]
    failed = []
    for claim, part in parts.items():
        try:
            facts += part(dataset)
        except (SceneError, RuntimeError) as error:  # RuntimeError: damaged chunks
            failed.append(Assertion(claim, str(error), False))
    return facts, failed


def image_shape(image: netCDF4.Variable) -> tuple[int, int]:
    """(rows, columns) of an image. Raises SceneError if it is not 2-D or is empty."""
    if image.ndim != 2 or 0 in image.shape:
        raise SceneError(
            f"{file_name(image)}: {image.name} has shape {image.shape}. Expected (rows, columns)."
        )
    rows, columns = image.shape
    return rows, columns


def size_checks(
    holder: Holder, columns: str, rows: str, placed: Grid, image: str
) -> Iterator[Assertion]:
    """Whether the attributes ``columns`` and ``rows``, where they stand, are the ``image``'s."""
    for name, length in ((columns, placed.width), (rows, placed.height)):
        if name in holder.ncattrs():
            stated = number(holder, name)
            yield Assertion(f"{name} = {image}'s", f"{stated:g} and {length}", stated == length)


def lambert_checks(projection: Holder, placed: Grid) -> Iterator[Assertion]:
    """What must hold of the attributes of a Lambert grid."""
    for name in ("false_easting", "false_northing"):
        if name in projection.ncattrs():
            stated = number(projection, name)
            yield Assertion(f"{name} = 0", f"{stated:g}", stated == 0)
    yield _pixel_size(projection, placed)
    for name in CORNERS:
        yield _corner(projection, placed, name)


def _pixel_size(projection: Holder, placed: Grid) -> Assertion:
    """Whether corners that form a rectangle stand pixel_size apart; others are at fault alone."""
    (west, north), upper_right, lower_left, (east, south) = (
        _stated_corner(projection, name) for name in CORNERS
    )
    step = placed.steps[1]
    sides = ((east - west, placed.width), (north - south, placed.height))
    found = " and ".join(f"{side:.1f} m over {length} pixels" for side, length in sides)
    is_rectangle = upper_right == (east, north) and lower_left == (west, south)
    meets = any(abs(side - (length - 1) * step) <= TOLERANCE_PX * step for side, length in sides)
    return Assertion(
        f"pixel_size = {step:g} is the step between the corners' centres",
        found,
        meets or not is_rectangle,
    )


def _corner(projection: Holder, placed: Grid, name: str) -> Assertion:
    """Whether a corner pixel's stated centre is that of the grid."""
    last_row, last_column = CORNERS[name]
    centre = (last_column * (placed.width - 1) + 0.5, last_row * (placed.height - 1) + 0.5)
    x, y = placed.transform @ centre
    stated = _stated_corner(projection, name)
    off_px = np.hypot(stated[0] - x, stated[1] - y) / placed.steps[1]
    found = f"stated {stated[0]:.1f}, {stated[1]:.1f}; by grid {x:.1f}, {y:.1f}"
    return Assertion(f"{name}_easting/northing on the grid", found, bool(off_px <= TOLERANCE_PX))


def _stated_corner(projection: Holder, name: str) -> tuple[float, float]:
    return number(projection, f"{name}_easting"), number(projection, f"{name}_northing")


def area_checks(dataset: netCDF4.Dataset, placed: Grid) -> Iterator[Assertion]:
    """Whether the grid's edges match the nearest area and the area in the file's name.

    The corners of a file can agree with each other and still lie outside the area. A geostationary
    grid must be the full disk. The attributes processing_area and observation_mode are ignored,
    because they name the scan that the file was cut from.
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
    in_name = NAME_AREA.search(file_name(dataset).lower())
    if in_name:
        code = in_name.group(1)
        yield Assertion(
            "the area code of the name",
            f"the name says {code}, the grid is that of {nearest if near else 'another area'}",
            near and code == nearest,
        )


def _miss_px(area: Grid, placed: Grid) -> float:
    """By how many pixels the outer corners miss the area's; infinite in another system."""
    if _system(area) != _system(placed):
        return inf
    ends = np.abs(np.array(area.corners) - np.array(placed.corners))
    return float(ends.max() / placed.steps[1])


def _system(placed: Grid) -> list[str]:
    """The projection without height and ellipsoid, of which files may give other digits."""
    return [word for word in placed.crs.split() if not word.startswith(("+h=", "+a=", "+b="))]


def instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    """A time attribute as in AMI's Level 1B: seconds since 2000-01-01 12:00."""
    seconds = number(dataset, name)
    try:
        time = EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        time = EPOCH
    if time.year not in YEARS:
        raise SceneError(
            f"{file_name(dataset)}: {name} = {seconds:g} is not a time of GK2A in seconds since "
            "2000-01-01 12:00"
        )
    return time


def time_in_name(name: str) -> datetime:
    """The time slot YYYYMMDDHHMM in a file's name, UTC. Raises SceneError if there is none."""
    found = NAME_TIME.search(name)
    if found is None:
        raise SceneError(f"{name}: the file name has no time. Rename it to ..._YYYYMMDDHHMM.nc.")
    try:
        return datetime.strptime(found.group(1), "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise SceneError(
            f"{name}: {found.group(1)} is not a time YYYYMMDDHHMM. Rename the file."
        ) from None
