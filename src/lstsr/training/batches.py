"""Training batches. Batch k depends only on the row's seed and k."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.utils.data
from numpy.typing import NDArray
from torch import Tensor

from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.dataset.patches import Patch, candidate_patches
from lstsr.errors import LstsrError
from lstsr.rows import Row
from lstsr.training.network_io import banded, network_inputs, scene_normalisation, target_units

STRIDES_PER_PATCH = 8
"""Candidate windows start every patch / 8, so a place appears in many positions of a patch."""


class Batch(NamedTuple):
    """The four inputs of a network, the target in network units, and the scored pixels.

    (N,B,h,w), (N,C,H,W), (N,1,h,w), (N,1,H,W), (N,B,H,W) and bool (N,1,H,W). B is 1 for LST.
    """

    coarse: Tensor
    reference: Tensor
    coarse_valid: Tensor
    reference_valid: Tensor
    target: Tensor
    scored: Tensor


class Batches(torch.utils.data.Dataset[Batch]):
    """Batches by number: a resumed run needs only the step to see the same batches."""

    def __init__(self, dataset: Dataset, row: Row) -> None:
        """Raises LstsrError if the patch does not fit the scale or the scenes."""
        size, rest = divmod(row.settings.patch, row.scale)
        if rest:
            raise LstsrError(
                f"train.patch = {row.settings.patch} of {row.name} is not a multiple of the scale "
                f"{row.scale}. Change train.patch"
            )
        self.dataset = dataset
        self.row = row
        mixed = row.settings.degraded_steps or row.settings.degraded_share
        self.patches = {
            key: candidate_patches(
                dataset,
                "train",
                key,
                size,
                stride=max(1, size // STRIDES_PER_PATCH),
                min_fraction=row.settings.min_patch_valid,
            )
            for key in ([row.key, row.degraded_key] if mixed else [row.key])
        }

    def __getitem__(self, k: int) -> Batch:
        rng = np.random.default_rng([self.row.seed, k])
        crops = []
        for key in self._keys(k):
            patches = self.patches[key]
            crops.append((key, patches[rng.integers(len(patches))]))
        samples = [self._sample(key, patch, rng) for key, patch in crops]
        batch = Batch(*(torch.from_numpy(np.stack(each)) for each in zip(*samples, strict=True)))
        return batch._replace(reference=self._jittered(k, batch.reference))

    def _jittered(self, k: int, reference: Tensor) -> Tensor:
        """The reference (N,C,H,W) of batch k, with `train.reference_jitter`.

        The network then learns to use the structure of the reference and not its absolute level,
        which changes from region to region.
        """
        reach = self.row.settings.reference_jitter
        # A separate generator: other random draws do not depend on the jitter.
        rng = np.random.default_rng([self.row.seed, k, 2])
        draws = rng.uniform(-reach, reach, (2, *reference.shape[:2], 1, 1))
        gain, offset = torch.from_numpy(np.stack([np.exp(draws[0]), 2 * draws[1]])).float()
        return reference * gain + offset

    def _keys(self, k: int) -> list[str]:
        """The track key of each sample of batch k."""
        settings = self.row.settings
        share = 1.0 if k < settings.degraded_steps else settings.degraded_share
        # A separate generator: other random draws do not depend on the share.
        degraded = np.random.default_rng([self.row.seed, k, 1]).random(settings.batch) < share
        return [self.row.degraded_key if made else self.row.key for made in degraded]

    def _sample(self, key: str, patch: Patch, rng: np.random.Generator) -> tuple[NDArray, ...]:
        """A patch, randomly rotated, flipped, with another contrast or without reference."""
        place = patch.row, patch.column, patch.size, patch.size
        scene = self.dataset.window(patch.scene, key, *place)
        scene = oriented(scene, turns=int(rng.integers(4)), flip=bool(rng.integers(2)))
        if rng.random() < self.row.settings.reference_dropout:
            scene = replace(scene, reference_valid=np.zeros_like(scene.reference_valid))
        which = self.dataset, patch.scene, key
        normalisation = scene_normalisation(*which, self.row.normalisation)
        bias_k = scene.offset_k if self.row.settings.scene_bias == "removed" else 0.0
        target = target_units(*which, scene, self.row.normalisation, bias_k)
        coarse, *rest = network_inputs(scene, normalisation)
        reach = self.row.settings.contrast
        contrast = np.float32(np.exp(rng.uniform(-reach, reach)))
        return coarse * contrast, *rest, banded(target) * contrast, scene.scored[None]


def oriented(scene: SceneArrays, turns: int, flip: bool) -> SceneArrays:
    """All arrays of the scene, rotated by quarter turns and then mirrored left to right."""

    def orient(image: NDArray) -> NDArray:
        turned = np.rot90(image, turns, axes=(-2, -1))
        return turned[..., ::-1] if flip else turned

    arrays: dict[str, Any] = {
        name: orient(value) for name, value in vars(scene).items() if isinstance(value, np.ndarray)
    }
    return replace(scene, **arrays)
