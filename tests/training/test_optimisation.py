from typing import Any

import numpy as np
import pytest
import torch

from lstsr.registry import build
from lstsr.rows import Row
from lstsr.training.optimisation import Muon, adamw, muon, orthogonal, schedule


def test_vectors_do_not_decay(row_dict: dict[str, Any]) -> None:
    network = build("dctnet", 4, 1, features=8, layers=1)
    (optimizer,) = adamw(network, Row.from_dict(row_dict).train)
    decayed, kept = optimizer.param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (1e-4, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {names[id(parameter)].rpartition(".")[2] for parameter in kept["params"]} == {
        "bias",
        "gain",
        "lst_bias",
        "reference_bias",
        "shared_bias",
        "theta",
    }
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


def test_muon_takes_the_kernels_of_hidden_layers_and_adamw_the_rest(
    row_dict: dict[str, Any],
) -> None:
    network = build("dctnet", 4, 1, features=16, layers=1)
    optimizers = muon(network, Row.from_dict(row_dict).train)
    held = [
        {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for optimizer in optimizers
    ]
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert held[0] | held[1] == set(names) and not held[0] & held[1]
    hidden = {names[key] for key in held[1]}
    assert "extraction.layers.0.conv1.shared" in hidden
    assert not hidden & {"extraction.head_lst.weight", "tail.4.weight"}


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (24, 24)])
def test_an_orthogonal_update_keeps_singular_vectors_and_levels_singular_values(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    rotated = u.T @ orthogonal(matrix) @ v.T
    assert torch.allclose(rotated, rotated.diag().diag(), atol=1e-9)
    assert rotated.diag().min() > 0.6 and rotated.diag().max() < 1.25
    assert torch.equal(orthogonal(torch.zeros(shape)), torch.zeros(shape))


def test_muon_follows_its_equations() -> None:
    drawn = torch.Generator().manual_seed(1)
    start, *gradients = torch.randn(4, 8, 8, 3, 3, generator=drawn, dtype=torch.float64)
    kernel = torch.nn.Parameter(start.clone())
    optimizer = Muon([kernel], lr=0.1, weight_decay=0.01)
    expected, momentum = start, torch.zeros_like(start)
    for gradient in gradients:
        kernel.grad = gradient
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        matrix = (0.95 * momentum + 0.05 * gradient).reshape(8, 72)
        update = 0.2 * 72**0.5 * orthogonal(matrix).reshape(8, 8, 3, 3)
        expected = expected * (1 - 0.1 * 0.01) - 0.1 * update
    assert torch.allclose(kernel, expected)


def test_learning_rate_warms_up_and_falls_as_a_cosine(row_dict: dict[str, Any]) -> None:
    settings = Row.from_dict(row_dict).train  # 24 steps, 4 of them warm-up, peak 1e-2
    rates = [settings.learning_rate * schedule(k, settings) for k in range(25)]
    np.testing.assert_allclose(rates[:5], np.array([0.25, 0.5, 0.75, 1, 1]) * 1e-2)
    assert rates[14] == pytest.approx(5e-3)
    assert rates[24] == pytest.approx(0)
    assert rates[4:] == sorted(rates[4:], reverse=True)
