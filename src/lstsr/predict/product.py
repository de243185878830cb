"""A fine LST product from any pair of rasters: no target is read or needed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lstsr.config import AlignConfig
from lstsr.dataset.layers import mostly
from lstsr.dataset.loader import SceneInputs
from lstsr.errors import LstsrError
from lstsr.geo.coregister import Registration, register, register_input
from lstsr.geo.fill import fill
from lstsr.geo.resample import resample
from lstsr.image import Mask, SensorImage
from lstsr.models.normalisation import Normalisation
from lstsr.predict.pair import Shift, Unit, check_overlap, read, read_pair, reference_sensor
from lstsr.predict.tiling import tile_of, tiled
from lstsr.registry import CLASSICAL, build
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import Checkpoint, load_checkpoint
from lstsr.training.inference import best_device, predict_scene

logger = logging.getLogger(__name__)
# Scale of the networks' units for rows without training; it cancels out of linear models.
CLASSICAL_SCALE_K = 10.0
# What a pixel of the flags beside a product may say, from bit 0 on.
FLAGS = ("no_input", "no_reference", "water")
# Least standard deviation of a reference band that is taken for contrast.
FLAT = 1e-6


@dataclass(frozen=True)
class Request:
    """What is asked: ``model`` is a checkpoint or a classical row's name, ``tile`` fine pixels."""

    model: str
    input: Path
    reference: Path
    output: Path
    dem: Path | None = None
    water: Path | None = None
    scale: int | None = None
    input_unit: Unit = "kelvin"
    base_image: Path | None = None
    register: bool = True
    tile: int = 512


@dataclass(frozen=True)
class Frame:
    """How the pair was brought together: what moved by how many fine pixels, in whose frame."""

    reference: Shift
    output: Shift
    name: str
    quality: str


def make_product(request: Request) -> None:
    """Predict LST in kelvin and write it as a COG.

    The grid is the input's divided by the scale, or the cells of the grid that the network was
    trained on. The pair may differ in coordinate system and corners; the reference is resampled
    once, moved by the registration of the two. Cells without valid input are nodata,
    pixels without valid reference those of a row that needs none; `flags_path` says which. Raises
    LstsrError, naming the file, for a pair that cannot be read, does not overlap or does not fit
    the model.
    """
    model = _load(request.model)
    pair = read_pair(
        request.input,
        request.reference,
        request.dem,
        request.water,
        request.input_unit,
        model.described if model else None,
        _scale(request, model),
    )
    _check_age(request, model, pair.age_h())
    coarse, reference, scale = pair.coarse, pair.reference(), pair.scale
    covered = coarse.valid.repeat(scale, 0).repeat(scale, 1)
    if not (reference.valid & covered).any():
        raise LstsrError(
            f"{request.reference}: no valid pixel meets a valid cell of {request.input}; "
            "name two rasters of one place"
        )
    frame = _frame(request, coarse, reference, scale)
    if frame.reference != (0.0, 0.0):
        reference = pair.reference(frame.reference)
    if model:
        coarse = pair.harmonised(frame.reference, model.described).coarse
    bands = len(reference.bands)
    network = model.network if model else build(request.model, scale, bands).eval()
    normalisation = _normalisation(model, coarse, reference)
    values = _predict(network, normalisation, coarse, reference, request.tile, scale)
    image = SensorImage(
        values[None],
        covered,
        reference.grid.moved(*frame.output),
        ("lst",),
        "kelvin",
        coarse.sensor,
        coarse.time,
        (*coarse.history, f"x{scale} by {Path(request.model).name}"),
    )
    geotiff.write_flags(
        flags_path(request.output),
        _flags(covered, reference.valid, pair.ground.water_on(image.grid)),
        image.grid,
        FLAGS,
        image.time,
    )
    geotiff.write(request.output, image, _tags(frame, request, scale, pair.age_h()))
    logger.info("%s: frame of %s; %s", request.output, frame.name, frame.quality)


@dataclass(frozen=True)
class Trained:
    """A network from a checkpoint."""

    network: nn.Module
    described: Checkpoint

    @property
    def scale(self) -> int:
        """The scale it was trained for."""
        return self.described.row.scale


def _load(model: str) -> Trained | None:
    """A checkpoint's network; None for the name of a classical row."""
    if model in CLASSICAL:
        return None
    if not Path(model).is_file():
        raise LstsrError(
            f"--model {model}: neither a checkpoint nor one of {', '.join(sorted(CLASSICAL))}"
        )
    trained = Trained(*load_checkpoint(Path(model)))
    row = trained.described.row
    if not trained.described.reference_bands:
        raise LstsrError(f"--model {model}: {row.name} makes optical images; leave --reference out")
    if (row.guide, row.normalisation) != ("own", "input"):
        raise LstsrError(f"--model {model}: {row.name} is an ablation; name another checkpoint")
    return trained


def _scale(request: Request, model: Trained | None) -> int | None:
    """As trained or as asked; None leaves it to the two spacings."""
    if model:
        if request.scale not in (None, model.scale):
            raise LstsrError(
                f"{request.model} was trained for x{model.scale}, not x{request.scale}; "
                "leave --scale out, or name another checkpoint"
            )
        return model.scale
    if request.scale is not None and request.scale < 2:
        raise LstsrError(f"--scale {request.scale}: give a whole number of at least 2")
    return request.scale


def _normalisation(
    model: Trained | None, coarse: SensorImage, reference: SensorImage
) -> Normalisation:
    """Centred on the whole scene's valid input; the reference as in training, or by itself."""
    centre_k = float(coarse.values[0][coarse.valid].mean(dtype=np.float64))
    if model:
        return model.described.normalisation(centre_k)
    valid = reference.values[:, reference.valid].astype(np.float64)
    mean, std = valid.mean(axis=1), np.maximum(valid.std(axis=1), FLAT)
    return Normalisation(centre_k, CLASSICAL_SCALE_K, tuple(mean), tuple(std))


def _frame(request: Request, coarse: SensorImage, reference: SensorImage, scale: int) -> Frame:
    """Register input and reference to each other, or both to the static base image."""
    if not request.register:
        return Frame((0.0, 0.0), (0.0, 0.0), "input", "not registered, as asked")
    if request.base_image is None:
        cover = reference.values[_contrasting(reference)]
        found = register_input(coarse.values[0], coarse.valid, cover, reference.valid, scale)
        if not found.accepted:
            return Frame((0.0, 0.0), (0.0, 0.0), "input", f"not registered: {_words(found)}")
        return Frame((-found.row, -found.column), (0.0, 0.0), "input", _words(found))
    base_image = read(request.base_image, reference_sensor(request.base_image))
    check_overlap(request.base_image, coarse.grid, base_image.grid)
    base = resample(base_image, reference.grid)
    of_reference = register(reference.values[0], base.values[0], reference.valid, base.valid)
    of_input = register_input(coarse.values[0], coarse.valid, base.values[0], base.valid, scale)
    if not (of_reference.accepted and of_input.accepted):
        raise LstsrError(
            f"{request.base_image}: cannot be registered to (reference {_words(of_reference)}; "
            f"input {_words(of_input)}); check it, or leave --base-image out"
        )
    return Frame(
        (of_reference.row - of_input.row, of_reference.column - of_input.column),
        (of_input.row, of_input.column),
        f"base image {request.base_image.name}",
        f"reference {_words(of_reference)}; input {_words(of_input)}",
    )


def _contrasting(reference: SensorImage) -> int:
    """The band that LST follows best: NDVI where there is one, else the first."""
    return reference.bands.index("ndvi") if "ndvi" in reference.bands else 0


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

    return tiled(window, coarse.grid.shape, scale, tile_of(network, tile))


def flags_path(output: Path) -> Path:
    """The flags beside the product ``output``."""
    return output.with_name(f"{output.stem}_flags{output.suffix}")


def _flags(covered: Mask, guided: Mask, water: SensorImage | None) -> NDArray[np.uint8]:
    """`FLAGS` of each pixel, the first one being bit 0."""
    there = np.zeros_like(covered) if water is None else mostly(water)
    raised = np.stack([~covered, ~guided & covered, there])
    return np.packbits(raised, axis=0, bitorder="little")[0]


def _check_age(request: Request, model: Trained | None, age_h: float | None) -> None:
    """Raise LstsrError where the reference is older than the network's training allowed."""
    if model is None or age_h is None or not model.described.align:
        return
    most_h = AlignConfig.model_validate(model.described.align).reference_max_age_h
    if abs(age_h) > most_h:
        raise LstsrError(
            f"{request.reference}: {abs(age_h):.1f} hours {'older' if age_h > 0 else 'newer'} than "
            f"the input; {request.model} was trained with align.reference_max_age_h = {most_h:g}"
        )


def _tags(frame: Frame, request: Request, scale: int, age_h: float | None) -> dict[str, str]:
    age = {} if age_h is None else {"reference_age_h": f"{age_h:.2f}"}
    return age | {
        "model": Path(request.model).name,
        "scale": str(scale),
        "reference": request.reference.name,
        "frame": frame.name,
        "registration": frame.quality,
        "reference_moved": f"{frame.reference[0]:.3f}, {frame.reference[1]:.3f} fine pixels",
    }
