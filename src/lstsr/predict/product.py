"""A fine LST product from any pair of rasters: no target is read or needed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lstsr.dataset.assembly import (
    UNMOVED,
    Assembled,
    Shift,
    centre_of,
    network_scene,
)
from lstsr.dataset.layers import mostly
from lstsr.dataset.loader import SceneInputs
from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix
from lstsr.geo.registration import Registration, register, register_input
from lstsr.geo.resample import meets, resample
from lstsr.image import Mask, SensorImage
from lstsr.models.normalisation import Normalisation
from lstsr.predict.members import load_members
from lstsr.predict.pair import Files, Options, Pair, alignment_of, existing, read_pair, reading_of
from lstsr.predict.shipped import checkpoint_path
from lstsr.predict.tiling import tile_of, tiled
from lstsr.registry import CLASSICAL, band_options, build
from lstsr.sensors.raster import geotiff
from lstsr.sensors.reading import read_image
from lstsr.training.checkpoint import Checkpoint, read_checkpoint
from lstsr.training.network_io import best_device, predict_scene

logger = logging.getLogger(__name__)
# Scale of the networks' units for rows without training; it cancels out of linear models.
CLASSICAL_SCALE_K = 10.0
# FWHM of the input's blur in coarse cells, if no training gives it.
TYPICAL_PSF_CELLS = 1.0
# What a pixel of the flags beside a product may say, from bit 0 on.
FLAGS = ("no_input", "no_reference", "water")
# Least standard deviation of a reference band that is taken for contrast.
FLAT = 1e-6
# Pixels that are wider or narrower by more than this factor differ from those of training.
UNLIKE = 1.3
# Two products are the same map if no pixel differs by more than this.
SAME_K = 0.01


@dataclass(frozen=True)
class Request:
    """A request for a product.

    ``model`` is a checkpoint, or the name of a pretrained network or a classical method.

    ``tile`` is in fine pixels. With ``like``, a classical method reads and places the files as in
    the training of this checkpoint. ``shifts`` by role, (row, column) in pixels of the product,
    replace the registration. ``seed_ensemble`` are further checkpoints of the same training with
    other seeds: the product is the mean of all.
    """

    model: str
    files: Files
    output: Path
    like: str | None = None
    scale: int | None = None
    base_image: Path | None = None
    register: bool = True
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    self_ensemble: bool = False
    seed_ensemble: Sequence[str] = ()
    overwrite: bool = False
    tile: int = 512

    @property
    def name(self) -> str:
        """File names of all checkpoints, or the name of the method."""
        return " ".join(Path(model).name for model in (self.model, *self.seed_ensemble))


@dataclass(frozen=True)
class Frame:
    """How the pair was brought together: what moved by how many fine pixels, in whose frame."""

    shifts: Mapping[str, Shift]
    output: Shift
    name: str
    quality: str


def make_product(request: Request) -> None:
    """Predict LST in kelvin and write it as a COG.

    The grid is the input's divided by the scale, or the grid that the network was trained on. The
    pair can differ in coordinate system and corners. The reference is resampled once, with the
    shift from registration. Cells without valid input are no-data. Pixels without valid reference
    get the values of a method that needs no reference; `flags_path` marks them. Raises LstsrError,
    naming the file, for a pair that cannot be read, does not overlap or does not fit the model, and
    for an output that exists.
    """
    _check_output(request)
    model = _load(request)
    pair = read_pair(request.files, model.described, _scale(request, model))
    _check_age(request, model, pair.age_h())
    made = pair.assembled()
    scale = made.scale
    covered = made.input.valid.repeat(scale, 0).repeat(scale, 1)
    if not (made.reference.valid & covered).any():
        raise LstsrError(
            f"{request.files.reference}: no valid pixel lies in a valid cell of "
            f"{request.files.input}. Name two rasters of the same place"
        )
    _warn_of_spacing(model.described, made)
    frame = _frame(request, model, made, history=pair.recipe.history)
    if any(shift != UNMOVED for shift in frame.shifts.values()):
        made = pair.assembled(frame.shifts)
        covered = made.input.valid.repeat(scale, 0).repeat(scale, 1)
    coarse, reference = made.input, made.reference
    network = model.network
    if network is None:
        options = band_options(request.model, reference.bands)
        network = build(request.model, scale, len(reference.bands), **options).eval()
    normalisation = _normalisation(model.described, coarse, reference)
    if not (reference.valid & covered).any():
        raise LstsrError(
            "after the shift, no valid pixel of the reference lies on a valid cell of the input. "
            "Check --input-shift and --reference-shift"
        )
    values = _predict(network, normalisation, made, request.tile)
    if not np.isfinite(values[covered]).all():
        raise LstsrError(f"--model {request.model}: its values here are not finite. Train it again")
    image = SensorImage(
        values[None],
        covered,
        reference.grid.moved(*frame.output),
        ("lst",),
        "kelvin",
        coarse.sensor,
        coarse.time,
        (*coarse.history, f"x{scale} by {request.name}"),
    )
    if not request.overwrite:
        _check_same(request.output, image)
    water = pair.ground.water_on(image.grid)
    geotiff.write_flags(
        flags_path(request.output),
        _flags(covered, reference.valid, water),
        image.grid,
        FLAGS,
        image.time,
    )
    geotiff.write(request.output, image, _tags(frame, request, model, pair))
    logger.info("%s: frame of %s; %s", request.output, frame.name, frame.quality)


def _warn_of_spacing(described: Checkpoint | None, made: Assembled) -> None:
    """Warn if the product's pixels differ in size from those that its network was trained on."""
    spacing_m = made.reference.grid.cell_m
    if described and not 1 / UNLIKE < spacing_m / described.target_m < UNLIKE:
        logger.warning(
            "the product has pixels of %.4g m, but %s was trained on %.4g m: do not trust its "
            "detail",
            *(spacing_m, described.row.name, described.target_m),
        )


def _check_output(request: Request) -> None:
    """Raise LstsrError if the product would replace a file that lstsr did not write."""
    files, output = request.files, request.output
    check_suffix(output, ".tif", ".tiff")
    sources = [files.input, files.reference, files.dem, files.water, files.extent]
    sources += [files.history, request.base_image, Path(request.model)]
    sources += [Path(request.like)] if request.like else []
    sources += map(Path, request.seed_ensemble)
    for path in (output, flags_path(output)):
        check_output(path, sources)
        if not request.overwrite and path.exists() and not _is_product(path):
            raise _exists(path)


def _is_product(path: Path) -> bool:
    """Whether lstsr wrote the file."""
    try:
        return "lstsr_version" in geotiff.tags(path)
    except (LstsrError, OSError):
        return False


def _check_same(output: Path, image: SensorImage) -> None:
    """Raise LstsrError if ``output`` exists and holds a different map.

    A product with the same pixels can be replaced, because nothing is lost.
    """
    if not output.exists():
        return
    old = geotiff.read_written(output)
    same = old.grid.shape == image.grid.shape and bool(
        old.grid.transform.almost_equals(image.grid.transform, 1e-6 * min(image.grid.steps))
        and (old.valid == image.valid).all()
        and (np.abs(old.values - image.values)[:, image.valid] <= SAME_K).all()
    )
    if not same:
        raise _exists(output)


def _exists(output: Path) -> LstsrError:
    return LstsrError(
        f"{output} already exists and holds something else. Use --overwrite to replace it or "
        "--output to write elsewhere"
    )


@dataclass(frozen=True)
class Model:
    """A checkpoint's network, if any, and the description of how to read the files."""

    network: nn.Module | None
    described: Checkpoint | None


def _load(request: Request) -> Model:
    """The network of a checkpoint; for a classical method, the description from ``like``."""
    name = request.model
    if name in CLASSICAL:
        for option in ("self-ensemble", "seed-ensemble"):
            if getattr(request, option.replace("-", "_")):
                raise LstsrError(f"--{option}: {name} is not a network. Remove this option")
        like = request.like and checkpoint_path(request.like, "--like")
        return Model(None, read_checkpoint(like) if like else None)
    if request.like:
        raise LstsrError(f"--like: {name} is not a classical method. Remove this option")
    paths = [checkpoint_path(name, "--model", CLASSICAL)]
    paths += [checkpoint_path(other, "--seed-ensemble") for other in request.seed_ensemble]
    network, (described, *_) = load_members(paths, request.self_ensemble)
    row = described.row
    if not described.reference_bands:
        raise LstsrError(f"--model {name}: {row.name} makes optical images. Remove --reference")
    if (row.guide, row.normalisation) != ("own", "input"):
        raise LstsrError(f"--model {name}: {row.name} is an ablation. Name another checkpoint")
    return Model(network, described)


def _scale(request: Request, model: Model) -> int | None:
    """As trained or as asked; None leaves it to the two spacings."""
    if model.described:
        trained = model.described.row.scale
        if request.scale not in (None, trained):
            raise LstsrError(
                f"{request.like or request.model} was trained for x{trained}, not "
                f"x{request.scale}. Remove --scale or name another checkpoint"
            )
        return trained
    if request.scale is not None and request.scale < 2:
        raise LstsrError(f"--scale {request.scale}: give a whole number of at least 2")
    return request.scale


def _normalisation(
    described: Checkpoint | None, coarse: SensorImage, reference: SensorImage
) -> Normalisation:
    """Centred on the whole scene's valid input; the reference as in training, or by itself."""
    centre_k = centre_of(coarse.values[0], coarse.valid)
    if described:
        return described.normalisation(centre_k)
    valid = reference.values[:, reference.valid].astype(np.float64)
    mean, std = valid.mean(axis=1), np.maximum(valid.std(axis=1), FLAT)
    return Normalisation(centre_k, CLASSICAL_SCALE_K, tuple(mean), tuple(std))


def _frame(request: Request, model: Model, made: Assembled, history: bool) -> Frame:
    """Register input and reference to each other, or both to the static base image.

    The product keeps the input's places. With ``history``, which does not move, the input moves.
    """
    if request.shifts:
        name = "input" if "input" not in request.shifts else "as asked"
        return Frame(request.shifts, UNMOVED, name, "moved as asked, not registered")
    if not request.register:
        if request.base_image:
            raise LstsrError("--no-registration: --base-image registers. Leave one of them out")
        return Frame({}, UNMOVED, "input", "not registered, as asked")
    coarse, reference = made.input, made.reference
    psf = _psf_cells(model.described)
    if request.base_image is None:
        cover = reference.values[_contrasting(reference)]
        found = register_input(
            coarse.values[0], coarse.valid, cover, reference.valid, made.scale, psf_cells=psf
        )
        if not found.accepted:
            return Frame({}, UNMOVED, "input", f"not registered: {_words(found)}")
        if history:
            return Frame({"input": (found.row, found.column)}, UNMOVED, "reference", _words(found))
        shift = -found.row, -found.column
        return Frame({"reference": shift}, UNMOVED, "input", _words(found))
    with existing(request.base_image):
        options = request.files.options.get("reference", Options())
        reading = reading_of(request.base_image, "reference", None, options)
        base_image = read_image(request.base_image, reading, "reference")
    if not meets(base_image.grid, coarse.grid):
        raise LstsrError(
            f"{request.base_image}: does not overlap the input. Name two rasters of the same place"
        )
    base = resample(base_image, reference.grid)
    of_reference = register(reference.values[0], base.values[0], reference.valid, base.valid)
    of_input = register_input(
        coarse.values[0], coarse.valid, base.values[0], base.valid, made.scale, psf_cells=psf
    )
    if not (of_reference.accepted and of_input.accepted):
        raise LstsrError(
            f"{request.base_image}: cannot be registered to (reference {_words(of_reference)}; "
            f"input {_words(of_input)}); check it, or leave --base-image out"
        )
    name = f"base image {request.base_image.name}"
    quality = f"reference {_words(of_reference)}; input {_words(of_input)}"
    if history:
        shifts = {
            "reference": (of_reference.row, of_reference.column),
            "input": (of_input.row, of_input.column),
        }
        return Frame(shifts, UNMOVED, name, quality)
    apart = of_reference.row - of_input.row, of_reference.column - of_input.column
    return Frame(
        {"reference": apart},
        (of_input.row, of_input.column),
        name,
        quality,
    )


def _psf_cells(described: Checkpoint | None) -> float:
    """FWHM of the input's blur in coarse cells: as in training, unless it was fitted by scene."""
    align = alignment_of(described)
    if align is None:
        return TYPICAL_PSF_CELLS
    asked = align.registration.input_psf_cells
    return TYPICAL_PSF_CELLS if asked is None else asked


def _contrasting(reference: SensorImage) -> int:
    """The band that LST follows best: NDVI where there is one, else the first."""
    return reference.bands.index("ndvi") if "ndvi" in reference.bands else 0


def _words(found: Registration) -> str:
    return (
        f"shift {found.row:+.2f}, {found.column:+.2f} fine pixels (south, east), "
        f"peak correlation {found.peak_correlation:.2f}"
    )


def _predict(
    network: nn.Module, normalisation: Normalisation, made: Assembled, tile: int
) -> np.ndarray:
    device = best_device()
    network.to(device)
    whole, scale = network_scene(made.input, made.reference), made.scale

    def window(row: int, column: int, height: int, width: int) -> np.ndarray:
        cells = np.s_[row : row + height, column : column + width]
        pixels = np.s_[
            row * scale : (row + height) * scale, column * scale : (column + width) * scale
        ]
        scene = SceneInputs(
            whole.input[cells],
            whole.input_valid[cells],
            whole.reference[:, *pixels],
            whole.reference_valid[pixels],
        )
        return predict_scene(network, scene, normalisation, device)

    return tiled(window, made.input.grid.shape, scale, tile_of(network, tile))


def flags_path(output: Path) -> Path:
    """The flags beside the product ``output``."""
    return output.with_name(f"{output.stem}_flags{output.suffix}")


def _flags(covered: Mask, guided: Mask, water: SensorImage | None) -> NDArray[np.uint8]:
    """`FLAGS` of each pixel, the first one being bit 0."""
    there = np.zeros_like(covered) if water is None else mostly(water)
    raised = np.stack([~covered, ~guided & covered, there])
    return np.packbits(raised, axis=0, bitorder="little")[0]


def _check_age(request: Request, model: Model, age_h: float | None) -> None:
    """Raise LstsrError if the reference is older or newer than the training allowed."""
    align = alignment_of(model.described)
    if align is None or age_h is None:
        return
    most_h = align.reference_max_age_h
    if abs(age_h) > most_h:
        raise LstsrError(
            f"{request.files.reference}: {abs(age_h):.1f} hours "
            f"{'older' if age_h > 0 else 'newer'} than the input; "
            f"{request.like or request.model} was trained with at most {most_h:g} hours "
            "(align.reference_max_age_h). Name a reference closer in time"
        )


def _tags(frame: Frame, request: Request, model: Model, pair: Pair) -> dict[str, str]:
    age_h, described = pair.age_h(), model.described
    tags = {} if age_h is None else {"reference_age_h": f"{age_h:.2f}"}
    if pair.recipe.history:
        tags["earlier_lst"] = pair.notes["history"]
    shifts = {role: frame.shifts.get(role, UNMOVED) for role in ("input", "reference")}
    moved = {
        f"{role}_moved": f"{row:.3f}, {column:.3f} fine pixels"
        for role, (row, column) in shifts.items()
    }
    return (
        tags
        | moved
        | {
            "model": request.name,
            "scale": str(pair.scale),
            "reference": request.files.reference.name,
            "input_reading": pair.notes["input"],
            "reference_reading": pair.notes["reference"],
            "origin": described.origin if described else "not stated: the method is not trained",
            "training_data": described.dataset if described else "none",
            "frame": frame.name,
            "registration": frame.quality,
        }
    )
