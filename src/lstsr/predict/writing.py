"""Writing a product: the map and its flags, without overwriting anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix
from lstsr.image import Mask, SensorImage
from lstsr.predict.request import Request
from lstsr.sensors import geotiff

FLAGS = ("no_input", "no_reference", "water")
"""Meanings of the bits of a flags pixel, from bit 0 on."""
SAME_K = 0.01
"""Largest difference between two products of the same request."""


def flags_path(output: Path) -> Path:
    """The flags beside the product ``output``."""
    return output.with_name(f"{output.stem}_flags{output.suffix}")


def check_request_output(request: Request) -> None:
    """Raise LstsrError if the product would replace an input or a file not written by lstsr."""
    files, output = request.files, request.output
    check_suffix(output, ".tif", ".tiff")
    models = map(Path, filter(None, (request.model, request.like, *request.seed_ensemble)))
    optional = files.dem, files.water, files.extent, files.history, request.base_image
    sources = [files.input, files.reference, *optional, *models]
    for path in (output, flags_path(output)):
        check_output(path, sources)
        if not request.overwrite and path.exists() and not _is_product(path):
            raise _exists(path)


def write_product(
    request: Request, image: SensorImage, guided: Mask, water: Mask | None, tags: dict[str, str]
) -> None:
    """Write the map ``image`` and its flags as COGs.

    ``guided`` marks the pixels (row, column) with a valid reference, ``water`` those that are
    mostly water, if known. Raises LstsrError if the output exists and holds a different map.
    """
    output = request.output
    if not request.overwrite and output.exists() and not _is_same(output, image):
        raise _exists(output)
    wet = np.zeros_like(image.valid) if water is None else water
    bits = np.stack([~image.valid, ~guided & image.valid, wet])
    flags = np.packbits(bits, axis=0, bitorder="little")[0]
    geotiff.write_flags(flags_path(output), flags, image.grid, FLAGS, image.time)
    geotiff.write(output, image, tags)


def _is_product(path: Path) -> bool:
    """Whether lstsr wrote the file."""
    try:
        return "lstsr_version" in geotiff.tags(path)
    except (LstsrError, OSError):
        return False


def _is_same(output: Path, image: SensorImage) -> bool:
    """Whether ``output`` holds the map ``image``. Then nothing is lost if it is replaced."""
    old = geotiff.read_written(output)
    return old.grid.shape == image.grid.shape and bool(
        old.grid.transform.almost_equals(image.grid.transform, 1e-6 * min(image.grid.steps))
        and (old.valid == image.valid).all()
        and (np.abs(old.values - image.values)[:, image.valid] <= SAME_K).all()
    )


def _exists(output: Path) -> LstsrError:
    return LstsrError(
        f"{output} already exists and holds something else. Use --overwrite to replace it or "
        "--output to write elsewhere"
    )
