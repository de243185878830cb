"""SRCNN against the paper."""

import pytest
import torch
import torch.nn.functional as F

from lstsr.models.interpolation import bicubic
from lstsr.models.srcnn import SRCNN


@pytest.mark.parametrize(("f2", "weights"), [(1, 8_032), (3, 24_416), (5, 57_184)])
def test_it_has_the_published_number_of_weights(f2, weights):
    network = SRCNN(4, 1, f2=f2)
    biases = sum(layer.bias.numel() for layer in (network.first, network.second, network.last))
    assert biases == 97
    assert sum(p.numel() for p in network.parameters()) == weights + biases


@pytest.mark.parametrize("scale", [4, 8])
def test_it_is_the_three_layers_of_the_paper_over_bicubic(scale, scene, perturb):
    network = perturb(SRCNN(scale, 2, n1=8, n2=4, f2=3).double())
    inputs = scene(48, 64, scale)
    x = bicubic(inputs[0], scale)
    fine = F.pad(x, (7,) * 4, mode="replicate")
    for layer in (network.first, network.second):
        fine = F.conv2d(fine, layer.weight, layer.bias).clamp(min=0)
    fine = F.conv2d(fine, network.last.weight, network.last.bias)
    inner = (..., slice(7, -7), slice(7, -7))
    torch.testing.assert_close(network(*inputs)[inner], (x + fine)[inner])


def test_a_flat_scene_has_no_border(scene, perturb):
    network = perturb(SRCNN(4, 1, n1=8, n2=4).double())
    coarse, reference, *masks = scene(32, 32, 4)
    flat = network(torch.full_like(coarse, 0.7), reference, *masks)
    torch.testing.assert_close(flat, flat.mean().expand_as(flat))
    assert (flat - 0.7).abs().min() > 1e-3
