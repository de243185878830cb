"""Resampling of an image onto another grid, in one step for projection, terrain and shift."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject

from lstsr.errors import SceneError
from lstsr.geo.aggregate import Doubles, power_of
from lstsr.geo.parallax import Terrain, apparent
from lstsr.grid import WGS84, Grid, transformer
from lstsr.image import Floats, Mask, SensorImage

# Cells are averages if they are at least this many times wider than the pixels of the source.
COARSER = 1.5
# Tolerance of a valid share.
ROUNDING = 1e-3
# Coordinates are exact at every NODE_STEP-th pixel and bilinear between these nodes. The step is
# halved until the error is at most NODE_ERROR source pixels.
NODE_STEP, NODE_ERROR = 16, 0.005
# Rows and columns that are resampled at a time: maps and source stay in the processor's cache, and
# no side reaches the 32767 pixels that OpenCV can address.
TILE = (64, 1024)
# Displacement is linear in height (to millimetres in Korea), so it is computed for this height.
HEIGHT_M = 1000.0
# GDAL treats rows as straight if they are bent by less than an eighth of a source pixel. We average
# strips whose rows are bent by no more than this.
SAG = 0.02
Tile = tuple[slice, slice]
Pair = tuple[Doubles, Doubles]
# Maps pixels (row, column) of a destination to positions (row, column) in a source, from the centre
# of its first pixel. Positions outside the domain of the projections are NaN.
Locator = Callable[[Doubles, Doubles], Pair]


def resample(
    image: SensorImage,
    grid: Grid,
    shift: tuple[float, float] = (0.0, 0.0),
    min_fraction: float = 0.5,
    terrain: Terrain | None = None,
) -> SensorImage:
    """``image`` on ``grid``, with its content moved by ``shift`` (row, column) cells of ``grid``.

    On a coarser grid: area-weighted mean of the valid pixels, temperatures as T^4, valid from
    ``min_fraction`` on. Otherwise: bilinear, valid only if every contributing pixel is. Pixels
    outside the image or beyond the limb are not valid.

    With ``terrain``, an image with a viewpoint is read where its line of sight meets the ground of
    each pixel of ``grid``, which removes the terrain displacement. Hidden ground is ignored: at the
    view zenith angles of Korea (44 degrees at most), only slopes beyond 46 degrees that face away
    hide ground. Raises SceneError if an image with terrain would have to be averaged.
    """
    terrain = terrain if image.viewpoint else None
    if grid == image.grid and shift == (0.0, 0.0) and terrain is None:
        return image
    sampled = grid.moved(-shift[0], -shift[1])
    image = _rolled(image, grid)
    ratio = grid.cell_m / image.grid.cell_m
    if ratio < COARSER:
        # the elevation is the pixel's own, whatever the shift
        resampled = _bilinear(image, sampled, elevation_on(terrain, grid) if terrain else None)
    elif terrain is None:
        resampled = _average(image, sampled, min_fraction, rim=1 + math.ceil(ratio))
    else:
        raise SceneError(
            f"a grid of {grid.gsd_m:.0f} m is too coarse to remove terrain displacement from an "
            f"image of {image.grid.gsd_m:.0f} m. Choose a finer grid"
        )
    step = f"resampled to {grid.gsd_m:.2f} m, moved by {shift[0]:.3f}, {shift[1]:.3f}"
    return replace(
        resampled,
        grid=grid,
        history=(*image.history, step + (", terrain displacement taken out" if terrain else "")),
        viewpoint=None if terrain else image.viewpoint,
    )


def read_at(image: SensorImage, grid: Grid, row: Floats, column: Floats) -> SensorImage:
    """``image`` on ``grid``, each pixel read at its own (row, column) of the image, bilinear.

    Positions count from the centre of the first pixel. A pixel is valid if its position is not NaN
    and every contributing pixel is valid.
    """
    return _read_tiles(image, grid, lambda tile: (row[tile], column[tile]))


def elevation_on(terrain: Terrain, grid: Grid) -> Floats:
    """Height of each pixel of ``grid``, metres; 0 if unknown, for example over the sea."""
    height = np.nan_to_num(terrain.elevation_m, nan=0.0).astype(np.float32)[None]
    known = np.ones(terrain.grid.shape, bool)
    image = SensorImage(height, known, terrain.grid, ("height",), "metre", "DEM")
    return np.nan_to_num(resample(image, grid).values[0], nan=0.0)


def meets(source: Grid, grid: Grid) -> bool:
    """Whether two grids overlap: some of 33 x 33 points of one lie inside the other."""
    return covered_share(source, grid) > 0 or covered_share(grid, source) > 0


def covered_share(source: Grid, grid: Grid) -> float:
    """The share of 33 x 33 points of ``grid`` that lie inside ``source``."""
    rows, columns = (np.indices((33, 33)) + 0.5) / 33
    places = grid.transform @ (columns * grid.width, rows * grid.height)
    x, y = transformer(grid.crs, source.crs).transform(*places)
    column, row = ~source.transform @ (source.nearest_turn(x), y)
    inside = (column > 0) & (column < source.width) & (row > 0) & (row < source.height)
    return float(inside.mean())


def _rolled(image: SensorImage, grid: Grid) -> SensorImage:
    """A global image with its columns rolled, so that its edges lie opposite to ``grid``."""
    if not image.grid.around_the_globe:
        return image
    _, column = image.grid.position(*grid.lonlat_at(grid.height / 2, grid.width / 2))
    by = round(column) - image.grid.width // 2
    return replace(
        image,
        values=np.roll(image.values, -by, axis=-1),
        valid=np.roll(image.valid, -by, axis=-1),
        grid=image.grid.window(0, by, *image.grid.shape),
    )


def _bilinear(image: SensorImage, grid: Grid, elevation_m: Floats | None) -> SensorImage:
    flat, raised = _locator(image, grid), _locator(image, grid, HEIGHT_M)

    def positions(tile: Tile) -> tuple[Floats, Floats]:
        """Positions (row, column) in the source at which the pixels of the tile are read."""
        step, pixels, nodes = _nodes(flat, tile)
        shape = (tile[0].stop - tile[0].start, tile[1].stop - tile[1].start)
        row, column = (_interpolated(axis, step, shape) for axis in nodes)
        if elevation_m is not None:
            share = elevation_m[tile] / np.float32(HEIGHT_M)
            change = [high - low for high, low in zip(raised(*pixels), nodes, strict=True)]
            row += share * _interpolated(change[0], step, shape)
            column += share * _interpolated(change[1], step, shape)
        return row, column

    return _read_tiles(image, grid, positions)


def _read_tiles(
    image: SensorImage, grid: Grid, positions: Callable[[Tile], tuple[Floats, Floats]]
) -> SensorImage:
    values = np.empty((len(image.values), *grid.shape), np.float32)
    valid = np.empty(grid.shape, bool)
    for row in range(0, grid.height, TILE[0]):
        for column in range(0, grid.width, TILE[1]):
            tile = (
                slice(row, min(row + TILE[0], grid.height)),
                slice(column, min(column + TILE[1], grid.width)),
            )
            _read(image, *positions(tile), values[:, *tile], valid[tile])
    return replace(image, values=values, valid=valid, grid=grid)


def _read(image: SensorImage, row: Floats, column: Floats, values: Floats, valid: Mask) -> None:
    """Fill ``values`` (band, row, column) and ``valid`` from positions in the image."""
    height, width = image.grid.shape
    within = row.min() >= 0 and row.max() <= height - 1  # false if one is NaN
    within = within and column.min() >= 0 and column.max() <= width - 1
    inside: Any = np.s_[:]
    if not within:
        inside = (row > -1) & (row < height) & (column > -1) & (column < width)
        if not inside.any():
            values[:], valid[:] = np.nan, False
            return
    window = _window(row[inside], column[inside], image.grid.shape)
    known = image.valid[window]
    row, column = row - window[0].start, column - window[1].start
    if within and known.all():
        valid[:] = True
        for band, out in zip(image.values, values, strict=True):
            cv2.remap(band[window], column, row, cv2.INTER_LINEAR, dst=out)
        return
    values[:] = np.nan
    if not within:
        row[~inside] = column[~inside] = -2
    # outside the source, OpenCV reads 0
    share = cv2.remap(known.astype(np.float32), column, row, cv2.INTER_LINEAR)
    valid[:] = share >= 1 - ROUNDING
    for band, out in zip(image.values, values, strict=True):
        # NaN under the mask would spread even with weight 0
        source = np.where(known, band[window], np.float32(0))
        total = cv2.remap(source, column, row, cv2.INTER_LINEAR)
        out[valid] = (total / np.maximum(share, 0.5))[valid]


def _window(row: NDArray, column: NDArray, shape: tuple[int, int], margin: int = 0) -> Tile:
    """The part of the source that these positions need."""

    def side(at: NDArray, length: int) -> slice:
        first, last = math.floor(at.min()) - margin, math.floor(at.max()) + 2 + margin
        return slice(max(first, 0), min(last, length))

    return side(row, shape[0]), side(column, shape[1])


def _locator(image: SensorImage, grid: Grid, height_m: float = 0.0) -> Locator:
    """Positions in ``image`` of points ``height_m`` above the pixels of ``grid``."""

    def locate(row: Doubles, column: Doubles) -> Pair:
        centres: Any = column + 0.5, row + 0.5
        x, y = grid.transform @ centres
        if image.viewpoint and height_m:
            lon, lat = transformer(grid.crs, WGS84).transform(x, y)
            lon, lat = apparent(lon, lat, height_m, image.viewpoint)
            x, y = transformer(WGS84, image.grid.crs).transform(lon, lat)
        else:
            x, y = transformer(grid.crs, image.grid.crs).transform(x, y)
        reached = np.isfinite(x) & np.isfinite(y)
        x, y = (np.where(reached, axis, np.nan) for axis in (x, y))
        column, row = ~image.grid.transform @ (image.grid.nearest_turn(x), y)
        return row - 0.5, column - 0.5

    return locate


def _nodes(locate: Locator, tile: Tile) -> tuple[int, tuple[Doubles, ...], Pair]:
    """Step, pixels (row, column) and their positions, up to two nodes beyond the tile's last pixel.

    For smooth maps such as projections, an eighth of the second differences along both axes bounds
    the error of linear interpolation between nodes (e.g. de Boor 2001, ch. III).
    """
    step = NODE_STEP
    while True:
        axes = (np.arange(side.start, side.stop + 2.0 * step, step) for side in tile)
        pixels = np.meshgrid(*axes, indexing="ij")
        nodes = locate(*pixels)
        bends = [sum(_largest(np.diff(axis, 2, side)) for side in (0, 1)) / 8 for axis in nodes]
        if step == 1 or max(bends) <= NODE_ERROR:
            return step, tuple(pixels), nodes
        step //= 2


def _largest(values: Doubles) -> float:
    """The largest magnitude of the finite values; 0 if there are none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _interpolated(nodes: Doubles, step: int, shape: tuple[int, int]) -> Floats:
    """All pixels (row, column) between nodes that are ``step`` apart."""
    rows, columns = (math.ceil(length / step) for length in shape)
    part = np.arange(step) / step
    along = nodes[: rows + 1, :columns, None] + np.diff(nodes)[: rows + 1, :columns, None] * part
    along = along.reshape(rows + 1, -1)[:, : shape[1]]
    upper, drop = along[:-1, None].astype(np.float32), np.diff(along, axis=0)[:, None]
    filled = drop.astype(np.float32) * part.astype(np.float32)[:, None]
    filled += upper
    return np.asarray(filled.reshape(-1, shape[1])[: shape[0]])


def _average(image: SensorImage, grid: Grid, min_fraction: float, rim: int) -> SensorImage:
    power = power_of(image.unit)
    values = np.full((len(image.values), *grid.shape), np.nan, np.float32)
    valid = np.zeros(grid.shape, bool)
    locate = _locator(image, grid)
    for columns in _strips(locate, grid.height, slice(0, grid.width)):
        strip = grid.window(0, columns.start, grid.height, columns.stop - columns.start)
        part = _under(image, locate, grid.height, columns, rim)
        if part is None:
            continue
        fraction = _averaged(part.valid[None], part.grid, strip)[0]
        known = np.where(part.valid, part.values.astype(np.float64), np.nan)
        means = _averaged(known**power, part.grid, strip, np.nan)
        valid[:, columns] = (fraction >= min_fraction - ROUNDING) & np.isfinite(means).all(0)
        values[:, :, columns] = np.where(valid[:, columns], means, np.nan) ** (1 / power)
    return replace(image, values=values, valid=valid, grid=grid)


def _strips(locate: Locator, height: int, columns: slice) -> Iterator[slice]:
    """``columns``, halved until rows of pixels are bent by at most SAG in the source."""
    ends = np.linspace(columns.start, columns.stop, 3) - 0.5
    nodes = locate(*np.meshgrid(np.linspace(0, height, 9) - 0.5, ends, indexing="ij"))
    sag = max(_largest(np.diff(axis, 2)) for axis in nodes) / 2
    middle = (columns.start + columns.stop) // 2
    if sag <= SAG or middle == columns.start:
        yield columns
        return
    yield from _strips(locate, height, slice(columns.start, middle))
    yield from _strips(locate, height, slice(middle, columns.stop))


def _under(
    image: SensorImage, locate: Locator, height: int, columns: slice, rim: int
) -> SensorImage | None:
    """The part of ``image`` under some columns; None if there is none.

    It has a rim of no-data pixels, because GDAL ignores the part of a cell beyond an image.
    """
    pixels = (np.linspace(-2, height + 1, 65), np.linspace(columns.start - 2, columns.stop + 1, 65))
    row, column = locate(*np.meshgrid(*pixels, indexing="ij"))
    window: Tile = slice(0, image.grid.height), slice(0, image.grid.width)
    if np.isfinite(row + column).all():
        window = _window(row, column, image.grid.shape, margin=4)
        if any(side.stop <= side.start for side in window):
            return None
    valid = np.pad(image.valid[window], rim)
    return replace(
        image,
        values=np.pad(image.values[:, *window], ((0, 0), (rim, rim), (rim, rim))),
        valid=valid,
        grid=image.grid.window(window[0].start - rim, window[1].start - rim, *valid.shape),
    )


def _by_turns(grid: Grid, to: Grid) -> Grid:
    """``grid``, moved by multiples of 360 degrees to match ``to``, because GDAL does not do so."""
    if not (grid.is_geographic and to.is_geographic):
        return grid
    middle, _ = grid.transform @ (grid.width / 2, grid.height / 2)
    by = float(to.nearest_turn(np.array([middle]))[0]) - middle
    return replace(grid, transform=Affine.translation(by, 0) @ grid.transform) if by else grid


def _averaged(
    values: np.ndarray, source: Grid, grid: Grid, nodata: float | None = None
) -> np.ndarray:
    """Area-weighted mean of the valid values in each cell of ``grid``."""
    out = np.full((len(values), *grid.shape), nodata or 0, np.float64)
    grid = _by_turns(grid, Grid(grid.crs, Affine.translation(-0.5, -0.5), 1, 1))
    source = _by_turns(source, grid)
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
