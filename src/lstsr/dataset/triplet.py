"""Align: the three files of a scene become a triplet on nested grids, registered to sub-pixel."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from pyproj import Transformer

from lstsr.config import GeotiffConfig, unregistered
from lstsr.dataset.harmonise import covariates_of
from lstsr.dataset.layers import UNKNOWN, Ground, with_bands, with_layers
from lstsr.errors import SceneError
from lstsr.files import read_csv, write_csv
from lstsr.geo.coarsen import at_least
from lstsr.geo.coregister import Registration, register, register_input
from lstsr.geo.parallax import Terrain
from lstsr.geo.resample import resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Triplet, alone
from lstsr.registry import reader
from lstsr.scenes import ROLES
from lstsr.sensors import geotiff

if TYPE_CHECKING:
    from lstsr.config import AlignConfig, GridConfig, RegistrationConfig, SensorsConfig
    from lstsr.scenes import Scene

logger = logging.getLogger(__name__)
OPTIONAL = ("water", "covariates")
MOVED = ("reference", "input")
MEASURED = ("row", "column", "peak_correlation", "tiles", "residual")
PSF = ("input_psf_rows_cells", "input_psf_columns_cells")
AGE = "reference_age_h"
COLUMNS = (
    *("scene", "reason", AGE),
    *(f"{role}_{name}" for role in MOVED for name in MEASURED),
    *PSF,
)


@dataclass(frozen=True)
class Aligned:
    """What became of a scene: the two registrations against the target, or why it is excluded.

    ``reference_age_h`` is by how many hours the reference is older than the input.
    """

    scene: str
    reason: str = ""
    registrations: dict[str, Registration] = field(default_factory=dict)
    reference_age_h: float | None = None


def align(scene: Scene, sensors: SensorsConfig, settings: AlignConfig, folder: Path) -> Aligned:
    """Read, register and resample one scene, and write its four rasters to ``folder``.

    An image alone stays on its own grid and is the one raster. A fault of the scene's content
    excludes it, by reason; anything else is raised.
    """
    try:
        images = {role: _read(scene, role, sensors) for role in sensors.roles}
        if sensors.alone:
            return _place_alone(scene.scene, images["target"], settings, folder)
        age_h = check_times(images, settings)
        matched = _matched(scene, sensors, settings.registration)
        ground = Ground(read_terrain(scene.dem), read_water(scene.water))
        triplet, registrations = to_triplet(scene.scene, images, settings, ground, matched)
    except SceneError as error:
        logger.warning("scene %s excluded: %s", scene.scene, error)
        return Aligned(scene.scene, str(error))
    for name in (*ROLES, *OPTIONAL):
        image, path = getattr(triplet, name), folder / scene.scene / f"{name}.tif"
        if image is not None:
            geotiff.write(path, image)
        else:  # that of an earlier config would be taken for current
            path.unlink(missing_ok=True)
    row, column = triplet.shifts["target"]
    geotiff.write(
        folder / scene.scene / "target_native.tif",
        at_least(images["target"], triplet.target.grid.gsd_m),
        {"moved_row": repr(row), "moved_column": repr(column)},
    )
    return Aligned(scene.scene, "", registrations, age_h)


def _place_alone(name: str, image: SensorImage, settings: AlignConfig, folder: Path) -> Aligned:
    """Write an image that has neither input nor reference; SceneError where most is unusable."""
    if image.valid_fraction < settings.min_valid:
        raise SceneError(
            f"{image.valid_fraction:.1%} of the target are usable, align.min_valid asks "
            f"{settings.min_valid:.0%}: clouds?"
        )
    shutil.rmtree(folder / name, ignore_errors=True)  # what an earlier config left
    geotiff.write(folder / name / "target.tif", image)
    return Aligned(name)


def _read(scene: Scene, role: str, sensors: SensorsConfig) -> SensorImage:
    sensor = getattr(sensors, role)
    image: SensorImage = reader(sensor.product).read(getattr(scene, role), sensor)
    # of a reference, which may be days older, the scene's time says nothing
    return image if image.time or role == "reference" else replace(image, time=scene.time)


def check_times(images: dict[str, SensorImage], settings: AlignConfig) -> float | None:
    """By how many hours the reference is older than the input, negative if newer; None if unknown.

    Raises SceneError where input and target, or reference and input, lie too far apart in time.
    """
    most_min = settings.time_window_min
    if most_min is not None:
        for role in ("input", "target"):
            if not images[role].time:
                raise SceneError(f"{role} has no time, which align.time_window_min asks for")
        apart_min = abs(hours_between(images["target"], images["input"])) * 60
        if apart_min > most_min:
            raise SceneError(
                f"input ({images['input'].time}) is {apart_min:.6g} minutes from the target "
                f"({images['target'].time}), align.time_window_min allows {most_min:g}"
            )
    if not (images["reference"].time and images["input"].time):
        return None
    age_h = hours_between(images["reference"], images["input"])
    if timedelta(hours=abs(age_h)) > settings.reference_window:
        raise SceneError(
            f"reference ({images['reference'].time}) is {abs(age_h):.6g} hours "
            f"{'older' if age_h > 0 else 'newer'} than the input ({images['input'].time}), "
            f"align.reference_max_age_h allows {settings.reference_max_age_h:g}"
        )
    return age_h


def hours_between(earlier: SensorImage, later: SensorImage) -> float:
    """From one image's time to another's; both must have one."""
    start, end = (datetime.fromisoformat(one.time) for one in (earlier, later))
    return (end - start).total_seconds() / 3600


def _matched(
    scene: Scene, sensors: SensorsConfig, settings: RegistrationConfig
) -> SensorImage | None:
    """The target's band that the reference is matched to; None for its LST."""
    if settings.target_band is None:
        return None
    sensor = sensors.target.model_copy(update={"bands": [settings.target_band]})
    image: SensorImage = reader(sensor.product).read(scene.target, sensor)
    return image


def read_terrain(dem: Path | None) -> Terrain | None:
    """Elevation in metres; SceneError where it cannot be read."""
    if dem is None:
        return None
    sensor = GeotiffConfig(sensor="DEM", unit="metre", names=["elevation"])
    image = geotiff.read(dem, sensor)
    return Terrain(image.values[0], image.grid)


def read_water(path: Path | None) -> SensorImage | None:
    """The share of water, 0..1; SceneError where it cannot be read or is no share."""
    if path is None:
        return None
    sensor = GeotiffConfig(sensor="water mask", unit="index", names=["water"])
    image = geotiff.read(path, sensor)
    low, high = image.values[0][image.valid].min(), image.values[0][image.valid].max()
    if low < 0 or high > 1:
        raise SceneError(
            f"{path.name}: shares of water lie within {low:g} .. {high:g}, not 0 .. 1; scale them"
        )
    return image


def to_triplet(
    name: str,
    images: dict[str, SensorImage],
    settings: AlignConfig,
    ground: Ground = UNKNOWN,
    matched: SensorImage | None = None,
) -> tuple[Triplet, dict[str, Registration]]:
    """The anchor stays where it is; the others are moved onto it, resampled once each.

    Registrations are of the reference and of the input against the target, in fine pixels; the
    reference is matched to ``matched`` where that is given, and gets ``settings.layers`` of the
    ``ground`` as further channels. With the layer ``unregistered`` it also holds itself as it was
    delivered: resampled without any shift, while input and target stand as always. Raises
    SceneError where the images do not overlap or cannot be registered.
    """
    scale, terrain = settings.scale, ground.terrain
    coarse_grid = _coarse_grid(images, settings)
    grid = coarse_grid.refine(scale)
    unmoved = {
        "input": resample(images["input"], coarse_grid, terrain=terrain),
        "reference": resample(images["reference"], grid, terrain=terrain),
        "target": resample(images["target"], grid),
    }
    _check_overlap(images, unmoved, scale, settings.min_valid)
    fixed = unmoved["target"] if matched is None else resample(matched, grid)
    found = _registrations(unmoved, fixed, settings.registration, scale)
    for role, one in found.items():
        if not one.accepted:
            raise SceneError(
                f"{role} cannot be registered to the target "
                f"(peak correlation {one.peak_correlation:.2f}, {one.tiles} tiles)"
            )
    shifts = {role: _shift(found.get(role)) for role in ROLES}
    anchor_row, anchor_column = shifts[settings.anchor]
    moved = {role: (r - anchor_row, c - anchor_column) for role, (r, c) in shifts.items()}
    row, column = moved["input"]
    coarse = resample(images["input"], coarse_grid, (row / scale, column / scale), terrain=terrain)
    reference = resample(images["reference"], grid, moved["reference"], terrain=terrain)
    viewpoint = images["input"].viewpoint
    names = [name for name in settings.layers if name != "unregistered"]
    layered = with_layers(reference, names, coarse.time, viewpoint, ground)
    if "unregistered" in settings.layers:
        delivered = unmoved["reference"]
        layered = with_bands(layered, list(map(unregistered, delivered.bands)), delivered.values)
    return (
        Triplet(
            name,
            coarse,
            layered,
            resample(images["target"], grid, moved["target"]),
            moved,
            ground.water_on(grid),
            covariates_of(settings.covariates, coarse, viewpoint, reference, ground),
        ),
        found,
    )


def _coarse_grid(images: dict[str, SensorImage], settings: AlignConfig) -> Grid:
    """The input's own grid, or those whole cells of the configured one that the target can fill."""
    if settings.grid is None:
        return images["input"].grid
    return cells_within(images["target"].grid, settings.grid)


def cells_within(grid: Grid, lattice: GridConfig) -> Grid:
    """The whole cells of ``lattice`` inside the box around the corners of ``grid``.

    Raises SceneError where there is none.
    """
    to_lattice = Transformer.from_crs(grid.crs, lattice.crs, always_xy=True)
    x, y = to_lattice.transform(*np.transpose(grid.corners))
    step = lattice.spacing_m
    left, bottom = math.ceil(x.min() / step), math.ceil(y.min() / step)
    right, top = math.floor(x.max() / step), math.floor(y.max() / step)
    if right <= left or top <= bottom:
        raise SceneError(f"the image holds no whole cell of {step:g} m; check align.grid")
    transform = Affine(step, 0, left * step, 0, -step, top * step)
    return Grid(lattice.crs, transform, right - left, top - bottom)


def _check_overlap(
    images: dict[str, SensorImage], unmoved: dict[str, SensorImage], scale: int, least: float
) -> None:
    shared = unmoved["input"].valid.repeat(scale, 0).repeat(scale, 1)
    for role, names in (("target", "input and target"), ("reference", "all three images")):
        shared = shared & unmoved[role].valid
        if shared.mean() < least:
            elsewhere = [
                one for one in ("input", role) if not _meets(images[one].grid, unmoved[one].grid)
            ]
            cause = f"{elsewhere[0]} looks elsewhere" if elsewhere else "clouds?"
            raise SceneError(
                f"{names} share {shared.mean():.1%} of the grid, align.min_valid asks "
                f"{least:.0%}: {cause}"
            )


def _meets(source: Grid, grid: Grid) -> bool:
    """Whether any of 33 x 33 points of ``grid`` lies inside ``source``."""
    rows, columns = np.indices((33, 33)) / 32
    to_source = Transformer.from_crs(grid.crs, source.crs, always_xy=True)
    x, y = to_source.transform(*(grid.transform @ (columns * grid.width, rows * grid.height)))
    column, row = ~source.transform @ (x, y)
    inside = (column > 0) & (column < source.width) & (row > 0) & (row < source.height)
    return bool(inside.any())


def _shift(found: Registration | None) -> tuple[float, float]:
    return (found.row, found.column) if found else (0.0, 0.0)


def _registrations(
    unmoved: dict[str, SensorImage],
    fixed: SensorImage,
    settings: RegistrationConfig,
    scale: int,
) -> dict[str, Registration]:
    coarse, reference, target = (unmoved[role] for role in ROLES)
    found = {}
    if settings.reference:
        band = reference.bands.index(settings.reference_band or reference.bands[0])
        found["reference"] = register(
            reference.values[band], fixed.values[0], reference.valid, fixed.valid
        )
    if settings.input:
        found["input"] = register_input(
            coarse.values[0],
            coarse.valid,
            target.values[0],
            target.valid,
            scale,
            psf_cells=settings.input_psf_cells,
        )
    for role, (row, column) in settings.constant.items():
        found[role] = Registration(row, column, 1.0, 0, 0.0, True)
    return found


def write_index(path: Path, aligned: Iterable[Aligned]) -> None:
    """One CSV row a scene."""
    write_csv(path, COLUMNS, map(record, aligned))


def record(one: Aligned) -> dict[str, object]:
    """A scene's row: its name, the reason against it, and what was measured."""
    row: dict[str, object] = {"scene": one.scene, "reason": one.reason}
    if one.reference_age_h is not None:
        row[AGE] = round(one.reference_age_h, 3)
    for role, found in one.registrations.items():
        row |= {f"{role}_{name}": getattr(found, name) for name in MEASURED}
    if "input" in one.registrations:
        row |= dict(zip(PSF, one.registrations["input"].psf_cells, strict=True))
    return row


def read_index(path: Path) -> list[Aligned]:
    """What ``write_index`` wrote."""
    return [
        Aligned(
            row["scene"],
            row["reason"],
            {role: _registration(row, role) for role in MOVED if row[f"{role}_row"]},
            float(row[AGE]) if row[AGE] else None,
        )
        for row in read_csv(path)
    ]


def _registration(row: dict[str, str], role: str) -> Registration:
    value = {name: row[f"{role}_{name}"] for name in MEASURED}
    rows, columns = (float(row[name]) if role == "input" else math.nan for name in PSF)
    return Registration(
        float(value["row"]),
        float(value["column"]),
        float(value["peak_correlation"]),
        int(value["tiles"]),
        float(value["residual"]),
        True,
        (rows, columns),
    )


def read_triplet(folder: Path, scene: str) -> Triplet:
    """The triplet that ``align`` wrote; of an image alone that of `alone`."""
    if not (folder / scene / "input.tif").exists():
        return alone(scene, geotiff.read_written(folder / scene / "target.tif"))
    images = {role: geotiff.read_written(folder / scene / f"{role}.tif") for role in ROLES}
    known = {
        name: geotiff.read_written(path)
        for name in OPTIONAL
        if (path := folder / scene / f"{name}.tif").exists()
    }
    return Triplet(
        scene,
        images["input"],
        images["reference"],
        images["target"],
        water=known.get("water"),
        covariates=known.get("covariates"),
    )
