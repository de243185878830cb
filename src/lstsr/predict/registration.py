"""Registration of the two images of a product, to each other or to a static base image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lstsr.dataset.assembly import UNMOVED, Assembled, Shift
from lstsr.errors import LstsrError
from lstsr.geo.registration import Registration, register, register_input
from lstsr.geo.resample import meets, resample
from lstsr.image import Floats, Mask
from lstsr.predict.pair import alignment_of
from lstsr.predict.reading import existing, reading_of
from lstsr.predict.request import Request
from lstsr.sensors.reading import read_image
from lstsr.training.checkpoint import CheckpointHeader

TYPICAL_PSF_CELLS = 1.0
"""FWHM of the input's blur in coarse cells if training has none, or fitted one per scene."""


@dataclass(frozen=True)
class Frame:
    """The geometry of a product.

    ``shifts`` by role, and the shift ``output`` of the product's grid, are (row, column) in fine
    pixels. ``name`` is the image whose geometry the product has. ``quality`` describes the result
    of the registration.
    """

    shifts: Mapping[str, Shift]
    output: Shift
    name: str
    quality: str


def frame_of(
    request: Request, trained: CheckpointHeader | None, made: Assembled, history: bool
) -> Frame:
    """Register input and reference to each other, or both to the static base image.

    Without a base image the product keeps the geometry of the input, except with ``history``: then
    the input moves. Raises LstsrError if a base image cannot be read, does not overlap or cannot be
    matched.
    """
    if request.shifts:
        name = "input" if "input" not in request.shifts else "as asked"
        return Frame(request.shifts, UNMOVED, name, "moved as asked, not registered")
    if not request.register:
        if request.base_image:
            raise LstsrError("--no-registration: --base-image registers. Leave one of them out")
        return Frame({}, UNMOVED, "input", "not registered, as asked")
    align = alignment_of(trained)
    psf_cells = align.registration.input_psf_cells if align else None
    psf_cells = TYPICAL_PSF_CELLS if psf_cells is None else psf_cells
    if request.base_image:
        return _to_base_image(request, made, psf_cells, history)
    bands = made.reference.bands
    band = bands.index("ndvi") if "ndvi" in bands else 0  # LST follows NDVI best
    match = _register_input(made, made.reference.values[band], made.reference.valid, psf_cells)
    if not match.accepted:
        return Frame({}, UNMOVED, "input", f"not registered: {_words(match)}")
    if history:
        return Frame({"input": (match.row, match.column)}, UNMOVED, "reference", _words(match))
    return Frame({"reference": (-match.row, -match.column)}, UNMOVED, "input", _words(match))


def _to_base_image(request: Request, made: Assembled, psf_cells: float, history: bool) -> Frame:
    path, reference = request.base_image, made.reference
    assert path is not None
    with existing(path):
        reading = reading_of(path, "reference", None, request.files.options_of("reference"))
        base_image = read_image(path, reading, "reference")
    if not meets(base_image.grid, made.input.grid):
        raise LstsrError(f"{path}: does not overlap the input. Name two rasters of the same place")
    base = resample(base_image, reference.grid)
    fine = register(reference.values[0], base.values[0], reference.valid, base.valid)
    coarse = _register_input(made, base.values[0], base.valid, psf_cells)
    quality = f"reference {_words(fine)}; input {_words(coarse)}"
    if not (fine.accepted and coarse.accepted):
        raise LstsrError(
            f"{path}: the images cannot be registered to it ({quality}). Check it, or leave "
            "--base-image out"
        )
    name = f"base image {path.name}"
    if history:
        shifts = {"reference": (fine.row, fine.column), "input": (coarse.row, coarse.column)}
        return Frame(shifts, UNMOVED, name, quality)
    apart = fine.row - coarse.row, fine.column - coarse.column
    return Frame({"reference": apart}, (coarse.row, coarse.column), name, quality)


def _register_input(made: Assembled, fine: Floats, valid: Mask, psf_cells: float) -> Registration:
    """The registration of the input to a fine band (row, column)."""
    coarse = made.input
    return register_input(
        coarse.values[0], coarse.valid, fine, valid, made.scale, psf_cells=psf_cells
    )


def _words(match: Registration) -> str:
    return (
        f"shift {match.row:+.2f}, {match.column:+.2f} fine pixels (south, east), "
        f"peak correlation {match.peak_correlation:.2f}"
    )
