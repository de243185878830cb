from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.metrics import ubrmse_k
from lstsr.models.normalisation import Kind
from lstsr.registry import build
from lstsr.training.network_io import predict_scene, scene_normalisation, target_units


@pytest.fixture
def scene(data: Path) -> SceneArrays:
    return Dataset(data).scene("d", "observed-x4")


def test_interpolation_passes_through_the_units(data: Path, scene: SceneArrays) -> None:
    normalisation = scene_normalisation(Dataset(data), "d", "observed-x4")
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
    normalisation = scene_normalisation(Dataset(data), "d", "observed-x4")
    warm = replace(scene, input=scene.input + 7)
    here = predict_scene(network, scene, normalisation)
    there = predict_scene(
        network, warm, replace(normalisation, centre_k=normalisation.centre_k + 7)
    )
    assert here.std() > 1
    np.testing.assert_allclose(there - here, 7, atol=2e-3)


@pytest.mark.parametrize("kind", ["min-max", "statistics"])
def test_what_the_seed_study_s_normalisation_costs_even_a_perfect_network(
    data: Path, scene: SceneArrays, kind: Kind
) -> None:
    """The target in its own units, undone with the input's: off by the ratio of their ranges."""
    dataset, which = Dataset(data), ("d", "observed-x4")
    units = target_units(dataset, *which, scene, kind, 0.0)
    if kind == "min-max":
        assert (units[scene.scored].min(), units[scene.scored].max()) == pytest.approx((0, 1))
    else:
        assert units[scene.scored].mean() == pytest.approx(0, abs=1e-5)
        assert units[scene.scored].std() == pytest.approx(1, abs=1e-5)
    undone = scene_normalisation(dataset, *which, kind).to_kelvin(units)
    assert ubrmse_k(undone, scene.target, scene.scored) > 0.3
    fixed = scene_normalisation(dataset, *which)
    kept = fixed.to_kelvin(target_units(dataset, *which, scene, "input", 0.0))
    assert ubrmse_k(kept, scene.target, scene.scored) < 1e-4


def test_each_scene_and_track_keeps_its_own_statistics(data: Path) -> None:
    """Also when they are asked for again, and no scene is read for them any more."""
    dataset = Dataset(data)
    for _ in range(2):
        for name in ("a", "d"):
            for key in ("observed-x4", "degraded-block-x4"):
                scene = dataset.scene(name, key)
                known_k = scene.input[scene.input_valid]
                statistics = scene_normalisation(dataset, name, key, "statistics")
                assert statistics.centre_k == pytest.approx(known_k.mean(), abs=1e-3)
                assert statistics.scale_k == pytest.approx(known_k.std(), abs=1e-3)
                extremes = scene_normalisation(dataset, name, key, "min-max")
                assert (extremes.centre_k, extremes.scale_k) == (known_k.min(), np.ptp(known_k))
