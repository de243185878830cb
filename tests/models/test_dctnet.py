"""Feature extraction and guide term of DCTNet."""

import numpy as np
import torch
from torch import Tensor

from lstsr.models.dctnet import DCTNet, SemiCoupledConv


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)


def test_semi_coupled_streams_have_half_of_their_kernels_in_common():
    conv = SemiCoupledConv(4, 6)
    x = random(1, 4, 8, 8)
    lst, reference = conv(torch.cat([x, x])).chunk(2)
    torch.testing.assert_close(lst[:, :3], reference[:, :3])
    assert (lst[:, 3:] - reference[:, 3:]).abs().min(1).values.max() > 0
    other, same = conv(torch.cat([x + 1, x])).chunk(2)
    assert (other - lst).abs().max() > 0
    torch.testing.assert_close(same, reference)


def test_full_coupling_leaves_nothing_private():
    conv = SemiCoupledConv(4, 6, shared=1.0)
    x = random(1, 4, 8, 8)
    torch.testing.assert_close(*conv(torch.cat([x, x])).chunk(2))


def test_the_guide_term_can_close():
    network = DCTNet(4, 1, features=8, layers=1)
    d, r, r2 = (random(1, 8, 16, 16, seed=i) for i in range(3))
    valid = torch.ones(1, 1, 16, 16)
    network.guided.gain.data.zero_()
    torch.testing.assert_close(network.guided(d, r, valid), network.guided(d, r2, valid))


def test_the_published_operators_can_be_had():
    torch.manual_seed(0)
    network = DCTNet(4, 1, features=8, layers=1)
    d, r = (random(1, 8, 16, 16, seed=i) for i in range(2))
    valid = torch.ones(1, 1, 16, 16)
    consistent = network.guided(d, r, valid)
    network.guided.operators = "published"
    assert (network.guided(d, r, valid) - consistent).abs().max() > 1e-3
