"""Align: the three files of a scene become a triplet on nested grids, registered to sub-pixel."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lstsr.errors import SceneError
from lstsr.files import read_csv, write_csv
from lstsr.geo.coregister import Registration, register, register_input
from lstsr.geo.resample import resample
from lstsr.image import SensorImage, Triplet
from lstsr.scenes import ROLES
from lstsr.sensors import geotiff

if TYPE_CHECKING:
    from lstsr.config import AlignConfig, RegistrationConfig, SensorsConfig
    from lstsr.scenes import Scene

logger = logging.getLogger(__name__)
MOVED = ("reference", "input")
MEASURED = ("row", "column", "peak_correlation", "tiles", "residual")
COLUMNS = ("scene", "reason", *(f"{role}_{name}" for role in MOVED for name in MEASURED))


@dataclass(frozen=True)
class Aligned:
    """What became of a scene: the two registrations against the target, or why it is excluded."""

    scene: str
    reason: str = ""
    registrations: dict[str, Registration] = field(default_factory=dict)


def align(scene: Scene, sensors: SensorsConfig, settings: AlignConfig, folder: Path) -> Aligned:
    """Read, register and resample one scene, and write its four rasters to ``folder``.

    A fault of the scene's content excludes it, by reason; anything else is raised.
    """
    try:
        images = {
            role: geotiff.read(getattr(scene, role), getattr(sensors, role), scene.time)
            for role in ROLES
        }
        triplet, registrations = to_triplet(scene.scene, images, settings)
    except SceneError as error:
        logger.warning("scene %s excluded: %s", scene.scene, error)
        return Aligned(scene.scene, str(error))
    for role in ROLES:
        geotiff.write(folder / scene.scene / f"{role}.tif", getattr(triplet, role))
    row, column = triplet.shifts["target"]
    geotiff.write(
        folder / scene.scene / "target_native.tif",
        images["target"],
        {"moved_row": repr(row), "moved_column": repr(column)},
    )
    return Aligned(scene.scene, "", registrations)


def to_triplet(
    name: str, images: dict[str, SensorImage], settings: AlignConfig
) -> tuple[Triplet, dict[str, Registration]]:
    """The input stays where it is; target and reference are moved onto it, resampled once each.

    Registrations are of the reference and of the input against the target, in fine pixels. Raises
    SceneError where the images do not overlap or cannot be registered.
    """
    coarse = images["input"]
    grid = coarse.grid.refine(settings.scale)
    target, reference = (resample(images[role], grid) for role in ("target", "reference"))
    shared = coarse.valid.repeat(settings.scale, 0).repeat(settings.scale, 1)
    for image, names in ((target, "input and target"), (reference, "input, target and reference")):
        shared = shared & image.valid
        if shared.mean() < settings.min_valid:
            raise SceneError(
                f"{names} share {shared.mean():.1%} of the grid, align.min_valid asks "
                f"{settings.min_valid:.0%}: do they overlap?"
            )
    found = _registrations(coarse, reference, target, settings.registration, settings.scale)
    for role, one in found.items():
        if not one.accepted:
            raise SceneError(
                f"{role} cannot be registered to the target "
                f"(peak correlation {one.peak_correlation:.2f}, {one.tiles} tiles)"
            )
    row, column = _shift(found.get("input"))
    of_target = (-row, -column)
    row, column = _shift(found.get("reference"))
    of_reference = (row + of_target[0], column + of_target[1])
    return (
        Triplet(
            name,
            coarse,
            resample(images["reference"], grid, of_reference),
            resample(images["target"], grid, of_target),
            {"input": (0.0, 0.0), "reference": of_reference, "target": of_target},
        ),
        found,
    )


def _shift(found: Registration | None) -> tuple[float, float]:
    return (found.row, found.column) if found else (0.0, 0.0)


def _registrations(
    coarse: SensorImage,
    reference: SensorImage,
    target: SensorImage,
    settings: RegistrationConfig,
    scale: int,
) -> dict[str, Registration]:
    found = {}
    if settings.reference:
        found["reference"] = register(
            reference.values[0], target.values[0], reference.valid, target.valid
        )
    if settings.input:
        found["input"] = register_input(
            coarse.values[0], coarse.valid, target.values[0], target.valid, scale
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
    for role, found in one.registrations.items():
        row |= {f"{role}_{name}": getattr(found, name) for name in MEASURED}
    return row


def read_index(path: Path) -> list[Aligned]:
    """What ``write_index`` wrote."""
    return [
        Aligned(
            row["scene"],
            row["reason"],
            {role: _registration(row, role) for role in MOVED if row[f"{role}_row"]},
        )
        for row in read_csv(path)
    ]


def _registration(row: dict[str, str], role: str) -> Registration:
    value = {name: row[f"{role}_{name}"] for name in MEASURED}
    return Registration(
        float(value["row"]),
        float(value["column"]),
        float(value["peak_correlation"]),
        int(value["tiles"]),
        float(value["residual"]),
        True,
    )


def read_triplet(folder: Path, scene: str) -> Triplet:
    """The triplet that ``align`` wrote."""
    images = {role: geotiff.read_written(folder / scene / f"{role}.tif") for role in ROLES}
    return Triplet(scene, images["input"], images["reference"], images["target"])
