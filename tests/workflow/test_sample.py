"""The default run's data stages on a few simulated scenes: true shifts, and products at fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio

from lstsr.acquire.index import describe
from lstsr.config import Config, load
from lstsr.dataset.align import Aligned, align, read_triplet
from lstsr.geo.registration import Registration
from lstsr.geo.resample import resample
from lstsr.image import SensorImage
from lstsr.manifest import Scene
from lstsr.predict.product import make_product
from lstsr.predict.request import Files, Request
from lstsr.sensors.geotiff import read_written
from lstsr.sensors.landsat import product as landsat
from lstsr.simulate.clouds import clouds_over
from lstsr.simulate.gk2a import observe_lst, write_lst
from lstsr.simulate.places import grid_of, names, place, scene_files, time_of
from lstsr.simulate.sample import make, world_grid
from lstsr.simulate.world import world_of

pytestmark = pytest.mark.slow
SCENES = 4


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    return load(root / "config.yaml")


@pytest.fixture(scope="module")
def sample(config: Config, tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Scenes of four places, 30 % of cloud on average."""
    folder = tmp_path_factory.mktemp("sample")
    generate = config.acquire.generate.model_copy(
        update={"places": SCENES, "dates": 1, "clouds": 0.3}
    )
    return [make(name, folder, generate) for name in names(generate)]


@pytest.fixture(scope="module")
def aligned(
    config: Config, sample: list[Scene], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Aligned]]:
    folder = tmp_path_factory.mktemp("aligned")
    return folder, [align(scene, config.sensors, config.align, folder) for scene in sample]


def error_px(scene: Scene, role: str, found: Registration) -> float:
    """Distance of a shift from the truth, in pixels of the sensor's own grid."""
    truth = json.loads((scene.input.parent / "truth" / "truth.json").read_text())[role]["shift"]
    pixel_m = {axis: truth[f"{axis}_m"] / truth[f"{axis}_px"] for axis in ("row", "column")}
    off = [
        (getattr(found, axis) * 250 - truth[f"{axis}_m"]) / pixel_m[axis]
        for axis in ("row", "column")
    ]
    return float(np.hypot(*off))


def test_true_shifts_are_found_and_terrain_makes_the_difference(
    config: Config, sample: list[Scene], aligned: tuple[Path, list[Aligned]], tmp_path: Path
) -> None:
    """Within 0.2 pixel of GK2A and 0.15 of GOCI-II in the median, all within 0.4."""
    bars = {"input": 0.2, "reference": 0.15}
    with_terrain: dict[str, list[float]] = {"input": [], "reference": []}
    without: dict[str, list[float]] = {"input": [], "reference": []}
    for scene, one in zip(sample, aligned[1], strict=True):
        if one.reason:  # so much cloud that too little is left to match
            assert "share" in one.reason or "tiles" in one.reason
            continue
        bare = config.align.model_copy(update={"covariates": []})  # elevation is one of them
        flat = align(replace(scene, dem=None), config.sensors, bare, tmp_path)
        for role in bars:
            with_terrain[role].append(error_px(scene, role, one.registrations[role]))
            if not flat.reason:
                without[role].append(error_px(scene, role, flat.registrations[role]))
    for role, bar in bars.items():
        assert len(with_terrain[role]) >= SCENES - 1
        assert np.median(with_terrain[role]) <= bar
        assert max(with_terrain[role]) <= 0.4
    assert np.median(without["reference"]) > 1.5 * np.median(with_terrain["reference"])


def test_images_of_one_place_come_together(aligned: tuple[Path, list[Aligned]]) -> None:
    """Nested grids of 2 km and 250 m; the input tells the same temperatures but for a bias."""
    folder, scenes = aligned
    name = next(one.scene for one in scenes if not one.reason)
    triplet = read_triplet(folder, name)
    assert triplet.scale == 8
    assert (triplet.input.grid.gsd_m, triplet.target.grid.gsd_m) == (2000, 250)
    assert triplet.reference.bands == ("rhoc_660", "rhoc_865", "ndvi")
    rows, columns = triplet.input.grid.shape
    cells = triplet.target.values[0].reshape(rows, 8, columns, 8)
    known = np.isfinite(cells)
    share = known.mean((1, 3))
    mean_k = np.where(known, cells, 0).sum((1, 3)) / np.maximum(known.sum((1, 3)), 1)
    both = (share > 0.9) & triplet.input.valid
    assert both.sum() > 50
    assert np.corrcoef(mean_k[both], triplet.input.values[0][both])[0, 1] > 0.9


def test_a_product_is_made_of_the_agencies_files(
    config: Config, sample: list[Scene], tmp_path: Path
) -> None:
    scene = sample[0]
    request = Request(
        model="local-linear",
        files=Files(scene.input, scene.reference, scene.dem),
        output=tmp_path / "out.tif",
        scale=8,
    )
    make_product(request)
    product = read_written(tmp_path / "out.tif")
    assert product.unit == "kelvin"
    assert product.grid.gsd_m == 250
    assert 250 < np.nanmean(product.values) < 330


def test_at_night_the_reference_of_the_day_serves(
    config: Config, sample: list[Scene], tmp_path: Path
) -> None:
    """Midnight in Korea, half a day after GOCI-II: near the true LST, its age recorded."""
    scene, midnight = sample[0], time_of(sample[0].scene).replace(hour=15, minute=0, second=0)
    generate = config.acquire.generate
    world = world_of(
        world_grid(grid_of(scene.scene, generate)), place(scene.scene), midnight, generate.seed
    )
    rng = np.random.default_rng(0)
    look = observe_lst(world, clouds_over(world.grid, 0.0, rng), 0.0, rng)
    coarse = write_lst(tmp_path, midnight, look.measured_k["lst"], look.quality)
    request = Request(
        model="local-linear",
        files=Files(coarse, scene.reference, scene.dem),
        output=tmp_path / "night.tif",
        scale=8,
        register=False,
    )
    make_product(request)
    with rasterio.open(request.output) as dataset:
        assert float(dataset.tags()["reference_age_h"]) == pytest.approx(12.5, abs=0.3)
    product = read_written(request.output)
    true = SensorImage(
        world.lst_k[None],
        np.ones(world.grid.shape, bool),
        world.grid,
        ("lst",),
        "kelvin",
        "truth",
    )
    on_product = resample(true, product.grid)
    both = product.valid & on_product.valid
    error = (product.values - on_product.values)[0][both]
    assert both.sum() > 20_000
    assert abs(np.median(error)) < 3 and error.std() < 1.5
    by_day = landsat_median_k(scene, config)
    assert np.nanmedian(on_product.values[0][both]) < by_day - 5


def landsat_median_k(scene: Scene, config: Config) -> float:
    """Median LST of a scene's Landsat image, kelvin."""
    image = landsat.read(scene.target, config.sensors.target)
    return float(np.nanmedian(image.values))


Fault = Callable[[Scene], Scene]


def truncate(scene: Scene) -> Scene:
    content = scene.input.read_bytes()
    scene.input.write_bytes(content[: len(content) // 2])
    return scene


def forget_lst(scene: Scene) -> Scene:
    with netCDF4.Dataset(scene.input, "a") as dataset:
        dataset.renameVariable("LST", "TEMPERATURE")
    return scene


def rename_area(scene: Scene) -> Scene:
    path = scene.input.with_name(scene.input.name.replace("ko020lc", "ea020lc"))
    return replace(scene, input=scene.input.rename(path))


def leave_out_st(scene: Scene) -> Scene:
    folder = scene.target
    for path in folder.iterdir():
        if "_ST_" in path.name:
            path.unlink()
        elif "_MTL" in path.name:
            path.write_text(path.read_text().replace("L2SP", "L2SR"))
    return scene


def cover_all(scene: Scene) -> Scene:
    (quality,) = scene.target.glob("*_QA_PIXEL.TIF")
    with rasterio.open(quality, "r+") as dataset:
        dataset.write(np.full(dataset.shape, 1 << 3, np.uint16), 1)
    return scene


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (truncate, "truncated"),
        (forget_lst, "LST is missing"),
        (rename_area, "name says ea"),
        (leave_out_st, "L2SR"),
        (cover_all, "no valid pixel"),
    ],
)
def test_a_product_at_fault_excludes_its_scene_in_one_line(
    config: Config, sample: list[Scene], tmp_path: Path, fault: Fault, words: str
) -> None:
    scene = fault(copied(sample[0], config, tmp_path))
    reason = describe(scene, config.sensors).reason
    if not reason:
        reason = align(scene, config.sensors, config.align, tmp_path / "aligned").reason
    assert words in reason
    assert "\n" not in reason
    assert not (tmp_path / "aligned").exists()


def test_a_slot_that_misses_the_area_excludes_its_scene(
    config: Config, sample: list[Scene], tmp_path: Path
) -> None:
    """GOCI-II of another place: nothing is shared, and the reason says so."""
    anytime = {"time_window_min": None, "reference_max_age_h": 1e5}
    still = config.align.model_copy(update=anytime)
    scene = replace(sample[0], reference=sample[2].reference)
    one = align(scene, config.sensors, still, tmp_path / "aligned")
    assert one.reason.startswith("all three images share 0.0% of the grid")


def copied(scene: Scene, config: Config, folder: Path) -> Scene:
    """The scene's files in another folder, to be damaged."""
    shutil.copytree(scene.input.parent, folder / scene.scene)
    moved = scene_files(scene.scene, folder, config.acquire.generate)
    assert moved.target.is_dir()
    return moved
