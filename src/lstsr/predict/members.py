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
    """The network of one checkpoint or the mean of several, with their descriptions.

    With ``self_ensemble`` the network sees each tile from eight sides. Raises LstsrError as
    `load_checkpoint`, and if two checkpoints have the same seed or differ in anything else.
    """
    networks, described = zip(*map(load_checkpoint, paths), strict=True)
    for index, path in enumerate(paths):
        _check(path, described[index], paths[0], described[0])
        for earlier in range(index):
            if described[index].row.seed == described[earlier].row.seed:
                raise LstsrError(
                    f"{path}: has the same seed as {paths[earlier]}. Name checkpoints of "
                    "different seeds"
                )
    network = networks[0] if len(networks) == 1 else SeedEnsemble(networks)
    return (SelfEnsemble(network) if self_ensemble else network).eval(), described


def _check(path: Path, member: CheckpointHeader, first_path: Path, first: CheckpointHeader) -> None:
    """Raise LstsrError if two checkpoints differ in more than the seed and its outcome."""
    alike = replace(member, row=replace(member.row, seed=first.row.seed))
    compared = [each.name for each in fields(CheckpointHeader) if each.name not in OUTCOME]
    differing = [name for name in compared if getattr(alike, name) != getattr(first, name)]
    if differing:
        raise LstsrError(
            f"{path}: differs from {first_path} in {', '.join(differing)}. Name checkpoints that "
            "differ only in their seed"
        )
