"""The surface of a simulated place: terrain, coast, rivers and land cover, for all dates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from lstsr.grid import Grid
from lstsr.image import Floats, Mask
from lstsr.simulate.fields import power_law, ramp

# Every number here is an assumption that imitates southern Korea; see docs/simulation.md.
RELIEF_M = (120.0, 440.0)
COASTAL_SHARE = 0.35
PARCEL_M = (140.0, 320.0)


@dataclass(frozen=True)
class Surface:
    """Fields (rows, columns) of one place.

    ``forest``, ``city``, ``field`` and ``water`` are shares of a pixel's ground that add up to 1;
    ``conifer`` is a share of the forest. ``parcel`` is a number in 0..1 for each parcel of
    farmland, and ``paddy`` marks rice paddies. ``vigour`` (about 1) is the density of plants.
    ``bright`` (mean 0, variance 1) varies the soil. ``hidden`` (same) varies properties that no
    optical band shows: depth and conductivity of the ground, and the water that roots reach.
    """

    elevation_m: Floats
    slope_rad: Floats
    aspect_rad: Floats
    forest: Floats
    city: Floats
    field: Floats
    water: Floats
    conifer: Floats
    parcel: Floats
    paddy: Mask
    vigour: Floats
    bright: Floats
    hidden: Floats


@lru_cache(maxsize=1)
def surface_of(grid: Grid, place: int, seed: int) -> Surface:
    """The surface of a place, for all dates."""
    rng = np.random.default_rng([seed, place])
    shape = grid.shape
    elevation = _elevation(rng, shape)
    sea, inland = _sea(rng, shape)
    elevation *= inland
    step = grid.gsd_m
    down, east = np.gradient(cv2.GaussianBlur(elevation, (0, 0), 1.5), step)
    slope = np.arctan(np.hypot(down, east))
    # the azimuth that the ground faces, clockwise from north; rows grow southwards
    aspect = np.arctan2(-east, down)

    river = _rivers(rng, shape, elevation)
    water = np.maximum(sea, river)
    flat = 1 - ramp(slope, 0.12, 0.05)
    wild = 1 - flat + 0.25 * power_law(shape, 2.6, rng, 2) + elevation / 500
    forest = ramp(wild, 0.42, 0.12)
    crowd = power_law(shape, 3.0, rng, 4)
    blocks = power_law(shape, 1.8, rng)
    city = ramp(crowd + 0.25 * blocks, 1.35, 0.3) * flat * np.clip(0.75 + 0.12 * blocks, 0, 1)
    city *= 1 - water
    forest = forest * (1 - water - city)
    parcel, paddy = _parcels(rng, shape, step)
    return Surface(
        elevation,
        slope,
        aspect,
        forest,
        city,
        np.clip(1 - forest - city - water, 0, 1),
        water,
        ramp(power_law(shape, 3.0, rng, 4), 0.2, 0.5),
        parcel,
        paddy & (elevation < 250),
        np.clip(0.88 + 0.16 * power_law(shape, 2.7, rng), 0.3, 1.08),
        power_law(shape, 2.2, rng),
        power_law(shape, 1.8, rng, 2),
    )


def _elevation(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Ridges and valleys over broad highs and lowlands, metres above the sea."""
    broad = power_law(shape, 4.0, rng, 8)
    ridges = 1 - np.abs(power_law(shape, 3.8, rng, 2))
    relief = rng.uniform(*RELIEF_M)
    high = relief * (0.3 + 0.9 * broad + 0.8 * ridges)
    # lowlands are filled with sediment: heights below 60 m are compressed
    return 40 * np.logaddexp(0, high / 40).astype(np.float32)


def _sea(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """The share of sea, and the rise inland: from 0 at the shore to 1 within a few kilometres.

    Some places have a ragged coast on one side.
    """
    coastal, towards = rng.random() < COASTAL_SHARE, rng.uniform(0, 2 * np.pi)
    ragged = power_law(shape, 3.0, rng, 4)
    if not coastal:
        return np.zeros(shape, np.float32), np.ones(shape, np.float32)
    rows, columns = (np.linspace(-1, 1, length, dtype=np.float32) for length in shape)
    offshore = np.sin(towards) * rows[:, None] + np.cos(towards) * columns
    seawards = offshore + 0.2 * ragged
    return ramp(seawards, 0.75, 0.004), 1 - ramp(seawards, 0.6, 0.1)


def _rivers(rng: np.random.Generator, shape: tuple[int, int], elevation: Floats) -> Floats:
    """The share of lakes, and of rivers, which follow a contour of a smooth field in lowlands."""
    course = np.abs(power_law(shape, 4.0, rng, 4))
    low = 1 - ramp(elevation, 130, 30)
    lake = ramp(power_law(shape, 3.4, rng, 2) - elevation / 400, 1.9, 0.03)
    return np.maximum((1 - ramp(course, 0.006, 0.002)) * low, lake)


def _parcels(
    rng: np.random.Generator, shape: tuple[int, int], step_m: float
) -> tuple[Floats, Mask]:
    """The number of each pixel's parcel of farmland, and whether it is a paddy."""
    warp = 6 * power_law(shape, 3.4, rng, 4)
    side = rng.uniform(*PARCEL_M, 2) / step_m
    row = ((np.arange(shape[0])[:, None] + 3 * warp) / side[0]).astype(np.int64)
    column = ((np.arange(shape[1]) + 3 * warp[::-1]) / side[1]).astype(np.int64)
    number = (row * 7919 + column) % 65536
    drawn, wetness = rng.random((2, 65536), np.float32)
    # paddies form groups along the same valleys
    wetland = power_law(shape, 3.2, rng, 4)
    return drawn[number], wetland + 0.5 * (wetness[number] - 0.5) > -0.2
