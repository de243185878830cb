"""Clouds over a world: where each sensor's image shows them, and what they hide."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lstsr.grid import Grid
from lstsr.image import Floats, Viewpoint
from lstsr.simulate.fields import power_law
from lstsr.simulate.view import leaning
from lstsr.simulate.world import LAPSE_K_PER_M, World

# Exponent of the two-dimensional power spectrum over wavenumber. Cahalan and Snider (1989, Remote
# Sensing of Environment 28, 95) measured k^(-5/3) along a line for cloud liquid water, which is
# k^(-8/3) in a plane. Our steeper spectrum avoids clouds of single pixels.
SLOPE = 3.4
# Width of a cloud's edge, from clear to opaque, in standard deviations of the texture.
EDGE = 0.25
HIGHEST_SHARE = 0.95
TOP_M = (1500.0, 4000.0)
# Standard deviation of each component; the mean speed is 7.5 m/s.
WIND_M_S = 6.0
REFLECTANCE = 0.65
SHADOW_DIMMING = 0.6
# A pixel is cloudy or in shadow if the mean opacity of its footprint exceeds this.
CLOUDY = 0.1


@dataclass(frozen=True)
class Clouds:
    """One layer of clouds: ``opacity`` (H, W), 0 to 1, above the ground of ``grid`` at minute 0.

    Clouds that leave the grid on one side come back on the other. ``share`` of the pixels are at
    least half covered, ``top_m`` is the height of the tops, and ``wind_m_s`` blows towards east and
    north.
    """

    grid: Grid
    opacity: Floats
    share: float
    top_m: float
    wind_m_s: tuple[float, float]

    def seen(self, viewpoint: Viewpoint | None, minutes: float = 0.0) -> Floats:
        """Opacity (H, W) where a sensor's image shows it, ``minutes`` after minute 0.

        From the zenith (None) it appears above the ground. A geostationary satellite sees the tops
        displaced away from itself by the parallax of their height.
        """
        if viewpoint is None:
            return self._moved(0, 0, minutes)
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
        return self._moved(float(away * np.cos(azimuth)), float(-away * np.sin(azimuth)), minutes)

    def _moved(self, rows: Floats | float, columns: Floats | float, minutes: float) -> Floats:
        """The opacity moved by pixels (+ south, east) and by the wind, bilinear."""
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
    """Clouds with a random share between 0 and twice ``mean_share``."""
    share = min(float(rng.uniform(0, 2 * mean_share)), HIGHEST_SHARE)
    top_m = float(rng.uniform(*TOP_M))
    east, north = rng.normal(0, WIND_M_S, 2)
    texture = power_law(grid.shape, SLOPE, rng)
    edge = np.quantile(texture, 1 - share)
    # half opaque at the edge; no clouds at all if the share is 0
    opacity = np.clip((texture - edge) / EDGE + 0.5, 0, 1) * bool(share)
    return Clouds(grid, opacity.astype(np.float32), share, top_m, (float(east), float(north)))


def under(ground: Floats, opacity: Floats, cloud: float) -> Floats:
    """``ground`` and ``cloud``, mixed by opacity."""
    return ground + opacity * (np.float32(cloud) - ground)


def shaded(reflectance: Floats, shadow: Floats) -> Floats:
    """Reflectance of ground in a shadow of the opacity ``shadow``."""
    return reflectance * (1 - np.float32(SHADOW_DIMMING) * shadow)


def top_k(world: World, clouds: Clouds) -> float:
    """Temperature of the tops: mean ground temperature minus the lapse up to the tops."""
    return float(world.lst_k.mean()) - LAPSE_K_PER_M * clouds.top_m
