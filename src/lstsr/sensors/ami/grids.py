"""Grids of AMI's products: the areas of KMA, grids from file attributes, and checks of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import hypot, inf, radians

import netCDF4
import numpy as np
from affine import Affine
from pyproj.exceptions import ProjError

from lstsr.grid import KOREA, WGS84, Grid, transformer
from lstsr.image import Viewpoint
from lstsr.sensors.ami.files import NAME_AREA
from lstsr.sensors.inspection import Assertion
from lstsr.sensors.netcdf import Holder, fault, file_name, number

GK2A = Viewpoint(longitude_deg=128.2)
# (row, column) of each corner pixel: 0 first, 1 last. The keys are the names of the attributes.
CORNERS = {"upper_left": (0, 0), "upper_right": (0, 1), "lower_left": (1, 0), "lower_right": (1, 1)}
# Largest distance in pixels of a file's corners from its own grid or from its area's edges.
TOLERANCE_PX = 0.05
# The 2 km column factor of AMI: pixels of 56 microradians in 2^16 degrees.
COLUMN_FACTOR = 20425338.903339352
FD_STEP_M = radians(65536 / COLUMN_FACTOR) * GK2A.height_m
_FD = Affine.scale(FD_STEP_M, -FD_STEP_M) @ Affine.translation(-2750, -2750)
AREAS: Mapping[str, Grid] = {
    "ko": KOREA,
    "ea": Grid(KOREA.crs, Affine(2000, 0, -3_000_000, 0, -2000, 2_600_000), 3000, 2600),
    "fd": Grid(GK2A.crs, _FD, 5500, 5500),
}
"""The grids of the three areas at 2 km: Korea, East Asia and the full disk."""


def scan_grid(
    holder: Holder, names: tuple[str, str, str, str], viewpoint: Viewpoint, shape: tuple[int, ...]
) -> Grid:
    """The geostationary grid of the factors and offsets in a file.

    ``names`` name its column factor, line factor, column offset and line offset. Columns and rows
    count from 1, at pixel centres. Raises SceneError if attributes are missing or not valid.
    """
    across, down = (
        pixel_rad(holder, name, sign) * viewpoint.height_m
        for name, sign in zip(names[:2], (1, -1), strict=True)
    )
    _check_system(holder, viewpoint.crs)
    west = (0.5 - number(holder, names[2])) * across
    north = (number(holder, names[3]) - 0.5) * down
    return Grid(viewpoint.crs, Affine(across, 0, west, 0, -down, north), shape[1], shape[0])


def pixel_rad(holder: Holder, name: str, sign: int) -> float:
    """The scan angle of a pixel: 2^16 degrees / factor, by the attribute ``name``.

    The column factor is positive, the line factor negative (CGMS 03, LRIT/HRIT Global
    Specification, 4.4.3.2). Raises SceneError if the factor is not valid.
    """
    factor = number(holder, name)
    # the other sign would mirror the image, which symmetric offsets do not show
    if not sign * factor > 0:
        wanted = "positive" if sign > 0 else "negative"
        raise fault(holder, f"{name} = {factor:g} should be {wanted}")
    if abs(factor) < 65536 / 18:  # degrees across the full disk
        raise fault(holder, f"{name} = {factor:g} makes pixels wider than the full disk")
    return radians(65536 / abs(factor))


def lambert_grid(holder: Holder, shape: tuple[int, ...]) -> Grid:
    """The Lambert grid of a file's attributes, whose corners are centres of pixels.

    The files do not state the ellipsoid; see `lstsr.grid.KOREA`. Raises like `scan_grid`.
    """
    names = ("standard_parallel1", "standard_parallel2", "origin_latitude", "central_meridian")
    lat_1, lat_2, lat_0, lon_0 = (number(holder, name) for name in names)
    crs = (
        f"+proj=lcc +lat_1={lat_1:.7g} +lat_2={lat_2:.7g} +lat_0={lat_0:.7g} +lon_0={lon_0:.7g} "
        "+datum=WGS84 +units=m"
    )
    _check_system(holder, crs)
    step = number(holder, "pixel_size")
    if not step > 0:
        raise fault(holder, f"pixel_size = {step:g} is not a size in metres")
    west = number(holder, "upper_left_easting") - step / 2
    north = number(holder, "upper_left_northing") + step / 2
    return Grid(crs, Affine(step, 0, west, 0, -step, north), shape[1], shape[0])


def _check_system(holder: Holder, crs: str) -> None:
    """Raise SceneError if ``crs`` is not a valid projection."""
    try:
        transformer(crs, WGS84)
    except ProjError:
        raise fault(holder, f"the projection attributes are not valid together: {crs}") from None


def size_checks(holder: Holder, columns: str, rows: str, grid: Grid) -> Iterator[Assertion]:
    """Whether the attributes ``columns`` and ``rows``, if present, are the size of ``grid``."""
    for name, length in ((columns, grid.width), (rows, grid.height)):
        if name in holder.ncattrs():
            stated = number(holder, name)
            claim = f"{name} is the size of the image"
            yield Assertion(claim, f"{stated:g} and {length}", stated == length)


def lambert_checks(projection: Holder, grid: Grid) -> Iterator[Assertion]:
    """Whether the attributes of a Lambert grid agree with each other."""
    for name in ("false_easting", "false_northing"):
        if name in projection.ncattrs():
            stated = number(projection, name)
            yield Assertion(f"{name} = 0", f"{stated:g}", stated == 0)
    corners = {
        name: (number(projection, f"{name}_easting"), number(projection, f"{name}_northing"))
        for name in CORNERS
    }
    step = grid.steps[1]
    (west, north), upper_right, lower_left, (east, south) = corners.values()
    sides = ((east - west, grid.width), (north - south, grid.height))
    fits = any(abs(side - (length - 1) * step) <= TOLERANCE_PX * step for side, length in sides)
    # if the corners do not form a rectangle, one of them is wrong, which the last check reports
    is_rectangle = upper_right == (east, north) and lower_left == (west, south)
    yield Assertion(
        f"pixel_size = {step:g} is the step between the corners' centres",
        " and ".join(f"{side:.1f} m over {length} pixels" for side, length in sides),
        fits or not is_rectangle,
    )
    for name, (last_row, last_column) in CORNERS.items():
        centre = (last_column * (grid.width - 1) + 0.5, last_row * (grid.height - 1) + 0.5)
        (x, y), stated_x, stated_y = grid.transform @ centre, *corners[name]
        yield Assertion(
            f"{name}_easting/northing on the grid",
            f"stated {stated_x:.1f}, {stated_y:.1f}; by grid {x:.1f}, {y:.1f}",
            hypot(stated_x - x, stated_y - y) <= TOLERANCE_PX * step,
        )


def area_checks(dataset: netCDF4.Dataset, grid: Grid) -> Iterator[Assertion]:
    """Whether the grid's edges match the nearest area and the area in the file's name.

    Corners can agree with each other and still be displaced together. A geostationary grid must be
    the full disk. The attributes processing_area and observation_mode do not count, because they
    name the scan that the file was cut from.
    """
    misses = {name: _miss_px(area, grid) for name, area in AREAS.items()}
    nearest = min(misses, key=misses.__getitem__)
    is_near = misses[nearest] < 2  # pixels
    if is_near or "+proj=geos" in grid.crs:
        area = nearest if is_near else "fd"
        yield Assertion(
            f"outer edges match the area {area}",
            f"off by {misses[area]:.2f} pixels",
            misses[area] <= TOLERANCE_PX,
        )
    in_name = NAME_AREA.search(file_name(dataset).lower())
    if in_name:
        yield Assertion(
            "the area code in the name fits the grid",
            f"the name says {in_name[1]}, the grid covers {nearest if is_near else 'another area'}",
            is_near and in_name[1] == nearest,
        )


def _miss_px(area: Grid, grid: Grid) -> float:
    """Largest distance of the outer corners from the area's; infinite in another system."""
    # heights and ellipsoids differ between files in their last digits
    ours, theirs = (re.sub(r" \+[hab]=\S+", "", one.crs) for one in (area, grid))
    if ours != theirs:
        return inf
    distances = np.abs(np.array(area.corners) - np.array(grid.corners))
    return float(distances.max() / grid.steps[1])
