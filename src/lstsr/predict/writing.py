"""Writing a product: the map and its flags, without overwriting anything else."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix
from lstsr.image import Mask, SensorImage
from lstsr.predict.request import Request
from lstsr.sensors import geotiff

logger = logging.getLogger(__name__)
FLAGS = ("no_input", "no_reference", "water")
"""Meanings of the bits of a flags pixel, from bit 0 on."""
SAME_K = 0.01
"""Two products are the same map if no pixel differs by more than this."""


def flags_path(output: Path) -> Path:
    """The flags beside the product ``output``."""
    return output.with_name(f"{output.stem}_flags{output.suffix}")


def check_request_output(request: Request) -> None:
    """Raise LstsrError if the product would replace an input or a file not written by lstsr."""
    files, output = request.files, request.output
    check_suffix(output, ".tif", ".tiff")
    sources = [files.input, files.reference, files.dem, files.water, files.extent, files.history]
    models = [request.model, *request.seed_ensemble, *([request.like] if request.like else [])]
    sources += [request.base_image, *map(Path, models)]
    for path in (output, flags_path(output)):
        check_output(path, sources)
        if not request.overwrite and path.exists() and not _is_product(path):
            raise _exists(path)


def write_product(
    request: Request,
    image: SensorImage,
    guided: Mask,
    water: Mask | None,
    tags: dict[str, str],
) -> None:
    """Write the map ``image`` and its flags as COGs.

    ``guided`` (row, column) are the pixels with a valid reference, ``water`` those that are mostly
    water, if known. Raises LstsrError if the output exists and holds a different map.
    """
    if not request.overwrite:
        _check_same(request.output, image)
    wet = np.zeros_like(image.valid) if water is None else water
    bits = np.stack([~image.valid, ~guided & image.valid, wet])
    flags = np.packbits(bits, axis=0, bitorder="little")[0]
    geotiff.write_flags(flags_path(request.output), flags, image.grid, FLAGS, image.time)
    geotiff.write(request.output, image, tags)


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
