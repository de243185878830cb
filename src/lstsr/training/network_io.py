"""Prediction of one scene, from kelvin to kelvin, in training and in later predictions."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import nn

from lstsr.dataset.loader import Dataset, Floats, SceneArrays, SceneInputs
from lstsr.models.normalisation import Kind, Normalisation


def scene_normalisation(
    dataset: Dataset, name: str, key: str, kind: Kind = "input"
) -> Normalisation:
    """The normalisation of a scene's input and of the network's output.

    ``input`` uses the mean of the input and the fixed scale of the dataset. The others are
    ablations: the input's own range (as in the seed study), or its mean and standard deviation.
    """
    meta = dataset.meta
    if kind == "input":
        centre_k, scale_k = dataset.scene_meta(name).centre_k[key], meta.scale_k
    else:
        centre_k, scale_k = _affine(dataset, name, key, kind, "input")
    return Normalisation(centre_k, scale_k, meta.reference_mean, meta.reference_std)


def target_units(
    dataset: Dataset, name: str, key: str, scene: SceneArrays, kind: Kind, bias_k: float
) -> Floats:
    """The target of a window of the scene ``name`` in network units, for training.

    It is normalised like the input, after ``bias_k`` is subtracted. The ablations instead use the
    range or the statistics of the whole scene's target, which are unknown in prediction.
    """
    if kind == "input":
        normalisation = scene_normalisation(dataset, name, key)
        return np.asarray(normalisation.to_units(scene.target - np.float32(bias_k)), np.float32)
    centre_k, scale_k = _affine(dataset, name, key, kind, "target")
    return np.asarray((scene.target - centre_k) / scale_k, np.float32)


@lru_cache(maxsize=1024)  # all patches of a scene need the same two numbers
def _affine(
    dataset: Dataset, name: str, key: str, kind: Kind, role: Literal["input", "target"]
) -> tuple[float, float]:
    """Centre (kelvin) and scale (kelvin per unit) from the image of a whole scene."""
    scene = dataset.scene(name, key)
    known_k = scene.input[scene.input_valid] if role == "input" else scene.target[scene.scored]
    if kind == "min-max":
        return float(known_k.min()), float(np.ptp(known_k))
    return float(known_k.mean(dtype=np.float64)), float(known_k.std(dtype=np.float64))


def banded(image: Floats) -> Floats:
    """LST (H,W) as an image of one band (1,H,W); other images (B,H,W) stay as they are."""
    return image.reshape(-1, *image.shape[-2:])


def network_inputs(
    scene: SceneInputs, normalisation: Normalisation
) -> tuple[Floats, Floats, Floats, Floats]:
    """The inputs of the network, without the batch axis.

    Coarse (B,h,w) and reference (C,H,W) in network units, and their masks (1,h,w) and (1,H,W), 0
    or 1.
    """
    return (
        banded(normalisation.to_units(scene.input)),
        normalisation.reference_to_units(scene.reference),
        scene.input_valid[None].astype(np.float32),
        scene.reference_valid[None].astype(np.float32),
    )


def best_device() -> torch.device:
    """The accelerator if there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.no_grad()  # not inference mode: training also uses the matrices that a network caches
def predict_scene(
    network: nn.Module,
    scene: SceneInputs,
    normalisation: Normalisation,
    device: torch.device | str = "cpu",
) -> Floats:
    """The network's fine temperature (H,W), kelvin, or image (B,H,W).

    ``network`` is in evaluation mode and on ``device``. ``normalisation`` belongs to the scene.
    """
    inputs = (
        torch.from_numpy(array)[None].to(device) for array in network_inputs(scene, normalisation)
    )
    units = network(*inputs)[0].float().cpu().numpy()
    return normalisation.to_kelvin(units.reshape(*scene.input.shape[:-2], *units.shape[-2:]))
