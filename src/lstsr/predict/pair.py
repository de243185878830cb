"""The input and the reference of a product, read and placed on nested grids."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from lstsr.config import AlignConfig, SensorConfig, channels_of
from lstsr.dataset.align import hours_between
from lstsr.dataset.assembly import (
    Assembled,
    Recipe,
    Shift,
    assemble,
    cells_within,
    read_ground,
    widened,
)
from lstsr.dataset.harmonise import Harmonisation, harmonised
from lstsr.dataset.history import described, earlier_targets
from lstsr.dataset.layers import Ground
from lstsr.dataset.tracks import widening
from lstsr.errors import LstsrError
from lstsr.geo.resample import meets
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.manifest import Scene, read_manifest
from lstsr.predict.reading import describe, existing, reading_of, validated
from lstsr.predict.request import Files, Options
from lstsr.sensors.detection import detect
from lstsr.sensors.raster import selection
from lstsr.sensors.reading import read_grid, read_image
from lstsr.times import iso, read_time
from lstsr.training.checkpoint import CheckpointHeader

logger = logging.getLogger(__name__)
MOST_SCALE = 64
"""Largest scale of a product."""


@dataclass(frozen=True)
class Pair:
    """Input and reference as read, with ``notes`` on how, and their grids.

    A pixel of the product is ``wider`` pixels of the aligned grid wide.
    """

    images: Mapping[str, SensorImage]
    notes: Mapping[str, str]
    coarse_grid: Grid
    scale: int
    wider: int
    ground: Ground
    recipe: Recipe
    harmonisation: Harmonisation | None = None

    def assembled(self, shifts: Mapping[str, Shift] | None = None) -> Assembled:
        """Both images on the product's grids, moved by ``shifts`` in pixels of the product."""
        aligned = {
            role: (row * self.wider, column * self.wider)
            for role, (row, column) in (shifts or {}).items()
        }
        scale = self.scale * self.wider
        made = assemble(self.images, self.coarse_grid, scale, aligned, self.recipe, self.ground)
        coarse = made.input
        if self.harmonisation:
            assert made.covariates is not None
            coarse = harmonised(coarse, made.covariates, self.harmonisation)
        water = made.water and widened(made.water, self.wider)
        return Assembled(coarse, widened(made.reference, self.wider), made.covariates, water)

    def age_h(self) -> float | None:
        """Age of the reference relative to the input, hours; None if unknown."""
        reference, coarse = self.images["reference"], self.images["input"]
        return hours_between(reference, coarse) if reference.time and coarse.time else None


def read_pair(files: Files, trained: CheckpointHeader | None, scale: int | None) -> Pair:
    """Read and place both images, as in the training of a checkpoint if there is one.

    A network that was trained on a common grid gets the cells of this grid inside the reference (or
    ``files.extent``). Otherwise the input keeps its grid. Raises LstsrError if the pair cannot be
    read, does not overlap or does not fit the training.
    """
    images, notes = _read_images(files, trained)
    coarse, fine = images["input"].grid, images["reference"].grid
    if not meets(fine, coarse):
        raise LstsrError(
            f"{files.reference}: does not overlap the input. Name two rasters of the same place"
        )
    with existing(files.dem or files.water or files.input):
        ground = read_ground(files.dem, files.water)
    align = alignment_of(trained)
    recipe, correction = Recipe(), None
    if trained and align:
        layers = [name for name in trained.reference_bands if name in channels_of(align.layers)]
        recipe = Recipe(layers, align.covariates if trained.harmonisation else [])
    if trained and trained.harmonisation:
        correction = Harmonisation.from_dict(trained.harmonisation)
    _check_history(files, recipe, trained)
    if trained is None or align is None or align.grid is None:
        if files.extent:
            raise LstsrError("--extent: the product keeps the input's grid. Leave the option out")
        scale = scale or _ratio(files, coarse, fine)
        return Pair(images, notes, coarse, scale, 1, ground, recipe, correction)
    bounds = _extent(files.extent) if files.extent else fine
    cells, scale = cells_within(bounds, align.grid), trained.row.scale
    wider = widening(trained.row.key, align.scale)
    if files.history:
        reading = validated(trained.readings["target"], "history")
        scenes = _history_scenes(files.history, reading.product)
        grid, time = cells.refine(scale * wider), images["input"].time
        earlier = earlier_targets(scenes, reading, grid, time, align.history_max_age_days)
        ground = replace(ground, earlier=earlier)
        notes["history"] = described(earlier)
        logger.info("history %s: %s", files.history.name, notes["history"])
    return Pair(images, notes, cells, scale, wider, ground, recipe, correction)


def reference_sensor(path: Path, trained: CheckpointHeader | None = None) -> SensorConfig:
    """How a reference is read without options. Raises the errors of `reading_of`."""
    return reading_of(path, "reference", trained, Options())


def _read_images(
    files: Files, trained: CheckpointHeader | None
) -> tuple[dict[str, SensorImage], dict[str, str]]:
    """Both images by role, and notes on how each was read."""
    if trained and trained.harmonisation:
        with existing(files.input):
            product = detect(files.input)
        fitted = trained.readings["input"].get("product", "geotiff")
        if product != fitted:
            raise LstsrError(
                f"{files.input}: a {product} file, but {trained.row.name} corrects the bias of "
                f"{fitted}. Name a checkpoint that is not harmonised"
            )
    readings = {
        role: reading_of(getattr(files, role), role, trained, files.options_of(role))
        for role in ("input", "reference")
    }
    _check_order(files, readings)
    images, notes = {}, {}
    for role, reading in readings.items():
        path = getattr(files, role)
        with existing(path):
            images[role] = read_image(path, reading, role)
        notes[role] = "; ".join([describe(reading), *images[role].history[1:]])
        logger.info("%s %s: %s", role, path.name, notes[role])
    if files.time and not images["input"].time:
        moment = read_time(files.time)
        if moment is None:
            raise LstsrError(f"--time {files.time}: not a time. Write it as 2023-05-12T02:10:00Z")
        images["input"] = replace(images["input"], time=iso(moment))
    return images, notes


def _check_order(files: Files, readings: Mapping[str, SensorConfig]) -> None:
    """Raise LstsrError if the input is clearly finer than the reference."""
    spacing_m = {}
    for role, reading in readings.items():
        with existing(getattr(files, role)):
            spacing_m[role] = read_grid(getattr(files, role), reading).cell_m
    if spacing_m["input"] < 0.9 * spacing_m["reference"]:
        raise LstsrError(
            f"{files.input}: the input has pixels of {spacing_m['input']:.4g} m, finer than the "
            f"{spacing_m['reference']:.4g} m of the reference {files.reference}. Are the two "
            "swapped?"
        )


def alignment_of(trained: CheckpointHeader | None) -> AlignConfig | None:
    """How a checkpoint's training placed its images; None if the checkpoint does not say so.

    Raises LstsrError if another version of lstsr wrote it.
    """
    if trained is None or not trained.align:
        return None
    try:
        return AlignConfig.model_validate(trained.align)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise LstsrError(
            f"{trained.row.name} was made by another version of lstsr (align.{key}: "
            f"{fault['msg']}). Train it again"
        ) from None


def _check_history(files: Files, recipe: Recipe, trained: CheckpointHeader | None) -> None:
    """Raise LstsrError if the earlier LST is missing, or if the model does not use it."""
    name = trained.row.name if trained else "the method"
    if recipe.history and not files.history:
        raise LstsrError(
            f"{name} sees earlier LST. Add --history with a folder, or a CSV of the columns "
            "scene, target and time"
        )
    if files.history and not recipe.history:
        raise LstsrError(f"--history: {name} sees no earlier LST. Leave the option out")
    if files.history and not files.history.exists():
        raise LstsrError(f"--history {files.history}: not found. Name a CSV or a folder")


def _history_scenes(path: Path, product: str) -> list[Scene]:
    """The targets of a manifest, or all targets in and below a folder."""
    if not path.is_dir():
        return read_manifest(path, ["target"])
    pattern = "*_MTL.txt" if product == "landsat" else "*.tif"
    files = sorted(path.rglob(pattern))
    if not files:
        raise LstsrError(f"--history {path}: no file {pattern} lies in or below it. Name another")
    return [Scene(file.stem, None, None, file) for file in files]


def _extent(path: Path) -> Grid:
    """The grid of the raster that bounds the product."""
    with existing(path):
        keys: dict[str, object] = {"product": detect(path)}
        if keys["product"] == "geotiff":
            keys |= {"sensor": "extent", "unit": "index", "names": selection.band_names(path)}
        return read_grid(path, validated(keys, "extent"))


def _ratio(files: Files, coarse: Grid, fine: Grid) -> int:
    """The ratio of the two spacings, rounded."""
    scale = round(coarse.cell_m / fine.cell_m)
    if scale < 2:
        raise LstsrError(
            f"{files.reference}: not finer than {files.input}. Check the pair, or give --scale"
        )
    if scale > MOST_SCALE:
        raise LstsrError(
            f"{files.reference}: its pixels of {fine.cell_m:g} m and the input's of "
            f"{coarse.cell_m:g} m make a scale of {scale}. Give --scale, at most {MOST_SCALE}, or "
            "check both files"
        )
    return scale
