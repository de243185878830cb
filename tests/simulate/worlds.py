"""A world of one place, clouds over it, and where its pixels appear to the satellites."""

from datetime import UTC, datetime

import numpy as np
from affine import Affine
from pyproj import Transformer

from lstsr.geo.parallax import apparent
from lstsr.grid import Grid
from lstsr.simulate.clouds import Clouds
from lstsr.simulate.sample import MARGIN
from lstsr.simulate.view import VIEWPOINT
from lstsr.simulate.world import World

FOOTPRINT = Grid("EPSG:32652", Affine(30, 0, 340_005, 0, -30, 4_100_025), 534, 534)
TIME = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
FWHM = 2 * np.sqrt(2 * np.log(2))


def clear(grid: Grid) -> Clouds:
    return Clouds(grid, np.zeros(grid.shape, np.float32), 0.0, 2000.0, (0.0, 0.0))


def one_cloud(grid: Grid, radius: float = 40.0) -> Clouds:
    """A disc in the middle of the world, without wind."""
    rows, columns = np.indices(grid.shape)
    middle = grid.height / 2, grid.width / 2
    inside = np.hypot(rows - middle[0], columns - middle[1]) < radius
    return Clouds(grid, inside.astype(np.float32), float(inside.mean()), 3000.0, (0.0, 0.0))


def inner(image: np.ndarray) -> np.ndarray:
    return image[MARGIN : MARGIN + FOOTPRINT.height, MARGIN : MARGIN + FOOTPRINT.width]


def appears_at(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the world appears, (x, y) in its coordinate system: pixel by pixel."""
    rows, columns = np.indices(world.grid.shape) + 0.5
    to_degrees = Transformer.from_crs(world.grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(world.grid.transform @ (columns, rows)))
    back = apparent(lon, lat, np.asarray(world.elevation_m, float), VIEWPOINT)
    return to_degrees.transform(*back, direction="INVERSE")
