"""Networks made of other networks, against results that simple networks make known."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lstsr.models.composite import SeedEnsemble, SelfEnsemble, WithFallback
from lstsr.registry import build
from tests.models.conftest import Inputs


def masked(inputs: Inputs) -> Inputs:
    """The scene with holes in input and reference."""
    coarse, reference, coarse_valid, reference_valid = inputs
    coarse_valid[..., 2:4, 5:] = 0
    reference_valid[..., 9:30, :17] = 0
    return coarse, reference, coarse_valid, reference_valid


@pytest.mark.parametrize("name", ["bicubic", "local-linear"])
def test_a_network_that_knows_no_direction_is_left_as_it_is(
    name: str, scene: Callable[..., Inputs]
) -> None:
    network = WithFallback(build(name, 4, 2), build("bilinear", 4, 2)).double()
    inputs = masked(scene(48, 64, 4))
    torch.testing.assert_close(SelfEnsemble(network)(*inputs), network(*inputs))


def test_one_that_looks_east_looks_everywhere(scene: Callable[..., Inputs]) -> None:
    """All four inputs are turned together, and what comes out is turned back."""

    class East(nn.Module):
        def forward(self, coarse: Tensor, reference: Tensor, seen: Tensor, known: Tensor) -> Tensor:
            fine = coarse * seen
            fine = fine.repeat_interleave(4, 2).repeat_interleave(4, 3)
            return torch.roll(fine + reference[:, 1:] * known, -1, 3)

    coarse, reference, seen, known = inputs = masked(scene(32, 48, 4))
    still = (coarse * seen).repeat_interleave(4, 2).repeat_interleave(4, 3)
    still = still + reference[:, 1:] * known
    expected = sum(torch.roll(still, step, axis) for step in (-1, 1) for axis in (2, 3)) / 4
    torch.testing.assert_close(SelfEnsemble(East())(*inputs), expected)


def test_a_tile_says_what_the_whole_scene_says(
    scene: Callable[..., Inputs], perturb: Callable[[nn.Module, int], nn.Module]
) -> None:
    network = perturb(build("srcnn", 4, 2), 0).double().eval()
    ensemble = SelfEnsemble(network)
    coarse, reference, seen, known = inputs = scene(96, 128, 4)
    cells, pixels = (..., slice(4, 20), slice(8, 28)), (..., slice(16, 80), slice(32, 112))
    with torch.no_grad():
        whole = ensemble(*inputs)
        tile = ensemble(coarse[cells], reference[pixels], seen[cells], known[pixels])
        alone = network(*inputs)
    inner = (..., slice(16, -16), slice(16, -16))
    torch.testing.assert_close(tile[inner], whole[pixels][inner])
    assert (whole - alone).abs().max() > 1e-3, "a network with directions is changed"


def test_several_networks_give_their_mean(scene: Callable[..., Inputs]) -> None:
    names, inputs = ("bilinear", "bicubic", "local-linear"), masked(scene(48, 64, 4))
    networks = [build(name, 4, 2).double() for name in names]
    one, two, three = (network(*inputs) for network in networks)
    torch.testing.assert_close(SeedEnsemble(networks)(*inputs), (one + two + three) / 3)


def test_it_has_the_bands_of_its_network() -> None:
    for network, bands in ((build("srcnn", 2, 0, bands=3), 3), (build("dctnet", 4, 1), 1)):
        assert SelfEnsemble(network).bands == SeedEnsemble([network]).bands == bands


def test_network_and_fallback_each_fill_their_pixels() -> None:
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
