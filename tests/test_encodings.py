"""One scene in many encodings gives one product, by the command and by the stages of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from lstsr.cli import main
from lstsr.config import AlignConfig, SensorsConfig
from lstsr.dataset.align import align, read_triplet
from lstsr.geo.aggregate import block_mean_t4
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.manifest import ROLES, Scene
from lstsr.sensors import geotiff
from tests.encodings import (
    ALL,
    Encoding,
    Orientation,
    encodings,
    told,
    turned,
    turned_grid,
    write,
)

SCALE = 4
EPSG = "EPSG:32652"
CRS_TEXTS = (EPSG, CRS.from_epsg(32652).to_wkt(), "+proj=utm +zone=52 +datum=WGS84 +units=m")
UTM = Grid(EPSG, Affine(1000, 0, 300_000, 0, -1000, 4_200_000), 10, 12)
DEGREES = Grid("EPSG:4326", Affine(0.01, 0, 126.5, 0, -0.01, 37.0), 10, 12)
# Kelvin that LST changes by for NDVI and red; what a regression finds is no steeper.
SLOPES = (-14.0, 20.0)
ROUNDING_K = 2e-3
ALIGN = AlignConfig.model_validate(
    {"scale": SCALE, "registration": {"reference": False, "input": False}}
)
QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def scene_on(coarse: Grid) -> dict[str, SensorImage]:
    """Input, reference (NDVI and red) and target of a small place, with a hole in each."""
    rng = np.random.default_rng(16)
    fine = coarse.refine(SCALE)

    def field(width: float) -> np.ndarray:
        rough = gaussian_filter(rng.normal(size=fine.shape), width)
        return rough / np.abs(rough).max()

    ndvi, red = 0.45 + 0.35 * field(2), 0.16 + 0.12 * field(1.5)
    lst = 300 + SLOPES[0] * (ndvi - 0.45) + SLOPES[1] * (red - 0.16) + 2 * field(6)
    block, _ = block_mean_t4(lst, np.ones(fine.shape, bool), SCALE, 0.5)
    return {
        "input": _image([block], np.s_[2:4, 6:9], coarse, ("lst",), "kelvin"),
        "reference": _image([ndvi, red], np.s_[20:31, 5:18], fine, ("ndvi", "red"), "reflectance"),
        "target": _image([lst], np.s_[33:44, 25:36], fine, ("lst",), "kelvin"),
    }


def _image(
    values: list[np.ndarray], hole: Any, grid: Grid, bands: tuple[str, ...], unit: str
) -> SensorImage:
    valid = np.ones(grid.shape, bool)
    valid[hole] = False
    return SensorImage(np.stack(values).astype(np.float32), valid, grid, bands, unit, "test")


Place = Literal["metres", "degrees"]
SCENES: dict[Place, dict[str, SensorImage]] = {
    "metres": scene_on(UTM),
    "degrees": scene_on(DEGREES),
}
SCENE = SCENES["metres"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def predicted(folder: Path, files: Mapping[str, Path], *options: str) -> SensorImage:
    """The product of the command."""
    output = folder / "product.tif"
    paths = [f"--{role}={files[role]}" for role in ("input", "reference")]
    model = ["--model", "local-linear", "--scale", str(SCALE), "--no-registration"]
    assert main(["predict", *model, *paths, "--output", str(output), *options, "--debug"]) == 0
    return geotiff.read_written(output)


def aligned(
    folder: Path, files: Mapping[str, Path], said: Mapping[str, dict[str, Any]]
) -> dict[str, SensorImage]:
    """The triplet of the workflow's first stages."""
    sensors = {
        role: {
            "sensor": role,
            "unit": SCENE[role].unit,
            "names": list(SCENE[role].bands),
        }
        | said.get(role, {})
        for role in ROLES
    }
    scene = Scene("s", files["input"], files["reference"], files["target"])
    done = align(scene, SensorsConfig.model_validate(sensors), ALIGN, folder / "aligned")
    assert done.reason == ""
    triplet = read_triplet(folder / "aligned", "s")
    return {role: getattr(triplet, role) for role in ROLES}


def written(folder: Path, scene: Mapping[str, SensorImage]) -> dict[str, Path]:
    """Plain GeoTIFFs of float32."""
    for role, image in scene.items():
        geotiff.write(folder / f"plain-{role}.tif", image)
    return {role: folder / f"plain-{role}.tif" for role in scene}


@cache
def plain_product(of: Place) -> SensorImage:
    with tempfile.TemporaryDirectory() as made:
        return predicted(Path(made), written(Path(made), SCENES[of]))


@cache
def plain_triplet(of: Place) -> dict[str, SensorImage]:
    with tempfile.TemporaryDirectory() as made:
        return aligned(Path(made), written(Path(made), SCENES[of]), {})


def options_of(role: str, how: Encoding) -> list[str]:
    """What is told, as options of the command, which finds a stated unit by itself."""
    keys = told(SCENE[role], how)
    if how.unit.text:
        keys.pop("unit", None)
    found = []
    for key, value in keys.items():
        texts = [str(one) for one in (value if isinstance(value, list) else [value])]
        name = {"bands": "band"}.get(key, key)
        found += [f"--{role}-{name}", *texts]
    return found


def check(found: SensorImage, plain: SensorImage, orientation: Orientation, within: Any) -> None:
    """``found`` is ``plain`` on the turned grid: same valid pixels, values ``within`` by band."""
    grid = turned_grid(plain.grid, orientation)
    assert found.grid.shape == grid.shape
    assert found.grid.transform.almost_equals(grid.transform, 1e-6 * min(grid.steps))
    valid = turned(plain.valid, orientation)
    np.testing.assert_array_equal(found.valid, valid)
    error = np.abs(found.values - turned(plain.values, orientation))[:, valid].max(axis=1)
    assert (error <= within).all(), f"{error} exceeds {within}"


@pytest.mark.slow
@settings(max_examples=300, **QUIET)
@given(coarse=encodings(SCENE["input"], CRS_TEXTS), fine=encodings(SCENE["reference"], CRS_TEXTS))
def test_the_command_gives_one_product(coarse: Encoding, fine: Encoding) -> None:
    """Within half a step of the input, as slopes enlarge it, and slopes x a step of the reference.

    The product is U T + b (r - U M r): r enters twice, and b errs with T.
    """
    within = 3 * coarse.half_step + 2 * np.abs(SLOPES).sum() * fine.half_step + ROUNDING_K
    with tempfile.TemporaryDirectory() as made:
        folder, hows = Path(made), {"input": coarse, "reference": fine}
        files = {role: write(folder, role, SCENE[role], how) for role, how in hows.items()}
        options = [option for role, how in hows.items() for option in options_of(role, how)]
        check(predicted(folder, files, *options), plain_product("metres"), coarse.seen, within)


@pytest.mark.slow
@settings(max_examples=150, **QUIET)
@given(
    coarse=encodings(SCENE["input"], CRS_TEXTS),
    fine=encodings(SCENE["reference"], CRS_TEXTS),
    truth=encodings(SCENE["target"], CRS_TEXTS),
)
def test_the_workflow_gives_one_triplet(coarse: Encoding, fine: Encoding, truth: Encoding) -> None:
    """Within half a step of each file: nothing is interpolated where the grids nest."""
    hows = dict(zip(ROLES, (coarse, fine, truth), strict=True))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        files = {role: write(folder, role, SCENE[role], how) for role, how in hows.items()}
        said = {role: told(SCENE[role], how) for role, how in hows.items()}
        found = aligned(folder, files, said)
    for role, how in hows.items():
        rounding = ROUNDING_K if SCENE[role].unit == "kelvin" else 1e-5
        check(found[role], plain_triplet("metres")[role], coarse.seen, how.half_step + rounding)


def shifted(image: SensorImage, by_deg: float) -> SensorImage:
    """The same content further east."""
    transform = Affine.translation(by_deg, 0) @ image.grid.transform
    return replace(image, grid=replace(image.grid, transform=transform))


def oriented(image: SensorImage, orientation: Orientation) -> SensorImage:
    """The same places in other rows and columns."""
    return replace(
        image,
        values=turned(image.values, orientation),
        valid=turned(image.valid, orientation),
        grid=turned_grid(image.grid, orientation),
    )


@pytest.mark.slow
@settings(max_examples=60, **QUIET)
@given(
    east_deg=st.sampled_from([0.0, 53.44, -306.56]),
    turns=st.fixed_dictionaries({role: st.sampled_from([0.0, 360.0, -360.0]) for role in ROLES}),
    orientations=st.fixed_dictionaries({role: st.sampled_from(ALL) for role in ROLES}),
)
def test_longitudes_may_be_of_any_turn_and_cross_180(
    east_deg: float, turns: dict[str, float], orientations: dict[str, Orientation]
) -> None:
    """A place in degrees, moved along its parallel to 180 degrees, each file in a turn of its own.

    Values of nothing else than the place may change.
    """
    seen, by_deg = orientations["input"], east_deg + turns["input"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        scene = {
            role: oriented(shifted(image, east_deg + turns[role]), orientations[role])
            for role, image in SCENES["degrees"].items()
        }
        files = written(folder, scene)
        product, triplet = predicted(folder, files), aligned(folder, files, {})
    check(product, shifted(plain_product("degrees"), by_deg), seen, ROUNDING_K)
    for role, image in plain_triplet("degrees").items():
        check(triplet[role], shifted(image, by_deg), seen, ROUNDING_K)
