"""The simulated scenes: reproducible, apart from each other, and with the physics they promise."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.coords import BoundingBox, disjoint_bounds

from lstsr.config import GenerateConfig
from lstsr.geo.aggregate import block_mean_t4
from lstsr.image import SensorImage
from lstsr.scenes import Scene
from lstsr.sensors.geotiff import read_written
from lstsr.simulate.places import grid_of, names, scene_files
from lstsr.simulate.triplets import make

CONFIG = GenerateConfig(scenes=6, coarse_size=24, scale=4, seed=7)
ROLES = ("input", "reference", "target")


def images(scene: Scene) -> dict[str, SensorImage]:
    return {role: read_written(getattr(scene, role)) for role in ROLES}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    folder = tmp_path_factory.mktemp("generated")
    return {name: make(name, folder, CONFIG) for name in names(CONFIG)}


def test_files_are_where_the_plan_says(scenes: dict[str, Scene]) -> None:
    for name, scene in scenes.items():
        assert scene == scene_files(name, scene.input.parents[1], CONFIG)
        assert all(file.is_file() for file in scene.files)


def test_the_same_seed_gives_the_same_values_and_another_seed_others(
    scenes: dict[str, Scene], tmp_path: Path
) -> None:
    again = images(make("sample-003", tmp_path / "again", CONFIG))
    other = CONFIG.model_copy(update={"seed": 8})
    different = images(make("sample-003", tmp_path / "other", other))
    first = images(scenes["sample-003"])
    for role in ROLES:
        np.testing.assert_array_equal(again[role].values, first[role].values)
        both = again[role].valid & different[role].valid
        assert np.abs(again[role].values - different[role].values)[:, both].mean() > 0.01
    # a scene does not depend on how many others there are
    more = images(make("sample-003", tmp_path / "more", CONFIG.model_copy(update={"scenes": 9})))
    np.testing.assert_array_equal(more["target"].values, first["target"].values)


def test_scenes_differ_from_each_other(scenes: dict[str, Scene]) -> None:
    means = [np.nanmean(images(scene)["target"].values) for scene in scenes.values()]
    assert len({round(float(mean), 2) for mean in means}) == len(means)


def test_grids_nest_and_footprints_do_not_overlap(scenes: dict[str, Scene]) -> None:
    bounds: list[BoundingBox] = []
    for name, scene in scenes.items():
        found = images(scene)
        assert found["input"].grid.nests(found["target"].grid)
        assert found["reference"].grid == found["target"].grid
        assert found["target"].grid.transform == grid_of(name, CONFIG).transform
        with rasterio.open(scene.input) as dataset:
            bounds.append(dataset.bounds)
    for index, one in enumerate(bounds):
        assert all(disjoint_bounds(one, other) for other in bounds[index + 1 :])


def test_the_manifest_s_centre_lies_in_the_scene(scenes: dict[str, Scene]) -> None:
    for scene in scenes.values():
        with rasterio.open(scene.input) as dataset:
            x, y = rasterio.warp.transform("EPSG:4326", dataset.crs, [scene.lon], [scene.lat])
            middle = (
                (dataset.bounds.left + dataset.bounds.right) / 2,
                (dataset.bounds.top + dataset.bounds.bottom) / 2,
            )
        assert (x[0], y[0]) == pytest.approx(middle, abs=20)


def test_vegetation_is_cooler_and_temperatures_are_of_the_earth(scenes: dict[str, Scene]) -> None:
    for scene in scenes.values():
        found = images(scene)
        land = found["target"].valid & found["reference"].valid & (found["reference"].values[0] > 0)
        ndvi, lst = found["reference"].values[0][land], found["target"].values[0][land]
        assert np.corrcoef(ndvi, lst)[0, 1] < -0.3
        assert 250 < lst.min() < lst.max() < 340
        assert ndvi.min() > -0.3 and ndvi.max() < 1.1
        assert (found["target"].unit, found["reference"].unit) == ("kelvin", "index")


def test_the_coarse_sensor_sees_the_fine_field_with_a_small_bias(scenes: dict[str, Scene]) -> None:
    for scene in scenes.values():
        found = images(scene)
        blocks, fraction = block_mean_t4(found["target"].values[0], found["target"].valid, 4)
        both = found["input"].valid & (fraction == 1)
        difference = (found["input"].values[0] - blocks)[both]
        assert abs(difference.mean()) < 3
        assert 0.05 < difference.std() < 3, "blur, noise and displacement are there, and small"
        assert np.corrcoef(found["input"].values[0][both], blocks[both])[0, 1] > 0.8


def test_most_of_a_scene_is_clear_and_some_clouds_are_there(scenes: dict[str, Scene]) -> None:
    clear = [images(scene)["target"].valid_fraction for scene in scenes.values()]
    assert min(clear) > 0.5
    assert min(clear) < 1
