"""The model of a product: a network from checkpoints, or a classical method."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from torch import nn

from lstsr.dataset.assembly import Assembled, centre_of
from lstsr.errors import LstsrError
from lstsr.models.normalisation import Normalisation
from lstsr.predict.members import load_members
from lstsr.predict.pair import alignment_of
from lstsr.predict.request import Request
from lstsr.predict.shipped import checkpoint_path
from lstsr.registry import CLASSICAL, band_options, build
from lstsr.training.checkpoint import CheckpointHeader, read_header

logger = logging.getLogger(__name__)
FLAT = 1e-6
"""Smallest standard deviation of a reference band that counts as contrast."""
UNLIKE = 1.3
"""Pixels that are wider or narrower by more than this factor differ from those of training."""


@dataclass(frozen=True)
class Model:
    """A name for messages, a network if it has weights, and the header whose readings it uses."""

    name: str
    network: nn.Module | None
    trained: CheckpointHeader | None

    def network_for(self, made: Assembled) -> nn.Module:
        """The network in evaluation mode; a classical method is built for the scale and bands."""
        if self.network is not None:
            return self.network
        bands = made.reference.bands
        return build(self.name, made.scale, len(bands), **band_options(self.name, bands)).eval()

    def normalisation(self, made: Assembled) -> Normalisation:
        """Centred on the valid input; the reference by statistics of training or its own."""
        centre_k = centre_of(made.input.values[0], made.input.valid)
        if self.trained:
            return self.trained.normalisation(centre_k)
        valid = made.reference.values[:, made.reference.valid].astype(np.float64)
        mean, std = valid.mean(axis=1), np.maximum(valid.std(axis=1), FLAT)
        # any scale will do, because it cancels out of linear models
        return Normalisation(centre_k, 10.0, tuple(mean), tuple(std))


def load_model(request: Request) -> Model:
    """The model of a request.

    Raises LstsrError if its name or file is not a model of LST, or if options do not fit it.
    """
    name = request.model
    if name in CLASSICAL:
        for option in ("self-ensemble", "seed-ensemble"):
            if getattr(request, option.replace("-", "_")):
                raise LstsrError(f"--{option}: {name} is not a network. Remove this option")
        like = request.like and checkpoint_path(request.like, "--like")
        return Model(name, None, read_header(like) if like else None)
    if request.like:
        raise LstsrError(f"--like: {name} is not a classical method. Remove this option")
    paths = [checkpoint_path(name, "--model", CLASSICAL)]
    paths += [checkpoint_path(other, "--seed-ensemble") for other in request.seed_ensemble]
    network, (trained, *_) = load_members(paths, request.self_ensemble)
    row = trained.row
    if not trained.reference_bands:
        raise LstsrError(f"--model {name}: {row.name} makes optical images. Remove --reference")
    if (row.guide, row.normalisation) != ("own", "input"):
        raise LstsrError(f"--model {name}: {row.name} is an ablation. Name another checkpoint")
    return Model(name, network, trained)


def scale_of(request: Request, trained: CheckpointHeader | None) -> int | None:
    """The scale of the training or the request; None: the ratio of the two images' spacings."""
    if request.scale is not None and request.scale < 2:
        raise LstsrError(f"--scale {request.scale}: give a whole number of at least 2")
    if trained is None:
        return request.scale
    if request.scale not in (None, trained.row.scale):
        raise LstsrError(
            f"{request.like or request.model} was trained for x{trained.row.scale}, not "
            f"x{request.scale}. Remove --scale or name another checkpoint"
        )
    return trained.row.scale


def check_age(request: Request, trained: CheckpointHeader | None, age_h: float | None) -> None:
    """Raise LstsrError if the reference is older or newer than the training allowed."""
    align = alignment_of(trained)
    if align and age_h is not None and abs(age_h) > align.reference_max_age_h:
        raise LstsrError(
            f"{request.files.reference}: {abs(age_h):.1f} hours "
            f"{'older' if age_h > 0 else 'newer'} than the input; {request.like or request.model} "
            f"was trained with at most {align.reference_max_age_h:g} hours "
            "(align.reference_max_age_h). Name a reference closer in time"
        )


def warn_of_spacing(trained: CheckpointHeader | None, spacing_m: float) -> None:
    """Warn if the product's pixels differ in size from those that its network was trained on."""
    if trained and not 1 / UNLIKE < spacing_m / trained.target_m < UNLIKE:
        logger.warning(
            "the product has pixels of %.4g m, but %s was trained on %.4g m: do not trust its "
            "detail",
            *(spacing_m, trained.row.name, trained.target_m),
        )
