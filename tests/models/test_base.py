"""Back-projection of the deficit, and networks that see only the coarse image."""

import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.base import RATE, BackProjection, Inputs, deficit
from lstsr.models.interpolation import bicubic, bilinear, block_mean
from lstsr.registry import build

NETWORKS = {
    "esrnet": {"features": 8, "growth": 4, "blocks": 1},
    "srgan": {"features": 8, "blocks": 1},
}


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
        residual = network.residual(Inputs(base, coarse, reference, *masks))
        warmer = network.residual(Inputs(base, coarse + 1, reference, *masks))
        outputs.append((warmer - residual).abs().max())
    assert outputs[0] == 0
    assert outputs[1] > 1e-3


@pytest.fixture(params=sorted(NETWORKS))
def name(request):
    return request.param


@pytest.mark.parametrize(("scale", "stages"), [(2, 1), (4, 2), (8, 3)])
def test_each_doubling_has_a_stage(name, scale, stages):
    assert len(build(name, scale, 1, **NETWORKS[name]).upsampling) == stages


def test_a_scale_that_is_no_power_of_two_is_refused(name):
    with pytest.raises(LstsrError, match="scale: .*powers of two, not by 6"):
        build(name, 6, 1)


def test_without_base_the_output_is_the_network_alone(name, scene):
    network = build(name, 4, 2, **NETWORKS[name], residual=False).double()
    inputs = scene(32, 32, 4)
    torch.testing.assert_close(network(*inputs), network.detail(inputs[0]))
    assert network(*inputs).std() > 0


def test_the_base_adds_to_the_network(name, scene, perturb):
    network = perturb(build(name, 4, 2, **NETWORKS[name]).double())
    coarse, *rest = scene(32, 32, 4)
    detail = network(coarse, *rest) - bicubic(coarse, 4)
    torch.testing.assert_close(detail, network.detail(coarse))


@pytest.mark.parametrize("model", ["esrnet", "esrgan", "srgan", "srcnn"])
def test_an_image_of_several_bands_starts_as_its_bicubic_and_learns_them_together(
    model, scene, perturb
):
    network = build(model, 2, 0, **NETWORKS.get(model, {}), bands=3).double()
    image = torch.randn(2, 3, 12, 10, generator=torch.Generator().manual_seed(0)).double()
    reference, valid = torch.zeros(2, 0, 24, 20).double(), torch.ones(2, 1, 24, 20).double()
    inputs = reference, valid[..., ::2, ::2], valid
    torch.testing.assert_close(network(image, *inputs), bicubic(image, 2))
    perturb(network)
    other = image.clone()
    other[:, 0] += torch.randn(12, 10, generator=torch.Generator().manual_seed(1)).double()
    changed = (network(other, *inputs) - network(image, *inputs)).abs().amax((0, 2, 3))
    assert (changed > 0).all()
