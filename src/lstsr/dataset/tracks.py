"""Inputs of the tracks: the observed input, with or without harmonisation, or a degraded target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lstsr.dataset.assembly import widened
from lstsr.dataset.harmonise import Harmonisation, harmonised
from lstsr.dataset.layers import mostly
from lstsr.errors import LstsrError, SceneError
from lstsr.geo.aggregate import block_mean, power_of, psf_mean_t4
from lstsr.geo.fill import fill
from lstsr.image import Floats, Mask, Triplet
from lstsr.tracks import key_of, scale_of

if TYPE_CHECKING:
    from lstsr.config import Block, DatasetConfig


@dataclass(frozen=True)
class CoarseInput:
    """The input of one track, its mask (h, w), and the fine pixels (H, W) to score.

    ``values`` are kelvin (h, w) or, for an optical image, reflectance (B, h, w). ``offset_k`` is
    the scene's median of target minus input, ``wild`` the number of wild cells (`wild_k`).
    """

    values: Floats
    valid: Mask
    scored: Mask
    offset_k: float
    wild: int


def widening(key: str, aligned_scale: int) -> int:
    """Number of aligned fine pixels along the side of one fine pixel of a track.

    An observed input keeps its spacing, so a smaller scale means wider fine pixels. A degraded
    input is made from the aligned target without widening.
    """
    return 1 if key.startswith("degraded") else aligned_scale // scale_of(key)


def widened_triplet(triplet: Triplet, factor: int) -> Triplet:
    """``triplet`` with its fine images averaged over ``factor`` x ``factor`` valid pixels."""
    if factor == 1:
        return triplet
    reference, target = widened(triplet.reference, factor), widened(triplet.target, factor)
    water = triplet.water and widened(triplet.water, factor)
    return replace(triplet, reference=reference, target=target, water=water)


def coarse_inputs(
    triplet: Triplet,
    block: Block,
    settings: DatasetConfig,
    harmonisations: Mapping[int | None, Harmonisation | None],
) -> dict[str, CoarseInput]:
    """The inputs of a block by track key; if observed, also harmonised for each fold.

    All are scored on the same pixels. Raises SceneError if there are none.
    """
    plain = coarse_input(triplet, block.track, block.scale, settings)
    if not plain.scored.any():
        raise SceneError(
            f"no pixel to score in {block.key}: input, reference and target have no valid pixel in "
            "common" + (", apart from water" if settings.water == "masked" else "")
        )
    inputs = {block.key: plain}
    for fold, harmonisation in harmonisations.items():
        if harmonisation is None or block.track != "observed":
            continue
        assert triplet.covariates is not None
        corrected = harmonised(triplet.input, triplet.covariates, harmonisation)
        other = coarse_input(replace(triplet, input=corrected), block.track, block.scale, settings)
        key = key_of(block.track, block.scale, harmonised=True, fold=fold)
        inputs[key] = replace(other, scored=plain.scored)
    return inputs


def coarse_input(triplet: Triplet, track: str, scale: int, settings: DatasetConfig) -> CoarseInput:
    """The input of a track, and the pixels that are scored with it.

    A fine pixel is scored if target, reference and input are valid and the cell is not wild: the
    target's mean minus the input is within ``wild_k`` of the scene's median difference. By
    ``settings``, pixels without a valid reference are also scored, or water is not. The input of an
    optical image is its block mean. Rows and columns in the south and east that do not fill a cell
    are left out.
    """
    target, lst = triplet.target, triplet.target.unit == "kelvin"
    height, width = (length // scale * scale for length in target.grid.shape)
    fine, fine_valid = target.values[:, :height, :width], target.valid[:height, :width]
    means, fraction = block_mean(fine, fine_valid, scale, power_of(target.unit))
    if track == "observed":
        values, valid = triplet.input.values.astype(np.float64), triplet.input.valid
    elif track == "degraded-block":
        values, valid = means, fraction >= settings.min_cell_valid
    else:
        seen_k, share = psf_mean_t4(fine[0], fine_valid, scale, settings.psf_fwhm)
        values, valid = seen_k[None], share >= settings.min_cell_valid
    both = valid & (fraction > 0)
    difference_k = means[0] - values[0]
    offset_k = float(np.median(difference_k[both])) if both.any() else 0.0
    tame = ~both | (np.abs(difference_k - offset_k) <= settings.wild_k)
    scored = (valid & tame).repeat(scale, 0).repeat(scale, 1) & fine_valid
    if settings.without_reference == "masked":
        scored &= triplet.reference.valid[:height, :width]
    if settings.water == "masked":
        if triplet.water is None:
            raise LstsrError(
                f"scene {triplet.scene}: packing.water = masked needs the manifest column water"
            )
        scored &= ~mostly(triplet.water)[:height, :width]
    filled = fill(values.astype(np.float32), valid)
    return CoarseInput(filled[0] if lst else filled, valid, scored, offset_k, int((~tame).sum()))
