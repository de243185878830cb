"""The U-Net discriminator: its form, its bound, and what it can tell apart."""

import pytest
import torch
import torch.nn.functional as F

from lstsr.models.discriminator import UNetDiscriminator


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24), (33, 50), (96, 31)])
def test_every_pixel_of_any_patch_is_judged(height, width):
    logits, features = UNetDiscriminator(4)(noise(2, 1, height, width))
    assert logits.shape == (2, 1, height, width)
    assert [feature.shape[1] for feature in features] == [4, 8, 16, 32]
    assert [tuple(feature.shape[-2:]) for feature in features] == [
        (height // 2**level, width // 2**level) for level in range(4)
    ]


def test_the_published_form_has_the_size_of_its_description():
    """By hand, for one channel: convs 1-64, 64-128-256-512 (4 x 4), 512-256-128-64, 64-64-64-1."""
    with torch.device("meta"):
        count = sum(p.numel() for p in UNetDiscriminator(64).parameters())
    down = 16 * (64 * 128 + 128 * 256 + 256 * 512)
    up = 9 * (512 * 256 + 256 * 128 + 128 * 64)
    assert count == (9 * 64 + 64) + down + up + 2 * 9 * 64 * 64 + (9 * 64 + 1)


def test_all_but_the_outer_convs_have_the_spectral_norm_one():
    network = UNetDiscriminator(8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 7
        for _ in range(300):  # each pass is one iteration of the power method
            network(noise(1, 1, 16, 16))
    for conv in [*network.down, *network.up, *network.refine]:
        norm = torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2)
        assert float(norm) == pytest.approx(1, abs=1e-3)


def test_the_features_are_those_before_activation():
    network = UNetDiscriminator(8).eval()
    image = noise(1, 1, 16, 16)
    _, features = network(image)
    assert all((feature < 0).any() for feature in features)
    torch.testing.assert_close(features[0], network.first(image))
    torch.testing.assert_close(features[1], network.down[0](F.leaky_relu(features[0], 0.2)))


def test_it_learns_to_tell_sharp_fields_from_smooth_ones():
    torch.manual_seed(0)
    network = UNetDiscriminator(4)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)

    def pair() -> torch.Tensor:
        sharp = torch.randn(4, 1, 24, 24)
        return torch.cat([sharp, F.avg_pool2d(sharp, 5, stride=1, padding=2) * 5])

    truth = torch.tensor([1.0] * 4 + [0.0] * 4)[:, None, None, None].expand(-1, -1, 24, 24)
    for _ in range(60):
        loss = F.binary_cross_entropy_with_logits(network(pair())[0], truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        correct = (network(pair())[0] > 0) == (truth > 0)
    assert correct.float().mean() > 0.9
