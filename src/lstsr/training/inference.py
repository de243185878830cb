"""One scene through a network: kelvin in, kelvin out, the same in validation and prediction."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lstsr.dataset.loader import Dataset, Floats, SceneInputs
from lstsr.models.normalisation import Normalisation


def scene_normalisation(dataset: Dataset, centre_k: float) -> Normalisation:
    """The normalisation of a scene with this mean input."""
    meta = dataset.meta
    return Normalisation(centre_k, meta.scale_k, meta.reference_mean, meta.reference_std)


def network_inputs(
    scene: SceneInputs, normalisation: Normalisation
) -> tuple[Floats, Floats, Floats, Floats]:
    """What the network takes, without the batch axis.

    Coarse (1,h,w) and reference (C,H,W) in network units, then their masks (1,h,w) and (1,H,W)
    as 0 or 1.
    """
    return (
        normalisation.to_units(scene.input)[None],
        normalisation.reference_to_units(scene.reference),
        scene.input_valid[None].astype(np.float32),
        scene.reference_valid[None].astype(np.float32),
    )


def best_device() -> torch.device:
    """The accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.no_grad()  # not inference mode: transforms that a network caches here serve training too
def predict_scene(
    network: nn.Module,
    scene: SceneInputs,
    normalisation: Normalisation,
    device: torch.device | str = "cpu",
) -> Floats:
    """The network's fine temperature (H, W), kelvin, in full precision.

    ``network`` is in evaluation mode and on ``device``; ``normalisation`` is that of the scene.
    """
    inputs = (
        torch.from_numpy(array)[None].to(device) for array in network_inputs(scene, normalisation)
    )
    units = network(*inputs)[0, 0].float().cpu().numpy()
    return normalisation.to_kelvin(units)
