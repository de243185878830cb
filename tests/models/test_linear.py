"""Linear regression on the reference against fields that are linear in it."""

import numpy as np
import pytest
import torch

from lstsr.models.interpolation import bilinear, block_mean
from lstsr.models.linear import GlobalLinear, LocalLinear, slopes

METHODS = [GlobalLinear, LocalLinear]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [4, 8])
def test_a_field_linear_in_the_reference_is_recovered(method, channels, scale, scene):
    _, reference, coarse_valid, reference_valid = scene(96, 128, scale, channels)
    weights = torch.tensor([-0.8, 0.5, 0.3], dtype=torch.float64)[:channels]
    fine = 4 + torch.einsum("c,nchw->nhw", weights, reference)[:, None]
    output = method(scale, channels, ridge=1e-12)(
        block_mean(fine, scale), reference, coarse_valid, reference_valid
    )
    torch.testing.assert_close(output, fine, atol=1e-6, rtol=0)


def test_slopes_are_those_of_least_squares_in_the_window():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 12, 14)), rng.normal(size=(12, 14))
    weight = (rng.random((12, 14)) < 0.8).astype(float)
    fitted = slopes(*(torch.from_numpy(v)[None] for v in (x, y[None], weight[None])), 5, 1e-9)
    for row, column in [(0, 0), (3, 7), (11, 6)]:
        window = (
            slice(max(row - 2, 0), row + 3),
            slice(max(column - 2, 0), column + 3),
        )
        use = weight[window] > 0
        design = np.stack([np.ones(use.sum()), *(band[window][use] for band in x)], 1)
        truth = np.linalg.lstsq(design, y[window][use], rcond=None)[0]
        np.testing.assert_allclose(fitted[0, :, row, column], truth[1:], rtol=1e-5)


def test_local_slopes_follow_a_slope_that_varies():
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(1, 1, 160, 160, generator=generator, dtype=torch.float64)
    slope = torch.linspace(-1, 1, 160, dtype=torch.float64)
    fine = reference * slope
    mask = torch.ones_like(reference)
    arguments = (block_mean(fine, 4), reference, mask[..., ::4, ::4], mask)
    whole, local = ((method(4, 1)(*arguments) - fine).std() for method in METHODS)
    assert local < 0.4 * whole


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_flat_reference_gives_bilinear(method, dtype, scene):
    coarse, reference, *masks = (x.to(dtype) for x in scene(64, 64, 4))
    output = method(4, 2)(coarse, torch.full_like(reference, 0.7), *masks)
    torch.testing.assert_close(output, bilinear(coarse, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_twin_bands_do_not_blow_up(method, scene):
    coarse, reference, *masks = scene(64, 64, 4, channels=1)
    single = method(4, 1)(coarse, reference, *masks)
    twin = method(4, 2)(coarse, torch.cat([reference, reference], 1), *masks)
    assert (twin - single).abs().max() < 0.2 * (single - bilinear(coarse, 4)).abs().max()


def test_the_edge_of_a_mask_makes_no_step(scene):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4)
    whole = LocalLinear(4, 2)(coarse, reference, coarse_valid, reference_valid)
    reference_valid[..., 24:40, 24:40] = 0
    output = LocalLinear(4, 2)(coarse, reference, coarse_valid, reference_valid)
    ring = (..., slice(16, 24), slice(24, 40))
    detail = (whole - bilinear(coarse, 4))[ring]
    assert (output - whole)[ring].std() < 0.5 * detail.std()
