"""A small seeded generator of georeferenced triplets, so that a run needs no download.

A world of elevation, vegetation and water drives LST; the coarse sensor sees it through a blur
wider than its cell, with bias, noise and a navigation error, the optical one with another. It is a
stand-in to exercise the pipeline, not a claim about any place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, shift

from lstsr.geo.aggregate import block_mean_t4
from lstsr.image import SensorImage
from lstsr.scenes import Scene
from lstsr.sensors import geotiff
from lstsr.simulate.places import grid_of, names, scene_files

if TYPE_CHECKING:
    from lstsr.config import GenerateConfig

MARGIN = 16
LAPSE_K_PER_KM = 6.5


def make(name: str, folder: Path, config: GenerateConfig) -> Scene:
    """Make the three files of a scene; the same name and seed give the same values."""
    rng = np.random.default_rng([config.seed, names(config).index(name)])
    fine = grid_of(name, config)
    size = fine.width + 2 * MARGIN
    ndvi, lst = _world(rng, size)
    scale = config.scale
    clear = ~_clouds(rng, size)
    seen = _moved(lst, rng.normal(0.7, 0.3, 2))
    blurred = gaussian_filter(seen**4, 0.45 * scale) ** 0.25
    coarse, _ = block_mean_t4(_inner(blurred), np.ones(fine.shape, bool), scale, 0.5)
    coarse = coarse + rng.normal(0, 0.8) + rng.normal(0, 0.15, coarse.shape)
    coarse_clear = _inner(clear).reshape(coarse.shape[0], scale, -1, scale).mean((1, 3)) > 0.9
    optical = _moved(ndvi, rng.normal(0.9, 0.3, 2)) + rng.normal(0, 0.01, ndvi.shape)
    scene = scene_files(name, folder, config)
    for path, values, valid, grid, unit, sensor in (
        (scene.input, coarse, coarse_clear, fine.coarsen(scale), "kelvin", "simulated coarse"),
        (scene.reference, _inner(optical), _inner(clear), fine, "index", "simulated optical"),
        (scene.target, _inner(lst), _inner(clear), fine, "kelvin", "simulated fine"),
    ):
        band = ("lst",) if unit == "kelvin" else ("ndvi",)
        geotiff.write(
            path, SensorImage(values[None].astype(np.float32), valid, grid, band, unit, sensor)
        )
    return scene


def _world(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """NDVI and LST in kelvin of a square of ``size`` fine cells."""
    elevation_km = 0.6 * np.clip(_field(rng, size, 3.2), 0, None)
    fields = np.tanh(2 * _field(rng, size, 2.2))
    ndvi = np.clip(0.45 + 0.22 * fields + 0.08 * _field(rng, size, 2.6), 0.02, 0.95)
    water = _field(rng, size, 3.4) > 1.5
    ndvi = np.where(water, -0.1, ndvi)
    warm = 298 + 6 * rng.normal()
    slope_k = rng.uniform(10, 16) * (1 + 0.25 * np.tanh(_field(rng, size, 3.4)))
    lst = warm - slope_k * (ndvi - 0.45) - LAPSE_K_PER_KM * elevation_km
    lst += 1.5 * _field(rng, size, 3.4) + 0.5 * _field(rng, size, 2.4)
    return ndvi, gaussian_filter(np.where(water, warm - 6, lst), 0.4)


def _field(rng: np.random.Generator, size: int, slope: float) -> np.ndarray:
    """A random field of unit variance whose power falls as wavenumber^-slope."""
    waves = np.fft.rfft2(rng.normal(size=(size, size)))
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    radius[0, 0] = np.inf
    field = np.fft.irfft2(waves * radius ** (-slope / 2), (size, size))
    return (field - field.mean()) / field.std()


def _clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    return _field(rng, size, 3.5) > rng.uniform(1.4, 3.0)


def _moved(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The content seen ``by`` fine cells further north and west: a navigation error."""
    return shift(values, -by, order=3, mode="nearest")


def _inner(values: np.ndarray) -> np.ndarray:
    return values[MARGIN:-MARGIN, MARGIN:-MARGIN]
