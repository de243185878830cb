"""One-step resampling of an image onto another grid, the registration shift folded in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy.ndimage import map_coordinates

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage

# A destination cell is averaged from the source's where it is at least this many times wider.
COARSER = 1.5
# By so much a valid share may fall short of what is asked.
ROUNDING = 1e-3


def resample(
    image: SensorImage,
    grid: Grid,
    shift: tuple[float, float] = (0.0, 0.0),
    min_fraction: float = 0.5,
) -> SensorImage:
    """``image`` on ``grid``, its content moved by ``shift`` (row, column) cells of ``grid``.

    Onto a coarser grid: area-weighted mean of the valid pixels, temperatures as T^4 (what a
    radiometer of the coarse cell would see; Stefan-Boltzmann), valid from ``min_fraction`` on.
    Otherwise: bilinear, valid only where every contributing pixel is. What lies outside the image
    counts as invalid in both.
    """
    sampled = grid.moved(-shift[0], -shift[1])
    ratio = grid.gsd_m / gsd_in(image.grid, grid)
    if ratio >= COARSER:
        values, valid = _average(_rimmed(image, 1 + math.ceil(ratio)), sampled, min_fraction)
    else:
        values, valid = _bilinear(image, sampled)
    values[:, ~valid] = np.nan
    return SensorImage(
        values,
        valid,
        grid,
        image.bands,
        image.unit,
        image.sensor,
        image.time,
        (
            *image.history,
            f"resampled to {grid.gsd_m:.2f} m, moved by {shift[0]:.3f}, {shift[1]:.3f}",
        ),
    )


def _bilinear(image: SensorImage, grid: Grid) -> tuple[Floats, Mask]:
    places = _places(image.grid, grid)
    share = _sampled(image.valid, places)
    valid = share >= 1 - ROUNDING
    known = np.where(image.valid, image.values, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.stack([_sampled(band, places) / share for band in known])
    return values.astype(np.float32), valid


def _places(source: Grid, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) in ``source``, counted from its first pixel's centre, of ``grid``'s centres.

    Exact for each pixel: GDAL's warp interpolates coordinates and errs by up to 0.125 pixels, which
    rasterio 1.4 cannot change and which would hide part of a shift.
    """
    from pyproj import Transformer

    rows, columns = np.indices(grid.shape) + 0.5
    to_source = Transformer.from_crs(grid.crs, source.crs, always_xy=True)
    x, y = to_source.transform(*(grid.transform @ (columns, rows)))
    column, row = ~source.transform @ (x, y)
    return row - 0.5, column - 0.5


def _sampled(values: np.ndarray, places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Bilinear values at ``places``; outside stands 0."""
    return map_coordinates(values.astype(np.float64), places, order=1, mode="grid-constant")


def _average(image: SensorImage, grid: Grid, min_fraction: float) -> tuple[Floats, Mask]:
    power = 4 if image.unit == "kelvin" else 1
    fraction = _averaged(image.valid[None], image.grid, grid)[0]
    known = np.where(image.valid, image.values.astype(np.float64), np.nan)
    values = _averaged(known**power, image.grid, grid, np.nan)
    with np.errstate(invalid="ignore"):
        return (values ** (1 / power)).astype(np.float32), fraction >= min_fraction - ROUNDING


def _rimmed(image: SensorImage, width: int) -> SensorImage:
    """``image`` with ``width`` invalid pixels around: GDAL ignores the part of a cell beyond it."""
    size = [length + 2 * width for length in image.grid.shape]
    return replace(
        image,
        values=np.pad(image.values, ((0, 0), (width, width), (width, width))),
        valid=np.pad(image.valid, width),
        grid=image.grid.window(-width, -width, *size),
    )


def _averaged(
    values: np.ndarray, source: Grid, grid: Grid, nodata: float | None = None
) -> np.ndarray:
    """Area-weighted means over the cells of ``grid``, of what is not ``nodata``."""
    out = np.full((len(values), *grid.shape), nodata or 0, np.float64)
    reproject(
        values.astype(np.float64),
        out,
        src_transform=source.transform,
        src_crs=source.crs,
        dst_transform=grid.transform,
        dst_crs=grid.crs,
        src_nodata=nodata,
        dst_nodata=nodata,
        resampling=Resampling.average,
    )
    return out


def gsd_in(source: Grid, grid: Grid) -> float:
    """Spacing of ``source`` near its centre, in the units of ``grid``."""
    from pyproj import Transformer

    ends = [(source.width / 2 + step, source.height / 2) for step in (-0.5, 0.5)]
    points = [source.transform @ end for end in ends]
    to_grid = Transformer.from_crs(source.crs, grid.crs, always_xy=True)
    (x0, y0), (x1, y1) = (to_grid.transform(*point) for point in points)
    return float(np.hypot(x1 - x0, y1 - y0))


def outline(grid: Grid, points: int = 8) -> tuple[tuple[float, float], ...]:
    """The footprint of ``grid``: its rim as (lon, lat) in degrees, ``points`` along each side.

    Raises SceneError where the coordinate system does not lead to degrees there.
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    corners = grid.corners
    rim = []
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        rim += [
            (start[0] + (end[0] - start[0]) * step, start[1] + (end[1] - start[1]) * step)
            for step in np.arange(points) / points
        ]
    x, y = zip(*rim, strict=True)
    try:
        to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(x, y, errcheck=True)
    except ProjError as error:
        raise SceneError(f"the footprint has no longitude and latitude: {error}") from None
    return tuple(zip(map(float, lon), map(float, lat), strict=True))
