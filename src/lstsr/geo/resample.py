"""One-step resampling of an image onto another grid: projection, terrain and shift in one map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.enums import Resampling
from rasterio.warp import reproject

from lstsr.errors import SceneError
from lstsr.geo.parallax import Terrain, apparent
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage, Viewpoint

# A destination cell is averaged from the source's where it is at least this many times wider.
COARSER = 1.5
# By so much a valid share may fall short of what is asked.
ROUNDING = 1e-3
# Coordinates are exact at every LATTICE-th pixel and linear between; the step is halved until they
# err by no more than LATTICE_ERROR source pixels.
LATTICE, LATTICE_ERROR = 16, 0.005
# Rows that are resampled at a time: their maps stay in the processor's cache.
BLOCK_ROWS = 64
# Displacement grows linearly with height; the lattice holds it for this one.
HEIGHT_M = 1000.0
# A place outside of every image, for those that projections do not reach.
FAR = -1e6
Doubles = NDArray[np.float64]


def resample(
    image: SensorImage,
    grid: Grid,
    shift: tuple[float, float] = (0.0, 0.0),
    min_fraction: float = 0.5,
    terrain: Terrain | None = None,
) -> SensorImage:
    """``image`` on ``grid``, its content moved by ``shift`` (row, column) cells of ``grid``.

    Onto a coarser grid: area-weighted mean of the valid pixels, temperatures as T^4 (what a
    radiometer of the coarse cell would see; Stefan-Boltzmann), valid from ``min_fraction`` on.
    Otherwise: bilinear, valid only where every contributing pixel is. What lies outside the image
    counts as invalid in both.

    With ``terrain``, an image seen from a viewpoint is read where its line of sight puts the ground
    of each pixel, and stands where it is afterwards. That a slope may hide what lies behind it is
    left out: at the view zenith angles of Korea (44 degrees at most) it takes slopes beyond 46.
    Raises SceneError where an image with terrain would have to be averaged.
    """
    terrain = terrain if image.viewpoint else None
    if grid == image.grid and shift == (0.0, 0.0) and terrain is None:
        return image
    sampled = grid.moved(-shift[0], -shift[1])
    ratio = grid.gsd_m / gsd_in(image.grid, grid)
    if ratio < COARSER:
        values, valid = _bilinear(image, sampled, terrain)
    elif terrain is None:
        values, valid = _average(
            _rimmed(_around(image, sampled), 1 + math.ceil(ratio)), sampled, min_fraction
        )
    else:
        raise SceneError(
            f"a grid of {grid.gsd_m:.0f} m is too coarse to take terrain out of an image of "
            f"{image.grid.gsd_m:.0f} m; choose a finer one"
        )
    values[:, ~valid] = np.nan
    moved = f"moved by {shift[0]:.3f}, {shift[1]:.3f}"
    without = ", terrain displacement taken out" if terrain else ""
    return replace(
        image,
        values=values,
        valid=valid,
        grid=grid,
        history=(*image.history, f"resampled to {grid.gsd_m:.2f} m, {moved}{without}"),
        viewpoint=None if terrain else image.viewpoint,
    )


def _bilinear(image: SensorImage, grid: Grid, terrain: Terrain | None) -> tuple[Floats, Mask]:
    values = np.zeros((len(image.values), *grid.shape), np.float32)
    valid = np.zeros(grid.shape, bool)
    for rows, row, column in _maps(image, grid, terrain):
        window = _window(row, column, image.grid.shape)
        if window is None:
            continue
        known = image.valid[window]
        row -= window[0].start
        column -= window[1].start
        if known.all() and _inside(row, column, known.shape):
            valid[rows] = True
            for band, out in zip(image.values, values, strict=True):
                cv2.remap(band[window], column, row, cv2.INTER_LINEAR, dst=out[rows])
            continue
        share = _remapped(known.astype(np.float32), row, column)
        valid[rows] = share >= 1 - ROUNDING
        for band, out in zip(image.values, values, strict=True):
            # NaN under the mask would spread with weight 0, too
            source = np.where(known, band[window], np.float32(0))
            out[rows] = _remapped(source, row, column) / np.maximum(share, 0.5)
    return values, valid


def _remapped(source: Floats, row: Floats, column: Floats) -> Floats:
    """Bilinear values at (row, column); outside stands 0."""
    out: Floats = cv2.remap(
        source, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0
    )
    return out


def _inside(row: Floats, column: Floats, shape: tuple[int, ...]) -> bool:
    """Whether all places have four pixels around them."""
    return bool(
        row.min() >= 0
        and column.min() >= 0
        and row.max() <= shape[0] - 1
        and column.max() <= shape[1] - 1
    )


def _window(
    row: NDArray, column: NDArray, shape: tuple[int, int], margin: int = 0
) -> tuple[slice, slice] | None:
    """The part of the source that is read; None where the map lies outside it."""
    bounds = []
    for places, length in ((row, shape[0]), (column, shape[1])):
        first = max(math.floor(places.min()) - margin, 0)
        last = min(math.floor(places.max()) + 2 + margin, length)
        if last <= first:
            return None
        bounds.append(slice(first, last))
    return bounds[0], bounds[1]


def _maps(
    image: SensorImage, grid: Grid, terrain: Terrain | None
) -> Iterator[tuple[slice, Floats, Floats]]:
    """By blocks of rows, where in the source (row, column of pixel centres) each pixel is read."""
    lattice = _lattice(image, grid, terrain is not None)
    elevation = _elevation(terrain, grid) if terrain else None
    for start in range(0, grid.height, BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, grid.height))
        row, column = (_filled(nodes, lattice, rows, grid.width) for nodes in lattice.flat)
        if elevation is not None:
            height = elevation[rows] / np.float32(HEIGHT_M)
            for places, nodes in zip((row, column), lattice.raised, strict=True):
                places += height * _filled(nodes, lattice, rows, grid.width)
        yield rows, row, column


@dataclass(frozen=True)
class Lattice:
    """Source (row, column) of every ``step``-th pixel, and their change with HEIGHT_M of height."""

    step: int
    flat: list[Doubles]
    raised: list[Doubles]


def _lattice(image: SensorImage, grid: Grid, raised: bool) -> Lattice:
    step = LATTICE
    while True:
        rows, columns = (
            np.arange(0, length + step, step, dtype=np.float64) for length in grid.shape
        )
        flat = _places(image, grid, *np.meshgrid(rows, columns, indexing="ij"))
        middle = np.meshgrid(rows[:-1] + step / 2, columns[:-1] + step / 2, indexing="ij")
        exact = _places(image, grid, *middle)
        error = max(_worst(nodes, truth) for nodes, truth in zip(flat, exact, strict=True))
        if error <= LATTICE_ERROR or step == 1:
            break
        step //= 2
    reached = [np.where(np.isfinite(nodes), nodes, FAR) for nodes in flat]
    if not raised:
        return Lattice(step, reached, [])
    above = _places(image, grid, *np.meshgrid(rows, columns, indexing="ij"), height_m=HEIGHT_M)
    changes = [high - low for high, low in zip(above, flat, strict=True)]
    return Lattice(step, reached, [np.nan_to_num(change, posinf=0, neginf=0) for change in changes])


def _worst(nodes: Doubles, middle: Doubles) -> float:
    """The largest difference of exact values in the middle of cells to the mean of the corners."""
    mean = (nodes[:-1, :-1] + nodes[1:, :-1] + nodes[:-1, 1:] + nodes[1:, 1:]) / 4
    error = np.abs(mean - middle)
    return float(error[np.isfinite(error)].max(initial=0.0))


def _places(
    image: SensorImage, grid: Grid, rows: Doubles, columns: Doubles, height_m: float = 0.0
) -> tuple[Doubles, Doubles]:
    """(row, column) in the source, from its first pixel's centre, of pixels' centres of ``grid``.

    Not finite where the projections do not reach, or beyond the limb.
    """
    x, y = grid.transform @ (columns + 0.5, rows + 0.5)
    if height_m:
        x, y = _seen(x, y, grid.crs, image, height_m)
    else:
        x, y = Transformer.from_crs(grid.crs, image.grid.crs, always_xy=True).transform(x, y)
    with np.errstate(invalid="ignore"):
        column, row = ~image.grid.transform @ (x, y)
    return row - 0.5, column - 0.5


def _seen(
    x: Doubles, y: Doubles, crs: str, image: SensorImage, height_m: float
) -> tuple[Doubles, Doubles]:
    """Where in its own coordinates the image shows places (x, y) of ``crs`` at a height."""
    viewpoint = image.viewpoint
    assert isinstance(viewpoint, Viewpoint)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    to_image = Transformer.from_crs("EPSG:4326", image.grid.crs, always_xy=True)
    found: tuple[Doubles, Doubles] = to_image.transform(*apparent(lon, lat, height_m, viewpoint))
    return found


def _filled(nodes: Doubles, lattice: Lattice, rows: slice, width: int) -> Floats:
    """The lattice between its nodes, for some rows (all columns)."""
    step = lattice.step
    at = np.arange(rows.start, rows.stop)
    upper, lower = nodes[at // step], nodes[at // step + 1]
    down = (at % step / step)[:, None]
    known = upper + (lower - upper) * down
    slope = np.diff(known, axis=1)
    right = np.arange(step) / step
    filled = known[:, :-1, None] + slope[:, :, None] * right
    return filled.reshape(len(at), -1)[:, :width].astype(np.float32)


def _elevation(terrain: Terrain, grid: Grid) -> Floats:
    """Height of each pixel of ``grid``, metres; 0 where unknown, as over the sea."""
    valid = np.isfinite(terrain.elevation_m)
    image = SensorImage(
        terrain.elevation_m[None].astype(np.float32),
        valid,
        terrain.grid,
        ("height",),
        "metre",
        "DEM",
    )
    return np.nan_to_num(resample(image, grid).values[0], nan=0.0)


def _around(image: SensorImage, grid: Grid) -> SensorImage:
    """The part of ``image`` under ``grid``, a few pixels more on each side."""
    rows, columns = (np.linspace(-1, length, 9) for length in grid.shape)
    places = _places(image, grid, *np.meshgrid(rows, columns, indexing="ij"))
    if not np.isfinite(places).all():
        return image
    window = _window(*places, image.grid.shape, margin=4)
    if window is None:
        return image
    rows, columns = window
    size = (rows.stop - rows.start, columns.stop - columns.start)
    return replace(
        image,
        values=image.values[:, *window],
        valid=image.valid[window],
        grid=image.grid.window(rows.start, columns.start, *size),
    )


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
    ends = [(source.width / 2 + step, source.height / 2) for step in (-0.5, 0.5)]
    points = [source.transform @ end for end in ends]
    to_grid = Transformer.from_crs(source.crs, grid.crs, always_xy=True)
    (x0, y0), (x1, y1) = (to_grid.transform(*point) for point in points)
    return float(np.hypot(x1 - x0, y1 - y0))


def outline(grid: Grid, points: int = 8) -> tuple[tuple[float, float], ...]:
    """The footprint of ``grid``: its rim as (lon, lat) in degrees, ``points`` along each side.

    Raises SceneError where the coordinate system does not lead to degrees there.
    """
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
