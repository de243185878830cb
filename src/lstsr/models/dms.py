"""Data mining sharpener: bagged regression trees with linear leaves, global and local.

Gao, Kustas and Anderson (2012, Remote Sensing 4, 3287) fit the coarse temperature by regression
trees on the reference (their section 2.1), give homogeneous cells more weight (2.2), combine a
global model with models of moving windows by their residuals (2.3), and add the coarse residual
(2.4). Two details differ. We measure homogeneity by the standard deviation in the cell, because
normalised bands have no meaningful coefficient of variation. We use all cells, with less weight for
heterogeneous ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.interpolation import bilinear
from lstsr.models.linear import coarse_reference, reference_detail
from lstsr.registry import register

Values = NDArray[np.float64]
Samples = NDArray[np.float32]
"""scikit-learn's trees take single precision."""
RIDGE = 0.003
"""Variance of the reference in a leaf below which its slope is not trusted, in normalised units."""


@dataclass(frozen=True)
class Forest:
    """Bagged trees, each with slopes (nodes,C) and offsets (nodes,) about ``level`` by leaf."""

    level: float
    trees: list[tuple[Any, Values, Values]]

    def predict(self, reference: Samples) -> Values:
        """Mean over the trees, (C,H,W) to (H,W)."""
        x = reference.reshape(len(reference), -1).T.astype(np.float32)
        total = np.zeros(len(x))
        for tree, slope, offset in self.trees:
            leaf = tree.apply(x)
            total += offset[leaf] + (slope[leaf] * x).sum(1)
        return (self.level + total / len(self.trees)).reshape(reference.shape[1:])


def leaf_fits(
    x: Samples, y: Values, weight: Values, leaf: NDArray[np.intp]
) -> tuple[Values, Values]:
    """Weighted ridge regression of ``y`` (n,) on ``x`` (n,C) in each leaf.

    Returns slopes (nodes,C) and offsets (nodes,), 0 for nodes that are not a leaf of these samples.
    """
    nodes, channels = leaf.max() + 1, x.shape[1]

    def mean(values: NDArray[np.floating]) -> Values:
        total: Values = np.stack([np.bincount(leaf, weight * v, nodes) for v in values.T], -1)
        return total / np.maximum(np.bincount(leaf, weight, nodes), 1e-12)[:, None]

    mx, my = mean(x), mean(y[:, None])[:, 0]
    dx, dy = x - mx[leaf], y - my[leaf]
    xx = mean((dx[:, :, None] * dx[:, None]).reshape(len(x), -1)).reshape(-1, channels, channels)
    xy = mean(dx * dy[:, None])
    slope = np.linalg.solve(xx + RIDGE * np.eye(channels), xy[..., None])[..., 0]
    return slope.astype(np.float64), my - (slope * mx).sum(1)


def homogeneity(spread: Tensor, weight: Tensor) -> Tensor:
    """Weight of each cell, (N,1,h,w), by the spread of the reference in it, (N,1,h,w).

    It is ``weight`` (N,1,h,w) times 1 in a uniform cell and 1/2 in a cell of mean spread.
    """
    total = weight.sum((-2, -1), keepdim=True).clamp(min=1e-6)
    typical = ((weight * spread).sum((-2, -1), keepdim=True) / total).clamp(min=1e-6)
    return weight * typical / (typical + spread)


@register("dms", classical=True)
class DataMiningSharpener(nn.Module):
    """One global model per image, and one per window. Do not cut the image into tiles.

    Each model has ``trees`` with at least ``leaf`` cells in a leaf. The moving windows are
    ``cells`` coarse cells wide and overlap by half. Raises LstsrError if an option is too small or
    scikit-learn is not installed.
    """

    window: int | None = None

    def __init__(
        self, scale: int, reference_channels: int, trees: int = 10, leaf: int = 20, cells: int = 16
    ) -> None:
        super().__init__()
        for name, value, least in (("trees", trees, 1), ("leaf", leaf, 2), ("cells", cells, 2)):
            if value < least:
                raise LstsrError(f"{name}: {value} is less than {least}")
        try:
            from sklearn.tree import DecisionTreeRegressor  # an extra: only this model needs it
        except ImportError:
            raise LstsrError(
                "model dms: scikit-learn is not installed. Run pip install 'lstsr[dms]'"
            ) from None
        self.scale, self.trees, self.leaf, self.step = scale, trees, leaf, cells // 2
        self.regressor = DecisionTreeRegressor

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W); bilinear where the reference is invalid."""
        reference = torch.where(reference_valid > 0, reference, 0.0)
        mean, fraction = coarse_reference(reference, reference_valid, self.scale)
        square, _ = coarse_reference(reference**2, reference_valid, self.scale)
        spread = (square - mean**2).clamp(min=0).sqrt().mean(1, keepdim=True)
        weight = homogeneity(spread, coarse_valid * fraction)
        images = zip(mean, coarse[:, 0], weight[:, 0], reference, strict=True)
        predicted = [self.predictions(*(v.cpu().numpy() for v in image)) for image in images]
        whole, local = torch.from_numpy(np.array(predicted)).to(coarse)[:, :, None].unbind(1)

        def misfit(prediction: Tensor) -> Tensor:
            seen, _ = coarse_reference(prediction, reference_valid, self.scale)
            return torch.where(coarse_valid > 0, coarse - seen, 0.0).square() + 1e-6

        # The weight of each model is the inverse square of its residual.
        share = misfit(whole) / (misfit(whole) + misfit(local))
        blend = whole + bilinear(share, self.scale) * (local - whole)
        return bilinear(coarse, self.scale) + reference_detail(blend, reference_valid, self.scale)

    def predictions(
        self, mean: Samples, coarse: Samples, weight: Samples, reference: Samples
    ) -> tuple[Values, Values]:
        """Predictions of the global model and of the moving windows, each (H,W)."""
        rng = np.random.default_rng(0)
        height, width = coarse.shape
        whole = self.fit(mean, coarse, weight, rng)
        local = np.zeros(reference.shape[1:])
        if whole is None:
            return local, local
        for rows, row_weight in self.windows(height):
            for columns, column_weight in self.windows(width):
                cells = (slice(rows.start, rows.stop), slice(columns.start, columns.stop))
                forest = self.fit(mean[:, *cells], coarse[cells], weight[cells], rng) or whole
                pixels = tuple(slice(c.start * self.scale, c.stop * self.scale) for c in cells)
                part = forest.predict(reference[:, *pixels])
                local[pixels] += row_weight[:, None] * column_weight * part
        return whole.predict(reference), local

    def windows(self, length: int) -> Iterator[tuple[slice, Values]]:
        """Cells of each window along one side, and weights of its pixels. Weights sum to 1."""
        pixels = 2 * self.step * self.scale
        hat = 1 - np.abs(2 * (np.arange(pixels) + 0.5) / pixels - 1)
        for start in range(-self.step, length, self.step):
            first, last = max(start, 0), min(start + 2 * self.step, length)
            part = slice((first - start) * self.scale, (last - start) * self.scale)
            yield slice(first, last), hat[part]

    def fit(
        self, mean: Samples, coarse: Samples, weight: Samples, rng: np.random.Generator
    ) -> Forest | None:
        """Trees on bootstrap samples of the cells with weight, or None if these are too few."""
        use = weight > 0
        x = mean[:, use].T.astype(np.float32)
        y, w = (values[use].astype(float) for values in (coarse, weight))
        if len(y) < 2 * self.leaf:
            return None
        level = float(np.average(y, weights=w))
        trees = []
        for _ in range(self.trees):
            drawn = rng.integers(len(y), size=len(y))
            tree = self.regressor(min_samples_leaf=self.leaf, random_state=0)
            sample = x[drawn], y[drawn] - level, w[drawn]
            tree.fit(*sample)
            trees.append((tree, *leaf_fits(*sample, tree.apply(x[drawn]))))
        return Forest(level, trees)
