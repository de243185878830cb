"""Check and describe scenes whose files are on disk (provider ``local``)."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyproj import CRS

from lstsr.errors import SceneError
from lstsr.files import read_csv, sha256, write_csv
from lstsr.geo.footprint import outline
from lstsr.globe import Outline, area_km2, distance_deg, extent_deg, middle_of, outline_of
from lstsr.grid import Grid
from lstsr.manifest import ROLES, STATIC, Scene, product_files
from lstsr.sensors.reading import read_grid
from lstsr.split import Place

if TYPE_CHECKING:
    from lstsr.config import SensorsConfig

logger = logging.getLogger(__name__)
FILES = (*ROLES, *STATIC)
DIGESTS = tuple(f"{name}_sha256" for name in FILES)
COLUMNS = ("scene", *ROLES, "lon", "lat", "time", *STATIC, *DIGESTS, "outline", "reason")
FAR_DEG = 0.5
"""Coordinates that are farther from the footprint than this and than its size are wrong. Centres
are often rounded, or belong to a larger product."""


@dataclass(frozen=True)
class Acquired:
    """A scene on disk: digests of its files, its place, and why it is unusable ('' if usable)."""

    scene: Scene
    digests: dict[str, str]
    place: Place
    reason: str = ""


def describe(scene: Scene, sensors: SensorsConfig) -> Acquired:
    """Digests and footprint of a scene.

    The footprint is the outline of the smallest image, because the triplet lies inside it. The
    scene is unusable, with a reason, if a header cannot be read or the manifest's coordinates are
    far from the footprint. Raises OSError if a file cannot be opened.
    """
    digests = {name: digest(path) for name in FILES if (path := getattr(scene, name))}
    try:
        grids = (read_grid(getattr(scene, role), getattr(sensors, role)) for role in sensors.roles)
        rims = [rim for grid in grids if (rim := _rim(grid))]
        if not rims:
            raise SceneError("all images are full disks. Add a smaller one")
        # if areas are equal up to rounding, the finer image counts
        rim = min(reversed(rims), key=lambda rim: round(area_km2(rim), 3))
        _check_coordinates(scene, rim)
        middle = middle_of(rim)
        lon = scene.lon if scene.lon is not None else middle[0]
        lat = scene.lat if scene.lat is not None else middle[1]
        return Acquired(scene, digests, Place(scene.scene, lon, lat, rim))
    except SceneError as error:
        return lost(scene, str(error), digests)


def lost(scene: Scene, reason: str, digests: dict[str, str] | None = None) -> Acquired:
    """A scene that cannot be used."""
    logger.warning("scene %s excluded: %s", scene.scene, reason)
    return Acquired(scene, digests or {}, Place(scene.scene, scene.lon, scene.lat, ()), reason)


def _rim(grid: Grid) -> Outline | None:
    """The footprint; None for a full disk, because its rim lies in space."""
    try:
        return outline(grid)
    except SceneError:
        mapping = CRS.from_user_input(grid.crs).coordinate_operation
        if mapping is not None and "Geostationary" in mapping.method_name:
            return None
        raise


def _check_coordinates(scene: Scene, rim: Outline) -> None:
    """Raise SceneError if the manifest's coordinates lie far from the footprint."""
    far_deg = max(FAR_DEG, extent_deg(rim))
    if scene.lon is None or scene.lat is None:
        return
    if distance_deg(rim, scene.lon, scene.lat) <= far_deg:
        return
    lon, lat = middle_of(rim)
    swapped = abs(scene.lon) <= 90 and distance_deg(rim, scene.lat, scene.lon) <= far_deg
    cure = "Are lon and lat swapped?" if swapped else "Correct them, or leave them empty."
    raise SceneError(
        f"lon {scene.lon:g} and lat {scene.lat:g} in the manifest lie far from the footprint, "
        f"whose middle is lon {lon:.3f}, lat {lat:.3f}. {cure}"
    )


def digest(product: Path) -> str:
    """SHA-256 of a file's bytes or, for several files, of their names and digests.

    The digest also changes if a side file appears, disappears or changes.
    """
    files = product_files(product)
    if files == [product]:
        return sha256(product)
    listed = "".join(
        f"{os.path.relpath(file, product) if product.is_dir() else file.name} {sha256(file)}\n"
        for file in files
    )
    return hashlib.sha256(listed.encode()).hexdigest()


def write_index(path: Path, acquired: Iterable[Acquired]) -> None:
    """Write one CSV row per scene."""
    rows = (
        {
            **{name: value or "" for name, value in vars(entry.scene).items()},
            **{f"{name}_sha256": digest for name, digest in entry.digests.items()},
            "lon": entry.place.lon,
            "lat": entry.place.lat,
            "outline": " ".join(f"{lon:.6f},{lat:.6f}" for lon, lat in entry.place.outline),
            "reason": entry.reason,
        }
        for entry in acquired
    )
    write_csv(path, COLUMNS, rows)


def read_index(path: Path) -> list[Acquired]:
    """Read the scenes that ``write_index`` wrote."""
    acquired = []
    for row in read_csv(path):
        lon, lat = (float(row[key]) if row[key] else None for key in ("lon", "lat"))
        files: dict[str, Any] = {name: Path(row[name]) if row[name] else None for name in FILES}
        digests = {name: text for name in FILES if (text := row[f"{name}_sha256"])}
        place = Place(row["scene"], lon, lat, outline_of(row["outline"]))
        scene = Scene(row["scene"], **files, lon=lon, lat=lat, time=row["time"])
        acquired.append(Acquired(scene, digests, place, row["reason"]))
    return acquired
