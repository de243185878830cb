"""View geometry: a world as the geostationary satellites see it, from the side.

A point at height h appears displaced by h times the parallax of one metre. The image at position q
shows the ground point p whose apparent position is q. The iteration p = q - parallax(h(p)) finds
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
"""GK2A and GK2B share a longitude."""
BLOCK = 2
"""Side of a block in world pixels."""
ITERATIONS = 15
"""Each multiplies the error by slope x tan(view zenith): below 1 m for slopes to 35 degrees."""
PSF_SHARE = 0.995
"""A pixel is seen if at least this share of its point spread function lies inside the world."""


@dataclass(frozen=True)
class Navigation:
    """Navigation error of a scene: moving the content by it (+ south, east) corrects the image."""

    row_px: float
    column_px: float
    row_m: float
    column_m: float


class View:
    """A world as a sensor with a Gaussian PSF images it on ``grid``, displaced by a random error.

    The navigation error has the standard deviation ``error_px`` in pixels of ``grid``. ``fwhm_m``
    is the full width at half maximum of the PSF (south, east).
    """

    def __init__(
        self,
        world: World,
        grid: Grid,
        fwhm_m: tuple[float, float],
        error_px: float,
        rng: np.random.Generator,
    ) -> None:
        row_px, column_px = map(float, rng.normal(0, error_px, 2))
        row_m, column_m = steps_m(grid, world.grid)
        self.navigation = Navigation(row_px, column_px, row_px * row_m, column_px * column_m)
        self._blocks, self._fwhm_m = world.grid.coarsen(BLOCK), fwhm_m
        self._pixels = grid.moved(row_px, column_px)
        by_row, by_column = leaning(self._blocks, VIEWPOINT)
        height_m = self.blocks(world.elevation_m)
        row, column = np.indices(self._blocks.shape, np.float32)
        self._row, self._column = row, column
        for _ in range(ITERATIONS):
            there_m = self.displaced(height_m)
            self._row, self._column = row - there_m * by_row, column - there_m * by_column
        inside = cv2.remap(np.ones_like(row), self._column, self._row, cv2.INTER_LINEAR)
        share = self.measured(np.asarray(inside, np.float32), cv2.BORDER_CONSTANT)
        self.seen: Mask = share >= PSF_SHARE

    def blocks(self, image: Floats | Mask) -> Floats:
        """Block means (H / 2, W / 2) of an image of the world."""
        size = self._blocks.shape[::-1]
        means = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(means, np.float32)

    def displaced(self, image: Floats | Mask) -> Floats:
        """An image of the ground, in pixels of the world or in blocks, where it appears."""
        blocks = image if image.shape == self._blocks.shape else self.blocks(image)
        seen = cv2.remap(
            np.asarray(blocks, np.float32),
            self._column,
            self._row,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(seen, np.float32)

    def measured(self, image: Floats, border: int = cv2.BORDER_REPLICATE) -> Floats:
        """The blocks ``image`` as the sensor measures it at its pixels.

        A block is itself a blur with the variance side^2 / 12, which the Gaussian leaves out.
        """
        step = self._blocks.gsd_m
        by_row, by_column = (
            math.sqrt((fwhm / SIGMAS_PER_FWHM) ** 2 - step**2 / 12) / step for fwhm in self._fwhm_m
        )
        to_world = transformer(self._pixels.crs, self._blocks.crs)
        column, row = ~self._blocks.transform @ to_world.transform(*self._pixels.coordinates())
        sampled = cv2.remap(
            blurred(image, by_row, by_column, border),
            (column - 0.5).astype(np.float32),
            (row - 0.5).astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=border,
        )
        return np.asarray(sampled, np.float32)


def angles_deg(world: Grid) -> tuple[float, float]:
    """Zenith and azimuth (from grid north) of the satellites, in the middle of ``world``."""
    blocks = world.coarsen(BLOCK)
    by_row, by_column = leaning(blocks, VIEWPOINT)
    middle = blocks.height // 2, blocks.width // 2
    # high ground leans away from the satellite, so the satellite is on the other side
    azimuth = np.degrees(np.arctan2(-by_column[middle], by_row[middle])) % 360
    return float(view_zenith_deg(*centre_deg(blocks), VIEWPOINT)), float(azimuth)


def leaning(grid: Grid, viewpoint: Viewpoint) -> tuple[Floats, Floats]:
    """Displacement in (rows, columns) of ``grid`` per metre of height, each (H, W).

    It is the plane through the parallax (`lstsr.geo.parallax.apparent`) at 1000 m in 5 x 5 points.
    Over 150 km, the error of the plane is below 0.001 metres per metre.
    """
    height, width = grid.shape
    row, column = np.indices((5, 5)).reshape(2, -1) / 4 * np.array([[height], [width]])
    to_row, to_column = grid.position(*apparent(*grid.lonlat_at(row, column), 1000.0, viewpoint))
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
    """Rows and columns of ``grid`` that ``part`` covers."""
    column, row = (round(at) for at in ~grid.transform @ part.corners[0])
    return slice(row, row + part.height), slice(column, column + part.width)


def covering(area: Grid, world: Grid) -> Grid:
    """The part of ``area`` around ``world``, whose sides must be nearly straight there."""
    x, y = np.transpose(world.corners)
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
