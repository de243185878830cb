"""Area-to-point regression kriging: regression on the reference plus kriged residuals.

Wang, Shi, Atkinson and Zhao (2015, Remote Sensing of Environment 166, 191) regress the coarse image
on the reference and downscale the residuals by area-to-point kriging (Kyriakidis 2004,
Geographical Analysis 36, 259). Points are fine pixels, areas are coarse cells. The block means of
the kriged residuals equal the residuals, so the block means of the output equal the input.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.interpolation import bilinear
from lstsr.models.linear import RIDGE, coarse_reference, slopes
from lstsr.registry import register

LENGTHS = torch.logspace(-1, 1.5, 41, dtype=torch.float64)
"""Candidate lengths of the point semivariogram, coarse cells."""


def covariances(length: float, scale: int, radius: int) -> tuple[Tensor, Tensor]:
    """Covariances of unit sill, exp(-distance / length), between points and areas.

    ``length`` is in fine pixels. The neighbourhood with ``radius`` in coarse cells has k =
    (2 radius + 1)^2 cells. Returns the covariances of each point of the central cell with each
    cell, (scale^2,k), and of two cells by their distance from -2 radius to 2 radius cells,
    (4 radius + 1, 4 radius + 1).
    """
    reach = (2 * radius + 1) * scale - 1
    offset = torch.arange(-reach, reach + 1, dtype=torch.float64)
    point = torch.exp(-torch.hypot(offset[:, None], offset) / length)[None]
    # Means over cells that begin at each offset from a point, then over the points of a cell.
    rows = F.avg_pool2d(point, (scale, 1), stride=1)
    to_cell = F.avg_pool2d(rows, (1, scale), stride=1)
    between = F.avg_pool2d(to_cell, scale)[0]
    cells = torch.arange(-radius, radius + 1) * scale + reach
    start = cells - torch.arange(scale)[:, None]
    table = to_cell[0, start[:, None, :, None], start[None, :, None, :]]
    return table.reshape(scale**2, -1), between


def fitted_length(residual: Tensor, seen: Tensor, scale: int, radius: int) -> float:
    """Length of the point semivariogram whose areal means fit the residuals best, fine pixels.

    This deconvolves the areal semivariogram: each candidate is averaged over pairs of cells and
    compared with the empirical semivariogram by weighted least squares (Cressie 1985, Mathematical
    Geology 17, 563). The sill cancels out of the kriging weights. Arguments as in `krige`; lags go
    up to 2 ``radius``.
    """
    reach = 2 * radius
    height, width = residual.shape
    lags, counts, halves = [], [], []
    far = min(reach, width - 1)
    for row, column in product(range(min(reach + 1, height)), range(-far, far + 1)):
        if (row, column) <= (0, 0):
            continue
        first = slice(0, height - row), slice(max(-column, 0), width - max(column, 0))
        second = slice(row, height), slice(max(column, 0), width + min(column, 0))
        both = seen[first] & seen[second]
        if both.any():
            lags.append((row, column))
            counts.append(both.sum())
            halves.append((residual[first] - residual[second])[both].square().mean() / 2)
    if not any(halves):
        return scale * LENGTHS[0].item()
    count, empirical = (torch.stack(values).double().cpu() for values in (counts, halves))
    rows, columns = (torch.tensor(values) + reach for values in zip(*lags, strict=True))
    misfits = []
    for length in LENGTHS * scale:
        between = covariances(length.item(), scale, radius)[1]
        ratio = empirical / (between[reach, reach] - between[rows, columns])
        per_sill = (count * ratio).sum() / (count * ratio**2).sum()
        misfits.append((count * (ratio * per_sill - 1) ** 2).sum())
    return scale * LENGTHS[torch.stack(misfits).argmin()].item()


def kriging_weights(to_cell: Tensor, between: Tensor, present: Tensor) -> Tensor:
    """Weights of ordinary kriging, (points,k). They sum to 1 and are 0 for absent cells.

    ``to_cell`` (points,k) are covariances of points with cells, and ``between`` (k,k) are those of
    cells with cells. ``present`` (k,) is bool.
    """
    use = present.nonzero().flatten()
    n = len(use)
    left = to_cell.new_ones(n + 1, n + 1)
    left[:n, :n] = between[use[:, None], use]
    left[n, n] = 0
    right = F.pad(to_cell[:, use].T, (0, 0, 0, 1), value=1.0)
    weights = torch.zeros_like(to_cell)
    weights[:, use] = torch.linalg.solve(left, right)[:n].T
    return weights


def krige(residual: Tensor, seen: Tensor, scale: int, radius: int) -> Tensor:
    """Area-to-point kriging of the pixels (H,W) of each cell from the cells around it.

    It uses the ``residual`` (h,w) of the ``seen`` cells (h,w) up to ``radius`` cells away and gives
    0 if there is none.
    """
    to_cell, by_lag = covariances(fitted_length(residual, seen, scale, radius), scale, radius)
    cell = torch.cartesian_prod(*[torch.arange(2 * radius + 1)] * 2)
    row, column = (cell[:, None] - cell + 2 * radius).unbind(-1)
    between = by_lag[row, column]

    def neighbours(values: Tensor) -> Tensor:
        return F.unfold(values.double()[None, None], 2 * radius + 1, padding=radius)[0].T

    values = neighbours(torch.where(seen, residual, 0.0))
    # The weights depend only on which neighbours are seen.
    patterns, which = (neighbours(seen) > 0).unique(dim=0, return_inverse=True)
    fine = values.new_zeros(len(values), scale**2)
    for number, present in enumerate(patterns.cpu()):
        if not present.any():
            continue
        cells = which == number
        fine[cells] = values[cells] @ kriging_weights(to_cell, between, present).T.to(values)
    return F.pixel_shuffle(fine.T.reshape(scale**2, *residual.shape), scale)[0]


@register("atprk", classical=True)
class ATPRK(nn.Module):
    """One regression per image. Do not cut the image into tiles.

    ``radius`` of the kriging neighbourhood is in coarse cells; for ``ridge`` see `linear.RIDGE`.
    Raises LstsrError if the radius is below 1.
    """

    window: int | None = None

    def __init__(
        self, scale: int, reference_channels: int, radius: int = 2, ridge: float = RIDGE
    ) -> None:
        super().__init__()
        if radius < 1:
            raise LstsrError(f"radius: {radius} is not a number of at least 1 cell")
        self.scale, self.radius, self.ridge = scale, radius, ridge

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W).

        A pixel without reference gets the cell's mean reference. A cell without any reference, or
        without a valid neighbour, gets bilinear interpolation.
        """
        mean, fraction = coarse_reference(reference, reference_valid, self.scale)
        slope = slopes(mean, coarse, coarse_valid * fraction, None, self.ridge)
        residual = coarse - (slope * mean).sum(1, keepdim=True)
        seen = (coarse_valid > 0) & (fraction > 0)
        images = zip(residual[:, 0], seen[:, 0], strict=True)
        kriged = [krige(*image, self.scale, self.radius) for image in images]
        near = F.max_pool2d(seen.to(coarse), 2 * self.radius + 1, stride=1, padding=self.radius)
        known = F.interpolate(near * (fraction > 0), scale_factor=self.scale) > 0
        filled = F.interpolate(mean, scale_factor=self.scale)
        trend = slope * torch.where(reference_valid > 0, reference, filled)
        output = trend.sum(1, keepdim=True) + torch.stack(kriged)[:, None].to(coarse)
        return torch.where(known, output, bilinear(coarse, self.scale))
