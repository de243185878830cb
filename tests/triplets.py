"""Small georeferenced triplets for tests, as GeoTIFFs of a coarse, an optical and a fine sensor.

LST falls with vegetation and elevation; the coarse sensor sees it through a blur wider than its
cell, with bias, noise and a navigation error, the optical one with another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from scipy.ndimage import gaussian_filter, shift

from lstsr.config import Config, validate
from lstsr.geo.aggregate import block_mean_t4
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.manifest import Scene
from lstsr.sensors import geotiff

CRS = "EPSG:32652"
FINE_M = 250.0
ORIGIN = (300_000.0, 4_200_000.0)
MARGIN = 16
LAPSE_K_PER_KM = 6.5
SENSORS = {
    "input": {"sensor": "coarse", "unit": "kelvin", "valid_min": 200, "valid_max": 360},
    "reference": {
        "sensor": "optical",
        "unit": "index",
        "names": ["ndvi"],
        "valid_min": -1,
        "valid_max": 1,
    },
    "target": {"sensor": "fine", "unit": "kelvin", "valid_min": 200, "valid_max": 360},
}


@dataclass(frozen=True)
class Sample:
    """Number and size of the scenes: ``coarse_size`` coarse cells along a side."""

    scenes: int = 12
    coarse_size: int = 32
    scale: int = 4
    seed: int = 2023


def config_of(**more: Any) -> Config:
    """A run on these triplets: track observed at x4."""
    return validate(
        {
            "dataset": "sample",
            "acquire": {"provider": "local"},
            "sensors": SENSORS,
            "split": {"test": 0.2, "validation": 0.2},
            "blocks": [{"track": "observed", "scale": 4}],
            "train": {"patch": 64},
        }
        | more
    )


def write_manifest(folder: Path, sample: Sample) -> None:
    """Make every scene and list them in ``folder``/scenes.csv."""
    lines = ["scene,input,reference,target"]
    for name in names(sample):
        files = make(name, folder, sample).files
        lines.append(",".join([name, *(str(file.relative_to(folder)) for file in files)]))
    (folder / "scenes.csv").write_text("\n".join(lines) + "\n")


def names(sample: Sample) -> list[str]:
    """Names of all scenes of a sample."""
    return [f"sample-{index:03d}" for index in range(sample.scenes)]


def scene_files(name: str, folder: Path) -> Scene:
    """The manifest row of a scene: three files in ``folder``."""
    of_input, of_reference, of_target = (
        folder / name / file for file in ("lst_coarse.tif", "ndvi_fine.tif", "lst_fine.tif")
    )
    return Scene(name, of_input, of_reference, of_target)


def grid_of(name: str, sample: Sample) -> Grid:
    """The fine grid of a scene. Scenes lie four in a row, a scene's width apart."""
    size = sample.coarse_size * sample.scale
    row, column = divmod(names(sample).index(name), 4)
    x = ORIGIN[0] + 2 * column * size * FINE_M
    y = ORIGIN[1] - 2 * row * size * FINE_M
    return Grid(CRS, Affine(FINE_M, 0, x, 0, -FINE_M, y), size, size)


def make(name: str, folder: Path, sample: Sample) -> Scene:
    """Make the three files of a scene; the same name and seed give the same values."""
    rng = np.random.default_rng([sample.seed, names(sample).index(name)])
    fine = grid_of(name, sample)
    size = fine.width + 2 * MARGIN
    ndvi, lst = _world(rng, size)
    scale = sample.scale
    clear = ~_clouds(rng, size)
    seen = _moved(lst, rng.normal(0.7, 0.3, 2))
    blurred = gaussian_filter(seen**4, 0.45 * scale) ** 0.25
    coarse, _ = block_mean_t4(_inner(blurred), np.ones(fine.shape, bool), scale, 0.5)
    coarse = coarse + rng.normal(0, 0.8) + rng.normal(0, 0.15, coarse.shape)
    coarse_clear = _inner(clear).reshape(coarse.shape[0], scale, -1, scale).mean((1, 3)) > 0.9
    optical = _moved(ndvi, rng.normal(0.9, 0.3, 2)) + rng.normal(0, 0.01, ndvi.shape)
    scene = scene_files(name, folder)
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


OPTICAL = {
    "target": {
        "sensor": "four bands",
        "unit": "reflectance",
        "bands": [1, 2, 3, 4],
        "names": ["blue", "green", "red", "nir"],
    }
}


def optical_config_of(**more: Any) -> Config:
    """A run of task optical at x2 on the images of `write_images`."""
    blocks = [{"track": "degraded-block", "scale": 2}]
    return config_of(**({"task": "optical", "sensors": OPTICAL, "blocks": blocks} | more))


def write_images(folder: Path, sample: Sample) -> list[Scene]:
    """Images of four bands of reflectance, partly cloudy, and their ``folder``/scenes.csv."""
    scenes, lines = [], ["scene,target"]
    for name in names(sample):
        rng = np.random.default_rng([sample.seed, names(sample).index(name)])
        grid = grid_of(name, sample)
        shape = np.array([0.3, 0.5, 0.4, 1.6])[:, None, None]
        own = np.stack([_field(rng, grid.width, 2.2) for _ in shape])
        values = 0.15 + 0.03 * shape * _field(rng, grid.width, 2.2) + 0.005 * own
        image = SensorImage(
            values.astype(np.float32),
            ~_clouds(rng, grid.width),
            grid,
            tuple(OPTICAL["target"]["names"]),
            "reflectance",
            "four bands",
        )
        geotiff.write(folder / f"{name}.tif", image)
        scenes.append(Scene(name, None, None, folder / f"{name}.tif"))
        lines.append(f"{name},{name}.tif")
    (folder / "scenes.csv").write_text("\n".join(lines) + "\n")
    return scenes
