"""A guided network gives way where it has no guide."""

import torch

from lstsr.models.fallback import WithFallback
from lstsr.registry import build


def test_each_takes_its_pixels() -> None:
    torch.manual_seed(0)
    coarse, reference = torch.randn(2, 1, 8, 8), torch.randn(2, 2, 32, 32)
    seen, known = torch.ones(2, 1, 8, 8), (torch.rand(2, 1, 32, 32) > 0.4).float()
    guided, bicubic = build("local-linear", 4, 2), build("bicubic", 4, 2)
    inputs = coarse, reference, seen, known
    both = WithFallback(guided, bicubic)(*inputs)
    where = known > 0
    assert torch.equal(both[where], guided(*inputs)[where])
    assert torch.equal(both[~where], bicubic(*inputs)[~where])
    assert not torch.equal(guided(*inputs)[~where], bicubic(*inputs)[~where])


def test_not_even_nan_of_the_network_passes_where_there_is_no_reference() -> None:
    class Lost(torch.nn.Module):
        def forward(self, coarse: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
            return torch.full((1, 1, 32, 32), torch.nan)

    none = torch.zeros(1, 1, 32, 32)
    inputs = torch.randn(1, 1, 8, 8), torch.randn(1, 1, 32, 32), torch.ones(1, 1, 8, 8), none
    assert torch.isfinite(WithFallback(Lost(), build("bicubic", 4, 1))(*inputs)).all()
