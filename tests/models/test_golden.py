"""Outputs of every model with reproducible weights, against those recorded when they were settled.

A change of architecture is recorded anew with `MAKE_GOLDEN=1 pytest tests/models/test_golden.py`.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lstsr.registry import MODELS, RELEASED, build

GOLDEN = Path(__file__).parent / "golden"
OPTIONS = {
    "dms": {"leaf": 4, "cells": 8},
    "srcnn": {"n1": 8, "n2": 16},
    "esrnet": {"features": 8, "growth": 4, "blocks": 1},
    "esrgan": {"features": 8, "growth": 4, "blocks": 1},
    "srgan": {"features": 8, "blocks": 1},
    "dctnet": {"features": 8, "layers": 2, "base": "bicubic-backprojected"},
    "jiif": {"features": 8, "blocks": 1, "widths": (16, 8)},
    "unet": {"features": 8},
    "dctrrdbnet": {"features": 8, "growth": 4, "base": "local-linear"},
    "dctrrdbnet-single-scale": {
        "features": 8,
        "growth": 4,
        "coarse_blocks": 1,
        "base": "local-linear",
    },
}


@pytest.mark.parametrize("scale", [4, 8])
@pytest.mark.parametrize("name", sorted(MODELS.keys() - RELEASED))
def test_output_is_as_recorded(name, scale, scene, perturb):
    coarse, reference, coarse_valid, reference_valid = scene(32, 48, scale)
    coarse_valid[..., 1, 2] = 0
    reference_valid[..., 9:15, 20:31] = 0
    network = perturb(build(name, scale, 2, **OPTIONS.get(name, {})).double())
    with torch.no_grad():
        output = network(coarse, reference, coarse_valid, reference_valid)[0, 0].numpy()
    path = GOLDEN / f"{name}-x{scale}.npz"
    if os.environ.get("MAKE_GOLDEN"):
        np.savez_compressed(path, output=output.astype(np.float32))
    np.testing.assert_allclose(output, np.load(path)["output"], rtol=1e-5, atol=1e-5)
