import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lstsr.config import (
    AgedReferenceConfig,
    GenerateConfig,
    Gk2aConfig,
    Gk2aL1bConfig,
    Goci2Config,
    Goci2L1bConfig,
    LandsatConfig,
)
from lstsr.geo.coarsen import coarsened
from lstsr.manifest import Scene
from lstsr.sensors import geotiff
from lstsr.sensors.ami import l1b as gk2a_l1b
from lstsr.sensors.ami import lst as gk2a
from lstsr.sensors.goci2 import ac as goci2
from lstsr.sensors.goci2 import l1b as goci2_l1b
from lstsr.sensors.landsat import product as landsat
from lstsr.simulate.places import (
    GOCI2_SLOT,
    grid_of,
    names,
    scene_files,
)
from lstsr.simulate.sample import make, world_grid

CONFIG = GenerateConfig(places=3, dates=1, size_km=16)
NAME = names(CONFIG)[1]
LANDSAT = LandsatConfig(product="landsat")
GK2A = Gk2aConfig(product="gk2a")
GOCI2 = Goci2Config(product="goci2", bands=["rhoc_660", "rhoc_865"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make(NAME, tmp_path_factory.mktemp("sample"), CONFIG)


@pytest.fixture(scope="module")
def truth(scene: Scene) -> dict:
    return json.loads((scene.dem.parent / "truth" / "truth.json").read_text())


def images(scene: Scene) -> list[np.ndarray]:
    return [
        landsat.read(scene.target, LANDSAT).values,
        gk2a.read(scene.input, GK2A).values,
        goci2.read(scene.reference, GOCI2).values,
        geotiff.read_written(scene.dem).values,
    ]


def test_the_files_are_the_planned_ones_and_no_others(scene):
    folder = scene.dem.parent.parent
    assert scene == scene_files(NAME, folder, CONFIG)
    assert scene.target.is_dir() and scene.input.is_file() and scene.reference.is_file()
    assert {path.name for path in scene.dem.parent.iterdir()} == {
        *(path.name for path in (scene.target, scene.input, scene.reference)),
        *(scene.dem.name, scene.water.name, "truth"),
    }
    assert f"_S{GOCI2_SLOT:03d}_" in scene.reference.name


def test_the_target_is_read_as_a_landsat_product(scene):
    image = landsat.read(scene.target, LANDSAT)
    footprint = grid_of(NAME, CONFIG)
    assert image.grid.transform == footprint.transform and image.grid.shape == footprint.shape
    assert image.time[:16] == scene.time[:16]
    assert image.valid_fraction > 0.3


def test_the_target_is_the_truth_with_noise(scene):
    image = coarsened(landsat.read(scene.target, LANDSAT), 8, 1.0)
    true = geotiff.read_written(scene.dem.parent / "truth" / "lst_240m.tif")
    assert true.unit == "kelvin" and true.grid.gsd_m == 240
    height, width = image.grid.shape
    error = (image.values - true.values[:, :height, :width])[0][image.valid]
    # the noise of 0.3 K has a grain of 100 m
    assert abs(np.median(error)) < 0.05
    assert 0.03 < error.std() < 0.3


def test_the_input_is_read_as_a_gk2a_product(scene, truth):
    image = gk2a.read(scene.input, GK2A)
    assert image.grid.shape == (900, 900)
    assert 20 < image.valid.sum() < 300
    true = geotiff.read_written(scene.dem.parent / "truth" / "lst_240m.tif").values
    assert np.nanmean(image.values) == pytest.approx(true.mean() + truth["input"]["bias_k"], abs=4)


def test_the_reference_is_read_as_a_goci2_product(scene):
    image = goci2.read(scene.reference, GOCI2)
    assert image.bands == ("rhoc_660", "rhoc_865")
    assert 50 < image.grid.height < 80 and 70 < image.grid.width < 90
    assert image.valid_fraction > 0.2


def test_the_reference_of_level_1_is_that_of_level_2_under_the_sky(scene, tmp_path):
    """The same slot: what is added is smooth, and falls steeply with wavelength."""
    raw = CONFIG.model_copy(update={"level": 1})
    path = make(NAME, tmp_path, raw).reference
    assert path == scene_files(NAME, tmp_path, raw).reference and path.is_file()
    assert path.name == scene.reference.name.replace("GK2B_GOCI2_L2", "GK2_GOCI2_L1B").replace(
        "_AC.nc", ".nc"
    )
    nm = 412, 660, 865
    toa = goci2_l1b.read(
        path, Goci2L1bConfig(product="goci2-l1b", bands=[f"toa_{one}" for one in nm])
    )
    rhoc = goci2.read(
        scene.reference, GOCI2.model_copy(update={"bands": [f"rhoc_{one}" for one in nm]})
    )
    assert toa.time == rhoc.time and toa.grid == rhoc.grid
    both = toa.valid & rhoc.valid
    assert both.sum() > 0.9 * rhoc.valid.sum(), "what flags call clear does not look like cloud"
    sky = (toa.values - rhoc.values)[:, both]
    assert sky.std(axis=1).max() < 1e-3
    blue, red, nir = sky.mean(axis=1)
    assert 0.09 < blue < 0.25
    # Hansen & Travis (1974): thickness 0.3186 at 412 nm, 0.0465 at 660, 0.0156 at 865
    assert (red / blue, nir / blue) == pytest.approx((0.0465 / 0.3186, 0.0156 / 0.3186), rel=0.02)


def test_the_elevation_covers_the_world(scene):
    dem = geotiff.read_written(scene.dem)
    world = world_grid(grid_of(NAME, CONFIG))
    assert dem.unit == "metre" and dem.grid.gsd_m == 90
    np.testing.assert_allclose(dem.grid.corners, world.corners)
    assert dem.valid.all() and np.ptp(dem.values) > 50


def test_the_truth_tells_the_shifts_in_pixels_and_metres(truth):
    gk2a_shift, goci2_shift = truth["input"]["shift"], truth["reference"]["shift"]
    # a cell of KO, 2 km in its projection, is a little more on the ground
    for axis in ("row", "column"):
        assert gk2a_shift[f"{axis}_m"] / gk2a_shift[f"{axis}_px"] == pytest.approx(2040, abs=40)
        assert 240 < goci2_shift[f"{axis}_m"] / goci2_shift[f"{axis}_px"] < 380
    assert -2 <= truth["input"]["minutes_after_target"] <= 4
    assert 15 <= truth["reference"]["minutes_after_target"] <= 20


def test_a_scene_is_the_same_wherever_and_among_whatever_it_is_made(scene, tmp_path):
    more = CONFIG.model_copy(update={"places": 6, "dates": 3})
    assert NAME in names(more)
    for one, again in zip(images(scene), images(make(NAME, tmp_path, more)), strict=True):
        np.testing.assert_array_equal(one, again)


def test_another_seed_makes_another_scene(scene, tmp_path: Path):
    other = make(NAME, tmp_path, CONFIG.model_copy(update={"seed": 1}))
    for one, another in zip(images(scene), images(other), strict=True):
        assert one.shape != another.shape or not np.array_equal(one, another, equal_nan=True)


def test_level_1_replaces_input_and_reference_and_nothing_else(scene, truth, tmp_path: Path):
    config = CONFIG.model_copy(update={"level": 1})
    made = make(NAME, tmp_path, config)
    assert made == scene_files(NAME, tmp_path, config)
    for channel in ("ir105", "ir112", "ir123"):
        path = made.input.with_name(made.input.name.replace("ir112", channel))
        image = gk2a_l1b.read(path, Gk2aL1bConfig(product="gk2a-l1b", bands=[channel]))
        assert image.grid.shape == (500, 500) and 20 < image.valid.sum() < 300
    assert len(list(made.dem.parent.iterdir())) == len(list(scene.dem.parent.iterdir())) + 2
    one, other = (landsat.read(each.target, LANDSAT) for each in (scene, made))
    np.testing.assert_array_equal(one.values, other.values)
    behind = json.loads((made.dem.parent / "truth" / "truth.json").read_text())
    for axis in ("row_px", "column_px"):
        assert behind["input"]["shift"][axis] == truth["input"]["shift"][axis]
    later = behind["input"]["minutes_after_target"] - truth["input"]["minutes_after_target"]
    assert later == pytest.approx(0.5)
    assert 0.3 < behind["input"]["atmosphere"]["water_vapour_g_cm2"] < 8


def test_lst_of_level_1_is_the_world_s_but_for_the_split_window(tmp_path: Path):
    """With the vapour that is there: warmer than the channels, and a few kelvin off at most."""
    scene = make(NAME, tmp_path, CONFIG.model_copy(update={"level": 1, "clouds": 0.0}))
    behind = json.loads((scene.dem.parent / "truth" / "truth.json").read_text())
    vapour = behind["input"]["atmosphere"]["water_vapour_g_cm2"] / np.cos(np.radians(42))
    config = Gk2aL1bConfig(product="gk2a-l1b", water_vapour_g_cm2=vapour)
    lst, channel = (
        gk2a_l1b.read(scene.input, config.model_copy(update={"bands": [band]}))
        for band in ("lst", "ir112")
    )
    true = geotiff.read_written(scene.dem.parent / "truth" / "lst_240m.tif").values.mean()
    error = np.nanmean(lst.values) - true
    assert abs(error) < 6 and abs(error) < true - np.nanmean(channel.values)
    assert lst.valid.sum() > 0.8 * channel.valid.sum()


def test_an_aged_reference_is_of_another_day_and_other_clouds(scene, tmp_path: Path):
    aged = AgedReferenceConfig(days=1, clouds=0.4)
    config = CONFIG.model_copy(update={"aged_reference": aged})
    made = make(NAME, tmp_path, config)
    assert made == scene_files(NAME, tmp_path, config)
    times = [goci2.read(each.reference, GOCI2).time for each in (scene, made)]
    first, second = map(datetime.fromisoformat, times)
    assert first - second == timedelta(days=1)
    for read, sensor, role in ((landsat.read, LANDSAT, "target"), (gk2a.read, GK2A, "input")):
        one, other = (read(getattr(each, role), sensor) for each in (scene, made))
        np.testing.assert_array_equal(one.values, other.values)
    one, other = (goci2.read(each.reference, GOCI2) for each in (scene, made))
    assert one.values.shape == other.values.shape
    behind = [each.dem.parent / "truth" for each in (scene, made)]
    lst = [geotiff.read_written(folder / "lst_240m.tif").values for folder in behind]
    np.testing.assert_array_equal(*lst, "the truth is of the target's day")
    told = [json.loads((folder / "truth.json").read_text()) for folder in behind]
    assert told[0]["clouds"] == told[1]["clouds"]
    minutes = [each["reference"]["minutes_after_target"] for each in told]
    assert minutes[0] - minutes[1] == pytest.approx(24 * 60)
    assert (one.valid != other.valid).mean() > 0.02, "clouds of its own"
