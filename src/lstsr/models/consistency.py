"""Agreement with the input: what a fine image leaves of it, and a learned share of its return."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstsr.models.interpolation import bicubic_backprojected, block_mean

RATE = 10.0
"""The weight holds a tenth of the share: an optimiser moves a weight by about its rate a step, and
400 steps at 1e-3 could open 0.4 of it."""


def deficit(fine: Tensor, coarse: Tensor, coarse_valid: Tensor, scale: int) -> Tensor:
    """What the block means of ``fine`` (N,1,H,W) leave of the input, (N,1,h,w); 0 where invalid."""
    return coarse_valid * (coarse - block_mean(fine, scale))


class BackProjection(nn.Module):
    """fine + g U(deficit), as Irani and Peleg (1991), with a learned share g that is 0 at first.

    U is bicubic interpolation whose block means return the deficit, so that with g = 1 those of
    the output return the input. That is right where the input is the block mean of the target;
    where another sensor saw it, through a wider PSF and with noise, training finds a smaller g.

    Args:
        scale: coarse spacing / fine spacing.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.tenth = nn.Parameter(torch.zeros(1))

    def forward(self, fine: Tensor, coarse: Tensor, coarse_valid: Tensor) -> Tensor:
        """(N,1,H,W), (N,1,h,w) and its mask to (N,1,H,W)."""
        missing = deficit(fine, coarse, coarse_valid, self.scale)
        return fine + RATE * self.tenth * bicubic_backprojected(missing, self.scale)
