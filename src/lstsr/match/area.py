"""Read the area of a search: a box in degrees, or a GeoJSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from lstsr.errors import LstsrError

REPROJECT = "Convert it to degrees (ogr2ogr -t_srs EPSG:4326 NEW.geojson OLD.geojson)"


def read_area(text: str) -> BaseGeometry:
    """`W,S,E,N` in degrees, or the name of a GeoJSON file of polygons (WGS84).

    Raises LstsrError for any other text, and for a file that cannot be read, holds no polygon, or
    whose coordinates are not degrees.
    """
    if text.count(",") == 3:
        try:
            west, south, east, north = (float(word) for word in text.split(","))
        except ValueError:
            west = south = east = north = float("nan")
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise LstsrError(f"--area {text}: give W,S,E,N in degrees, such as 125,33,131,39")
        return box(west, south, east, north)
    try:
        # NaN would break rings before the check of coordinates
        content = json.loads(Path(text).read_text("utf-8-sig"), parse_constant=lambda _: math.inf)
        shapes = [shape(part) for part in _geometries(content, text)]
    except OSError as error:
        raise LstsrError(f"--area {text}: {error.strerror}. Give W,S,E,N or a file") from None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, ShapelyError):
        raise LstsrError(
            f"--area {text}: not a GeoJSON file of polygons. Give W,S,E,N or such a file"
        ) from None
    points = shapely.get_coordinates(shapes)
    wild = points[~(abs(points) <= (180, 90)).all(axis=1)]
    if len(wild):
        x, y = wild[0]
        raise LstsrError(
            f"--area {text}: {x:g}, {y:g} is not a longitude and latitude. {REPROJECT}"
        )
    # crossing edges are repaired; points and lines do not count
    parts = shapely.get_parts(shapely.union_all(shapely.make_valid(shapely.force_2d(shapes))))
    area: BaseGeometry = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    if not area.area > 0:
        raise LstsrError(f"--area {text}: it holds no polygon. Give W,S,E,N or another file")
    return area


def _geometries(content: dict[str, Any], text: str) -> Iterator[dict[str, Any]]:
    """The geometries of a feature collection, a feature (which may lack one), or a bare geometry.

    Raises LstsrError for a CRS, which GeoJSON had until RFC 7946, that is not WGS84.
    """
    if content.get("crs") is not None and not _is_wgs84(content["crs"]):
        raise LstsrError(f"--area {text}: its crs is not WGS84. {REPROJECT}")
    if content["type"] == "FeatureCollection":
        for feature in content["features"]:
            yield from _geometries(feature, text)
    elif content["type"] == "Feature":
        if content["geometry"] is not None:
            yield from _geometries(content["geometry"], text)
    else:
        yield content


def _is_wgs84(member: Any) -> bool:
    """Whether a `crs` names WGS84. In GeoJSON, longitude comes first, whatever the name says."""
    try:
        return CRS(member["properties"]["name"]).equals("EPSG:4326", ignore_axis_order=True)
    except (KeyError, TypeError, CRSError):
        return False
