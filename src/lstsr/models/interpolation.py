"""Interpolation: the models without a reference, and the bases of the networks.

All of them treat coarse cells as areas: cell i covers the fine pixels s i ... s i + s - 1 and
its value sits at its centre (half-pixel centres, `align_corners=False`); beyond the border the
outermost cell is repeated.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.registry import register

REACH = 2
"""Neighbouring cells to each side that `bicubic` uses for the pixels of a cell."""

ITERATIONS = 10
"""Back-projections after which block means agree to about 1e-4 of the input's detail."""


def bilinear(coarse: Tensor, scale: int) -> Tensor:
    """Bilinear interpolation, (N,C,h,w) to (N,C,h s,w s)."""
    return F.interpolate(coarse, scale_factor=scale, mode="bilinear", align_corners=False)


def bicubic(coarse: Tensor, scale: int) -> Tensor:
    """Cubic convolution (Keys 1981, a = -0.75), (N,C,h,w) to (N,C,h s,w s)."""
    return F.interpolate(coarse, scale_factor=scale, mode="bicubic", align_corners=False)


def block_mean(fine: Tensor, scale: int) -> Tensor:
    """Mean of each block of scale x scale pixels, (N,C,H,W) to (N,C,H/s,W/s)."""
    return F.avg_pool2d(fine, scale)


def bicubic_backprojected(coarse: Tensor, scale: int, iterations: int = ITERATIONS) -> Tensor:
    """Bicubic interpolation whose block means return the input (Irani and Peleg 1991).

    y <- y + bicubic(coarse - block_mean(y)). Bicubic interpolation spreads the residual without
    visible cell edges. The residuals are computed on the coarse grid, so one interpolation of their
    sum is enough. The mean is plain and in normalised units. Compared with a mean of T^4 its error
    is below 0.1 K except at coasts and in cities.

    Args:
        coarse: (N,C,h,w), filled where invalid.
        scale: coarse spacing / fine spacing.
        iterations: number of corrections.

    Returns:
        (N,C,h s,w s).
    """
    kernel = _mean_of_bicubic(scale, coarse.dtype, coarse.device)
    residual = total = coarse
    for _ in range(iterations):
        padded = F.pad(residual, (REACH,) * 4, mode="replicate")
        mean = F.conv2d(padded.flatten(0, 1)[:, None], kernel).view_as(residual)
        residual = residual - mean
        total = total + residual
    return bicubic(total, scale)


# A tensor made in inference mode cannot be used in training later.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
@torch.no_grad()
def _mean_of_bicubic(scale: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """block_mean(bicubic(x)) as a kernel on the coarse grid, with repeated borders."""
    unit = torch.zeros(1, 1, 4 * REACH + 1, 4 * REACH + 1, dtype=dtype, device=device)
    unit[..., 2 * REACH, 2 * REACH] = 1
    inner = slice(REACH, -REACH)
    return block_mean(bicubic(unit, scale), scale)[..., inner, inner]


class Interpolation(nn.Module):
    """An interpolation as a network. It ignores the reference and the masks."""

    interpolate: Callable[[Tensor, int], Tensor]

    def __init__(self, scale: int, reference_channels: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, coarse: Tensor, *_: Tensor) -> Tensor:
        """(N,1,h,w) to (N,1,H,W)."""
        return type(self).interpolate(coarse, self.scale)


@register("bilinear", classical=True, baseline=True, guided=False)
class Bilinear(Interpolation):
    """The model `bilinear`."""

    interpolate = staticmethod(bilinear)


@register("bicubic", classical=True, baseline=True, guided=False)
class Bicubic(Interpolation):
    """The model `bicubic`."""

    interpolate = staticmethod(bicubic)


@register("bicubic-backprojected", classical=True, baseline=True, guided=False)
class BicubicBackprojected(Interpolation):
    """The model `bicubic-backprojected`."""

    interpolate = staticmethod(bicubic_backprojected)
