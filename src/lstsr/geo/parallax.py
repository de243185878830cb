"""Terrain parallax: the displacement of high ground in images of a geostationary satellite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lstsr.geo.aggregate import Doubles
from lstsr.grid import Grid
from lstsr.image import Floats, Viewpoint


@dataclass(frozen=True)
class Terrain:
    """Elevation in metres (row, column) on its own grid. NaN, for example over sea, counts as 0."""

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
    a, b = viewpoint.equatorial_radius_m, viewpoint.polar_radius_m
    axes = np.array([a, a, b])
    satellite = _satellite(viewpoint)
    point = _ecef(lon_deg, lat_deg, height_m, viewpoint)
    start, ray = satellite / axes, (point - satellite) / axes
    p = (ray**2).sum(-1)
    q = (ray * start).sum(-1)
    r = (start**2).sum(-1) - 1
    with np.errstate(invalid="ignore"):
        t = (-q - np.sqrt(q**2 - p * r)) / p
        x, y, z = np.moveaxis((start + t[..., None] * ray) * axes, -1, 0)
        # on the ellipsoid tan(geodetic) = tan(geocentric) / (1 - e^2)
        lat = np.degrees(np.arctan2(z, (b / a) ** 2 * np.hypot(x, y)))
        lon = np.degrees(np.arctan2(y, x))
    return np.where(np.isfinite(lat), lon, np.nan), lat


def view_zenith_deg(lon_deg: ArrayLike, lat_deg: ArrayLike, viewpoint: Viewpoint) -> Doubles:
    """Angle between the normal of the ellipsoid and the direction to the satellite, degrees."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    sight = _satellite(viewpoint) - _ecef(lon_deg, lat_deg, 0.0, viewpoint)
    cosine = (up * sight).sum(-1) / np.linalg.norm(sight, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


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
