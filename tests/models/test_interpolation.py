"""Interpolation against analytic fields."""

import numpy as np
import pytest
import torch

from lstsr.models.interpolation import (
    ITERATIONS,
    bicubic,
    bicubic_backprojected,
    bilinear,
    block_mean,
)


def ramp(height: int, width: int, pixel: float) -> torch.Tensor:
    """2 row + 3 column at the pixels' centres, in coarse cells from the outer corner."""
    row = (torch.arange(height, dtype=torch.float64) + 0.5) * pixel
    column = (torch.arange(width, dtype=torch.float64) + 0.5) * pixel
    return (2 * row[:, None] + 3 * column)[None, None]


def keys(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """The kernel of cubic convolution (Keys 1981, equation 15 with free a)."""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


@pytest.mark.parametrize("scale", [2, 4, 5, 8])
def test_bicubic_is_cubic_convolution_with_half_pixel_centres(scale):
    cells = np.random.default_rng(0).normal(size=12)
    centres = (np.arange(12 * scale) + 0.5) / scale - 0.5
    indices = np.arange(-3, 15)
    truth = keys(centres[:, None] - indices) @ cells[indices.clip(0, 11)]
    fine = bicubic(torch.from_numpy(cells).expand(1, 1, 5, 12), scale)
    np.testing.assert_allclose(fine[0, 0, 0], truth, atol=1e-12)


@pytest.mark.parametrize("scale", [2, 4, 5, 8])
def test_cells_are_areas_with_their_value_at_the_centre(scale):
    fine = bilinear(ramp(9, 11, 1.0), scale)
    inner = (..., slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    truth = ramp(9 * scale, 11 * scale, 1 / scale)
    torch.testing.assert_close(fine[inner], truth[inner], atol=1e-12, rtol=0)


@pytest.mark.parametrize("interpolate", [bilinear, bicubic, bicubic_backprojected])
def test_the_border_is_repeated_and_constants_stay(interpolate):
    coarse = torch.full((1, 1, 3, 4), 2.5, dtype=torch.float64)
    torch.testing.assert_close(
        interpolate(coarse, 4), torch.full((1, 1, 12, 16), 2.5, dtype=torch.float64)
    )
    edge = torch.tensor([[[[0.0, 1.0]]]], dtype=torch.float64)
    assert bilinear(edge, 4)[0, 0, 0, :2].tolist() == [0, 0]


@pytest.mark.parametrize("scale", [4, 8])
def test_back_projection_returns_the_input(scale, scene):
    coarse = scene(64, 96, scale)[0]
    plain, projected = (
        (block_mean(f(coarse, scale), scale) - coarse).std() / coarse.std()
        for f in (bicubic, bicubic_backprojected)
    )
    assert plain > 0.03
    assert projected < 2e-3


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_back_projection_on_the_coarse_grid_equals_the_iteration_on_the_fine_grid(scale):
    coarse = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    fine = bicubic(coarse, scale)
    for _ in range(ITERATIONS):
        fine = fine + bicubic(coarse - block_mean(fine, scale), scale)
    torch.testing.assert_close(bicubic_backprojected(coarse, scale), fine, atol=1e-12, rtol=0)


def test_back_projection_beats_bicubic_where_the_input_is_a_block_mean():
    row, column = torch.meshgrid(*[torch.arange(96, dtype=torch.float64)] * 2, indexing="ij")
    fine = (torch.sin(row / 3) * torch.cos(column / 4))[None, None]
    inner = (..., slice(8, -8), slice(8, -8))
    plain, projected = (
        (f(block_mean(fine, 4), 4) - fine)[inner].square().mean()
        for f in (bicubic, bicubic_backprojected)
    )
    assert projected < 0.2 * plain
