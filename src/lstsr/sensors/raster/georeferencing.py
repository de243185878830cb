"""Grid and coordinate system of an open raster, or the command that adds them."""

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
from lstsr.sensors.raster.calibration import file_name
from lstsr.sensors.raster.opening import LATITUDE, LONGITUDE, one_line


def crs_of(dataset: rasterio.DatasetReader) -> CRS | None:
    """The coordinate system of a raster; WGS 84 if it only has CF axes in degrees; or None."""
    if dataset.crs:
        return dataset.crs
    units = {text for key, text in dataset.tags().items() if key.endswith("#units")}
    has_axes = all(any(map(axis.fullmatch, units)) for axis in (LATITUDE, LONGITUDE))
    left, bottom, right, top = dataset.bounds
    in_degrees = -361 < min(left, right) < 361 and max(abs(bottom), abs(top)) < 91
    is_geographic = has_axes and in_degrees and not dataset.transform.is_identity
    return CRS.from_epsg(4326) if is_geographic else None


def grid_of(dataset: rasterio.DatasetReader, crs: str | None) -> Grid:
    """The grid in a raster's header; ``crs`` replaces its own coordinate system.

    Raises SceneError, with the fix, if the header does not place the pixels on the Earth.
    """
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
        # PROJ and pyproj disagree about the unit of such coordinates
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
    grid = Grid(system.to_wkt(), dataset.transform, dataset.width, dataset.height)
    if not _reaches_earth(grid, system):
        raise SceneError(
            f"{name}: its coordinate system gives no longitude and latitude on the Earth. State "
            "another in the sensor's crs (config), or with --input-crs or --reference-crs"
        )
    return grid


def _on_globe(dataset: rasterio.DatasetReader, system: CRS) -> bool:
    """Whether corners are valid longitudes and latitudes, up to one cell beyond the poles."""
    if not system.is_geographic:
        return True
    quarter = math.pi / 2 / system.units_factor[1]
    left, bottom, right, top = dataset.bounds
    beyond = max(abs(bottom), abs(top)) - quarter
    return max(abs(left), abs(right)) <= 8 * quarter and beyond <= dataset.res[1]


def _reaches_earth(grid: Grid, system: CRS) -> bool:
    """Whether PROJ can transform the coordinate system to longitude and latitude."""
    if not (system.is_geographic or system.is_projected):
        return False
    try:
        grid.lonlat_at(np.zeros(1), np.zeros(1))
    except ProjError:
        return False
    return True


def corners(dataset: rasterio.DatasetReader) -> str:
    """The corners from the geotransform alone."""
    first, last = dataset.transform @ (0, 0), dataset.transform @ (dataset.width, dataset.height)
    return f"upper left {first[0]:.3f}, {first[1]:.3f}; lower right {last[0]:.3f}, {last[1]:.3f}"


def unplaced(dataset: rasterio.DatasetReader) -> str:
    """Why a raster without geotransform cannot be used, and the command that fixes it."""
    # GDAL has its own name for a variable of a file
    is_file = file_name(dataset) == Path(dataset.name).name
    file = file_name(dataset) if is_file else f"'{dataset.name}'"
    placed_by = (
        (dataset.gcps[0], "ground control points", "-tps"),
        (dataset.rpcs, "rational polynomials (RPC)", "-rpc -to RPC_DEM=dem.tif"),
        (dataset.tags(ns="GEOLOCATION"), "arrays of longitude and latitude", "-geoloc"),
    )
    for is_present, what, option in placed_by:
        if is_present:
            return (
                f"pixels are placed by {what} only. Warp the file first: gdalwarp {option} "
                f"-r bilinear {file} warped.tif"
            )
    return (
        "no georeferencing (the geotransform is the identity). Add it: gdal_translate -a_srs CRS "
        f"-a_ullr LEFT TOP RIGHT BOTTOM {file} placed.tif"
    )
