"""The simulated Korean sample: a scene's three products, its elevation, and the truth behind."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstsr.files import whole
from lstsr.geo.coarsen import coarsened
from lstsr.grid import Grid
from lstsr.image import Floats, SensorImage
from lstsr.manifest import Scene
from lstsr.sensors import geotiff
from lstsr.simulate import observe
from lstsr.simulate.clouds import Clouds, clouds_over
from lstsr.simulate.gk2a import SCAN_TIME, SECTOR, write_lst
from lstsr.simulate.gk2a import write_l1b as write_gk2a_l1b
from lstsr.simulate.goci2 import write_ac
from lstsr.simulate.goci2 import write_l1b as write_goci2_l1b
from lstsr.simulate.landsat import write_l2sp
from lstsr.simulate.places import (
    GOCI2_SLOT,
    gk2a_time_of,
    goci2_time_of,
    grid_of,
    path_row,
    place,
    scene_files,
    time_of,
)
from lstsr.simulate.world import World, world_of

if TYPE_CHECKING:
    from lstsr.config import GenerateConfig

# The world goes on around a footprint, further than any sensor's footprint and parallax reach:
# in world pixels (8.16 km), a multiple of the blocks of the truth.
MARGIN = 272
TRUTH_BLOCK, STATIC_BLOCK = 8, 3
TRUTH_FOLDER = "truth"
# The slot of Korea within the scan of GOCI-II, after the scan's nominal time.
SLOT_START, SLOT_END = timedelta(minutes=11, seconds=26), timedelta(minutes=12, seconds=30)


def make(name: str, folder: Path, config: GenerateConfig) -> Scene:
    """Make the files of a scene: name, size, cloud share and seed give the same ones anywhere.

    Beside the products and the elevation stands ``truth``: the LST without noise and clouds in
    blocks of 240 m, and ``truth.json`` with what registration and harmonisation should find.
    """
    scene = scene_files(name, folder, config)
    assert scene.input and scene.reference and scene.dem and scene.water
    footprint = grid_of(name, config)
    moment = time_of(name)
    seeds = np.random.SeedSequence([config.seed, place(name), int(f"{moment:%Y%m%d}")]).spawn(4)
    of_clouds, of_landsat, of_gk2a, of_goci2 = (np.random.default_rng(seed) for seed in seeds)
    world = world_of(world_grid(footprint), place(name), moment, config.seed)
    clouds = clouds_over(world.grid, config.clouds, of_clouds)

    path, row = path_row(name, config)
    landsat = observe.landsat(
        world,
        clouds,
        footprint,
        of_landsat,
        product_id=scene.target.name,
        time=moment,
        path=path,
        row=row,
    )
    write_l2sp(scene.target.parent, landsat)

    make_gk2a = {2: _lst, 1: _l1b}[config.level]
    after = gk2a_time_of(name) - moment
    truth_of_gk2a = make_gk2a(scene.input.parent, world, clouds, gk2a_time_of(name), after, of_gk2a)

    truth_of_goci2 = _goci2(name, scene.reference.parent, world, clouds, config, of_goci2)

    elevation = _raster(world.elevation_m, world.grid, "elevation", "metre")
    geotiff.write(scene.dem, coarsened(elevation, STATIC_BLOCK))
    water = _raster(world.water.astype(np.float32), world.grid, "water", "share")
    geotiff.write(scene.water, coarsened(water, STATIC_BLOCK))
    truth = scene.target.parent / TRUTH_FOLDER
    _write_truth(truth / "lst_240m.tif", world, footprint, scene.time)
    _write_json(
        truth / "truth.json",
        {
            "scene": name,
            "input": {
                **truth_of_gk2a,
                "psf_fwhm_m": dict(zip(("row", "column"), observe.GK2A_FWHM_M, strict=True)),
            },
            "reference": truth_of_goci2,
            "target": {
                "psf_fwhm_m": observe.TIRS_FWHM_M,
                "cloud_share": landsat.cloud_cover_percent / 100,
            },
            "clouds": _described(clouds),
            "warming_k_per_h": float(np.mean(world.warming_k_per_h)),
        },
    )
    return scene


def world_grid(footprint: Grid) -> Grid:
    """The world around a footprint: its pixels, a margin, and sides of whole blocks."""
    whole_blocks = math.lcm(TRUTH_BLOCK, STATIC_BLOCK, observe.BLOCK)
    height, width = (
        math.ceil((side + 2 * MARGIN) / whole_blocks) * whole_blocks for side in footprint.shape
    )
    return footprint.window(-MARGIN, -MARGIN, height, width)


def _lst(
    folder: Path,
    world: World,
    clouds: Clouds,
    time: datetime,
    after: timedelta,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Write GK2A's Level 2, seen so long ``after`` minute 0; return what stands behind it."""
    minutes = after.total_seconds() / 60
    look = observe.gk2a(world, clouds, minutes, rng)
    write_lst(folder, time, "ko", look.lst_k, look.quality)
    return {
        "shift": asdict(look.navigation),
        "bias_k": look.bias_k,
        "atmosphere": asdict(look.atmosphere),
        "minutes_after_target": minutes,
    }


def _l1b(
    folder: Path,
    world: World,
    clouds: Clouds,
    time: datetime,
    after: timedelta,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Write the window channels of GK2A's Level 1B, whose scan starts so long ``after`` minute 0.

    Return what stands behind them, seen in the middle of the scan.
    """
    minutes = (after + SCAN_TIME["la"] / 2).total_seconds() / 60
    look = observe.gk2a_l1b(world, clouds, SECTOR, minutes, rng)
    for channel, seen_k in look.brightness_temperature_k.items():
        write_gk2a_l1b(folder, time, "la", channel, SECTOR, seen_k, look.quality)
    return {
        "shift": asdict(look.navigation),
        "atmosphere": asdict(look.atmosphere),
        "minutes_after_target": minutes,
    }


def _goci2(
    name: str,
    folder: Path,
    world: World,
    clouds: Clouds,
    config: GenerateConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Write the GOCI-II slot, of an earlier day and its own clouds if so configured.

    Return what stands behind it.
    """
    moment, nominal = time_of(name), goci2_time_of(name, config)
    start, end = nominal + SLOT_START, nominal + SLOT_END
    middle = start + (end - start) / 2
    seen_at = moment
    if config.aged_reference:
        seen_at -= timedelta(days=config.aged_reference.days)
        world = world_of(world.grid, place(name), seen_at, config.seed)
        clouds = clouds_over(world.grid, config.aged_reference.clouds, rng)
    minutes = (middle - seen_at).total_seconds() / 60
    look = observe.goci2(world, clouds, grid_of(name, config), minutes, rng)
    slot = folder, nominal, GOCI2_SLOT, start, end, look.grid
    if config.level == 1:
        write_goci2_l1b(*slot, observe.goci2_radiance(look, middle))
    else:
        write_ac(*slot, look.rhoc, look.flag)
    return {
        "shift": asdict(look.navigation),
        "rayleigh_443": look.rayleigh_443,
        "minutes_after_target": (middle - moment).total_seconds() / 60,
        "psf_fwhm_px": observe.GOCI2_FWHM_PX,
    }


def _write_truth(path: Path, world: World, footprint: Grid, time: str) -> None:
    """The world's LST over the footprint, averaged as T^4; the last blocks may reach beyond it."""
    blocks = coarsened(_raster(world.lst_k, world.grid, "lst", "kelvin", time), TRUTH_BLOCK)
    start = MARGIN // TRUTH_BLOCK
    height, width = (math.ceil(side / TRUTH_BLOCK) for side in footprint.shape)
    inner = slice(start, start + height), slice(start, start + width)
    geotiff.write(
        path,
        replace(
            blocks,
            values=blocks.values[:, *inner],
            valid=blocks.valid[inner],
            grid=blocks.grid.window(start, start, height, width),
        ),
    )


def _raster(values: Floats, grid: Grid, band: str, unit: str, time: str = "") -> SensorImage:
    return SensorImage(
        values[None].astype(np.float32),
        np.ones(grid.shape, bool),
        grid,
        (band,),
        unit,
        "simulated world",
        time,
    )


def _described(clouds: Clouds) -> dict[str, Any]:
    east, north = clouds.wind_m_s
    return {
        "share": clouds.share,
        "top_m": clouds.top_m,
        "wind_east_m_s": east,
        "wind_north_m_s": north,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")
