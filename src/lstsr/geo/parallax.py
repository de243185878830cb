"""Terrain parallax: the displacement of high ground in images of a geostationary satellite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstsr.grid import Grid
from lstsr.image import Floats, Viewpoint

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Terrain:
    """Elevation in metres (row, column) on its own grid; NaN, as over the sea, counts as 0."""

    elevation_m: Floats
    grid: Grid


def apparent(
    lon_deg: ArrayLike, lat_deg: ArrayLike, height_m: ArrayLike, viewpoint: Viewpoint
) -> tuple[Doubles, Doubles]:
    """Longitude and geodetic latitude at which the line of sight to a point meets the ellipsoid.

    A product without terrain correction shows a point ``height_m`` above the ellipsoid there. The
    line from the satellite S through the point P is S + t (P - S). In coordinates scaled to a unit
    sphere, t is the smaller root of a quadratic. NaN if the point is beyond the limb.
    """
    satellite, axes = _satellite(viewpoint), _axes(viewpoint)
    point = _ecef(lon_deg, lat_deg, height_m, viewpoint)
    start, ray = satellite / axes, (point - satellite) / axes
    a = (ray**2).sum(-1)
    b = (ray * start).sum(-1)
    c = (start**2).sum(-1) - 1
    with np.errstate(invalid="ignore"):
        t = (-b - np.sqrt(b**2 - a * c)) / a
        x, y, z = np.moveaxis((start + t[..., None] * ray) * axes, -1, 0)
        flattened = (viewpoint.polar_radius_m / viewpoint.equatorial_radius_m) ** 2
        # on the ellipsoid tan(geodetic) = tan(geocentric) / (1 - e^2)
        lat = np.degrees(np.arctan2(z, flattened * np.hypot(x, y)))
        lon = np.degrees(np.arctan2(y, x))
    return np.where(np.isfinite(lat), lon, np.nan), lat


def view_zenith_deg(lon_deg: ArrayLike, lat_deg: ArrayLike, viewpoint: Viewpoint) -> Doubles:
    """Angle at the ground between the vertical (ellipsoid's normal) and the satellite, degrees."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    sight = _satellite(viewpoint) - _ecef(lon_deg, lat_deg, 0.0, viewpoint)
    cosine = (up * sight).sum(-1) / np.linalg.norm(sight, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def _axes(viewpoint: Viewpoint) -> Doubles:
    equatorial = viewpoint.equatorial_radius_m
    return np.array([equatorial, equatorial, viewpoint.polar_radius_m])


def _satellite(viewpoint: Viewpoint) -> Doubles:
    lon = np.radians(viewpoint.longitude_deg)
    return viewpoint.distance_m * np.array([np.cos(lon), np.sin(lon), 0.0])


def _ecef(
    lon_deg: ArrayLike, lat_deg: ArrayLike, height_m: ArrayLike, viewpoint: Viewpoint
) -> Doubles:
    """Earth-centred coordinates (..., 3), metres (e.g. Hofmann-Wellenhof et al. 2008, eq. 8.1)."""
    lon, lat, height = np.radians(lon_deg), np.radians(lat_deg), np.asarray(height_m, float)
    a, b = viewpoint.equatorial_radius_m, viewpoint.polar_radius_m
    normal = a**2 / np.hypot(a * np.cos(lat), b * np.sin(lat))
    x = (normal + height) * np.cos(lat)
    z = ((b / a) ** 2 * normal + height) * np.sin(lat)
    return np.stack(np.broadcast_arrays(x * np.cos(lon), x * np.sin(lon), z), -1)
