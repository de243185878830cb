"""Clouds over a world, and where each sensor's image shows them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from pyproj import Transformer

from lstsr.geo.parallax import apparent
from lstsr.grid import Grid
from lstsr.image import Floats, Viewpoint
from lstsr.simulate.fields import power_law

# Power spectrum of cloud liquid water over wavenumber, two-dimensional: Cahalan and Snider (1989,
# Remote Sensing of Environment 28, 95) measured k^(-5/3) along a line, which is k^(-8/3) in a
# plane; smoother here, so that clouds have few crumbs at the scale of a pixel.
SLOPE = 3.4
# In standard deviations of the texture, how far a cloud's edge takes to become opaque.
EDGE = 0.25
HIGHEST_SHARE = 0.95
TOP_M = (1500.0, 4000.0)
WIND_M_S = 6.0
"""Standard deviation of each component; mean speed is 7.5 m/s."""


@dataclass(frozen=True)
class Clouds:
    """One layer of clouds: ``opacity`` (H, W), 0 to 1, above the ground of ``grid`` at minute 0.

    The layer repeats itself beyond the grid, so that what the wind takes out on one side comes in
    on the other. ``share`` is that of the grid which is more than half covered, ``top_m`` the
    height of the tops, ``wind_m_s`` goes east and north.
    """

    grid: Grid
    opacity: Floats
    share: float
    top_m: float
    wind_m_s: tuple[float, float]

    def seen(self, viewpoint: Viewpoint | None, minutes: float = 0.0) -> Floats:
        """Opacity (H, W) where a sensor's image places it, ``minutes`` after minute 0.

        From the zenith (None) that is above the ground; a geostationary satellite sees the tops
        displaced away from itself by their height's parallax.
        """
        if viewpoint is None:
            return self._moved(np.float32(0), np.float32(0), minutes)
        rows, columns = leaning(self.grid, viewpoint)
        return self._moved(self.top_m * rows, self.top_m * columns, minutes)

    def shadow(
        self, sun_elevation_deg: float, sun_azimuth_deg: float, minutes: float = 0.0
    ) -> Floats:
        """Opacity (H, W) of the shadow on level ground: away from the sun by top / tan(elevation).

        The azimuth is clockwise from the grid's north. Terrain is ignored.
        """
        away = self.top_m / np.tan(np.radians(sun_elevation_deg)) / self.grid.gsd_m
        azimuth = np.radians(sun_azimuth_deg)
        return self._moved(
            np.float32(away * np.cos(azimuth)), np.float32(-away * np.sin(azimuth)), minutes
        )

    def _moved(
        self, rows: Floats | np.float32, columns: Floats | np.float32, minutes: float
    ) -> Floats:
        """The opacity moved by so many pixels (+ south, east) and by the wind, bilinear."""
        if not self.share:
            return self.opacity
        east, north = (speed * 60 * minutes / self.grid.gsd_m for speed in self.wind_m_s)
        height, width = self.grid.shape
        at_row = np.arange(height, dtype=np.float32)[:, None] - rows + np.float32(north)
        at_column = np.arange(width, dtype=np.float32) - columns - np.float32(east)
        moved = cv2.remap(
            self.opacity,
            np.broadcast_to(at_column % width, self.grid.shape).astype(np.float32),
            np.broadcast_to(at_row % height, self.grid.shape).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        return np.asarray(moved, np.float32)


def clouds_over(grid: Grid, mean_share: float, rng: np.random.Generator) -> Clouds:
    """Clouds whose share is drawn evenly between none and twice ``mean_share``."""
    share = min(float(rng.uniform(0, 2 * mean_share)), HIGHEST_SHARE)
    top_m = float(rng.uniform(*TOP_M))
    east, north = rng.normal(0, WIND_M_S, 2)
    texture = power_law(grid.shape, SLOPE, rng)
    edge = np.quantile(texture, 1 - share)
    # half opaque at the edge; nothing where no share is asked for
    opacity = np.clip((texture - edge) / EDGE + 0.5, 0, 1) * bool(share)
    return Clouds(grid, opacity.astype(np.float32), share, top_m, (float(east), float(north)))


def leaning(grid: Grid, viewpoint: Viewpoint) -> tuple[Floats, Floats]:
    """By how many (rows, columns) of ``grid`` a metre of height appears displaced, each (H, W).

    The parallax of ``lstsr.geo.parallax.apparent`` at 1000 m on a lattice, and the plane through
    it: over 150 km the rest is below 0.001 metres per metre.
    """
    height, width = grid.shape
    row, column = np.indices((5, 5)).reshape(2, -1) / 4 * np.array([[height], [width]])
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    to_grid = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    lon, lat = to_degrees.transform(*(grid.transform @ (column, row)))
    x, y = to_grid.transform(*apparent(lon, lat, np.full(lon.shape, 1000.0), viewpoint))
    to_column, to_row = ~grid.transform @ (x, y)
    places = np.stack([np.ones_like(row), row, column], 1)
    moved = np.stack([to_row - row, to_column - column], 1) / 1000
    plane = np.linalg.lstsq(places, moved, rcond=None)[0].astype(np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    columns = np.arange(width, dtype=np.float32) + np.float32(0.5)
    by_row, by_column = (a + b * rows + c * columns for a, b, c in plane.T)
    return by_row, by_column
