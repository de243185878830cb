"""Training batches: batch k is a pure function of the row's seed and k."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

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
"""Candidate windows start every patch / 8: fine enough to see each place in many positions."""


class Batch(NamedTuple):
    """The four inputs of a network, the target in network units, and the pixels that count.

    (N,B,h,w), (N,C,H,W), (N,1,h,w), (N,1,H,W), (N,B,H,W), and bool (N,1,H,W); B is 1 for LST.
    """

    coarse: Tensor
    reference: Tensor
    coarse_valid: Tensor
    reference_valid: Tensor
    target: Tensor
    scored: Tensor


class Batches(torch.utils.data.Dataset[Batch]):
    """Batches by number, so that a resumed run needs only the step to see the same ones.

    With `train.reference_jitter` j, each band r of a sample's reference becomes r exp(u) + v in
    network units, u in +-j and v in +-2j. The network then learns to use the structure of the
    reference and not its absolute level, which changes from region to region.
    """

    def __init__(self, dataset: Dataset, row: Row) -> None:
        """Raises LstsrError where the patch does not fit scale or scenes."""
        size, rest = divmod(row.settings.patch, row.scale)
        if rest:
            raise LstsrError(
                f"train.patch = {row.settings.patch} of {row.name} is no multiple of the scale "
                f"{row.scale}: change it"
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
        crops = [(key, self._patch(key, rng)) for key in self._keys(k)]
        samples = [self._sample(key, patch, rng) for key, patch in crops]
        batch = Batch(*(torch.from_numpy(np.stack(each)) for each in zip(*samples, strict=True)))
        return batch._replace(reference=self._jittered(k, batch.reference))

    def _jittered(self, k: int, reference: Tensor) -> Tensor:
        """The reference (N,C,H,W) of batch k, each band with a random gain and offset."""
        reach = self.row.settings.reference_jitter
        # a generator of its own: other random draws do not depend on the jitter
        rng = np.random.default_rng([self.row.seed, k, 2])
        gain, offset = rng.uniform(-reach, reach, (2, *reference.shape[:2], 1, 1))
        return (
            reference * torch.from_numpy(np.exp(gain)).float()
            + torch.from_numpy(2 * offset).float()
        )

    def _keys(self, k: int) -> list[str]:
        """Of which track each sample of batch k is."""
        settings = self.row.settings
        share = 1.0 if k < settings.degraded_steps else settings.degraded_share
        # numbers of their own: all else that is drawn for a batch does not depend on the share
        degraded = np.random.default_rng([self.row.seed, k, 1]).random(settings.batch) < share
        return [self.row.degraded_key if made else self.row.key for made in degraded]

    def _patch(self, key: str, rng: np.random.Generator) -> Patch:
        patches = self.patches[key]
        return patches[rng.integers(len(patches))]

    def _sample(self, key: str, patch: Patch, rng: np.random.Generator) -> tuple[NDArray, ...]:
        """One patch, turned and flipped, its contrast changed, sometimes without its reference."""
        scene = self.dataset.window(
            patch.scene, key, patch.row, patch.column, patch.size, patch.size
        )
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
    """The scene turned by quarters and then mirrored left to right, all arrays alike."""

    def orient(image: NDArray) -> NDArray:
        turned = np.rot90(image, turns, axes=(-2, -1))
        return turned[..., ::-1] if flip else turned

    return SceneArrays(
        input=orient(scene.input),
        input_valid=orient(scene.input_valid),
        reference=orient(scene.reference),
        reference_valid=orient(scene.reference_valid),
        offset_k=scene.offset_k,
        target=orient(scene.target),
        scored=orient(scene.scored),
    )
