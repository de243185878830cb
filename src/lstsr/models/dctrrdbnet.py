"""DCTRRDBNet: a multi-scale trunk with RRDBs and DCTNet's guided solve where they are cheap.

LST and reference enter a U-Net trunk on the fine grid. Its coarsest level, the coarse grid, holds
residual in residual dense blocks (ESRGAN, Wang et al. 2018) and the solve in the DCT basis (DCTNet,
Zhao et al. 2022). There they cost 1 / scale^2 of the same parts on the fine grid, which
`dctrrdbnet_single_scale` uses.
"""

import torch
from torch import Tensor, nn

from lstsr.models.base import conv3x3
from lstsr.models.dct import SmoothingLength, guided_solve
from lstsr.models.rrdb import RRDB
from lstsr.models.unet import ResidualBlock, TrunkNetwork, widths
from lstsr.registry import register

START_CELLS, LONGEST_CELLS = 1.0, 2.0
"""Longest smoothing lengths of the solve, at the start and at any time, coarse cells. The kernel of
the longest falls below 1e-3 within the overlap of tiles."""


class CoarseSolve(nn.Module):
    """x + weights (guided solve of features made from x): the DCT module on the coarse grid.

    D, R and W of the solve have ``solved`` channels, see `dct.guided_solve`.
    """

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
class DCTRRDBNet(TrunkNetwork):
    """Multi-scale DCTRRDBNet as a residual over a declared base.

    Other arguments are those of `ResidualNetwork`.

    Args:
        features: channels on the fine grid, see `unet.widths`.
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
        coarse = [CoarseSolve(width, solved)] if solved else []
        deep = [
            RRDB(width, growth, residual_scale) if dense else ResidualBlock(width, width)
            for _ in range(blocks)
        ]
        super().__init__(
            *(scale, reference_channels, features, base, sees_deficit, back_projection),
            coarsest=nn.Sequential(*coarse, *deep),
        )
