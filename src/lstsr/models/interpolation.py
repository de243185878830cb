"""Interpolation: methods without a reference, and bases of the networks.

Coarse cells are areas: cell i covers the fine pixels s i ... s i + s - 1 and has its value at its
centre (half-pixel centres, `align_corners=False`). Beyond the border the outermost cell is
repeated.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.registry import register

REACH = 2
"""Cells to each side that `bicubic` uses for the pixels of a cell."""

ITERATIONS = 10
"""Back-projections after which block means differ by about 1e-4 of the input's detail."""


def bilinear(coarse: Tensor, scale: int) -> Tensor:
    """Bilinear interpolation, (N,C,h,w) to (N,C,h s,w s)."""
    return F.interpolate(coarse, scale_factor=scale, mode="bilinear", align_corners=False)


def bicubic(coarse: Tensor, scale: int) -> Tensor:
    """Cubic convolution (Keys 1981, a = -0.75), (N,C,h,w) to (N,C,h s,w s)."""
    return F.interpolate(coarse, scale_factor=scale, mode="bicubic", align_corners=False)


def block_mean(fine: Tensor, scale: int) -> Tensor:
    """Mean of each block of scale x scale pixels, (N,C,H,W) to (N,C,H/s,W/s)."""
    return F.avg_pool2d(fine, scale)


def bicubic_backprojected(coarse: Tensor, scale: int) -> Tensor:
    """Bicubic interpolation with block means equal to the input, (N,C,h,w) to (N,C,h s,w s).

    Iterates y <- y + bicubic(coarse - block_mean(y)) (Irani and Peleg 1991). Bicubic interpolation
    spreads the residual without visible cell edges. The residuals are computed on the coarse grid,
    so one interpolation of their sum is enough. The mean is plain and in normalised units. It
    differs from a mean of T^4 by less than 0.1 K except at coasts and in cities.
    """
    kernel = _mean_of_bicubic(scale, coarse.dtype, coarse.device)
    residual = total = coarse
    for _ in range(ITERATIONS):
        padded = F.pad(residual, (REACH,) * 4, mode="replicate")
        residual = residual - F.conv2d(padded.flatten(0, 1)[:, None], kernel).view_as(residual)
        total = total + residual
    return bicubic(total, scale)


# A tensor made in inference mode cannot be used in training later.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _mean_of_bicubic(scale: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """block_mean(bicubic(x)) as a kernel on the coarse grid, with repeated borders."""
    unit = torch.zeros(1, 1, 4 * REACH + 1, 4 * REACH + 1, dtype=dtype, device=device)
    unit[..., 2 * REACH, 2 * REACH] = 1
    return block_mean(bicubic(unit, scale), scale)[..., REACH:-REACH, REACH:-REACH]


class Interpolation(nn.Module):
    """An interpolation as a network that ignores the reference and the masks."""

    interpolate: Callable[[Tensor, int], Tensor]

    def __init__(self, scale: int, reference_channels: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, coarse: Tensor, *_: Tensor) -> Tensor:
        """(N,1,h,w) to (N,1,H,W)."""
        return self.interpolate(coarse, self.scale)


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
