"""Alignment: the files of a scene become a triplet on nested grids, with sub-pixel registration."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstsr.config import channels_of, unregistered
from lstsr.dataset.assembly import UNMOVED, Recipe, assemble, cells_within, read_ground
from lstsr.dataset.history import earlier_targets
from lstsr.dataset.layers import UNKNOWN, Ground, with_bands
from lstsr.errors import LstsrError, SceneError
from lstsr.files import write_csv
from lstsr.geo.coarsen import coarsened_to
from lstsr.geo.registration import Registration, register, register_input
from lstsr.geo.resample import meets, resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Triplet, alone
from lstsr.manifest import ROLES
from lstsr.sensors import geotiff
from lstsr.sensors.reading import read_image
from lstsr.times import read_time

if TYPE_CHECKING:
    from lstsr.config import AlignConfig, RegistrationConfig, SensorsConfig
    from lstsr.manifest import Scene

logger = logging.getLogger(__name__)
FINEST = 1.5
"""An image can be interpolated to pixels that are at most this much narrower than its own."""
OPTIONAL = ("water", "covariates")
MEASURED = ("row", "column", "peak_correlation", "tiles", "residual")
PSF = ("input_psf_rows_cells", "input_psf_columns_cells")
COLUMNS = (
    *("scene", "reason", "reference_age_h"),
    *(f"{role}_{name}" for role in ("reference", "input") for name in MEASURED),
    *PSF,
)


@dataclass(frozen=True)
class Aligned:
    """The result of a scene: the registrations against the target, or why it is excluded.

    The reference is ``reference_age_h`` hours older than the input. ``files`` are the names of the
    rasters in the scene's folder.
    """

    scene: str
    reason: str = ""
    registrations: dict[str, Registration] = field(default_factory=dict)
    reference_age_h: float | None = None
    files: tuple[str, ...] = ()


def align(
    scene: Scene,
    sensors: SensorsConfig,
    settings: AlignConfig,
    folder: Path,
    others: Sequence[Scene] = (),
) -> Aligned:
    """Read, register and resample one scene, and write its rasters to ``folder``.

    Layer history reads the earlier targets of ``others``. An optical image stays on its own grid
    and is the only raster. A fault in the scene's content excludes the scene, with a reason. Any
    other fault is raised.
    """
    try:
        images = {role: _read(scene, role, sensors) for role in sensors.roles}
        if sensors.alone:
            return _write_alone(scene.scene, images["target"], settings, folder)
        age_h = check_times(images, settings)
        matched = None
        if band := settings.registration.target_band:
            reading = sensors.target.model_copy(update={"bands": [band]})
            matched = read_image(scene.target, reading, "target")
        ground = read_ground(scene.dem, scene.water)
        if "history" in settings.layers:
            grid, time = _coarse_grid(images, settings).refine(settings.scale), images["input"].time
            earlier = earlier_targets(
                others, sensors.target, grid, time, settings.history_max_age_days
            )
            ground = replace(ground, earlier=earlier)
        triplet, registrations = to_triplet(scene.scene, images, settings, ground, matched)
    except SceneError as error:
        logger.warning("scene %s excluded: %s", scene.scene, error)
        return Aligned(scene.scene, str(error))
    files = ["target_native.tif"]
    for name in (*ROLES, *OPTIONAL):
        image, path = getattr(triplet, name), folder / scene.scene / f"{name}.tif"
        if image is not None:
            geotiff.write(path, image)
            files.append(path.name)
        else:  # remove the file of an earlier config
            path.unlink(missing_ok=True)
    row, column = triplet.shifts["target"]
    geotiff.write(
        folder / scene.scene / "target_native.tif",
        coarsened_to(images["target"], triplet.target.grid.gsd_m),
        {"moved_row": repr(row), "moved_column": repr(column)},
    )
    return Aligned(scene.scene, "", registrations, age_h, tuple(files))


def _write_alone(name: str, image: SensorImage, settings: AlignConfig, folder: Path) -> Aligned:
    if image.valid_fraction < settings.min_valid:
        raise SceneError(
            f"{image.valid_fraction:.1%} of the target is valid, but align.min_valid requires "
            f"{settings.min_valid:.0%}: clouds?"
        )
    shutil.rmtree(folder / name, ignore_errors=True)  # rasters of an earlier config
    geotiff.write(folder / name / "target.tif", image)
    return Aligned(name, files=("target.tif",))


def _read(scene: Scene, role: str, sensors: SensorsConfig) -> SensorImage:
    image = read_image(getattr(scene, role), getattr(sensors, role), role)
    # a reference can be days older than the scene's time
    return image if image.time or role == "reference" else replace(image, time=scene.time)


def check_times(images: dict[str, SensorImage], settings: AlignConfig) -> float | None:
    """Age of the reference at the time of the input, hours (negative: newer); None if unknown.

    Raises SceneError if input and target, or reference and input, are too far apart in time.
    """
    most_min = settings.time_window_min
    if most_min is not None:
        for role in ("input", "target"):
            if not images[role].time:
                raise SceneError(f"{role} has no time, but align.time_window_min needs one")
        apart_min = abs(hours_between(images["target"], images["input"])) * 60
        if apart_min > most_min:
            raise SceneError(
                f"input ({images['input'].time}) is {apart_min:.6g} minutes from the target "
                f"({images['target'].time}), but align.time_window_min allows {most_min:g}"
            )
    if not (images["reference"].time and images["input"].time):
        return None
    age_h = hours_between(images["reference"], images["input"])
    if timedelta(hours=abs(age_h)) > settings.reference_window:
        raise SceneError(
            f"reference ({images['reference'].time}) is {abs(age_h):.6g} hours "
            f"{'older' if age_h > 0 else 'newer'} than the input ({images['input'].time}), "
            f"but align.reference_max_age_h allows {settings.reference_max_age_h:g}"
        )
    return age_h


def hours_between(earlier: SensorImage, later: SensorImage) -> float:
    """Hours from ``earlier`` to ``later``. Raises LstsrError if one image has no time."""
    start, end = (read_time(image.time) for image in (earlier, later))
    if start is None or end is None:
        raise LstsrError(f"{earlier.sensor} or {later.sensor}: the time of the image is unknown")
    return (end - start).total_seconds() / 3600


def to_triplet(
    name: str,
    images: dict[str, SensorImage],
    settings: AlignConfig,
    ground: Ground = UNKNOWN,
    matched: SensorImage | None = None,
) -> tuple[Triplet, dict[str, Registration]]:
    """The triplet of three images, and the registrations of reference and input to the target.

    The anchor stays in place; the others are moved onto it and resampled once each. Shifts are in
    fine pixels. The reference is matched to ``matched`` (a band of the target) or else to its LST.
    It gets ``settings.layers`` of the ``ground`` as further channels; layer ``unregistered`` is a
    copy of its bands, resampled without a shift. Raises SceneError if the images do not overlap or
    cannot be registered.
    """
    scale, terrain = settings.scale, ground.terrain
    coarse_grid = _coarse_grid(images, settings)
    grid = coarse_grid.refine(scale)
    _check_spacing(images["input"], coarse_grid, "input")
    _check_spacing(images["target"], grid, "target")
    unmoved = {
        "input": resample(images["input"], coarse_grid, terrain=terrain),
        "reference": resample(images["reference"], grid, terrain=terrain),
        "target": resample(images["target"], grid),
    }
    _check_overlap(images, unmoved, scale, settings.min_valid)
    fixed = unmoved["target"] if matched is None else resample(matched, grid)
    registrations = _registrations(unmoved, fixed, settings.registration, scale)
    shifts = dict.fromkeys(ROLES, UNMOVED)
    for role, measured in registrations.items():
        if not measured.accepted:
            raise SceneError(
                f"{role} cannot be registered to the target "
                f"(peak correlation {measured.peak_correlation:.2f}, {measured.tiles} tiles)"
            )
        shifts[role] = measured.row, measured.column
    anchor_row, anchor_column = shifts[settings.anchor]
    moved = {role: (r - anchor_row, c - anchor_column) for role, (r, c) in shifts.items()}
    layers = channels_of([layer for layer in settings.layers if layer != "unregistered"])
    recipe = Recipe(layers, settings.covariates)
    made = assemble(images, coarse_grid, scale, moved, recipe, ground)
    reference = made.reference
    if "unregistered" in settings.layers:
        bands = list(map(unregistered, unmoved["reference"].bands))
        reference = with_bands(reference, bands, unmoved["reference"].values)
    target = resample(images["target"], grid, moved["target"])
    triplet = Triplet(name, made.input, reference, target, moved, made.water, made.covariates)
    return triplet, registrations


def _coarse_grid(images: dict[str, SensorImage], settings: AlignConfig) -> Grid:
    """The input's own grid, or the cells of the configured grid that lie inside the target."""
    if settings.grid is None:
        return images["input"].grid
    return cells_within(images["target"].grid, settings.grid)


def _check_spacing(image: SensorImage, grid: Grid, role: str) -> None:
    """Raise SceneError if an image would be interpolated to much finer pixels than its own."""
    if image.grid.cell_m > FINEST * grid.cell_m:
        raise SceneError(
            f"{role} has pixels of {image.grid.cell_m:.4g} m, but align.scale and align.grid ask "
            f"for {grid.cell_m:.4g} m. Lower align.scale, or check whether input and target are "
            "swapped"
        )


def _check_overlap(
    images: dict[str, SensorImage], unmoved: dict[str, SensorImage], scale: int, least: float
) -> None:
    """Raise SceneError if the images share too few valid pixels."""
    shared = unmoved["input"].valid.repeat(scale, 0).repeat(scale, 1)
    for role, names in (("target", "input and target"), ("reference", "all three images")):
        shared = shared & unmoved[role].valid
        if shared.mean() < least:
            outside = [r for r in ("input", role) if not meets(images[r].grid, unmoved[r].grid)]
            cause = f"{outside[0]} shows another place" if outside else "clouds?"
            raise SceneError(
                f"{names} share {shared.mean():.1%} of the grid, but align.min_valid requires "
                f"{least:.0%}: {cause}"
            )


def _registrations(
    unmoved: dict[str, SensorImage],
    fixed: SensorImage,
    settings: RegistrationConfig,
    scale: int,
) -> dict[str, Registration]:
    """Shifts of reference and input against the target, measured or constant."""
    coarse, reference, target = (unmoved[role] for role in ROLES)
    registrations = {}
    if settings.reference:
        band = reference.bands.index(settings.reference_band or reference.bands[0])
        registrations["reference"] = register(
            reference.values[band], fixed.values[0], reference.valid, fixed.valid
        )
    if settings.input:
        registrations["input"] = register_input(
            coarse.values[0],
            coarse.valid,
            target.values[0],
            target.valid,
            scale,
            psf_cells=settings.input_psf_cells,
        )
    for role, (row, column) in settings.constant.items():
        registrations[role] = Registration(row, column, 1.0, 0, 0.0, True)
    return registrations


def write_index(path: Path, aligned: Iterable[Aligned]) -> None:
    """Write one CSV row per scene. Column ``files`` lists the rasters, to detect lost ones."""
    rows = []
    for one in aligned:
        row: dict[str, Any] = {"scene": one.scene, "reason": one.reason}
        row["files"] = " ".join(one.files)
        if one.reference_age_h is not None:
            row["reference_age_h"] = round(one.reference_age_h, 3)
        for role, measured in one.registrations.items():
            row |= {f"{role}_{name}": getattr(measured, name) for name in MEASURED}
            if role == "input":
                row |= dict(zip(PSF, measured.psf_cells, strict=True))
        rows.append(row)
    write_csv(path, (*COLUMNS, "files"), rows)


def read_triplet(folder: Path, scene: str) -> Triplet:
    """The triplet that ``align`` wrote; for an optical image, the triplet of `image.alone`."""
    paths = {name: folder / scene / f"{name}.tif" for name in (*ROLES, *OPTIONAL)}
    if not paths["target"].exists():
        raise LstsrError(
            f"{paths['target']} is missing. Delete the tables in {folder.parent}/align to align "
            "all scenes again"
        )
    if not paths["input"].exists():
        return alone(scene, geotiff.read_written(paths["target"]))
    images: dict[str, Any] = {
        name: geotiff.read_written(path)
        for name, path in paths.items()
        if name in ROLES or path.exists()
    }
    return Triplet(scene, **images)
