"""Losses on the scored pixels, in network units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

UBRMSE_EPSILON = 1e-6
"""Added under the root, so that its gradient stays finite: 0.01 K at a scale of 10 K."""

CHARBONNIER_EPSILON = 1e-3
"""Width of the rounded tip (Lai et al. 2017, LapSRN, section 3.3): 0.01 K at a scale of 10 K."""


def l1(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Mean absolute error of images (N,B,H,W) over the scored pixels (N,1,H,W), a scalar."""
    return masked_mean(_residual(prediction, target, scored).abs(), scored)


def charbonnier(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Mean of sqrt(r^2 + epsilon^2) over the scored pixels, a scalar (Charbonnier et al. 1994)."""
    residual = _residual(prediction, target, scored)
    return masked_mean((residual.square() + CHARBONNIER_EPSILON**2).sqrt(), scored)


def ubrmse(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Root mean square of each sample's residuals about their mean, then the mean over samples.

    A scalar. The scores use the same measure by scene. It ignores the level of a sample, which
    `level_error` measures. A sample without scored pixels adds almost 0.
    """
    residual = _residual(prediction, target, scored)
    variance = _sample_means(residual.square(), scored) - _sample_means(residual, scored).square()
    return (variance.clamp(min=0) + UBRMSE_EPSILON).sqrt().mean()


def level_error(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Absolute value of each sample's mean residual, then the mean over samples, a scalar."""
    return _sample_means(_residual(prediction, target, scored), scored).abs().mean()


def shift_tolerant(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """L1 against the target at the shift that fits each sample best, a scalar.

    Registration is accurate to a fraction of a pixel at best, and L1 counts displaced detail twice.
    Per sample, this is the smallest mean absolute error over the nine shifts of the target by up to
    one fine pixel, without the border; then the mean over samples. A sample without a scored pixel
    adds 0. After the cMSE of the PROBA-V challenge (Maertens et al. 2019), as L1 (Salvetti et al.
    2020, RAMS), without its correction of brightness.
    """
    height, width = (length - 2 for length in target.shape[-2:])
    inner = prediction[..., 1:-1, 1:-1]
    errors = []
    for down, right in product(range(3), repeat=2):
        moved = (..., slice(down, down + height), slice(right, right + width))
        residual = _residual(inner, target[moved], scored[moved])
        counts = scored[moved].sum(dim=(1, 2, 3)).clamp(min=1)
        errors.append(residual.abs().sum(dim=(1, 2, 3)) / counts)
    return torch.stack(errors).amin(dim=0).mean()


def inconsistency(prediction: Tensor, coarse: Tensor, coarse_valid: Tensor) -> Tensor:
    """Mean absolute difference of block means (N,1,h,w) from the valid input, a scalar.

    If LST has the standard deviation s in a cell, the plain mean lies 1.5 s^2 / T below the mean
    in T^4: 0.05 K for s = 3 K.
    """
    scale = prediction.shape[-1] // coarse.shape[-1]
    return masked_mean((F.avg_pool2d(prediction.float(), scale) - coarse).abs(), coarse_valid)


LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "charbonnier": charbonnier,
    "ubrmse": ubrmse,
    "shift-tolerant": shift_tolerant,
}


def _residual(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Prediction minus target, 0 outside the mask. A product would keep NaN there."""
    return torch.where(scored, prediction.float() - target, 0.0)


def _sample_means(values: Tensor, scored: Tensor) -> Tensor:
    """Mean of masked values over the scored pixels of each sample (N,), or 0 without any."""
    pixels = scored.sum(dim=(1, 2, 3)).clamp(min=1) * values.shape[1]
    return values.sum(dim=(1, 2, 3)) / pixels


def masked_mean(values: Tensor, scored: Tensor) -> Tensor:
    """Mean of finite values (N,B,H,W), a scalar, weighted by the mask or weights (N,1,H,W)."""
    return (values * scored).sum() / (scored.sum() * values.shape[1])
