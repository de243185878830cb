from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.registry import build
from lstsr.training.inference import predict_scene, scene_normalisation


@pytest.fixture
def scene(data: Path) -> SceneArrays:
    return Dataset(data).scene("d", "observed-x4")


def test_interpolation_passes_through_the_units(data: Path, scene: SceneArrays) -> None:
    normalisation = scene_normalisation(Dataset(data), scene.centre_k)
    prediction_k = predict_scene(build("bilinear", 4, 1), scene, normalisation)
    expected = F.interpolate(
        torch.from_numpy(scene.input)[None, None].double(), scale_factor=4, mode="bilinear"
    )
    assert prediction_k.dtype == np.float32
    np.testing.assert_allclose(prediction_k, expected[0, 0], atol=1e-4)


def test_a_warmer_scene_is_warmer_by_as_much(data: Path, scene: SceneArrays) -> None:
    torch.manual_seed(0)
    network = build("dctnet", 4, 1, features=8, layers=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    dataset = Dataset(data)
    warm = replace(scene, input=scene.input + 7, centre_k=scene.centre_k + 7)
    here, there = (
        predict_scene(network, one, scene_normalisation(dataset, one.centre_k))
        for one in (scene, warm)
    )
    assert here.std() > 1
    np.testing.assert_allclose(there - here, 7, atol=2e-3)
