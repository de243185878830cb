"""DCTRRDBNet on one scale: DCTNet with residual in residual dense blocks around its solve.

RRDBs (ESRGAN, Wang et al. 2018) can be in three parts: the semi-coupled feature extraction, the
tail behind the solve, and an LST trunk on the coarse grid, where capacity is cheapest. Unlike
DCTNet it sees the deficit of its base and back-projects a learned share of its own deficit. Back
projection improves the degraded tracks most.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.dctnet import FeatureExtraction, GuidedSolve, SemiCoupledConv, reconstruction
from lstsr.models.interpolation import bilinear
from lstsr.models.rrdb import RRDB, SLOPE
from lstsr.registry import register

SIZES: Mapping[str, Mapping[str, int]] = {
    "matched": {"features": 16, "growth": 8, "blocks": 1, "tail_blocks": 1},
    "tiny": {"features": 24, "growth": 12, "blocks": 1, "tail_blocks": 0},
    "small": {"features": 32, "growth": 16, "blocks": 1, "tail_blocks": 1},
    "base": {"features": 48, "growth": 24, "blocks": 2, "tail_blocks": 1},
    "large": {"features": 64, "growth": 32, "blocks": 4, "tail_blocks": 0},
}
"""Ready sets of options. Parameters with one reference band: matched 0.115 M (the default, for the
CPU; within 5 % of DCTNet with 32 features), tiny 0.16 M, small 0.46 M (within 5 % of DCTNet with
64), base 1.6 M, large 4.4 M (both for a GPU). `coarse_blocks` adds capacity to any of them for
1 / scale^2 of the operations of `blocks`."""


class CoarseTrunk(nn.Module):
    """RRDBs of the input and its mask on the coarse grid, interpolated to the fine grid."""

    def __init__(
        self, features: int, growth: int, blocks: int, residual_scale: float, scale: int
    ) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(
            conv3x3(2, features),
            *(RRDB(features, growth, residual_scale) for _ in range(blocks)),
            conv3x3(features, features),
        )

    def forward(self, coarse: Tensor, coarse_valid: Tensor) -> Tensor:
        """Input and mask, each (N,1,h,w), to (N,features,H,W)."""
        return bilinear(self.layers(torch.cat([coarse, coarse_valid], 1)), self.scale)


@register("dctrrdbnet-single-scale")
class SingleScaleDCTRRDBNet(ResidualNetwork):
    """DCTRRDBNet on the fine grid as a residual over a declared base.

    `SIZES` holds ready sets of options. Other arguments are those of `ResidualNetwork`.

    Args:
        features: channels of each stream (nf), a multiple of 4.
        growth: channels that each conv of a dense block adds (gc).
        blocks: semi-coupled RRDBs on the fine grid.
        tail_blocks: RRDBs between the solve and DCTNet's tail of three convs.
        coarse_blocks: RRDBs of the LST stream on the coarse grid; 0 leaves the trunk out.
        shared: share of the trunks' channels whose kernels both streams use; 1 couples fully.
        residual_scale: beta of every RRDB. The published 0.2 keeps 23 of them stable; the few here
            learn faster at 1 (+0.12 dB after 300 steps).
        operators: a key of `LAPLACIANS`.

    Raises:
        LstsrError: an option has an invalid value.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 16,
        growth: int = 8,
        blocks: int = 1,
        tail_blocks: int = 1,
        coarse_blocks: int = 0,
        shared: float = 0.5,
        residual_scale: float = 1.0,
        base: str = "bicubic",
        operators: str = "consistent",
        sees_deficit: bool = True,
        back_projection: bool = True,
    ) -> None:
        super().__init__(scale, reference_channels, base, sees_deficit, back_projection)
        if not 0 <= shared <= 1:
            raise LstsrError(f"shared: {shared} is not a share between 0 and 1")
        conv = partial(SemiCoupledConv, shared=shared)
        coupled: list[nn.Module] = [
            RRDB(features, growth, residual_scale, conv) for _ in range(blocks)
        ]
        self.extraction = FeatureExtraction(self.stream_channels, features, coupled, SLOPE)
        self.coarse_trunk = (
            CoarseTrunk(features, growth, coarse_blocks, residual_scale, scale)
            if coarse_blocks
            else None
        )
        self.guided = GuidedSolve(features, scale, operators)
        self.tail = nn.Sequential(
            *(RRDB(features, growth, residual_scale) for _ in range(tail_blocks)),
            *reconstruction(features, SLOPE),
        )
        zero_init(self.tail[-1])

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""
        d, r = self.extraction(*self.stream_images(inputs))
        if self.coarse_trunk is not None:
            d = d + self.coarse_trunk(inputs.coarse, inputs.coarse_valid)
        z = self.guided(d, r, inputs.reference_valid)
        return self.tail(z.contiguous(memory_format=torch.channels_last))
