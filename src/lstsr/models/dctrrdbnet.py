"""DCTRRDBNet: a multi-scale trunk with RRDBs and DCTNet's guided solve where they are cheap.

LST and reference enter a U-Net trunk on the fine grid. On its coarsest level, the coarse grid,
stand residual in residual dense blocks (ESRGAN, Wang et al. 2018) and the solve in the DCT basis
(DCTNet, Zhao et al. 2022): capacity and reach cost 1 / scale^2 there of what they cost on the fine
grid. `dctrrdbnet_single_scale` is the form that keeps both on the fine grid.
"""

import torch
from torch import Tensor, nn

from lstsr.models.base import ResidualNetwork, conv3x3, zero_init
from lstsr.models.consistency import BackProjection
from lstsr.models.dctnet import SmoothingLength, guided_solve, stream_images
from lstsr.models.rrdb import RRDB
from lstsr.models.trunk import ResidualBlock, Trunk, widths

START_CELLS, LONGEST_CELLS = 1.0, 2.0
"""Smoothing lengths of the solve, coarse cells: the kernel of the longest falls below 1e-3 within
the overlap of tiles."""


class CoarseSolve(nn.Module):
    """x + weights (guided solve of features made from x): the DCT module on the coarse grid.

    Args:
        features: channels in and out.
        solved: channels of D, R and W in the solve, see `dctnet.guided_solve`.
    """

    def __init__(self, features: int, solved: int) -> None:
        super().__init__()
        self.streams = conv3x3(features, 3 * solved)
        self.length = SmoothingLength(solved, START_CELLS, LONGEST_CELLS)
        self.join = nn.Conv2d(solved, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N,features,h,w) to the same."""
        d, r, w = self.streams(x).chunk(3, 1)
        solved = guided_solve(d, r, torch.sigmoid(w), self.length())
        joined: Tensor = self.join(solved)
        return x + joined


class DCTRRDBNet(ResidualNetwork):
    """Multi-scale DCTRRDBNet as a residual over a declared base.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        features: channels on the fine grid, see `trunk.widths`.
        growth: channels that each conv of a dense block adds (gc).
        blocks: RRDBs on the coarse grid; 0 leaves them out.
        dense: False puts plain residual blocks in their place; five have the size of one RRDB.
        solved: channels of the guided solve on the coarse grid; 0 leaves it out.
        residual_scale: beta of every RRDB; the published 0.2 keeps 23 of them stable.
        base: what the residual is over, see `BASES`.
        sees_deficit: see `stream_images`.
        back_projection: whether a learned share of the deficit is returned, see `BackProjection`.
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
        returned = BackProjection(scale) if back_projection else None
        super().__init__(scale, reference_channels, base, returned)
        self.sees_deficit = sees_deficit
        width = widths(features, scale)
        coarse = [CoarseSolve(width[-1], solved)] if solved else []
        deep = [
            RRDB(width[-1], growth, residual_scale)
            if dense
            else ResidualBlock(width[-1], width[-1])
            for _ in range(blocks)
        ]
        channels = 2 + sees_deficit + reference_channels + 1
        self.trunk = Trunk(channels, width, scale, nn.Sequential(*coarse, *deep))
        self.tail = conv3x3(features, 1)
        zero_init(self.tail)

    def residual(
        self,
        base: Tensor,
        coarse: Tensor,
        reference: Tensor,
        coarse_valid: Tensor,
        reference_valid: Tensor,
    ) -> Tensor:
        """Residual over the base, shape (N,1,H,W)."""
        inputs = base, coarse, reference, coarse_valid, reference_valid
        images = torch.cat(stream_images(*inputs, self.scale, self.sees_deficit), 1)
        residual: Tensor = self.tail(self.trunk(images))
        return residual


NETWORKS: dict[str, type[nn.Module]] = {"dctrrdbnet": DCTRRDBNet}
