"""Images whose pixels lie on no regular grid, each at a longitude and latitude of its own."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from lstsr.geo.resample import read_at
from lstsr.grid import Grid
from lstsr.image import SensorImage

Doubles = NDArray[np.float64]


def straightened(image: SensorImage, lon_deg: Doubles, lat_deg: Doubles) -> SensorImage:
    """``image`` on ``north_up(image.grid)``, read where its pixels really are, bilinear.

    ``image.grid`` is the regular grid nearest to ``lon_deg`` and ``lat_deg`` (row, column), the
    pixels' own places, NaN where unknown. A pixel is valid where the four around its place are and
    their places are known. Places are inverted by the gradient search of Trishchenko (2018, IEEE
    TGRS 56, 4016), as pyresample implements it.
    """
    # slow to import, and seldom needed
    from pyresample.geometry import AreaDefinition, SwathDefinition
    from pyresample.gradient import gradient_resampler_indices

    known = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    # the search cannot step across unknown places; beside these guesses its steps are wrong
    guess = image.grid.lonlat()
    lon, lat = (
        np.where(known, own, other) for own, other in zip((lon_deg, lat_deg), guess, strict=True)
    )
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
    x, y = (np.array(axis) for axis in zip(*grid.corners, strict=True))
    step_x, step_y = (
        float(np.hypot(*steps))
        for steps in (
            (grid.transform.a, grid.transform.d),
            (grid.transform.b, grid.transform.e),
        )
    )
    return Grid(
        grid.crs,
        Affine(step_x, 0, float(x.min()), 0, -step_y, float(y.max())),
        round(float(np.ptp(x)) / step_x),
        round(float(np.ptp(y)) / step_y),
    )
