"""A finer optical image from a coarse one alone, by a network trained on such images."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstsr.dataset.assembly import centre_of
from lstsr.dataset.loader import SceneInputs
from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix
from lstsr.geo.fill import fill
from lstsr.predict.reading import describe, existing, reading_of
from lstsr.predict.request import Options
from lstsr.predict.shipped import checkpoint_path
from lstsr.predict.tiling import predict_tiles
from lstsr.registry import CLASSICAL
from lstsr.sensors import geotiff
from lstsr.sensors.reading import read_image
from lstsr.training.checkpoint import load_checkpoint

logger = logging.getLogger(__name__)


def make_image(
    model: str,
    input: Path,
    output: Path,
    scale: int | None,
    tile: int,
    options: Options,
    overwrite: bool,
) -> None:
    """Sharpen ``input`` by the network's scale and write all trained bands as a COG.

    ``options`` replace the readings of training. ``tile`` is in fine pixels. Fine pixels of an
    invalid input pixel are no-data. Raises LstsrError if the model is not a checkpoint of task
    optical, if its scale is not ``scale``, if the image cannot be read, or if the output exists.
    """
    if model in CLASSICAL:
        raise LstsrError(
            f"--model {model}: without --reference, name a checkpoint of task optical. "
            "LST needs a --reference"
        )
    check_suffix(output, ".tif", ".tiff")
    check_output(output, (input, Path(model)))
    if output.exists() and not overwrite:
        raise LstsrError(f"{output} already exists. Use --overwrite to replace it")
    network, trained = load_checkpoint(checkpoint_path(model, "--model"))
    if trained.reference_bands:
        raise LstsrError(f"--model {model}: {trained.row.name} makes LST. Name a --reference")
    if scale not in (None, trained.row.scale):
        raise LstsrError(
            f"--scale {scale}: {model} was trained for x{trained.row.scale}. Remove this option"
        )
    reading = reading_of(input, "target", trained, options)
    logger.info("input %s: %s", input.name, describe(reading))
    with existing(input):
        image = read_image(input, reading, "target")
    scale, grid = trained.row.scale, image.grid.refine(trained.row.scale)
    reference = np.empty((0, *grid.shape), np.float32), np.ones(grid.shape, bool)
    scene = SceneInputs(fill(image.values, image.valid), image.valid, *reference)
    centre = centre_of(image.values, image.valid)
    values = predict_tiles(network, scene, trained.normalisation(centre), tile)
    valid = image.valid.repeat(scale, 0).repeat(scale, 1)
    history = (*image.history, f"x{scale} by {Path(model).name}")
    sharpened = replace(image, values=values, valid=valid, grid=grid, history=history)
    geotiff.write(output, sharpened)
    logger.info("%s: x%d, %d bands", output, scale, len(values))
