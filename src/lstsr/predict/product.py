"""A fine LST product from any pair of rasters: no target is read or needed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from lstsr.dataset.loader import SceneInputs
from lstsr.errors import LstsrError, SceneError
from lstsr.geo.coregister import Registration, register, register_input
from lstsr.geo.fill import fill
from lstsr.geo.resample import gsd_in, resample
from lstsr.image import SensorImage
from lstsr.models.normalisation import Normalisation
from lstsr.predict.tiling import tiled
from lstsr.registry import CLASSICAL, build
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import load_checkpoint
from lstsr.training.inference import best_device, predict_scene

if TYPE_CHECKING:
    from lstsr.config import SensorConfig

logger = logging.getLogger(__name__)
# Scale of the networks' units for rows without training; it cancels out of linear models.
CLASSICAL_SCALE_K = 10.0
Shift = tuple[float, float]


@dataclass(frozen=True)
class Request:
    """What is asked for. ``model`` is a checkpoint or a classical row's name; ``tile`` fine pixels."""

    model: str
    input: Path
    reference: Path
    output: Path
    scale: int | None
    base_image: Path | None
    register: bool
    tile: int


@dataclass(frozen=True)
class Frame:
    """How the pair was brought together: what moved by how much (fine pixels), and in whose frame."""

    reference: Shift
    output: Shift
    name: str
    quality: str


def make_product(
    request: Request, input_sensor: SensorConfig, reference_sensor: SensorConfig
) -> None:
    """Predict LST in kelvin on the input's grid divided by the scale, and write it as a COG.

    The pair may differ in coordinate system and corners; the reference is resampled once, moved by
    the registration of the two. Cells without valid input are nodata. Raises LstsrError, naming the
    file, for a pair that cannot be read, does not overlap or does not fit the model.
    """
    try:
        coarse = geotiff.read(request.input, input_sensor)
        fine = geotiff.read(request.reference, reference_sensor)
    except FileNotFoundError as error:
        raise LstsrError(f"{error.filename}: no such file") from None
    scale = request.scale or _own_scale(request.model) or _scale_between(coarse, fine)
    grid = coarse.grid.refine(scale)
    reference = resample(fine, grid)
    if not (reference.valid & coarse.valid.repeat(scale, 0).repeat(scale, 1)).any():
        raise SceneError(f"{request.reference} does not overlap the valid part of {request.input}")
    frame = _frame(request, coarse, reference, scale)
    if frame.reference != (0.0, 0.0):
        reference = resample(fine, grid, frame.reference)
    network, normalisation = _model(request.model, scale, coarse, reference)
    values = _predict(network, normalisation, coarse, reference, request.tile, scale)
    valid = coarse.valid.repeat(scale, 0).repeat(scale, 1)
    image = SensorImage(
        values[None],
        valid,
        grid.moved(*frame.output),
        ("lst",),
        "kelvin",
        coarse.sensor,
        coarse.time,
        (*coarse.history, f"{request.model} x{scale}"),
    )
    geotiff.write(request.output, image, _tags(frame, request, scale))
    logger.info("%s: %s, frame %s", request.output, frame.quality, frame.name)


def _scale_between(coarse: SensorImage, fine: SensorImage) -> int:
    """The whole ratio of the two spacings."""
    scale = round(coarse.grid.gsd_m / gsd_in(fine.grid, coarse.grid))
    if scale < 2:
        raise LstsrError("the reference is not finer than the input; check the pair, or --scale")
    return scale


def _own_scale(model: str) -> int | None:
    """The scale that a checkpoint was trained for."""
    return None if model in CLASSICAL else load_checkpoint(_existing(model))[1].row.scale


def _existing(model: str) -> Path:
    if not Path(model).is_file():
        raise LstsrError(
            f"--model {model}: neither a checkpoint nor one of {', '.join(sorted(CLASSICAL))}"
        )
    return Path(model)


def _model(
    model: str, scale: int, coarse: SensorImage, reference: SensorImage
) -> tuple[nn.Module, Normalisation]:
    """The network and the scene's normalisation, centred on the whole input."""
    centre_k = float(coarse.values[0][coarse.valid].mean(dtype=np.float64))
    channels = len(reference.bands)
    if model in CLASSICAL:
        valid = reference.values[:, reference.valid].astype(np.float64)
        mean, std = valid.mean(axis=1), np.maximum(valid.std(axis=1), 1e-6)
        normalisation = Normalisation(centre_k, CLASSICAL_SCALE_K, tuple(mean), tuple(std))
        return build(model, scale, channels).eval(), normalisation
    network, described = load_checkpoint(_existing(model))
    if described.row.scale != scale:
        raise LstsrError(f"{model} was trained for x{described.row.scale}, not x{scale}")
    if described.reference_channels != channels:
        raise LstsrError(
            f"{model} needs the reference bands {', '.join(described.reference_bands)}, the "
            f"reference has {channels}"
        )
    return network, described.normalisation(centre_k)


def _frame(request: Request, coarse: SensorImage, reference: SensorImage, scale: int) -> Frame:
    """Register input and reference to each other, or both to the static base image."""
    if not request.register:
        return Frame((0.0, 0.0), (0.0, 0.0), "input", "not registered, as asked")
    if request.base_image is None:
        found = register_input(
            coarse.values[0], coarse.valid, reference.values[0], reference.valid, scale
        )
        if not found.accepted:
            return Frame((0.0, 0.0), (0.0, 0.0), "input", f"not registered: {_words(found)}")
        return Frame((-found.row, -found.column), (0.0, 0.0), "input", _words(found))
    sensor = reference.sensor
    base = resample(geotiff.read_any(request.base_image, sensor), reference.grid)
    of_reference = register(reference.values[0], base.values[0], reference.valid, base.valid)
    of_input = register_input(coarse.values[0], coarse.valid, base.values[0], base.valid, scale)
    if not (of_reference.accepted and of_input.accepted):
        raise SceneError(
            f"{request.base_image}: cannot be registered to (reference {_words(of_reference)}; "
            f"input {_words(of_input)}); check it, or leave --base-image out"
        )
    return Frame(
        (of_reference.row - of_input.row, of_reference.column - of_input.column),
        (of_input.row, of_input.column),
        f"base image {request.base_image.name}",
        f"reference {_words(of_reference)}; input {_words(of_input)}",
    )


def _words(found: Registration) -> str:
    return (
        f"shift {found.row:+.2f}, {found.column:+.2f} fine pixels (south, east), "
        f"peak correlation {found.peak_correlation:.2f}"
    )


def _predict(
    network: nn.Module,
    normalisation: Normalisation,
    coarse: SensorImage,
    reference: SensorImage,
    tile: int,
    scale: int,
) -> np.ndarray:
    device = best_device()
    network.to(device)
    filled = fill(coarse.values[0], coarse.valid)
    guide = fill(reference.values, reference.valid)

    def window(row: int, column: int, height: int, width: int) -> np.ndarray:
        cells = np.s_[row : row + height, column : column + width]
        pixels = np.s_[
            row * scale : (row + height) * scale, column * scale : (column + width) * scale
        ]
        scene = SceneInputs(
            filled[cells],
            coarse.valid[cells],
            guide[:, *pixels],
            reference.valid[pixels],
            normalisation.centre_k,
        )
        return predict_scene(network, scene, normalisation, device)

    with torch.inference_mode():
        return tiled(window, coarse.grid.shape, scale, tile)


def _tags(frame: Frame, request: Request, scale: int) -> dict[str, str]:
    return {
        "model": Path(request.model).name,
        "scale": str(scale),
        "reference": request.reference.name,
        "frame": frame.name,
        "registration": frame.quality,
        "reference_moved": f"{frame.reference[0]:.3f}, {frame.reference[1]:.3f} fine pixels",
    }
