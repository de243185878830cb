"""Losses on the scored pixels, in network units."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3
"""Width of the rounded tip (Lai et al. 2017, LapSRN, section 3.3): 0.01 K at a scale of 10 K."""


def l1(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Mean absolute error over the scored pixels, a scalar; (N,B,H,W), the mask (N,1,H,W)."""
    return masked_mean(_residual(prediction, target, scored).abs(), scored)


def charbonnier(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Mean of sqrt(r^2 + epsilon^2) over the scored pixels, a scalar (Charbonnier et al. 1994)."""
    residual = _residual(prediction, target, scored)
    return masked_mean((residual.square() + CHARBONNIER_EPSILON**2).sqrt(), scored)


LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "charbonnier": charbonnier,
}


def _residual(prediction: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Prediction minus target, 0 outside the mask: chosen, for 0 x NaN is NaN."""
    return torch.where(scored, prediction.float() - target, 0.0)


def masked_mean(values: Tensor, scored: Tensor) -> Tensor:
    """Mean of finite values (N,B,H,W), a scalar, weighted by the mask or weights (N,1,H,W)."""
    return (values * scored).sum() / (scored.sum() * values.shape[1])
