"""Alignment, compared with fields that are known at every point of the map."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter, map_coordinates

from lstsr.config import AlignConfig, SensorsConfig
from lstsr.dataset.align import (
    Aligned,
    align,
    check_times,
    read_triplet,
    to_triplet,
    write_index,
)
from lstsr.dataset.layers import Ground
from lstsr.errors import SceneError
from lstsr.files import read_csv
from lstsr.geo.parallax import Terrain, apparent
from lstsr.geo.registration import Registration
from lstsr.geo.resample import resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.manifest import Scene
from lstsr.sensors import geotiff

COARSE = Grid(CRS.from_epsg(32631).to_wkt(), Affine(1000, 0, 5e5, 0, -1000, 5.1e6), 28, 24)
FINE = COARSE.refine(4)
SENSORS = SensorsConfig.model_validate(
    {
        "input": {"sensor": "coarse", "unit": "kelvin"},
        "reference": {"sensor": "optical", "unit": "index"},
        "target": {"sensor": "fine", "unit": "kelvin"},
    }
)


def settings(**registration: Any) -> AlignConfig:
    off = {"reference": False, "input": False}
    return AlignConfig.model_validate({"scale": 4, "registration": off | registration})


class World:
    """A random temperature with a value at every point of the map."""

    def __init__(self, seed: int = 0, step_m: float = 125.0) -> None:
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(300, 330))
        rough = (
            gaussian_filter(noise, 4) * 40 + gaussian_filter(rng.normal(size=noise.shape), 12) * 60
        )
        self._lst = 300 + rough
        self._corner = (5e5 - 5000, 5.1e6 + 5000)
        self._step_m = step_m

    def lst(self, grid: Grid) -> np.ndarray:
        """Temperature at the centres of pixels, kelvin."""
        row, column = np.indices(grid.shape) + 0.5
        t = grid.transform
        x, y = t.c + t.a * column + t.b * row, t.f + t.d * column + t.e * row
        places = [(self._corner[1] - y) / self._step_m, (x - self._corner[0]) / self._step_m]
        return map_coordinates(self._lst, places, order=3, mode="nearest")

    def image(self, grid: Grid, unit: str = "kelvin", seen: Grid | None = None) -> SensorImage:
        """The image of a displaced sensor: content of ``seen``, delivered on ``grid``."""
        lst = self.lst(seen or grid)
        values = lst if unit == "kelvin" else 0.5 - (lst - 300) / 60
        return SensorImage(
            values[None].astype(np.float32),
            np.ones(grid.shape, bool),
            grid,
            ("lst" if unit == "kelvin" else "ndvi",),
            unit,
            "test",
        )


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def bigger(grid: Grid, pixels: int = 12) -> Grid:
    """The grid with ``pixels`` more on each side."""
    return grid.window(-pixels, -pixels, grid.height + 2 * pixels, grid.width + 2 * pixels)


def images(world: World) -> dict[str, SensorImage]:
    """An input, and a target and reference that extend beyond it, all without displacement."""
    return {
        "input": world.image(COARSE),
        "reference": world.image(bigger(FINE), "index"),
        "target": world.image(bigger(FINE)),
    }


def off(image: SensorImage, truth: np.ndarray) -> float:
    """Root mean square difference over the inner, valid part."""
    inner = np.s_[4:-4, 4:-4]
    return float(np.sqrt(np.nanmean((image.values[0] - truth)[inner] ** 2)))


def test_the_input_stays_and_the_others_come_onto_its_grid(world: World) -> None:
    lying = Grid(FINE.crs, Affine(180, 0, 497_123, 0, -180, 5_102_345), 190, 170)
    found = images(world) | {"target": world.image(lying), "reference": world.image(lying, "index")}
    triplet, registrations = to_triplet("a", found, settings())
    assert registrations == {}
    assert triplet.scale == 4
    assert triplet.target.grid == FINE
    np.testing.assert_array_equal(triplet.input.values, found["input"].values)
    assert triplet.shifts == {name: (0.0, 0.0) for name in ("input", "reference", "target")}
    truth = world.lst(FINE)
    assert off(triplet.target, truth) < 0.15
    assert off(triplet.reference, 0.5 - (truth - 300) / 60) < 0.15 / 60
    assert off(triplet.target, np.roll(truth, 1, axis=1)) > 0.5, "one pixel off would show"


def test_a_fixed_shift_of_the_reference_brings_it_back(world: World) -> None:
    """A sensor that looks 1 row further south shows content 1 row too far north: move it south."""
    found = images(world)
    own = found["reference"].grid
    found["reference"] = world.image(own, "index", seen=own.moved(1, 0.5))
    right, _ = to_triplet("a", found, settings(constant={"reference": (1, 0.5)}))
    wrong, _ = to_triplet("a", found, settings(constant={"reference": (-1, -0.5)}))
    truth = 0.5 - (world.lst(FINE) - 300) / 60
    assert right.shifts["reference"] == (1.0, 0.5)
    assert right.shifts["target"] == (0.0, 0.0)
    assert off(right.reference, truth) < 0.2 / 60 < 1 / 60 < off(wrong.reference, truth)


def test_the_others_follow_an_input_that_is_displaced(world: World) -> None:
    """The input is off by +2, -1 fine pixels but is the anchor, so target and reference move."""
    found = images(world)
    found["input"] = world.image(COARSE, seen=COARSE.moved(2 / 4, -1 / 4))
    triplet, _ = to_triplet("a", found, settings(constant={"input": (2, -1)}))
    assert triplet.shifts["target"] == triplet.shifts["reference"] == (-2.0, 1.0)
    truth = world.lst(FINE.moved(2, -1))
    assert off(triplet.target, truth) < 0.05
    assert off(triplet.reference, 0.5 - (truth - 300) / 60) < 0.05 / 60
    # target and input now show the same content
    centres = triplet.target.values[0].reshape(24, 4, 28, 4)[:, 1:3, :, 1:3].mean((1, 3))
    assert np.sqrt(np.nanmean((centres - triplet.input.values[0])[1:-1, 1:-1] ** 2)) < 0.3


def test_both_shifts_are_measured_and_undone(world: World) -> None:
    """The reference is displaced by (0.8, 1.1) fine pixels, the input by (1.2, -0.8)."""
    found = images(world)
    own = found["reference"].grid
    found["reference"] = world.image(own, "index", seen=own.moved(0.8, 1.1))
    seen = FINE.moved(1.2, -0.8)
    blurred = gaussian_filter(world.lst(bigger(seen)), 4 / 2.3548)
    cells = blurred[12:-12, 12:-12].reshape(24, 4, 28, 4)[:, 1:3, :, 1:3].mean((1, 3))
    found["input"] = replace(found["input"], values=cells[None].astype(np.float32))
    triplet, registrations = to_triplet("a", found, settings(reference=True, input=True))
    one, other = registrations["reference"], registrations["input"]
    assert (one.row, one.column) == pytest.approx((0.8, 1.1), abs=0.25)
    assert (other.row, other.column) == pytest.approx((1.2, -0.8), abs=0.4)
    truth = world.lst(FINE.moved(1.2, -0.8))
    assert off(triplet.target, truth) < 0.5 < off(triplet.target, world.lst(FINE))
    assert off(triplet.reference, 0.5 - (truth - 300) / 60) < 0.5 / 60


def test_images_that_do_not_overlap_are_refused_by_name(world: World) -> None:
    found = images(world)
    far = replace(found["target"], grid=found["target"].grid.moved(0, 4000))
    with pytest.raises(
        SceneError, match="^input and target share 0.0% of .*: target shows another place$"
    ):
        to_triplet("a", found | {"target": far}, settings())
    far = replace(found["reference"], grid=found["reference"].grid.moved(4000, 0))
    with pytest.raises(
        SceneError, match="^all three images share 0.0% .*: reference shows another place$"
    ):
        to_triplet("a", found | {"reference": far}, settings())


def test_masks_that_leave_nothing_in_common_are_refused(world: World) -> None:
    """Target and reference cover different halves of the input's grid."""
    found = images(world)
    middle = found["target"].grid.width // 2
    west, east = (np.zeros(found["target"].grid.shape, bool) for _ in range(2))
    west[:, :middle], east[:, middle:] = True, True
    found["target"] = replace(found["target"], valid=west)
    with pytest.raises(SceneError, match="^all three images share .*: clouds\\?$"):
        to_triplet("a", found | {"reference": replace(found["reference"], valid=east)}, settings())
    to_triplet("a", found, settings())


def test_a_reference_of_another_place_is_refused(world: World) -> None:
    found = images(world)
    found["reference"] = World(seed=1).image(found["reference"].grid, "index")
    with pytest.raises(SceneError, match="reference cannot be registered to the target .peak corr"):
        to_triplet("a", found, settings(reference=True))


@pytest.fixture
def scene(world: World, tmp_path: Path) -> Scene:
    for role, image in images(world).items():
        geotiff.write(tmp_path / "files" / f"{role}.tif", image)
    of_input, of_reference, of_target = (
        tmp_path / "files" / f"{role}.tif" for role in ("input", "reference", "target")
    )
    return Scene("s-1", of_input, of_reference, of_target, time="2020-07-01T10:00Z")


def test_what_align_writes_is_read_as_the_same_triplet(
    scene: Scene, world: World, tmp_path: Path
) -> None:
    config = settings(constant={"input": (0.5, 0.0)})
    stale = (
        tmp_path / "aligned" / "s-1" / "covariates.tif"
    )  # from an earlier config with covariates
    stale.parent.mkdir(parents=True)
    stale.touch()
    one = align(scene, SENSORS, config, tmp_path / "aligned")
    assert (one.scene, one.reason) == ("s-1", "")
    read = {
        role: replace(
            geotiff.read(getattr(scene, role), getattr(SENSORS, role)),
            time="" if role == "reference" else scene.time,  # it may be of another day
        )
        for role in ("input", "reference", "target")
    }
    expected, _ = to_triplet("s-1", read, config)
    triplet = read_triplet(tmp_path / "aligned", "s-1")
    for role in ("input", "reference", "target"):
        back, image = getattr(triplet, role), getattr(expected, role)
        np.testing.assert_array_equal(back.values, image.values)
        np.testing.assert_array_equal(back.valid, image.valid)
        assert (back.unit, back.time, back.history) == (image.unit, image.time, image.history)
    native = tmp_path / "aligned" / "s-1" / "target_native.tif"
    with rasterio.open(native) as dataset:
        assert dataset.transform == bigger(FINE).transform
        assert float(dataset.tags()["moved_row"]) == -0.5
        assert float(dataset.tags()["moved_column"]) == 0
    assert sorted(path.name for path in native.parent.iterdir()) == [
        "input.tif",
        "reference.tif",
        "target.tif",
        "target_native.tif",
    ]


def test_a_scene_at_fault_is_excluded_and_a_disk_at_fault_is_not(
    scene: Scene, tmp_path: Path
) -> None:
    whole = scene.target.read_bytes()
    scene.target.write_bytes(whole[: len(whole) // 2])
    one = align(scene, SENSORS, settings(), tmp_path / "aligned")
    assert one.reason.startswith("target.tif: cannot be read")
    assert not (tmp_path / "aligned").exists(), "nothing half done is left"
    scene.target.unlink()
    with pytest.raises(FileNotFoundError):
        align(scene, SENSORS, settings(), tmp_path / "aligned")


def test_the_index_keeps_what_was_measured(tmp_path: Path) -> None:
    measured = Registration(0.8123456789, -1.25, 0.44, 9, 0.125, True)
    aligned = [
        Aligned("a", "", {"reference": measured}),
        Aligned("b", "no valid pixel; check, nodata"),
        Aligned(
            "c",
            "",
            {"reference": measured, "input": replace(measured, row=3.0, psf_cells=(1.4, 1.05))},
        ),
    ]
    write_index(tmp_path / "index.csv", aligned)
    first, second, third = read_csv(tmp_path / "index.csv")
    assert (first["scene"], first["reason"], first["input_row"]) == ("a", "", "")
    assert (float(first["reference_row"]), first["reference_tiles"]) == (0.8123456789, "9")
    assert (second["scene"], second["reason"]) == ("b", "no valid pixel; check, nodata")
    assert (third["reference_column"], third["input_row"]) == ("-1.25", "3.0")
    assert (third["input_psf_rows_cells"], third["input_psf_columns_cells"]) == ("1.4", "1.05")


def test_the_reference_is_also_held_as_it_was_delivered(world: World) -> None:
    """The copy has the grid and mask of the registered reference, but its shift is zero."""
    found = images(world)
    own = found["reference"].grid
    found["reference"] = world.image(own, "index", seen=own.moved(1, 0.5))
    clear = np.ones(own.shape, bool)
    clear[40:50, 30:60] = False
    found["reference"] = replace(found["reference"], valid=clear)
    fixed = {"reference": (1, 0.5), "input": (2, -1)}
    for configured in (settings(constant=fixed), on_a_common_grid(constant=fixed)):
        both = configured.model_copy(update={"layers": ["unregistered"]})
        alone, _ = to_triplet("a", found, configured)
        held, _ = to_triplet("a", found, both)
        assert held.reference.bands == ("ndvi", "unregistered_ndvi")
        delivered = resample(found["reference"], held.target.grid)
        valid = alone.reference.valid & delivered.valid
        assert 0 < valid.sum() < alone.reference.valid.sum()
        np.testing.assert_array_equal(held.reference.valid, valid)
        registered, unregistered = held.reference.values[:, valid]
        np.testing.assert_array_equal(registered, alone.reference.values[0][valid])
        np.testing.assert_array_equal(unregistered, delivered.values[0][valid])
        assert np.abs(registered - unregistered).mean() > 0.01
        np.testing.assert_array_equal(held.input.values, alone.input.values)
        np.testing.assert_array_equal(held.target.values, alone.target.values)


def on_a_common_grid(**registration: Any) -> AlignConfig:
    """A grid of 1 km cells on whole kilometres, like COARSE. The target is the anchor."""
    off = {"reference": False, "input": False}
    common = {"crs": "EPSG:32631", "spacing_m": 1000}
    return AlignConfig.model_validate(
        {"anchor": "target", "grid": common, "scale": 4, "registration": off | registration}
    )


def test_the_target_stays_and_the_others_come_onto_the_common_grid(world: World) -> None:
    """The input must move by +2, -1 fine pixels to match: half and a quarter of its cells."""
    wide = bigger(COARSE, 3)
    found = images(world) | {
        "input": world.image(wide, seen=wide.moved(2 / 4, -1 / 4)),
        "reference": world.image(bigger(FINE), "index", seen=bigger(FINE).moved(-1, 0.5)),
        # extends beyond the grid: cells that it covers in part are left out
        "target": world.image(FINE.window(-1, -2, FINE.height + 3, FINE.width + 2)),
    }
    fixed = {"input": (2, -1), "reference": (-1, 0.5)}
    triplet, _ = to_triplet("a", found, on_a_common_grid(constant=fixed))
    assert triplet.input.grid.shape == COARSE.shape
    np.testing.assert_allclose(triplet.input.grid.corners, COARSE.corners)
    assert triplet.shifts == {"input": (2.0, -1.0), "reference": (-1.0, 0.5), "target": (0.0, 0.0)}
    truth = world.lst(FINE)
    np.testing.assert_allclose(triplet.target.values[0], truth, atol=1e-3)
    assert off(triplet.reference, 0.5 - (truth - 300) / 60) < 0.2 / 60
    unmoved, _ = to_triplet("a", found, on_a_common_grid())
    # in such a rough field, bilinear interpolation has an error of its own
    assert off(triplet.input, world.lst(COARSE)) < 0.7 * off(unmoved.input, world.lst(COARSE))


def test_terrain_brings_displaced_images_onto_the_target(world: World) -> None:
    """A geostationary sensor displaces a plateau of 1000 m by 3 to 4 pixels to the north."""
    seen_from = Viewpoint(9.0)  # due south of the scene, at 46 N
    height = Terrain(np.full(bigger(FINE, 60).shape, 1000, np.float32), bigger(FINE, 60))
    found = images(world) | {"target": world.image(FINE)}
    grid = bigger(FINE, 30)
    lon, lat = Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True).transform(
        *(FINE.transform @ (FINE.width / 2, FINE.height / 2))
    )
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True).transform(
        *apparent(lon, lat, 1000.0, seen_from)
    )
    column, row = ~FINE.transform @ (x, y)
    column, row = column - FINE.width / 2, row - FINE.height / 2
    assert row < -3, "north by more than 3 pixels of 250 m"
    placed = world.image(grid, "index", seen=grid.moved(-row, -column))
    found["reference"] = replace(placed, viewpoint=seen_from)
    right, _ = to_triplet("a", found, on_a_common_grid(), Ground(height))
    wrong, _ = to_triplet("a", found, on_a_common_grid())
    truth = 0.5 - (world.lst(FINE) - 300) / 60
    assert off(right.reference, truth) < 0.2 / 60
    assert off(wrong.reference, truth) > 1.0 / 60
    assert right.reference.viewpoint is None


def test_images_of_other_times_are_refused(scene: Scene, world: World, tmp_path: Path) -> None:
    near = settings().model_copy(update={"time_window_min": 10.0})
    nameless = replace(scene, time="")
    assert align(nameless, SENSORS, near, tmp_path / "aligned").reason.startswith(
        "input has no time"
    )
    times = {"input": "2023-05-12T02:10:00Z", "target": "2023-05-12T02:31:00+00:00"}
    times["reference"] = "2023-05-11T03:10:00Z"
    timed = {role: replace(world.image(COARSE), time=time) for role, time in times.items()}
    with pytest.raises(SceneError, match="^input .* is 21 minutes from the target .* allows 10"):
        check_times(timed, near)
    wide = near.model_copy(update={"time_window_min": 21.0})
    assert check_times(timed, wide) == pytest.approx(23.0), "hours that the reference is older"
    with pytest.raises(SceneError, match=r"^reference .* is 23 hours older than .* allows 20"):
        check_times(timed, wide.model_copy(update={"reference_max_age_h": 20.0}))
    # the message shows that ten seconds too much are too much
    with pytest.raises(SceneError, match=r" is 23 hours older than .* allows 22.9972"):
        check_times(timed, wide.model_copy(update={"reference_max_age_h": 23 - 10 / 3600}))
    with pytest.raises(SceneError, match=r" is 21 minutes from .* allows 20.8333"):
        check_times(timed, near.model_copy(update={"time_window_min": 21 - 1 / 6}))
    timed["reference"] = replace(timed["reference"], time="")
    assert check_times(timed, wide) is None, "unknown"


@pytest.mark.parametrize("role", ["input", "target"])
def test_no_image_is_interpolated_to_much_finer_pixels(world: World, role: str) -> None:
    """Input and target are swapped, or the scale is too large for the target."""
    found = images(world)
    found[role] = world.image(found[role].grid.coarsen(4))
    with pytest.raises(SceneError, match=f"^{role} has pixels of .*Lower align.scale"):
        to_triplet("a", found, settings() if role == "target" else on_a_common_grid())
