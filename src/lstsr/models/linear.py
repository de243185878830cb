"""Linear regression of the input on the reference: `global-linear` and `local-linear`.

Both fit T = a + b r on the coarse grid, apply the fit to the fine reference and add the coarse
residual, interpolated, as TsHARP does with fractional cover (`tsharp`). With interpolation U and
block mean M this is

    a + b r + U(T - a - b M r) = U T + b (r - U M r),

so only the slope b is needed. It is the weight of the detail that the coarse grid cannot resolve. A
constant added to T passes through unchanged.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.interpolation import bilinear, block_mean
from lstsr.registry import register

RIDGE = 0.03
"""Variance of the normalised reference below which a slope is not trusted. Over the training scenes
the variance is 1."""


def coarse_reference(
    reference: Tensor, reference_valid: Tensor, scale: int
) -> tuple[Tensor, Tensor]:
    """Reference (N,C,H,W) and mask (N,1,H,W) on the coarse grid.

    Returns the mean over the valid pixels of each cell (N,C,h,w), or 0 without any, and the valid
    fraction (N,1,h,w).
    """
    fraction = block_mean(reference_valid, scale)
    total = block_mean(torch.where(reference_valid > 0, reference, 0.0), scale)
    return total / fraction.clamp(min=0.5 / scale**2), fraction


def reference_detail(reference: Tensor, reference_valid: Tensor, scale: int) -> Tensor:
    """Detail of the reference below the coarse grid, r - U M r, (N,C,H,W); 0 where invalid."""
    mean, fraction = coarse_reference(reference, reference_valid, scale)
    weight = bilinear(fraction, scale).clamp(min=1e-6)
    smooth = bilinear(mean * fraction, scale) / weight
    return torch.where(reference_valid > 0, reference - smooth, 0.0)


def slopes(x: Tensor, y: Tensor, weight: Tensor, window: int | None, ridge: float) -> Tensor:
    """Weighted ridge regression of y (N,1,h,w) on x (N,C,h,w) around each cell.

    Solves (sum w (x - mx)(x - mx)^T + ridge n I) b = sum w (x - mx)(y - my) with sums over the
    window and its full number of cells n. The slope therefore goes smoothly to 0 if few cells are
    valid or the variance of x is below ``ridge``. ``weight`` (N,1,h,w) is 0 for a cell that must
    not count. ``window`` is an odd width in cells, or None for the whole image. Returns slopes
    (N,C,h,w), or (N,C,1,1) without a window, in the type of y.
    """
    channels = x.shape[1]

    def mean(values: Tensor) -> Tensor:  # cells beyond the border count as 0
        if window is None:
            return values.mean((-2, -1), keepdim=True)
        return F.avg_pool2d(values, window, stride=1, padding=window // 2)

    w = weight.double()
    total = w.sum((-2, -1), keepdim=True).clamp(min=1e-12)
    # Moments about the scene's mean keep the differences below accurate.
    x, y_ = (v.double() - (w * v).sum((-2, -1), keepdim=True) / total for v in (x.double(), y))
    row, column = torch.triu_indices(channels, channels, device=x.device).unbind()
    moments = mean(w * torch.cat([torch.ones_like(w), y_, x, x * y_, x[:, row] * x[:, column]], 1))
    n, sy, sx, sxy, sxx = moments.split([1, 1, channels, channels, len(row)], 1)
    n = n.clamp(min=1e-12)
    covariance = x.new_zeros(*moments.shape[:1], channels, channels, *moments.shape[2:])
    covariance[:, row, column] = covariance[:, column, row] = sxx - sx[:, row] * sx[:, column] / n
    right = (sxy - sx * sy / n).permute(0, 2, 3, 1)
    left = covariance.permute(0, 3, 4, 1, 2) + ridge * torch.eye(channels).to(x)
    return torch.linalg.solve(left, right).permute(0, 3, 1, 2).to(y.dtype)


@register("global-linear", classical=True, baseline=True)
class GlobalLinear(nn.Module):
    """One slope per channel and image. Do not cut the image into tiles. ``ridge`` as `RIDGE`."""

    window: int | None = None

    def __init__(self, scale: int, reference_channels: int, ridge: float = RIDGE) -> None:
        super().__init__()
        self.scale, self.ridge = scale, ridge

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W); bilinear where the reference is invalid."""
        mean, fraction = coarse_reference(reference, reference_valid, self.scale)
        slope = slopes(mean, coarse, coarse_valid * fraction, self.window, self.ridge)
        if self.window is not None:
            slope = bilinear(slope, self.scale)
        detail = reference_detail(reference, reference_valid, self.scale)
        return bilinear(coarse, self.scale) + (slope * detail).sum(1, keepdim=True)


@register("local-linear", classical=True, baseline=True)
class LocalLinear(GlobalLinear):
    """Slopes from a window around each coarse cell, interpolated to the fine grid.

    ``window`` is its width in coarse cells. Raises LstsrError if it is not odd.
    """

    def __init__(
        self, scale: int, reference_channels: int, window: int = 9, ridge: float = RIDGE
    ) -> None:
        super().__init__(scale, reference_channels, ridge)
        if window < 3 or window % 2 == 0:
            raise LstsrError(f"window: {window} is not an odd number of at least 3 cells")
        self.window = window
