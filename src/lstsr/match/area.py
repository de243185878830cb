"""The area of a search: a box of degrees, or a GeoJSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from lstsr.errors import LstsrError


def read_area(text: str) -> BaseGeometry:
    """`W,S,E,N` in degrees, or the name of a GeoJSON file. Raises LstsrError."""
    if text.count(",") == 3:
        try:
            west, south, east, north = (float(word) for word in text.split(","))
        except ValueError:
            west = south = east = north = float("nan")
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise LstsrError(f"--area {text}: give W,S,E,N in degrees, such as 125,33,131,39")
        return box(west, south, east, north)
    try:
        content = json.loads(Path(text).read_text("utf-8"))
        area = shapely.union_all([shape(part) for part in _geometries(content)])
    except OSError as error:
        raise LstsrError(f"--area {text}: {error.strerror}; give W,S,E,N or a file") from None
    except (ValueError, KeyError, TypeError, AttributeError, shapely.errors.ShapelyError):
        raise LstsrError(f"--area {text}: no GeoJSON of polygons; give W,S,E,N or such") from None
    if not area.area > 0:
        raise LstsrError(f"--area {text}: it holds no polygon; give W,S,E,N or one that does")
    return area


def _geometries(content: dict[str, Any]) -> list[Any]:
    """The geometries of a feature collection, a feature, or of a bare geometry."""
    if content["type"] == "FeatureCollection":
        return [feature["geometry"] for feature in content["features"]]
    return [content["geometry"] if content["type"] == "Feature" else content]
