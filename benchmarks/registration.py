"""Accuracy of the shifts measured in the simulated sample, with and without terrain parallax.

    python benchmarks/registration.py CONFIG.yaml GENERATED_FOLDER [--pairs 200]

GENERATED_FOLDER is `work/generated` of a run of CONFIG, with the truth beside each scene. Prints
the error of the shifts of input and reference in pixels of their own grids, and how many
deliberately mismatched pairs (input and reference against another scene's target) are accepted.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lstsr.config import Config, load
from lstsr.dataset.assembly import cells_within, read_ground
from lstsr.errors import SceneError
from lstsr.geo.parallax import Terrain
from lstsr.geo.registration import Registration, register, register_input
from lstsr.geo.resample import resample
from lstsr.image import SensorImage
from lstsr.manifest import Scene
from lstsr.plan import scenes
from lstsr.registry import reader

ROLES = ("input", "reference")


@dataclass(frozen=True)
class Unmoved:
    """A scene's images on the common grids, not registered: coarse, NIR twice, and fine LST."""

    coarse: SensorImage
    reference: SensorImage
    nir: SensorImage
    lst: SensorImage


def unmoved(scene: Scene, config: Config, terrain: Terrain | None) -> Unmoved:
    """The images of a scene."""
    sensors, align = config.sensors, config.align
    assert align.grid is not None
    target = reader("landsat").read(scene.target, sensors.target)
    nir = sensors.target.model_copy(update={"bands": ["nir08"]})
    cells = cells_within(target.grid, align.grid)
    fine = cells.refine(align.scale)
    return Unmoved(
        resample(reader("gk2a").read(scene.input, sensors.input), cells, terrain=terrain),
        resample(reader("goci2").read(scene.reference, sensors.reference), fine, terrain=terrain),
        resample(reader("landsat").read(scene.target, nir), fine),
        resample(target, fine),
    )


def registered(moving: Unmoved, fixed: Unmoved, config: Config) -> dict[str, Registration]:
    """Both registrations of one scene's images against another's (or its own) target."""
    scale = config.align.scale
    rows, columns = np.min([moving.coarse.grid.shape, fixed.coarse.grid.shape], axis=0)
    cells, pixels = np.s_[:rows, :columns], np.s_[: rows * scale, : columns * scale]
    band = moving.reference.bands.index(str(config.align.registration.reference_band))
    return {
        "input": register_input(
            moving.coarse.values[0][cells],
            moving.coarse.valid[cells],
            fixed.lst.values[0][pixels],
            fixed.lst.valid[pixels],
            scale,
            psf_cells=config.align.registration.input_psf_cells,
        ),
        "reference": register(
            moving.reference.values[band][pixels],
            fixed.nir.values[0][pixels],
            moving.reference.valid[pixels],
            fixed.nir.valid[pixels],
        ),
    }


def error_px(result: Registration, truth: dict[str, float], fine_m: float) -> float:
    """Distance of a shift from the truth, in pixels of the sensor's own grid."""
    off = []
    for axis in ("row", "column"):
        pixel_m = truth[f"{axis}_m"] / truth[f"{axis}_px"]
        off.append((getattr(result, axis) * fine_m - truth[f"{axis}_m"]) / pixel_m)
    return float(np.hypot(*off))


def errors(config: Config, folder: Path, with_terrain: bool) -> dict[str, list[float]]:
    """Errors of all accepted scenes, by role. Prints the scenes that are not accepted."""
    errors_px: dict[str, list[float]] = {role: [] for role in ROLES}
    for scene in tqdm(scenes(config.acquire, config.sensors, folder, folder)):
        truth = json.loads((folder / scene.scene / "truth" / "truth.json").read_text())
        try:
            terrain = read_ground(scene.dem, None).terrain if with_terrain else None
            images = unmoved(scene, config, terrain)
        except SceneError as error:
            print(f"{scene.scene}: {error}")
            continue
        fine_m = images.lst.grid.gsd_m
        for role, result in registered(images, images, config).items():
            if result.accepted:
                errors_px[role].append(error_px(result, truth[role]["shift"], fine_m))
            else:
                print(f"{scene.scene}: {role} not accepted, peak {result.peak_correlation:.2f}")
    return errors_px


def mismatched(config: Config, folder: Path, pairs: int) -> dict[str, int]:
    """Number of accepted pairs among ``pairs`` pairs of different places, by role."""
    images = {}
    for scene in scenes(config.acquire, config.sensors, folder, folder):
        try:
            images[scene.scene] = unmoved(scene, config, read_ground(scene.dem, None).terrain)
        except SceneError:
            continue
    rng = np.random.default_rng(0)
    names = sorted(images)
    accepted = dict.fromkeys(ROLES, 0)
    for _ in tqdm(range(pairs)):
        moving, fixed = "", ""
        while moving.partition("-")[0] == fixed.partition("-")[0]:
            moving, fixed = rng.choice(names, 2, replace=False)
        for role, result in registered(images[moving], images[fixed], config).items():
            accepted[role] += result.accepted
    return accepted


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()
    config = load(options.config)
    for with_terrain in (True, False):
        case = "with" if with_terrain else "without"
        for role, errors_px in errors(config, options.folder, with_terrain).items():
            print(
                f"{case} terrain, {role}: n = {len(errors_px)}, median {np.median(errors_px):.3f}, "
                f"95 % {np.percentile(errors_px, 95):.3f} pixels of the sensor's grid"
            )
    accepted = mismatched(config, options.folder, options.pairs)
    print(f"mismatched pairs accepted, of {options.pairs}: {accepted}")


if __name__ == "__main__":
    main()
