"""Network interpolation: a network between one trained for fidelity and one trained adversarially.

theta = (1 - alpha) theta_a + alpha theta_b, weight by weight (Wang et al. 2018, ESRGAN, section
3.4). It only has a meaning for two networks of one descent: b must have started from weights like
a's, as an adversarial row with a warm-up of the same seed does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.registry import build
from lstsr.training.checkpoint import Checkpoint, read_checkpoint, save_checkpoint


def interpolate(a: Path, b: Path, alpha: float, output: Path) -> None:
    """Write the checkpoint between two of one architecture, ``alpha`` of the way from a to b.

    It describes itself as b does, but for its variant and its validation, which is NaN: nobody made
    one. Raises LstsrError where alpha is not between 0 and 1, a file is no checkpoint, or the two
    differ in architecture or in what their inputs are.
    """
    if not 0 <= alpha <= 1:
        raise LstsrError(f"--alpha {alpha:g}: give a number between 0 and 1")
    first, second = read_checkpoint(a), read_checkpoint(b)
    if differing := _differing(first, second):
        raise LstsrError(
            f"{b}: differs from {a} in {', '.join(differing)}; interpolate two checkpoints of one "
            "architecture, trained on one dataset"
        )
    start, end = load_file(a), load_file(b)
    if _shapes(start) != _shapes(end):
        raise LstsrError(f"{b}: its weights do not fit those of {a}; train both again")
    weights = {  # a count of batches stays whole
        name: ((1 - alpha) * start[name] + alpha * end[name]).to(end[name].dtype) for name in end
    }
    description = replace(
        second,
        row=replace(second.row, variant=f"{second.row.variant}-alpha{alpha:g}"),
        validation_ubrmse_k=math.nan,
        validation={},
        train_seconds=first.train_seconds + second.train_seconds,
        train_cpu_s=first.train_cpu_s + second.train_cpu_s,
        version=__version__,
    )
    save_checkpoint(output, weights, description)


def _differing(one: Checkpoint, other: Checkpoint) -> list[str]:
    """In words, what keeps two checkpoints from having a common network between them."""
    sides = [
        {
            "architecture": type(build(side.row.model, side.row.scale, 1, **side.row.options)),
            "dataset": side.dataset,
            "track": side.row.track,
            "scale": side.row.scale,
            "seed": side.row.seed,
            "guide": side.row.guide,
            "options": side.row.options,
            "reference bands": side.reference_bands,
            "normalisation": (
                side.row.normalisation,
                side.scale_k,
                side.reference_mean,
                side.reference_std,
            ),
            "harmonisation": side.harmonisation,
        }
        for side in (one, other)
    ]
    return [name for name in sides[0] if sides[0][name] != sides[1][name]]


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}
