"""View geometry: a world as the geostationary satellites see it, from the side.

A point at height h appears displaced by h times the parallax of one metre. The image at position q
shows the ground point p(q) whose apparent position is q; the iteration p = q - parallax(h(p)) finds
it. Then the point spread function blurs the image, which is sampled at pixel centres (bicubic). All
of this uses the world in blocks of 60 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lstsr.geo.aggregate import SIGMAS_PER_FWHM
from lstsr.geo.parallax import apparent, view_zenith_deg
from lstsr.grid import Grid, transformer
from lstsr.image import Floats, Mask, Viewpoint
from lstsr.sensors.ami.grids import GK2A
from lstsr.simulate.world import World

VIEWPOINT = GK2A
"""Both satellites: GK2A and GK2B share a longitude."""
BLOCK = 2
"""World pixels along a side of the blocks that the geostationary sensors are made from."""
ITERATIONS = 15
"""Each multiplies the error by slope x tan(view zenith): below 1 m for slopes to 35 degrees."""
PSF_SHARE = 0.995
"""A pixel is seen if at least this share of its point spread function lies inside the world."""


@dataclass(frozen=True)
class Navigation:
    """A scene's navigation error: moving the content by this corrects it (+ south, east)."""

    row_px: float
    column_px: float
    row_m: float
    column_m: float


class View:
    """A world as the geostationary satellites see it: blocks, each where it appears."""

    def __init__(self, world: World) -> None:
        """Find, for each block of the apparent image, the ground that appears there."""
        self.grid = world.grid.coarsen(BLOCK)
        by_row, by_column = leaning(self.grid, VIEWPOINT)
        height_m = self.blocks(world.elevation_m)
        row, column = np.indices(self.grid.shape, np.float32)
        self._row, self._column = row, column
        for _ in range(ITERATIONS):
            there_m = self.displaced(height_m)
            self._row, self._column = row - there_m * by_row, column - there_m * by_column
        middle = by_row.shape[0] // 2, by_row.shape[1] // 2
        # high ground leans away from the satellite, so the satellite is on the other side
        self._azimuth_deg = np.degrees(np.arctan2(-by_column[middle], by_row[middle])) % 360

    @property
    def angles_deg(self) -> tuple[float, float]:
        """View zenith and azimuth of the satellite (from grid north) in the middle."""
        zenith = view_zenith_deg(*centre_deg(self.grid), VIEWPOINT)
        return float(zenith), float(self._azimuth_deg)

    def blocks(self, image: Floats | Mask) -> Floats:
        """Block means (H / 2, W / 2) of an image of the world."""
        size = self.grid.width, self.grid.height
        means = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(means, np.float32)

    def displaced(self, image: Floats | Mask) -> Floats:
        """An image of the ground, in pixels of the world or in blocks, where it appears."""
        is_blocks = image.shape == self.grid.shape
        blocks = np.asarray(image, np.float32) if is_blocks else self.blocks(image)
        seen = cv2.remap(
            blocks, self._column, self._row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(seen, np.float32)

    def measured(
        self, image: Floats, grid: Grid, fwhm_m: tuple[float, float], outside: float | None = None
    ) -> Floats:
        """The blocks ``image`` as a sensor of Gaussian PSF measures it at the pixels of ``grid``.

        ``fwhm_m`` is the full width at half maximum (south, east). Beyond the image lies
        ``outside``, or the nearest of its pixels. A block is itself a blur with the variance
        side^2 / 12, which the Gaussian leaves out.
        """
        step = self.grid.gsd_m
        by_row, by_column = (
            math.sqrt((fwhm / SIGMAS_PER_FWHM) ** 2 - step**2 / 12) / step for fwhm in fwhm_m
        )
        border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        image = blurred(image, by_row, by_column, border)
        to_world = transformer(grid.crs, self.grid.crs)
        column, row = ~self.grid.transform @ to_world.transform(*grid.coordinates())
        sampled = cv2.remap(
            image,
            (column - 0.5).astype(np.float32),
            (row - 0.5).astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=border,
            borderValue=outside or 0.0,
        )
        return np.asarray(sampled, np.float32)

    def seen(self, grid: Grid, fwhm_m: tuple[float, float]) -> Mask:
        """Pixels of ``grid`` whose point spread function lies inside the world."""
        ones = np.ones(self.grid.shape, np.float32)
        inside = cv2.remap(ones, self._column, self._row, cv2.INTER_LINEAR, borderValue=0)
        share = self.measured(np.asarray(inside, np.float32), grid, fwhm_m, outside=0.0)
        return np.asarray(share >= PSF_SHARE)


def leaning(grid: Grid, viewpoint: Viewpoint) -> tuple[Floats, Floats]:
    """Displacement in (rows, columns) of ``grid`` per metre of height, each (H, W).

    It is the plane through the parallax (`lstsr.geo.parallax.apparent`) at 1000 m in 5 x 5 points.
    Over 150 km, the error of the plane is below 0.001 metres per metre.
    """
    height, width = grid.shape
    row, column = np.indices((5, 5)).reshape(2, -1) / 4 * np.array([[height], [width]])
    lon, lat = grid.lonlat_at(row, column)
    to_row, to_column = grid.position(*apparent(lon, lat, np.full(lon.shape, 1000.0), viewpoint))
    points = np.stack([np.ones_like(row), row, column], 1)
    moved = np.stack([to_row - row, to_column - column], 1) / 1000
    plane = np.linalg.lstsq(points, moved, rcond=None)[0].astype(np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    columns = np.arange(width, dtype=np.float32) + np.float32(0.5)
    by_row, by_column = (a + b * rows + c * columns for a, b, c in plane.T)
    return by_row, by_column


def blurred(
    image: Floats, row_sigma: float, column_sigma: float, border: int = cv2.BORDER_REPLICATE
) -> Floats:
    """``image`` through a Gaussian with standard deviations in pixels, cut at four of them."""
    smooth = cv2.GaussianBlur(image, (0, 0), column_sigma, sigmaY=row_sigma, borderType=border)
    return np.asarray(smooth, np.float32)


def centre_deg(grid: Grid) -> tuple[float, float]:
    """Longitude and latitude of the middle of ``grid``."""
    lon, lat = grid.lonlat_at(grid.height / 2, grid.width / 2)
    return lon, lat


def slices(grid: Grid, part: Grid) -> tuple[slice, slice]:
    """Rows and columns of ``grid`` that are ``part``."""
    column, row = (round(at) for at in ~grid.transform @ part.corners[0])
    return slice(row, row + part.height), slice(column, column + part.width)


def covering(area: Grid, world: Grid) -> Grid:
    """The part of ``area`` that holds all of ``world``, whose sides are nearly straight there."""
    x, y = (np.array(axis) for axis in zip(*world.corners, strict=True))
    column, row = ~area.transform @ transformer(world.crs, area.crs).transform(x, y)
    top, left = max(int(row.min()), 0), max(int(column.min()), 0)
    bottom, right = min(int(row.max()) + 1, area.height), min(int(column.max()) + 1, area.width)
    return area.window(top, left, bottom - top, right - left)


def steps_m(grid: Grid, world: Grid) -> tuple[float, float]:
    """Length in the world of a step of a row and of a column, in the middle of ``grid``."""
    column, row = grid.width / 2, grid.height / 2
    points = (column, row), (column, row + 1), (column + 1, row)
    to_world = transformer(grid.crs, world.crs).transform
    here, south, east = (to_world(*(grid.transform @ point)) for point in points)
    return math.dist(here, south), math.dist(here, east)


def navigation(shift: np.ndarray, grid: Grid, world: Grid) -> Navigation:
    """The navigation error of a ``shift`` (row, column) in pixels of ``grid``."""
    row, column = map(float, shift)
    row_m, column_m = steps_m(grid, world)
    return Navigation(row, column, row * row_m, column * column_m)
