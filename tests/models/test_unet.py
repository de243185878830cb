"""The levels of the trunk."""

import pytest
import torch

from lstsr.models.unet import Trunk, pooling_factors, widths


@pytest.mark.parametrize(
    ("scale", "factors"), [(2, [2]), (4, [2, 2]), (6, [2, 3]), (7, [7]), (8, [2, 2, 2])]
)
def test_the_levels_lead_from_the_fine_grid_to_the_coarse_one(scale, factors):
    assert pooling_factors(scale) == factors
    assert len(widths(4, scale)) == len(factors) + 1
    features = Trunk(3, widths(4, scale), scale)(torch.randn(1, 3, 5 * scale, 7 * scale))
    assert features.shape == (1, 4, 5 * scale, 7 * scale)


@pytest.mark.parametrize("scale", [3, 4, 8])
def test_moved_by_a_coarse_cell_the_features_move_along(scale):
    torch.manual_seed(0)
    trunk, image = Trunk(2, widths(4, scale), scale), torch.randn(1, 2, 24 * scale, 24 * scale)
    moved = trunk(image.roll(scale, -1))
    inner = (..., slice(8 * scale, 16 * scale), slice(8 * scale, 16 * scale))
    assert torch.allclose(moved[inner], trunk(image).roll(scale, -1)[inner], atol=1e-5)
