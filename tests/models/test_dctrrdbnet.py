"""The parts of the multi-scale DCTRRDBNet."""

import pytest
import torch
from torch import nn

from lstsr.models.dct import guided_solve
from lstsr.models.dctrrdbnet import CoarseSolve
from lstsr.registry import build


def parameters(network: nn.Module) -> int:
    return sum(values.numel() for values in network.parameters())


@pytest.mark.parametrize("scale", [4, 8])
def test_without_solve_and_blocks_it_is_the_unet_with_both_ties(scale, scene, perturb):
    ties = {"features": 8, "sees_deficit": True, "back_projection": True}
    inputs = scene(32, 48, scale, dtype=torch.float32)
    bare = perturb(build("dctrrdbnet", scale, 2, features=8, blocks=0, solved=0))
    unet = perturb(build("unet", scale, 2, **ties))
    assert torch.equal(bare(*inputs), unet(*inputs))


def test_plain_blocks_have_the_size_of_an_rrdb():
    dense = parameters(build("dctrrdbnet", 4, 1))
    plain = parameters(build("dctrrdbnet", 4, 1, blocks=5, dense=False))
    assert plain == pytest.approx(dense, rel=0.05)


def test_the_coarse_solve_adds_the_guided_solve_of_its_streams():
    torch.manual_seed(0)
    module, x = CoarseSolve(12, 4), torch.randn(2, 12, 9, 7)
    d, r, w = module.streams(x).chunk(3, 1)
    solved = guided_solve(d, r, w.sigmoid(), module.length())
    weights = module.join.weight[:, :, 0, 0]
    module.join.bias = None
    expected = x + torch.einsum("oc,nchw->nohw", weights, solved)
    assert torch.allclose(module(x), expected, atol=1e-5)


def test_smoothing_lengths_are_at_most_two_cells():
    length = CoarseSolve(12, 4).length
    length.theta.data += 100
    assert (length() <= 2.0**4).all()
