"""SRResNet in its published form."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lstsr.models.srgan import Doubling, ResidualBlock, SRResNet


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture
def noise():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 6, 7, generator=generator, dtype=torch.float64)


def test_the_published_form_has_the_size_of_its_figure():
    """By hand, from figure 4: k9n64, 16 blocks of two k3n64 with BN, k3n64, two k3n256, k9n1."""
    with torch.device("meta"):
        network = SRResNet(4, 3, features=64, blocks=16, batch_norm=True, residual=False)
    conv, norm, prelu = 9 * 64 * 64 + 64, 2 * 64, 64
    head = 81 * 64 + 64 + prelu
    trunk = 16 * (2 * (conv + norm) + prelu) + conv + norm
    upsampling = 2 * (9 * 64 * 256 + 256 + prelu)
    assert parameters(network) == head + trunk + upsampling + 81 * 64 + 1


def test_a_block_is_its_formula(noise):
    block = ResidualBlock(4, batch_norm=False).double()
    first, prelu, second = block.body
    assert isinstance(prelu, nn.PReLU)
    inner = first(noise)
    inner = torch.where(inner > 0, inner, prelu.weight[:, None, None] * inner)
    torch.testing.assert_close(block(noise), noise + second(inner))


def test_a_block_with_batch_norm_has_zero_mean_residuals(noise):
    residual = ResidualBlock(4, batch_norm=True).double()(noise) - noise
    assert residual.mean((0, 2, 3)).abs().max() < 1e-12
    torch.testing.assert_close(
        residual.var((0, 2, 3), correction=0), torch.ones(4).double(), rtol=1e-2, atol=0
    )


def test_a_doubling_spreads_channels_over_pixels(noise):
    """Channel c of the pixel (2i + a, 2j + b) is channel 4c + 2a + b of the conv at (i, j)."""
    doubling = Doubling(4).double()
    conv, _, prelu = doubling
    spread, wide = doubling(noise), conv(noise)
    assert spread.shape == (2, 4, 12, 14)
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        expected = F.prelu(wide[:, 2 * a + b :: 4], prelu.weight)
        torch.testing.assert_close(spread[:, :, a::2, b::2], expected)


def test_with_batch_norm_a_scene_is_predicted_by_itself(scene, perturb):
    """In evaluation the running statistics normalise, not the batch."""
    network = perturb(SRResNet(4, 2, features=8, blocks=1, batch_norm=True)).eval()
    inputs = scene(32, 48, 4, dtype=torch.float32)
    with torch.no_grad():
        batch = network(*(torch.cat([x, 2 * x.flip(-1)]) for x in inputs))
        torch.testing.assert_close(batch[:1], network(*inputs), atol=1e-5, rtol=1e-5)
