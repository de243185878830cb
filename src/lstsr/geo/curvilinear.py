"""Curvilinear images: each pixel has its own longitude and latitude, not on a regular grid."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from affine import Affine

from lstsr.geo.aggregate import Doubles
from lstsr.geo.resample import read_at
from lstsr.grid import Grid
from lstsr.image import SensorImage


def straightened(image: SensorImage, lon_deg: Doubles, lat_deg: Doubles) -> SensorImage:
    """``image`` on the regular grid ``north_up(image.grid)``, bilinear.

    ``lon_deg`` and ``lat_deg`` (row, column) are the true positions of the pixels, NaN if unknown;
    ``image.grid`` is the regular grid nearest to them. A pixel is valid if the four pixels around
    it are valid and have known positions. pyresample inverts the positions by the gradient search
    of Trishchenko (2018, IEEE TGRS 56, 4016).
    """
    # slow to import, and rarely needed
    from pyresample.geometry import AreaDefinition, SwathDefinition
    from pyresample.gradient import gradient_resampler_indices

    known = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    # the search cannot step across unknown positions; beside guessed positions it is not reliable
    guess_lon, guess_lat = image.grid.lonlat()
    lon, lat = np.where(known, lon_deg, guess_lon), np.where(known, lat_deg, guess_lat)
    sure = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    grid = north_up(image.grid)
    (west, north), (east, south) = grid.corners[0], grid.corners[2]
    area = AreaDefinition(
        "grid", "", "", grid.crs, grid.width, grid.height, (west, south, east, north)
    )
    column, row = gradient_resampler_indices(SwathDefinition(lon, lat), area).astype(np.float32)
    return read_at(replace(image, valid=image.valid & sure), grid, row, column)


def north_up(grid: Grid) -> Grid:
    """The upright grid that covers ``grid``, with the spacing of its columns and rows."""
    x, y = np.transpose(grid.corners)
    step_y, step_x = grid.steps
    return Grid(
        grid.crs,
        Affine(step_x, 0, float(x.min()), 0, -step_y, float(y.max())),
        round(float(np.ptp(x)) / step_x),
        round(float(np.ptp(y)) / step_y),
    )
