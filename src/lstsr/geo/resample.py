"""One-step resampling of an image onto another grid: projection, terrain and shift in one map."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

from lstsr.errors import SceneError
from lstsr.geo.parallax import Terrain, apparent
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage

# A destination cell is averaged from the source's where it is at least this many times wider.
COARSER = 1.5
# By so much a valid share may fall short of what is asked.
ROUNDING = 1e-3
# Coordinates are exact at every LATTICE-th pixel and bilinear between; the step is halved until
# they err by no more than LATTICE_ERROR source pixels.
LATTICE, LATTICE_ERROR = 16, 0.005
# Rows and columns that are resampled at a time: maps and source stay in the processor's cache, and
# no side reaches the 32767 pixels that OpenCV can address.
TILE = (64, 1024)
# Displacement is linear in height (to millimetres for Korea's); the lattice holds it for this one.
HEIGHT_M = 1000.0
# GDAL takes rows for straight where they are bent by less than an eighth of a source pixel; what it
# averages at a time is cut until they are bent by less than this.
SAG = 0.02
Doubles = NDArray[np.float64]
Tile = tuple[slice, slice]
Pair = tuple[Doubles, Doubles]
# Pixels (row, column) of a destination to places (row, column) in a source, from the centre of its
# first pixel; NaN where the projections do not reach.
Locator = Callable[[Doubles, Doubles], Pair]


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
    or beyond the limb counts as invalid in both.

    With ``terrain``, an image seen from a viewpoint is read where its line of sight puts the ground
    of each pixel of ``grid``, and stands where it is afterwards. That a slope may hide what lies
    behind it is left out: at the view zenith angles of Korea (44 degrees at most) it takes slopes
    beyond 46 that face away. Raises SceneError where an image with terrain would have to be
    averaged.
    """
    terrain = terrain if image.viewpoint else None
    if grid == image.grid and shift == (0.0, 0.0) and terrain is None:
        return image
    sampled = grid.moved(-shift[0], -shift[1])
    image = _opened_elsewhere(image, grid)
    ratio = grid.cell_m / image.grid.cell_m
    if ratio < COARSER:
        # the ground is that of the pixel, wherever the image's navigation makes it be read
        values, valid = _bilinear(image, sampled, elevation_on(terrain, grid) if terrain else None)
    elif terrain is None:
        values, valid = _average(image, sampled, min_fraction, rim=1 + math.ceil(ratio))
    else:
        raise SceneError(
            f"a grid of {grid.gsd_m:.0f} m is too coarse to take terrain out of an image of "
            f"{image.grid.gsd_m:.0f} m; choose a finer one"
        )
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


def read_at(image: SensorImage, grid: Grid, row: Floats, column: Floats) -> SensorImage:
    """``image`` on ``grid``, each pixel of which is read at (row, column) of the image, bilinear.

    Places count from the centre of the image's first pixel; NaN is nowhere. Valid where every
    contributing pixel is.
    """
    values = np.empty((len(image.values), *grid.shape), np.float32)
    valid = np.empty(grid.shape, bool)
    for tile in _tiles(grid.shape):
        _read(image, row[tile].copy(), column[tile].copy(), values[:, *tile], valid[tile])
    return replace(image, values=values, valid=valid, grid=grid)


def elevation_on(terrain: Terrain, grid: Grid) -> Floats:
    """Height of each pixel of ``grid``, metres; 0 where unknown, as over the sea."""
    height = np.nan_to_num(terrain.elevation_m, nan=0.0).astype(np.float32)[None]
    known = np.ones(terrain.grid.shape, bool)
    image = SensorImage(height, known, terrain.grid, ("height",), "metre", "DEM")
    return np.nan_to_num(resample(image, grid).values[0], nan=0.0)


def _opened_elsewhere(image: SensorImage, grid: Grid) -> SensorImage:
    """A global image with its columns rolled, so that its edges lie opposite to ``grid``."""
    if not image.grid.around_the_globe:
        return image
    lon, lat = grid.lonlat_at(np.array([grid.height / 2]), np.array([grid.width / 2]))
    to_image = Transformer.from_crs("EPSG:4326", image.grid.crs, always_xy=True)
    column, _ = ~image.grid.transform @ to_image.transform(lon, lat)
    by = round(float(column[0])) - image.grid.width // 2
    return replace(
        image,
        values=np.roll(image.values, -by, axis=-1),
        valid=np.roll(image.valid, -by, axis=-1),
        grid=image.grid.window(0, by, *image.grid.shape),
    )


def _bilinear(image: SensorImage, grid: Grid, elevation_m: Floats | None) -> tuple[Floats, Mask]:
    values = np.empty((len(image.values), *grid.shape), np.float32)
    valid = np.empty(grid.shape, bool)
    flat = _locator(image, grid)
    raised = None if elevation_m is None else _locator(image, grid, HEIGHT_M)
    for tile in _tiles(grid.shape):
        row, column = _map(flat, tile, raised, None if elevation_m is None else elevation_m[tile])
        _read(image, row, column, values[:, *tile], valid[tile])
    return values, valid


def _tiles(shape: tuple[int, int]) -> Iterator[Tile]:
    (height, width), (rows, columns) = shape, TILE
    for row in range(0, height, rows):
        for column in range(0, width, columns):
            yield (
                slice(row, min(row + rows, height)),
                slice(column, min(column + columns, width)),
            )


def _read(image: SensorImage, row: Floats, column: Floats, values: Floats, valid: Mask) -> None:
    """Fill ``values`` (band, row, column) and ``valid`` from places in the image."""
    height, width = image.grid.shape
    if _between(row, 0, height - 1) and _between(column, 0, width - 1):
        window = _window(row, column, image.grid.shape)
        if image.valid[window].all():
            valid[:] = True
            row -= window[0].start
            column -= window[1].start
            for band, out in zip(image.values, values, strict=True):
                cv2.remap(band[window], column, row, cv2.INTER_LINEAR, dst=out)
            return
    _read_masked(image, row, column, values, valid)


def _between(places: Floats, low: float, high: float) -> bool:
    """Whether all places are; NaN is nowhere."""
    return bool(places.min() >= low and places.max() <= high)


def _read_masked(
    image: SensorImage, row: Floats, column: Floats, values: Floats, valid: Mask
) -> None:
    height, width = image.grid.shape
    inside = (row > -1) & (row < height) & (column > -1) & (column < width)
    values[:], valid[:] = np.nan, False
    if not inside.any():
        return
    window = _window(row[inside], column[inside], image.grid.shape)
    known = image.valid[window]
    row -= window[0].start
    column -= window[1].start
    row[~inside] = column[~inside] = -2
    share = _with_zero_around(known.astype(np.float32), row, column)
    valid[:] = share >= 1 - ROUNDING
    for band, out in zip(image.values, values, strict=True):
        # NaN under the mask would spread with weight 0, too
        source = np.where(known, band[window], np.float32(0))
        out[valid] = (_with_zero_around(source, row, column) / np.maximum(share, 0.5))[valid]


def _with_zero_around(source: Floats, row: Floats, column: Floats) -> Floats:
    """Bilinear values at (row, column), 0 outside."""
    out = cv2.remap(
        source, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0
    )
    return np.asarray(out, np.float32)


def _window(row: NDArray, column: NDArray, shape: tuple[int, int], margin: int = 0) -> Tile:
    """The part of the source that is read."""
    bounds = []
    for places, length in ((row, shape[0]), (column, shape[1])):
        first = max(math.floor(places.min()) - margin, 0)
        last = min(math.floor(places.max()) + 2 + margin, length)
        bounds.append(slice(first, last))
    return bounds[0], bounds[1]


def _locator(image: SensorImage, grid: Grid, height_m: float = 0.0) -> Locator:
    """Where ``image`` shows what stands ``height_m`` above the pixels of ``grid``."""
    seen = _projection(image, grid, height_m)
    there, back = grid.transform, ~image.grid.transform

    def locate(row: Doubles, column: Doubles) -> Pair:
        x, y = seen(
            there.a * (column + 0.5) + there.b * (row + 0.5) + there.c,
            there.d * (column + 0.5) + there.e * (row + 0.5) + there.f,
        )
        reached = np.isfinite(x) & np.isfinite(y)
        x, y = (np.where(reached, axis, np.nan) for axis in (x, y))
        x = image.grid.nearest_turn(x)
        return back.d * x + back.e * y + back.f - 0.5, back.a * x + back.b * y + back.c - 0.5

    return locate


def _projection(image: SensorImage, grid: Grid, height_m: float) -> Locator:
    """Coordinates (x, y) of ``grid`` to those of ``image``."""
    viewpoint = image.viewpoint
    if not height_m or viewpoint is None:
        straight: Locator = Transformer.from_crs(grid.crs, image.grid.crs, always_xy=True).transform
        return straight
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    to_image = Transformer.from_crs("EPSG:4326", image.grid.crs, always_xy=True)

    def seen(x: Doubles, y: Doubles) -> Pair:
        found: Pair = to_image.transform(
            *apparent(*to_degrees.transform(x, y), height_m, viewpoint)
        )
        return found

    return seen


def _map(
    flat: Locator, tile: Tile, raised: Locator | None = None, height_m: Floats | None = None
) -> tuple[Floats, Floats]:
    """Where in the source (row, column) each pixel of the tile is read."""
    step, pixels, nodes = _lattice(flat, tile)
    shape = (tile[0].stop - tile[0].start, tile[1].stop - tile[1].start)
    row, column = (_filled(axis, step, shape) for axis in nodes)
    if raised is not None and height_m is not None:
        share = height_m / np.float32(HEIGHT_M)
        change = [high - low for high, low in zip(raised(*pixels), nodes, strict=True)]
        row += share * _filled(change[0], step, shape)
        column += share * _filled(change[1], step, shape)
    return row, column


def _lattice(locate: Locator, tile: Tile) -> tuple[int, tuple[Doubles, ...], Pair]:
    """Step, pixels (row, column) and their places; two nodes beyond the tile's last pixel."""
    step = LATTICE
    while True:
        axes = (np.arange(side.start, side.stop + 2.0 * step, step) for side in tile)
        pixels = np.meshgrid(*axes, indexing="ij")
        nodes = locate(*pixels)
        if step == 1 or max(_bend(axis) for axis in nodes) <= LATTICE_ERROR:
            return step, tuple(pixels), nodes
        step //= 2


def _bend(nodes: Doubles) -> float:
    """Bound of the error between nodes: an eighth of the second differences along both axes.

    Of linear interpolation (e.g. de Boor 2001, ch. III); of smooth maps, as projections are.
    """
    return sum(_largest(np.diff(nodes, 2, axis)) for axis in (0, 1)) / 8


def _largest(values: Doubles) -> float:
    """The largest magnitude among what is finite; 0 without any."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _filled(nodes: Doubles, step: int, shape: tuple[int, int]) -> Floats:
    """All pixels (row, column) between nodes that are ``step`` apart."""
    rows, columns = (math.ceil(length / step) for length in shape)
    part = np.arange(step) / step
    along = nodes[: rows + 1, :columns, None] + np.diff(nodes)[: rows + 1, :columns, None] * part
    along = along.reshape(rows + 1, -1)[:, : shape[1]]
    upper, drop = along[:-1, None].astype(np.float32), np.diff(along, axis=0)[:, None]
    filled = drop.astype(np.float32) * part.astype(np.float32)[:, None]
    filled += upper
    out: Floats = filled.reshape(-1, shape[1])[: shape[0]]
    return out


def _average(image: SensorImage, grid: Grid, min_fraction: float, rim: int) -> tuple[Floats, Mask]:
    power = 4 if image.unit == "kelvin" else 1
    values = np.full((len(image.values), *grid.shape), np.nan, np.float32)
    valid = np.zeros(grid.shape, bool)
    locate = _locator(image, grid)
    for columns in _strips(locate, grid.height, slice(0, grid.width)):
        strip = grid.window(0, columns.start, grid.height, columns.stop - columns.start)
        part = _under(image, locate, grid.height, columns)
        if part is None:
            continue
        part = _rimmed(part, rim)
        fraction = _averaged(part.valid[None], part.grid, strip)[0]
        known = np.where(part.valid, part.values.astype(np.float64), np.nan)
        means = _averaged(known**power, part.grid, strip, np.nan)
        valid[:, columns] = (fraction >= min_fraction - ROUNDING) & np.isfinite(means).all(0)
        values[:, :, columns] = np.where(valid[:, columns], means, np.nan) ** (1 / power)
    return values, valid


def _strips(locate: Locator, height: int, columns: slice) -> Iterator[slice]:
    """``columns``, halved until rows of pixels are straight in the source, to SAG."""
    ends = np.linspace(columns.start, columns.stop, 3) - 0.5
    nodes = locate(*np.meshgrid(np.linspace(0, height, 9) - 0.5, ends, indexing="ij"))
    sag = max(_largest(np.diff(axis, 2)) for axis in nodes) / 2
    middle = (columns.start + columns.stop) // 2
    if sag <= SAG or middle == columns.start:
        yield columns
        return
    yield from _strips(locate, height, slice(columns.start, middle))
    yield from _strips(locate, height, slice(middle, columns.stop))


def _under(image: SensorImage, locate: Locator, height: int, columns: slice) -> SensorImage | None:
    """The part of ``image`` under some columns, a few pixels more on each side; None without."""
    pixels = (np.linspace(-2, height + 1, 65), np.linspace(columns.start - 2, columns.stop + 1, 65))
    row, column = locate(*np.meshgrid(*pixels, indexing="ij"))
    if not np.isfinite(row + column).all():
        return image
    window = _window(row, column, image.grid.shape, margin=4)
    size = [side.stop - side.start for side in window]
    if min(size) <= 0:
        return None
    return replace(
        image,
        values=image.values[:, *window],
        valid=image.valid[window],
        grid=image.grid.window(window[0].start, window[1].start, *size),
    )


def _rimmed(image: SensorImage, width: int) -> SensorImage:
    """``image`` with ``width`` invalid pixels around: GDAL ignores the part of a cell beyond it."""
    size = [length + 2 * width for length in image.grid.shape]
    return replace(
        image,
        values=np.pad(image.values, ((0, 0), (width, width), (width, width))),
        valid=np.pad(image.valid, width),
        grid=image.grid.window(-width, -width, *size),
    )


def _by_turns(grid: Grid, to: Grid) -> Grid:
    """``grid``, moved by multiples of 360 degrees to match ``to``, because GDAL does not do it."""
    if not (grid.is_geographic and to.is_geographic):
        return grid
    middle = grid.transform @ (grid.width / 2, grid.height / 2)
    by = float(to.nearest_turn(np.array([middle[0]]))[0]) - middle[0]
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


def meets(source: Grid, grid: Grid) -> bool:
    """Whether two grids overlap: some of 33 x 33 points of one lie inside the other."""
    return _some_inside(source, grid) or _some_inside(grid, source)


def _some_inside(source: Grid, grid: Grid) -> bool:
    return covered_share(source, grid) > 0


def covered_share(source: Grid, grid: Grid) -> float:
    """The share of 33 x 33 points of ``grid`` that lie inside ``source``."""
    rows, columns = (np.indices((33, 33)) + 0.5) / 33
    to_source = Transformer.from_crs(grid.crs, source.crs, always_xy=True)
    x, y = to_source.transform(*(grid.transform @ (columns * grid.width, rows * grid.height)))
    column, row = ~source.transform @ (source.nearest_turn(x), y)
    inside = (column > 0) & (column < source.width) & (row > 0) & (row < source.height)
    return float(inside.mean())
