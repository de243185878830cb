"""Area-to-point kriging against dense kriging of points, and the coherence of its output."""

import numpy as np
import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.atprk import ATPRK, covariances, fitted_length, krige
from lstsr.models.interpolation import bilinear, block_mean


def pixels(cells: np.ndarray, scale: int) -> np.ndarray:
    """Coordinates of the fine pixels of each cell, (cells,scale^2,2)."""
    inside = np.stack(np.meshgrid(*[np.arange(scale)] * 2, indexing="ij"), -1).reshape(-1, 2)
    return cells[:, None] * scale + inside


def covariance(first: np.ndarray, second: np.ndarray, length: float) -> np.ndarray:
    """Of every point with every point."""
    return np.exp(-np.linalg.norm(first[:, None] - second, axis=-1) / length)


def dense_kriging(values: np.ndarray, seen: np.ndarray, scale: int, length: float) -> np.ndarray:
    """Ordinary kriging of every fine pixel from all seen cells, pixel pair by pixel pair."""
    cells = np.argwhere(seen)
    n, size = len(cells), scale**2
    every = pixels(np.argwhere(np.ones_like(seen)), scale).reshape(-1, 2)
    points = pixels(cells, scale).reshape(-1, 2)
    left = np.ones((n + 1, n + 1))
    left[:n, :n] = covariance(points, points, length).reshape(n, size, n, size).mean((1, 3))
    left[n, n] = 0
    right = np.ones((n + 1, len(every)))
    right[:n] = covariance(points, every, length).reshape(n, size, -1).mean(1)
    weights = np.linalg.solve(left, right)[:n]
    fine = np.zeros(tuple(scale * side for side in seen.shape))
    fine[tuple(every.T)] = values[seen] @ weights
    return fine


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("absent", [[], [(0, 0), (1, 2), (2, 1)]], ids=["all", "some"])
def test_kriging_is_that_of_a_dense_solver(scale, absent):
    values = np.random.default_rng(0).normal(size=(3, 3))
    seen = np.ones((3, 3), bool)
    for cell in absent:
        seen[cell] = False
    residual, mask = torch.from_numpy(values), torch.from_numpy(seen)
    # A radius of 2 covers all 3 x 3 cells from each of them.
    found = krige(residual, mask, scale, radius=2)
    expected = dense_kriging(values, seen, scale, fitted_length(residual, mask, scale, radius=2))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_covariances_of_cells_are_means_over_pairs_of_pixels():
    between = covariances(5.0, 4, 1)[1]
    for row, column in [(0, 0), (1, -2), (2, 2)]:
        here, there = (pixels(np.array([cell]), 4)[0] for cell in [(0, 0), (row, column)])
        expected = covariance(here, there, 5.0).mean()
        assert between[2 + row, 2 + column].item() == pytest.approx(expected)


@pytest.mark.parametrize("length", [3.0, 12.0])
def test_the_length_of_a_simulated_field_is_found(length):
    scale, side = 4, 32
    offset = np.arange(side * scale) - side * scale // 2
    table = np.fft.ifftshift(np.exp(-np.hypot(offset[:, None], offset) / length))
    amplitude = np.sqrt(np.fft.fft2(table).real.clip(0))
    found = []
    for seed in range(8):
        noise = np.fft.fft2(np.random.default_rng(seed).normal(size=table.shape))
        field = torch.from_numpy(np.fft.ifft2(noise * amplitude).real)[None, None]
        coarse = block_mean(field, scale)[0, 0]
        found.append(fitted_length(coarse, torch.ones_like(coarse) > 0, scale, radius=2))
    assert np.exp(np.mean(np.log(found))) == pytest.approx(length, rel=0.25)


@pytest.mark.parametrize("scale", [4, 8])
def test_block_means_of_the_output_are_the_input(scale, scene):
    coarse, reference, coarse_valid, reference_valid = scene(96, 128, scale)
    coarse = coarse + torch.randn(coarse.shape, generator=torch.Generator().manual_seed(1))
    coarse_valid[..., 2:5, 3:6] = 0
    reference_valid[..., 30:41, 50:70] = 0
    output = ATPRK(scale, 2)(coarse, reference, coarse_valid, reference_valid)
    known = (coarse_valid > 0) & (block_mean(reference_valid, scale) > 0)
    torch.testing.assert_close(block_mean(output, scale)[known], coarse[known])


def test_a_field_linear_in_the_reference_is_recovered(scene):
    _, reference, *masks = scene(96, 128, 4)
    fine = 4 - 0.8 * reference[:, :1] + 0.5 * reference[:, 1:]
    output = ATPRK(4, 2, ridge=1e-12)(block_mean(fine, 4), reference, *masks)
    torch.testing.assert_close(output, fine, atol=1e-6, rtol=0)


def test_without_seen_cells_nearby_it_is_bilinear(scene):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4)
    coarse_valid[..., :8, :8] = 0
    output = ATPRK(4, 2)(coarse, reference, coarse_valid, reference_valid)
    torch.testing.assert_close(output[..., :24, :24], bilinear(coarse, 4)[..., :24, :24])


def test_the_radius_must_reach_a_neighbour():
    with pytest.raises(LstsrError, match="radius: 0 "):
        ATPRK(4, 1, radius=0)
