"""ESRNet in its published form."""

import pytest
import torch

from lstsr.models.rrdb import RRDB, ESRNet, ResidualDenseBlock


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("features", "growth", "count"),
    [(64, 32, 719_424), (64, 16, 373_632), (48, 24, 404_784), (32, 16, 180_000), (24, 12, 101_304)],
)
def test_an_rrdb_has_the_published_size(features, growth, count):
    assert parameters(RRDB(features, growth)) == count


def test_the_published_form_has_the_published_size():
    with torch.device("meta"):
        network = ESRNet(4, 3, features=64, growth=32, blocks=23, residual=False)
    assert parameters(network) == 16_695_681


def test_a_dense_block_is_its_formula():
    block = ResidualDenseBlock(4, 2).double()
    x = torch.randn(1, 4, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features = x
    for conv in block.convs[:4]:
        new = conv(features)
        features = torch.cat([features, torch.maximum(new, 0.2 * new)], 1)
    torch.testing.assert_close(block(x), x + 0.2 * block.convs[4](features))
