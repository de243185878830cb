"""DCTRRDBNet: a U-Net whose coarsest level has RRDBs and DCTNet's guided solve.

Residual in residual dense blocks (ESRGAN, Wang et al. 2018) and the solve in the DCT basis (DCTNet,
Zhao et al. 2022) cost 1 / scale^2 on the coarse grid of what they cost on the fine grid, where
`dctrrdbnet_single_scale` has them.
"""

import torch
from torch import Tensor, nn

from lstsr.models.base import conv3x3
from lstsr.models.dct import SmoothingLength, guided_solve
from lstsr.models.rrdb import RRDB
from lstsr.models.unet import ResidualBlock, UNet, widths
from lstsr.registry import register

START_CELLS, LONGEST_CELLS = 1.0, 2.0
"""Longest smoothing length of the solve at the start, and its upper limit, coarse cells. The kernel
at the limit falls below 1e-3 within the overlap of tiles."""


class CoarseSolve(nn.Module):
    """x + weights (guided solve of features of x), whose D, R and W have ``solved`` channels."""

    def __init__(self, features: int, solved: int) -> None:
        super().__init__()
        self.streams = conv3x3(features, 3 * solved)
        self.length = SmoothingLength(solved, START_CELLS, LONGEST_CELLS)
        self.join = nn.Conv2d(solved, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N,features,h,w) to the same."""
        d, r, w = self.streams(x).chunk(3, 1)
        return x + self.join(guided_solve(d, r, torch.sigmoid(w), self.length()))


@register("dctrrdbnet")
class DCTRRDBNet(UNet):
    """Multi-scale DCTRRDBNet as a residual over a declared base; other arguments as in `UNet`.

    Args:
        growth: channels that each conv of a dense block adds (gc).
        blocks: RRDBs on the coarse grid; 0 leaves them out.
        dense: False replaces RRDBs by plain residual blocks; five have the size of one RRDB.
        solved: channels of the guided solve on the coarse grid; 0 leaves it out.
        residual_scale: beta of every RRDB; the published 0.2 keeps 23 of them stable.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 16,
        growth: int = 16,
        blocks: int = 1,
        dense: bool = True,
        solved: int = 16,
        residual_scale: float = 1.0,
        base: str = "bicubic",
        sees_deficit: bool = True,
        back_projection: bool = True,
    ) -> None:
        width = widths(features, scale)[-1]
        coarsest: list[nn.Module] = [CoarseSolve(width, solved)] if solved else []
        for _ in range(blocks):
            block = RRDB(width, growth, residual_scale) if dense else ResidualBlock(width, width)
            coarsest.append(block)
        super().__init__(scale, reference_channels, features, base, sees_deficit, back_projection)
        self.trunk.coarsest = nn.Sequential(*coarsest)
