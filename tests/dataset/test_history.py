"""Layer history: its content; no target of the same day or later enters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from lstsr.acquire.index import describe
from lstsr.config import AlignConfig, GenerateConfig, GeotiffConfig, SensorsConfig
from lstsr.dataset.align import align
from lstsr.dataset.history import Earlier, earlier_targets, history_layers, known, overlapping
from lstsr.errors import SceneError
from lstsr.geo.coarsen import coarsened
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.manifest import Scene
from lstsr.sensors import geotiff
from lstsr.simulate.places import names
from lstsr.simulate.sample import make

SCALE = 4
FINE = Grid("EPSG:32652", Affine(250, 0, 3e5, 0, -250, 4.2e6), 48, 40)
READING = GeotiffConfig(sensor="fine", unit="kelvin")
NOW = "2023-05-12T02:10:00Z"


def image(values: np.ndarray, valid: np.ndarray | None = None, time: str = "") -> SensorImage:
    valid = np.ones(FINE.shape, bool) if valid is None else valid
    masked = np.where(valid, values, np.nan).astype(np.float32)[None]
    return SensorImage(masked, valid, FINE, ("lst",), "kelvin", "fine", time)


@pytest.fixture
def truth() -> np.ndarray:
    rows, columns = np.indices(FINE.shape)
    return 295 + 0.2 * rows + np.random.default_rng(0).normal(0, 1, FINE.shape)


def test_targets_of_other_levels_and_clouds_join_without_a_step(truth: np.ndarray) -> None:
    """The north is seen on a hot day, the south on a cold one: the mean is the pattern itself."""
    north, south = np.zeros((2, *FINE.shape), bool)
    north[:24], south[16:36] = True, True
    earlier = [Earlier(image(truth + 12, north), 40.0), Earlier(image(truth - 9, south), 8.0)]
    coarse = coarsened(image(truth), SCALE)
    past = history_layers(coarse, earlier, SCALE)
    seen = north | south
    expected_k = np.where(seen, truth - coarse.values.mean(), 0)
    np.testing.assert_allclose(past["history"], expected_k, atol=0.01)
    np.testing.assert_array_equal(past["history_count"], 1.0 * north + south)
    np.testing.assert_array_equal(past["history_age"], np.where(south, 8, np.where(north, 40, 0)))


def test_a_warmer_input_leaves_the_layer_as_it_is(truth: np.ndarray) -> None:
    coarse = coarsened(image(truth), SCALE)
    warmer = replace(coarse, values=coarse.values + 5)
    plain, moved = (
        history_layers(one, [Earlier(image(truth), 9.0)], SCALE) for one in (coarse, warmer)
    )
    np.testing.assert_allclose(plain["history"], moved["history"], atol=1e-4)


def test_a_target_under_the_clouds_of_the_input_does_not_count(truth: np.ndarray) -> None:
    coarse, left = coarsened(image(truth), SCALE), np.zeros(FINE.shape, bool)
    left[:, :8] = True
    coarse.valid[:, :2] = False
    past = history_layers(coarse, [Earlier(image(truth, left), 9.0)], SCALE)
    for values in past.values():
        assert not values.any()


def test_only_targets_of_earlier_days_within_reach_are_read(
    truth: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def scene(name: str, time: str, stated: str = "", grid: Grid = FINE) -> Scene:
        geotiff.write(tmp_path / f"{name}.tif", replace(image(truth, time=stated), grid=grid))
        return Scene(name, None, None, tmp_path / f"{name}.tif", time=time)

    def absent(name: str, time: str) -> Scene:
        """A missing file: an attempt to read it would raise."""
        return Scene(name, None, None, tmp_path / f"{name}.tif", time=time)

    (tmp_path / "broken.tif").write_text("not a raster")
    scenes = [
        scene("month", "2023-04-12T02:10:00Z"),
        scene("eve", "2023-05-11T23:59:00Z"),
        scene("own_tag_counts", "", "2023-05-10T02:10:00Z"),
        scene("tag_of_today", "2023-05-01T00:00:00Z", "2023-05-12T00:10:00Z"),
        scene("elsewhere", "2023-05-02T00:00:00Z", grid=FINE.moved(0, 500)),
        absent("today", "2023-05-12T00:00:00Z"),
        absent("later", "2023-06-12T02:10:00Z"),
        absent("old", "2022-05-01T02:10:00Z"),
        absent("broken", "2023-05-03T02:10:00Z"),
    ]
    found = earlier_targets(scenes, READING, FINE, NOW, 100)
    ages = [round(one.age_days, 2) for one in found]
    assert ages == [30.0, 2.0, 0.09]
    assert "history without scene broken" in caplog.text
    with pytest.raises(SceneError, match=r"timeless.tif has no time. Fill the manifest column"):
        earlier_targets([scene("timeless", "")], READING, FINE, NOW, 100)
    with pytest.raises(SceneError, match="the input has no time"):
        earlier_targets(scenes, READING, FINE, "", 100)


def test_statistics_of_history_leave_out_pixels_without_it() -> None:
    values = np.array([[1.0, 2, 3], [4, 0, 5], [9, 0, 7], [1, 0, 2]])
    bands = ("ndvi", "history", "history_age", "history_count")
    there = [[True] * 3, [True, False, True], [True, False, True], [True] * 3]
    np.testing.assert_array_equal(known(bands, values), there)
    assert known(("ndvi", "slope"), values[:2]).all()


SAMPLE = GenerateConfig(places=3, dates=3, size_km=16, clouds=0.1, seed=5)
SENSORS = SensorsConfig.model_validate(
    {
        "input": {"product": "gk2a"},
        "reference": {"product": "goci2", "bands": ["ndvi"]},
        "target": {"product": "landsat"},
    }
)
ALIGN = AlignConfig.model_validate(
    {
        "anchor": "target",
        "grid": {
            "crs": "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +datum=WGS84 +units=m",
            "spacing_m": 2000,
        },
        "scale": 8,
        "registration": {"reference": False, "input": False},
        "layers": ["history"],
    }
)


def test_no_target_of_the_scenes_own_day_or_later_reaches_its_layers(tmp_path: Path) -> None:
    """Other values in a later target, or in the scene's own, do not change the reference."""
    here = names(SAMPLE)[:3]
    first, middle, last = (make(name, tmp_path / "sample", SAMPLE) for name in here)
    others = [
        make(name, tmp_path / "other", SAMPLE.model_copy(update={"seed": 6, "clouds": 0.3}))
        for name in here
    ]

    def layers(middle: Scene, *neighbours: Scene) -> bytes:
        folder = tmp_path / "aligned"
        assert not align(middle, SENSORS, ALIGN, folder, neighbours).reason
        return (folder / middle.scene / "reference.tif").read_bytes()

    def changed(scene: Scene, other: Scene) -> Scene:
        return replace(scene, target=other.target)

    expected = layers(middle, first, last)
    assert layers(middle, first, changed(last, others[2])) == expected
    assert layers(middle, first, last, middle) == expected
    assert layers(middle, first) == expected
    assert layers(changed(middle, others[1]), first, last) == expected
    assert layers(middle, changed(first, others[0]), last) != expected, "or nothing was tested"
    held = geotiff.read_written(tmp_path / "aligned" / middle.scene / "reference.tif")
    assert held.bands == ("ndvi", "history", "history_age", "history_count")
    layers(first, middle, last)
    begun = geotiff.read_written(tmp_path / "aligned" / first.scene / "reference.tif")
    assert not begun.values[1:, begun.valid].any() and begun.valid.mean() > 0.3, (
        "no mask of its own"
    )


def test_history_comes_from_usable_scenes_that_overlap(tmp_path: Path) -> None:
    """The split keeps overlapping scenes together, so history crosses no split."""
    scenes = [make(name, tmp_path, SAMPLE) for name in names(SAMPLE)[1:5]]
    acquired = [describe(scene, SENSORS) for scene in scenes]
    found = overlapping(acquired)
    assert {name: [one.scene for one in others] for name, others in found.items()} == {
        scenes[0].scene: [scenes[1].scene],
        scenes[1].scene: [scenes[0].scene],
        scenes[2].scene: [scenes[3].scene],
        scenes[3].scene: [scenes[2].scene],
    }
    lost = replace(acquired[0], reason="damaged")
    assert overlapping([lost, acquired[1]]) == {scenes[1].scene: []}
