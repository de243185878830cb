"""The data mining sharpener against fields that are functions of the reference."""

import sys

import numpy as np
import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.dms import DataMiningSharpener, homogeneity, leaf_fits
from lstsr.models.interpolation import bilinear, block_mean
from lstsr.models.linear import GlobalLinear
from lstsr.registry import build


def uniform_cells(scale: int, side: int = 40) -> torch.Tensor:
    """A reference (1,1,H,W) that is constant in each cell except for a band of mixed cells."""
    rng = np.random.default_rng(0)
    cells = rng.uniform(-1, 1, (side, side)).repeat(scale, 0).repeat(scale, 1)
    cells[: 8 * scale] = rng.uniform(-1, 1, (8 * scale, side * scale))
    return torch.from_numpy(cells)[None, None]


def test_a_function_of_the_reference_with_a_kink_is_recovered():
    """A tree finds the kink; one line cannot."""
    reference = uniform_cells(4)
    fine = 3 * (reference - 0.2).abs()
    mask = torch.ones_like(reference)
    inputs = block_mean(fine, 4), reference, mask[..., ::4, ::4], mask
    mixed = (..., slice(4, 28), slice(4, -4))
    errors = [
        (network(*inputs) - fine)[mixed].std() / fine[mixed].std()
        for network in (DataMiningSharpener(4, 1), GlobalLinear(4, 1))
    ]
    assert errors[0] < 0.3
    assert errors[0] < 0.5 * errors[1]


def test_moving_windows_follow_a_relation_that_varies():
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(1, 1, 160, 160, generator=generator, dtype=torch.float64)
    fine = reference * torch.linspace(-3, 3, 160, dtype=torch.float64)
    mask = torch.ones_like(reference)
    arguments = (block_mean(fine, 4), reference, mask[..., ::4, ::4], mask)
    whole, local = (
        (DataMiningSharpener(4, 1, cells=cells)(*arguments) - fine).std() for cells in (400, 12)
    )
    assert local < 0.6 * whole


def test_leaves_hold_least_squares_lines():
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(60, 2)), rng.normal(size=60), rng.uniform(0.1, 1, 60)
    x *= 100  # so that the ridge does not count
    leaf = rng.integers(0, 2, 60) + 1
    slope, offset = leaf_fits(x, y, weight, leaf)
    for node in (1, 2):
        use, root = leaf == node, np.sqrt(weight[leaf == node])
        design = np.column_stack([np.ones(use.sum()), x[use]])
        truth = np.linalg.lstsq(design * root[:, None], y[use] * root, rcond=None)[0]
        np.testing.assert_allclose([offset[node], *slope[node]], truth, rtol=1e-4)


def test_weights_of_windows_sum_to_one():
    network = DataMiningSharpener(4, 1, cells=12)
    for length in (3, 12, 31):
        total = np.zeros(length * 4)
        for cells, weight in network.windows(length):
            total[cells.start * 4 : cells.stop * 4] += weight
        np.testing.assert_allclose(total, 1)


def test_a_homogeneous_cell_counts_more():
    spread = torch.tensor([[0.0, 1.0, 2.0, 9.0]])[None, None]
    weight = homogeneity(spread, torch.tensor([[1.0, 1.0, 1.0, 0.0]])[None, None])
    torch.testing.assert_close(weight.flatten(), torch.tensor([1, 1 / 2, 1 / 3, 0]))


def test_it_gives_the_same_values_twice(scene):
    inputs = scene(64, 64, 4)
    assert torch.equal(build("dms", 4, 2)(*inputs), build("dms", 4, 2)(*inputs))


def test_too_few_cells_for_a_tree_give_bilinear(scene):
    coarse, reference, *masks = scene(16, 16, 4)
    output = build("dms", 4, 2)(coarse, reference, *masks)
    torch.testing.assert_close(output, bilinear(coarse, 4))


def test_a_missing_library_names_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(LstsrError, match=r"scikit-learn is not installed.*lstsr\[dms\]"):
        build("dms", 4, 1)


@pytest.mark.parametrize("option", ["trees", "leaf", "cells"])
def test_options_have_a_least_value(option):
    with pytest.raises(LstsrError, match=f"{option}: 0 is less than"):
        build("dms", 4, 1, **{option: 0})
