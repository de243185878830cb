"""What networks without a reference share."""

import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.interpolation import bicubic
from lstsr.registry import build

NETWORKS = {
    "esrnet": {"features": 8, "growth": 4, "blocks": 1},
    "srgan": {"features": 8, "blocks": 1},
}


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
