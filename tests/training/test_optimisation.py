from typing import Any

import numpy as np
import pytest

from lstsr.registry import build
from lstsr.training.optimisation import adamw, schedule
from lstsr.training.row import Row


def test_vectors_do_not_decay(row_dict: dict[str, Any]) -> None:
    network = build("dctnet", 4, 1, features=8, layers=1)
    decayed, kept = adamw(network, Row.from_dict(row_dict).train).param_groups
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


def test_learning_rate_warms_up_and_falls_as_a_cosine(row_dict: dict[str, Any]) -> None:
    settings = Row.from_dict(row_dict).train  # 24 steps, 4 of them warm-up, peak 1e-2
    rates = [settings.learning_rate * schedule(k, settings) for k in range(25)]
    np.testing.assert_allclose(rates[:5], np.array([0.25, 0.5, 0.75, 1, 1]) * 1e-2)
    assert rates[14] == pytest.approx(5e-3)
    assert rates[24] == pytest.approx(0)
    assert rates[4:] == sorted(rates[4:], reverse=True)
