"""Footprint of a grid: its outline in degrees, also across 180 degrees and around a pole."""

from __future__ import annotations

import numpy as np
from pyproj import CRS
from pyproj.exceptions import ProjError

from lstsr.errors import SceneError
from lstsr.geo.aggregate import Doubles
from lstsr.globe import Outline, centred
from lstsr.grid import WGS84, Grid, transformer

# Steps along the rim per point: short enough that no step crosses half the globe.
STEPS = 64


def outline(grid: Grid, points: int = 8) -> Outline:
    """The footprint of ``grid``: its rim as (lon, lat) in degrees, ``points`` along each side.

    Longitudes are continuous, and the middle of the outline lies in -180..180. An outline around a
    pole runs from -180 to 180 and is closed along the pole. Raises SceneError if the coordinate
    system gives no longitude and latitude there.
    """
    along = rim(grid, points)
    pole = _pole_inside(grid)
    if pole is None:
        return along
    lon, lat = np.array(along).T
    lon = (lon + 180) % 360 - 180
    ends = np.array([-180.0, 180.0])
    lat = np.append(lat, np.interp(ends, lon, lat, period=360))
    lon = np.append(lon, ends)
    order = np.argsort(lon, kind="stable")
    return (*_pairs(lon[order], lat[order]), (180.0, pole), (-180.0, pole))


def rim(grid: Grid, points: int = 8) -> Outline:
    """The rim of ``grid`` as (lon, lat) in degrees, clockwise from the upper left corner.

    It has ``points`` along each side. Longitudes are continuous. Raises like ``outline``.
    """
    corners = np.array(grid.corners)[:, None]
    steps = np.arange(points * STEPS)[:, None] / (points * STEPS)
    sides = corners + (np.roll(corners, -1, 0) - corners) * steps
    x, y = sides.reshape(-1, 2).T
    try:
        lon, lat = transformer(grid.crs, WGS84).transform(x, y, errcheck=True)
    except ProjError as error:
        raise SceneError(f"the footprint has no longitude and latitude: {error}") from None
    return centred(_pairs(np.unwrap(lon, period=360)[::STEPS], lat[::STEPS]))


def _pairs(lon: Doubles, lat: Doubles) -> Outline:
    return tuple(zip(map(float, lon), map(float, lat), strict=True))


def _pole_inside(grid: Grid) -> float | None:
    """Latitude of the pole inside ``grid``; None if there is none or the pole is a whole row."""
    crs = CRS.from_user_input(grid.crs)
    if crs.is_geographic and not crs.is_derived:
        return None
    for pole in (90.0, -90.0):
        row, column = grid.position(0.0, pole)  # NaN or infinite if the projection has no pole
        if 0 < column < grid.width and 0 < row < grid.height:
            return pole
    return None
