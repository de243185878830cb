"""The network of a row: one checkpoint, or the mean of several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from torch import nn

from lstsr.errors import LstsrError
from lstsr.models.composite import SeedEnsemble, SelfEnsemble
from lstsr.training.checkpoint import CheckpointHeader, load_checkpoint

OUTCOME = (
    *("validation_ubrmse_k", "validation", "best_step", "steps", "train_seconds", "train_cpu_s"),
    *("fallback", "weights_sha256", "version"),
)
"""Fields that depend on the seed or the machine. All others must be the same in all members."""


def load_members(
    paths: Sequence[Path], self_ensemble: bool
) -> tuple[nn.Module, tuple[CheckpointHeader, ...]]:
    """The network of one checkpoint or the mean of several, with their headers.

    With ``self_ensemble`` the network sees each tile from eight sides. Raises LstsrError as
    `load_checkpoint`, and if two checkpoints have the same seed or differ in anything else.
    """
    networks, headers = zip(*map(load_checkpoint, paths), strict=True)
    first = headers[0]
    compared = [each.name for each in fields(first) if each.name not in OUTCOME]
    path_of: dict[int, Path] = {}
    for path, header in zip(paths, headers, strict=True):
        alike = replace(header, row=replace(header.row, seed=first.row.seed))
        if differing := [name for name in compared if getattr(alike, name) != getattr(first, name)]:
            raise LstsrError(
                f"{path}: differs from {paths[0]} in {', '.join(differing)}. Name checkpoints that "
                "differ only in their seed"
            )
        if same := path_of.get(header.row.seed):
            raise LstsrError(
                f"{path}: has the same seed as {same}. Name checkpoints of different seeds"
            )
        path_of[header.row.seed] = path
    network = networks[0] if len(networks) == 1 else SeedEnsemble(networks)
    return (SelfEnsemble(network) if self_ensemble else network).eval(), headers
