"""What a fine image leaves of the input, and its return."""

import pytest
import torch

from lstsr.models.consistency import RATE, BackProjection, deficit
from lstsr.models.interpolation import bilinear, block_mean
from lstsr.registry import build


@pytest.fixture(params=[4, 8])
def images(request):
    """Scale, a fine image and the input, unrelated."""
    generator = torch.Generator().manual_seed(3)
    coarse = bilinear(torch.randn(1, 1, 6, 8, generator=generator, dtype=torch.float64), 2)
    shape = 1, 1, 12 * request.param, 16 * request.param
    return request.param, torch.randn(shape, generator=generator, dtype=torch.float64), coarse


def test_the_deficit_is_zero_where_block_means_are_the_input_or_there_is_none(images):
    scale, fine, coarse = images
    valid = torch.ones_like(coarse)
    valid[..., 2, 3] = 0
    left = deficit(fine, coarse, valid, scale)
    assert left[..., 2, 3] == 0
    torch.testing.assert_close(
        left + block_mean(fine, scale), coarse * valid + (1 - valid) * block_mean(fine, scale)
    )
    assert not deficit(fine, block_mean(fine, scale), valid, scale).any()


def test_untrained_nothing_is_returned_and_a_share_of_one_returns_the_input(images):
    scale, fine, coarse = images
    valid = torch.ones_like(coarse)
    projection = BackProjection(scale).double()
    assert torch.equal(projection(fine, coarse, valid), fine)
    projection.tenth.data.fill_(1 / RATE)
    left = deficit(projection(fine, coarse, valid), coarse, valid, scale)
    assert left.std() < 0.02 * deficit(fine, coarse, valid, scale).std()


def test_half_a_share_leaves_half_the_deficit(images):
    scale, fine, coarse = images
    valid = torch.ones_like(coarse)
    projection = BackProjection(scale).double()
    projection.tenth.data.fill_(0.5 / RATE)
    before = deficit(fine, coarse, valid, scale)
    left = deficit(projection(fine, coarse, valid), coarse, valid, scale)
    torch.testing.assert_close(left, before / 2, atol=0.02 * float(before.abs().max()), rtol=0)


def test_training_opens_it_where_the_input_is_the_block_mean_of_the_target(images):
    scale, target, error = images
    coarse = block_mean(target, scale)
    valid = torch.ones_like(coarse)
    projection = BackProjection(scale).double()
    optimizer = torch.optim.Adam(projection.parameters(), lr=0.01)
    start = target + bilinear(error, scale)
    for _ in range(60):
        optimizer.zero_grad()
        (projection(start, coarse, valid) - target).square().mean().backward()
        optimizer.step()
    assert 0.8 < RATE * float(projection.tenth.detach()) < 1.2


@pytest.mark.parametrize("name", ["dctnet", "dctrrdbnet", "dctrrdbnet-single-scale"])
def test_the_lst_stream_sees_the_deficit_where_it_is_told_to(name, scene, perturb):
    coarse, reference, *masks = scene(64, 64, 4, dtype=torch.float32)
    outputs = []
    for sees in (False, True):
        network = perturb(
            build(
                name,
                4,
                2,
                features=8,
                base="local-linear",
                sees_deficit=sees,
                back_projection=False,
            )
        )
        base = network.base(coarse, reference, *masks)
        # the same base over another input: all that can tell is the deficit
        residual = network.residual(base, coarse, reference, *masks)
        outputs.append(
            (network.residual(base, coarse + 1, reference, *masks) - residual).abs().max()
        )
    assert outputs[0] == 0
    assert outputs[1] > 1e-3
