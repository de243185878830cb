"""Outlines on the globe: area, overlap and distance, also across 180 degrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shapely import MultiPolygon
    from shapely.geometry.base import BaseGeometry

Outline = tuple[tuple[float, float], ...]
"""Corners (lon, lat) in degrees. Longitudes are continuous: 179, 181 instead of 179, -179."""
TURNS_DEG = (-360.0, 0.0, 360.0)
# A common strip narrower than this (about 0.5 m) counts as a shared edge: outlines are stored to
# 1e-6 degree.
EDGE_DEG = 5e-6
EARTH_RADIUS_KM = 6371.0


def wrapped(lon: float) -> float:
    """The longitude as a value between -180 (excluded) and 180 degrees."""
    return lon - 360.0 * math.ceil((lon - 180) / 360)


def centred(outline: Outline) -> Outline:
    """The outline, moved by a multiple of 360 degrees so that its middle lies in -180..180."""
    lons = [lon for lon, _ in outline] or [0.0]
    turn = 360.0 * math.ceil(((min(lons) + max(lons)) / 2 - 180) / 360)
    return tuple((lon - turn, lat) for lon, lat in outline)


def middle_of(outline: Outline) -> tuple[float, float]:
    """The mean (lon, lat) of the corners, the longitude in -180..180."""
    lon, lat = (sum(axis) / len(outline) for axis in zip(*outline, strict=True))
    return wrapped(lon), lat


def area_km2(outline: Outline) -> float:
    """Area of an outline on a sphere, from Lambert's cylindrical equal-area projection."""
    clipped = ((lon, min(90.0, max(-90.0, lat))) for lon, lat in outline)
    plane = [(math.radians(lon), math.sin(math.radians(lat))) for lon, lat in clipped]
    return float(_polygons(plane).area) * EARTH_RADIUS_KM**2


def overlaps(outlines: Sequence[Outline]) -> list[tuple[int, int]]:
    """Pairs of outlines, in ascending order, that overlap by more than a shared edge."""
    from shapely import STRtree
    from shapely.affinity import translate

    if not outlines:  # a query of nothing is an error
        return []
    shapes = [_polygons(centred(outline)) for outline in outlines]
    tree, pairs = STRtree(shapes), set()
    for turn in TURNS_DEG:
        turned = [translate(shape, turn) for shape in shapes]
        for first, second in tree.query(turned).T.tolist():
            if first < second and _overlap(turned[first], shapes[second]):
                pairs.add((first, second))
    return sorted(pairs)


def distance_deg(outline: Outline, lon: float, lat: float) -> float:
    """Distance of a place from an outline, in degrees of a great circle; 0 inside.

    Exact only near the outline: the sphere is treated as flat around its middle.
    """
    from shapely import Point

    plane = _polygons(_plane(outline, outline))
    places = [((lon + turn, lat),) for turn in (-720.0, *TURNS_DEG, 720.0)]
    return min(float(plane.distance(Point(_plane(place, outline)))) for place in places)


def distance_km(first: Outline, second: Outline) -> float:
    """Distance between the edges of two outlines; 0 if they touch or overlap.

    The sphere is treated as flat around their common middle. The error is below 3 % for outlines
    and distances of up to 100 km at latitudes up to 60 degrees.
    """
    turn = 360 * round((middle_of(first)[0] - middle_of(second)[0]) / 360)
    first, moved = centred(first), tuple((lon + turn, lat) for lon, lat in centred(second))
    both = (*first, *moved)
    shapes = [_polygons(_plane(outline, both)) for outline in (first, moved)]
    return EARTH_RADIUS_KM * math.radians(float(shapes[0].distance(shapes[1])))


def outline_of(text: str) -> Outline:
    """The outline written as ``lon,lat lon,lat ...``."""
    points = (point.split(",") for point in text.split())
    return tuple((float(lon), float(lat)) for lon, lat in points)


def extent_deg(outline: Outline) -> float:
    """The longer side of the box around an outline, in degrees of a great circle."""
    return max(max(axis) - min(axis) for axis in zip(*_plane(outline, outline), strict=True))


def _plane(points: Outline, outline: Outline) -> list[tuple[float, float]]:
    """Points with longitudes scaled by the cosine of the latitude of ``outline``'s middle."""
    shorter = math.cos(math.radians(middle_of(outline)[1]))
    return [(lon * shorter, lat) for lon, lat in points]


def _polygons(points: Sequence[tuple[float, float]]) -> MultiPolygon:
    """The area inside ``points`` as valid polygons; empty if they enclose nothing."""
    from shapely import MultiPolygon, Polygon, get_parts, make_valid

    if len(points) < 3:
        return MultiPolygon()
    parts = get_parts(make_valid(Polygon(points)))
    flat = [polygon for part in parts for polygon in get_parts(part) if polygon.area > 0]
    return MultiPolygon(flat)


def _overlap(first: BaseGeometry, second: BaseGeometry) -> bool:
    """Whether the common part of two shapes is wider than a shared edge with rounding."""
    from shapely import get_parts

    # the mean width of a long strip is twice its area divided by its perimeter
    parts = get_parts(first.intersection(second))
    return any(part.area and 2 * part.area / part.length > EDGE_DEG for part in parts)
