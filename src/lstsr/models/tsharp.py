"""TsHARP: temperature sharpened by its regression on fractional vegetation cover."""

import torch
from torch import Tensor

from lstsr.errors import LstsrError
from lstsr.models.linear import GlobalLinear
from lstsr.registry import register

EXPONENT = 0.625
"""Exponent of the transform from NDVI to cover (Choudhury et al. 1994, Agricultural and Forest
Meteorology 68, 1)."""
FLAT = 1e-6
"""Smallest range of NDVI, and smallest variance of cover, that count as contrast."""


def fractional_cover(ndvi: Tensor, valid: Tensor) -> Tensor:
    """Fractional cover 1 - ((max - NDVI) / (max - min))^0.625 with the scene's extremes.

    NDVI (N,1,H,W) can have any linear unit, because a positive scale and an offset cancel out.
    ``valid`` (N,1,H,W) is 0 or 1. The cover is between 0 and 1, and 0 where invalid.
    """
    low = torch.where(valid > 0, ndvi, torch.inf).amin((-2, -1), keepdim=True)
    high = torch.where(valid > 0, ndvi, -torch.inf).amax((-2, -1), keepdim=True)
    cover = 1 - ((high - ndvi) / (high - low).clamp(min=FLAT)) ** EXPONENT
    return torch.where(valid > 0, cover, 0.0)


@register("tsharp", classical=True, bands=("ndvi",))
class TsHARP(GlobalLinear):
    """One least-squares line of T on fractional cover per image.

    The line is applied to the fine cover, and the coarse residual is added (Kustas et al. 2003,
    Remote Sensing of Environment 85, 429; Agam et al. 2007, Remote Sensing of Environment 107,
    545). Two details differ from the papers. Cover, not NDVI, is averaged to the coarse grid, so a
    fine field that is linear in cover is recovered. All valid cells count, not only the most
    uniform ones. ``ndvi`` is the index of the NDVI band (`registry.band_options`). Raises
    LstsrError if the reference has no such band.
    """

    def __init__(self, scale: int, reference_channels: int, ndvi: int = 0) -> None:
        super().__init__(scale, 1, ridge=FLAT)
        if not 0 <= ndvi < reference_channels:
            raise LstsrError(f"ndvi: {ndvi} is not the index of one of {reference_channels} bands")
        self.ndvi = ndvi

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W); bilinear where the reference is invalid."""
        cover = fractional_cover(reference[:, self.ndvi : self.ndvi + 1], reference_valid)
        return super().forward(coarse, cover, coarse_valid, reference_valid)
