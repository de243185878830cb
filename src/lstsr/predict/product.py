"""A fine LST product from any pair of rasters. It needs no target."""

from __future__ import annotations

import logging

import numpy as np

from lstsr.dataset.assembly import UNMOVED, Assembled, network_scene
from lstsr.dataset.layers import mostly
from lstsr.errors import LstsrError
from lstsr.image import Mask, SensorImage
from lstsr.predict.model import Model, check_age, load_model, scale_of, warn_of_spacing
from lstsr.predict.pair import Pair, read_pair
from lstsr.predict.registration import Frame, frame_of
from lstsr.predict.request import Request
from lstsr.predict.tiling import predict_tiles
from lstsr.predict.writing import check_request_output, write_product

logger = logging.getLogger(__name__)


def make_product(request: Request) -> None:
    """Predict LST in kelvin and write it as a COG.

    The grid is the input's divided by the scale, or the grid of the network's training. The pair
    can differ in coordinate system and corners. The reference is resampled once, with the shift
    from registration. Cells without valid input are no-data. Pixels without valid reference get
    the values of a method that needs no reference, and a flag (`writing.flags_path`). Raises
    LstsrError if the pair cannot be read, does not overlap or does not fit the model, or if the
    output exists.
    """
    check_request_output(request)
    model = load_model(request)
    pair = read_pair(request.files, model.trained, scale_of(request, model.trained))
    check_age(request, model.trained, pair.age_h())
    made = pair.assembled()
    if not (made.reference.valid & _covered(made)).any():
        raise LstsrError(
            f"{request.files.reference}: no valid pixel lies in a valid cell of "
            f"{request.files.input}. Name two rasters of the same place"
        )
    warn_of_spacing(model.trained, made.reference.grid.cell_m)
    frame = frame_of(request, model.trained, made, history=pair.recipe.history)
    if any(shift != UNMOVED for shift in frame.shifts.values()):
        made = pair.assembled(frame.shifts)
    covered = _covered(made)
    if not (made.reference.valid & covered).any():
        raise LstsrError(
            "after the shift, no valid pixel of the reference lies on a valid cell of the input. "
            "Check --input-shift and --reference-shift"
        )
    scene = network_scene(made.input, made.reference)
    network, normalisation = model.network_for(made), model.normalisation(made)
    values = predict_tiles(network, scene, normalisation, request.tile)
    if not np.isfinite(values[covered]).all():
        raise LstsrError(
            f"--model {request.model}: predicts values that are not finite. Train it again"
        )
    image = SensorImage(
        values[None],
        covered,
        made.reference.grid.moved(*frame.output),
        ("lst",),
        "kelvin",
        made.input.sensor,
        made.input.time,
        (*made.input.history, f"x{made.scale} by {request.name}"),
    )
    share = pair.ground.water_on(image.grid)
    water = None if share is None else mostly(share)
    write_product(request, image, made.reference.valid, water, _tags(frame, request, model, pair))
    logger.info("%s: frame of %s; %s", request.output, frame.name, frame.quality)


def _covered(made: Assembled) -> Mask:
    """The fine pixels (row, column) in a valid cell of the input."""
    return made.input.valid.repeat(made.scale, 0).repeat(made.scale, 1)


def _tags(frame: Frame, request: Request, model: Model, pair: Pair) -> dict[str, str]:
    """The tags of a product: its sources and how it was made."""
    age_h, trained = pair.age_h(), model.trained
    tags = {} if age_h is None else {"reference_age_h": f"{age_h:.2f}"}
    if pair.recipe.history:
        tags["earlier_lst"] = pair.notes["history"]
    for role in ("input", "reference"):
        row, column = frame.shifts.get(role, UNMOVED)
        tags[f"{role}_moved"] = f"{row:.3f}, {column:.3f} fine pixels"
        tags[f"{role}_reading"] = pair.notes[role]
    return tags | {
        "model": request.name,
        "scale": str(pair.scale),
        "reference": request.files.reference.name,
        "origin": trained.origin if trained else "not stated: the method is not trained",
        "training_data": trained.dataset if trained else "none",
        "frame": frame.name,
        "registration": frame.quality,
    }
