"""The simulated Korean sample: products, elevation, water and truth of each scene."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstsr.files import whole
from lstsr.geo.coarsen import coarsened
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.manifest import Scene
from lstsr.sensors import geotiff
from lstsr.simulate import gk2a, goci2, landsat, places
from lstsr.simulate.clouds import Clouds, clouds_over
from lstsr.simulate.view import BLOCK
from lstsr.simulate.world import World, world_of

if TYPE_CHECKING:
    from lstsr.config import GenerateConfig

# The world extends beyond a footprint by more than any sensor's PSF and parallax, in world pixels
# (8.16 km). It is a multiple of the blocks of the truth.
MARGIN = 272
TRUTH_BLOCK, STATIC_BLOCK = 8, 3
TRUTH_FOLDER = "truth"
# The slot of Korea within the scan of GOCI-II, after the scan's nominal time.
SLOT_START, SLOT_END = timedelta(minutes=11, seconds=26), timedelta(minutes=12, seconds=30)


def make(name: str, folder: Path, config: GenerateConfig) -> Scene:
    """Make the files of a scene. Equal name, size, cloud share and seed give equal files.

    The folder ``truth`` holds the LST without noise and clouds in blocks of 240 m, and
    ``truth.json`` with the values that registration and harmonisation should find.
    """
    scene = places.scene_files(name, folder, config)
    assert scene.input and scene.reference and scene.dem and scene.water
    home = scene.target.parent
    footprint = places.grid_of(name, config)
    moment, place = places.time_of(name), places.place(name)
    seeds = np.random.SeedSequence([config.seed, place, int(f"{moment:%Y%m%d}")]).spawn(4)
    of_clouds, of_landsat, of_gk2a, of_goci2 = (np.random.default_rng(seed) for seed in seeds)
    world = world_of(world_grid(footprint), place, moment, config.seed)
    clouds = clouds_over(world.grid, config.clouds, of_clouds)

    target = landsat.observe(world, clouds, footprint, of_landsat, scene.target.name, moment)
    landsat.write_l2sp(home, target)
    input_truth = _make_gk2a(name, home, world, clouds, config.level, of_gk2a)
    reference_truth = _make_goci2(name, home, world, clouds, config, of_goci2)

    elevation = _raster(world.elevation_m, world.grid, "elevation", "metre")
    geotiff.write(scene.dem, coarsened(elevation, STATIC_BLOCK))
    water = _raster(world.water, world.grid, "water", "index")
    geotiff.write(scene.water, coarsened(water, STATIC_BLOCK))
    lst = coarsened(_raster(world.lst_k, world.grid, "lst", "kelvin", scene.time), TRUTH_BLOCK)
    start = MARGIN // TRUTH_BLOCK
    # the last blocks may reach beyond the footprint
    height, width = (math.ceil(side / TRUTH_BLOCK) for side in footprint.shape)
    inner = slice(start, start + height), slice(start, start + width)
    grid = lst.grid.window(start, start, height, width)
    lst = replace(lst, values=lst.values[:, *inner], valid=lst.valid[inner], grid=grid)
    geotiff.write(home / TRUTH_FOLDER / "lst_240m.tif", lst)
    row_m, column_m = gk2a.FWHM_M
    east_m_s, north_m_s = clouds.wind_m_s
    truth = {
        "scene": name,
        "input": {**input_truth, "psf_fwhm_m": {"row": row_m, "column": column_m}},
        "reference": reference_truth,
        "target": {
            "psf_fwhm_m": landsat.TIRS_FWHM_M,
            "cloud_share": target.cloud_cover_percent / 100,
        },
        "clouds": {
            "share": clouds.share,
            "top_m": clouds.top_m,
            "wind_east_m_s": east_m_s,
            "wind_north_m_s": north_m_s,
        },
        "warming_k_per_h": float(np.mean(world.warming_k_per_h)),
    }
    with whole(home / TRUTH_FOLDER / "truth.json") as partial:
        partial.write_text(json.dumps(truth, indent=2) + "\n")
    return scene


def world_grid(footprint: Grid) -> Grid:
    """The world around a footprint: its pixels, a margin, and sides of whole blocks."""
    side = math.lcm(TRUTH_BLOCK, STATIC_BLOCK, BLOCK)
    height, width = (math.ceil((length + 2 * MARGIN) / side) * side for length in footprint.shape)
    return footprint.window(-MARGIN, -MARGIN, height, width)


def _make_gk2a(
    name: str, folder: Path, world: World, clouds: Clouds, level: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Write GK2A's LST, or the window channels of Level 1B; return their truth."""
    time = places.gk2a_time_of(name)
    after = time - places.time_of(name)
    if level == 1:
        after += gk2a.SCAN_TIME / 2  # the middle of the scan
    minutes = after.total_seconds() / 60
    if level == 1:
        look = gk2a.observe_l1b(world, clouds, gk2a.SECTOR, minutes, rng)
        for channel, seen_k in look.measured_k.items():
            calibration = gk2a.CALIBRATIONS[channel]
            gk2a.write_l1b(folder, time, calibration, gk2a.SECTOR, seen_k, look.quality)
    else:
        look = gk2a.observe_lst(world, clouds, minutes, rng)
        gk2a.write_lst(folder, time, look.measured_k["lst"], look.quality)
    return {
        "shift": asdict(look.navigation),
        **({} if level == 1 else {"bias_k": look.bias_k}),
        "atmosphere": asdict(look.atmosphere),
        "minutes_after_target": minutes,
    }


def _make_goci2(
    name: str,
    folder: Path,
    world: World,
    clouds: Clouds,
    config: GenerateConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Write the GOCI-II slot; return its truth.

    An aged reference is from an earlier day, with clouds of its own.
    """
    moment, nominal = places.time_of(name), places.goci2_time_of(name, config)
    start, end = nominal + SLOT_START, nominal + SLOT_END
    middle = start + (end - start) / 2
    seen_at = moment
    if config.aged_reference:
        seen_at -= timedelta(days=config.aged_reference.days)
        world = world_of(world.grid, places.place(name), seen_at, config.seed)
        clouds = clouds_over(world.grid, config.aged_reference.clouds, rng)
    minutes = (middle - seen_at).total_seconds() / 60
    look = goci2.observe(world, clouds, places.grid_of(name, config), minutes, rng)
    slot = folder, nominal, places.GOCI2_SLOT, start, end, look.grid
    if config.level == 1:
        goci2.write_l1b(*slot, goci2.radiance(look, middle))
    else:
        goci2.write_ac(*slot, look.rhoc, look.flag)
    return {
        "shift": asdict(look.navigation),
        "rayleigh_443": look.rayleigh_443,
        "minutes_after_target": (middle - moment).total_seconds() / 60,
        "psf_fwhm_px": goci2.FWHM_PX,
    }


def _raster(values: np.ndarray, grid: Grid, band: str, unit: str, time: str = "") -> SensorImage:
    values, valid = values[None].astype(np.float32), np.ones(grid.shape, bool)
    return SensorImage(values, valid, grid, (band,), unit, "simulated world", time)
