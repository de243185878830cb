"""Where the pixels of an open raster lie: its grid, or the command that gives it one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import rasterio
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.sensors.calibration import file_name
from lstsr.sensors.opening import LATITUDE, LONGITUDE, one_line

WARPED = {
    "gcps": ("ground control points", "gdalwarp -tps -r bilinear {file} warped.tif"),
    "rpcs": (
        "rational polynomials (RPC)",
        "gdalwarp -rpc -to RPC_DEM=dem.tif -r bilinear {file} warped.tif",
    ),
    "geolocation": (
        "arrays of longitude and latitude",
        "gdalwarp -geoloc -r bilinear {file} warped.tif",
    ),
}
"""What places the pixels of a raster without geotransform, and the command that warps it."""


def crs_of(dataset: rasterio.DatasetReader) -> CRS | None:
    """The coordinate system that a raster states; WGS 84 where it only has CF axes in degrees."""
    if dataset.crs:
        return dataset.crs
    units = {text.lower() for key, text in dataset.tags().items() if key.endswith("#units")}
    left, bottom, right, top = dataset.bounds
    in_degrees = -361 < min(left, right) < 361 and max(abs(bottom), abs(top)) < 91
    if in_degrees and units & LATITUDE and units & LONGITUDE and not dataset.transform.is_identity:
        return CRS.from_epsg(4326)
    return None


def grid_of(dataset: rasterio.DatasetReader, crs: str | None) -> Grid:
    """The grid that a raster's header states; ``crs`` replaces its own coordinate system."""
    name = file_name(dataset)
    if dataset.transform.is_identity:
        raise SceneError(f"{name}: {unplaced(dataset)}")
    own = crs_of(dataset)
    stated = crs or (own and own.to_wkt())
    if not stated:
        raise SceneError(
            f"{name}: no coordinate system. State it in the sensor's crs (config), or with "
            "--input-crs or --reference-crs"
        )
    try:
        system = CRS.from_string(stated)
    except CRSError as error:
        raise SceneError(f"{name}: coordinate system not understood: {one_line(error)}") from None
    if system.is_geographic and system.units_factor[1] == 1:
        # PROJ and pyproj disagree on the unit of such coordinates
        raise SceneError(
            f"{name}: longitudes and latitudes in radians are not supported. Convert them: "
            f"gdalwarp -t_srs EPSG:4326 {name} degrees.tif"
        )
    if not math.isfinite(sum(dataset.transform)) or not dataset.transform.determinant:
        raise SceneError(
            f"{name}: the geotransform {tuple(dataset.transform)[:6]} has no area. Correct it with "
            "gdal_translate -a_ullr LEFT TOP RIGHT BOTTOM"
        )
    if not _on_globe(dataset, system):
        raise SceneError(
            f"{name}: its corners {corners(dataset)} are not longitudes and latitudes, but its "
            "coordinate system is geographic. Correct it: gdal_translate -a_srs CRS"
        )
    placed = Grid(system.to_wkt(), dataset.transform, dataset.width, dataset.height)
    if not _reaches_earth(placed, system):
        raise SceneError(
            f"{name}: its coordinate system gives no longitude and latitude on the Earth. State "
            "another in the sensor's crs (config), or with --input-crs or --reference-crs"
        )
    return placed


def _on_globe(dataset: rasterio.DatasetReader, system: CRS) -> bool:
    """Whether corners are places on the Earth, up to one cell beyond the poles."""
    if not system.is_geographic:
        return True
    quarter = math.pi / 2 / system.units_factor[1]
    left, bottom, right, top = dataset.bounds
    beyond = max(abs(bottom), abs(top)) - quarter
    return max(abs(left), abs(right)) <= 8 * quarter and beyond <= dataset.res[1]


def _reaches_earth(placed: Grid, system: CRS) -> bool:
    """Whether PROJ leads from a coordinate system to longitude and latitude, whatever the place."""
    if not (system.is_geographic or system.is_projected):
        return False
    try:
        placed.degrees(np.zeros(1), np.zeros(1))
    except ProjError:
        return False
    return True


def corners(dataset: rasterio.DatasetReader) -> str:
    """The corners by the geotransform alone."""
    first, last = dataset.transform @ (0, 0), dataset.transform @ (dataset.width, dataset.height)
    return f"upper left {first[0]:.3f}, {first[1]:.3f}; lower right {last[0]:.3f}, {last[1]:.3f}"


def unplaced(dataset: rasterio.DatasetReader) -> str:
    """Why a raster without geotransform cannot be used, and the command that mends it."""
    # a variable of a file is named as GDAL calls it
    is_file = file_name(dataset) == Path(dataset.name).name
    file = file_name(dataset) if is_file else f"'{dataset.name}'"
    found = {
        "gcps": bool(dataset.gcps[0]),
        "rpcs": dataset.rpcs is not None,
        "geolocation": bool(dataset.tags(ns="GEOLOCATION")),
    }
    for key, there in found.items():
        if there:
            what, command = WARPED[key]
            return (
                f"pixels are placed by {what} only. Warp the file first: "
                f"{command.format(file=file)}"
            )
    return (
        "no georeferencing (the geotransform is the identity). Add it: gdal_translate -a_srs CRS "
        f"-a_ullr LEFT TOP RIGHT BOTTOM {file} placed.tif"
    )
