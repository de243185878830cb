"""Network interpolation: a network between one trained for fidelity and one trained adversarially.

theta = (1 - alpha) theta_a + alpha theta_b, weight by weight (Wang et al. 2018, ESRGAN, section
3.4). This makes sense only if b started from weights like those of a, for example from the warm-up
of an adversarial row with the same seed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.registry import build
from lstsr.training.checkpoint import CheckpointHeader, read_header, save_checkpoint


def interpolate(a: Path, b: Path, alpha: float, output: Path) -> None:
    """Write the checkpoint that lies the share ``alpha`` of the way from a to b.

    It has the header of b with another variant and a validation error of NaN, because nothing
    validated it. Raises LstsrError if alpha is not between 0 and 1, a file is not a checkpoint, or
    the two differ in architecture or in their inputs.
    """
    if not 0 <= alpha <= 1:
        raise LstsrError(f"--alpha {alpha:g}: give a number between 0 and 1")
    first, second = read_header(a), read_header(b)
    compared = _compared(second)
    differing = [name for name, value in _compared(first).items() if value != compared[name]]
    if differing:
        raise LstsrError(
            f"{b}: differs from {a} in {', '.join(differing)}. Interpolate two checkpoints of one "
            "architecture, trained on one dataset"
        )
    start, end = load_file(a), load_file(b)
    shapes, expected = ({name: w.shape for name, w in each.items()} for each in (start, end))
    if shapes != expected:
        raise LstsrError(f"{b}: the weights do not fit those of {a}. Train both again")
    weights = {  # counts of batches stay integers
        name: ((1 - alpha) * start[name] + alpha * end[name]).to(end[name].dtype) for name in end
    }
    header = replace(
        second,
        row=replace(second.row, variant=f"{second.row.variant}-alpha{alpha:g}"),
        validation_ubrmse_k=math.nan,
        validation={},
        train_seconds=first.train_seconds + second.train_seconds,
        train_cpu_s=first.train_cpu_s + second.train_cpu_s,
        version=__version__,
    )
    save_checkpoint(output, weights, header)


def _compared(header: CheckpointHeader) -> dict[str, Any]:
    """Properties that two interpolated checkpoints must share, by name."""
    row = header.row
    statistics = (header.scale_k, header.reference_mean, header.reference_std)
    return {
        "architecture": type(build(row.model, row.scale, 1, **row.options)),
        "dataset": header.dataset,
        "track": row.track,
        "scale": row.scale,
        "seed": row.seed,
        "guide": row.guide,
        "options": row.options,
        "reference bands": header.reference_bands,
        "normalisation": (row.normalisation, *statistics),
        "harmonisation": header.harmonisation,
    }
