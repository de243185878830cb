"""DCTRRDBNet on one scale: DCTNet with residual in residual dense blocks around its solve.

RRDBs (ESRGAN, Wang et al. 2018) stand where they pay, in this order: in the semi-coupled feature
extraction, in the tail behind the solve, and in an LST trunk on the coarse grid, the cheapest
capacity. Unlike DCTNet it sees what its base leaves of the input, and returns a learned share of
what its output leaves of it: of the two, the second is what raises the degraded tracks most.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import ResidualNetwork, conv3x3, zero_init
from lstsr.models.consistency import BackProjection
from lstsr.models.dctnet import (
    FeatureExtraction,
    GuidedSolve,
    SemiCoupledConv,
    reconstruction,
    stream_images,
)
from lstsr.models.interpolation import bilinear
from lstsr.models.rrdb import INIT_SCALE, RRDB, SLOPE, dense_widths

SIZES: Mapping[str, Mapping[str, int]] = {
    "matched": {"features": 16, "growth": 8, "blocks": 1, "tail_blocks": 1},
    "tiny": {"features": 24, "growth": 12, "blocks": 1, "tail_blocks": 0},
    "small": {"features": 32, "growth": 16, "blocks": 1, "tail_blocks": 1},
    "base": {"features": 48, "growth": 24, "blocks": 2, "tail_blocks": 1},
    "large": {"features": 64, "growth": 32, "blocks": 4, "tail_blocks": 0},
}
"""Ready sets of options. Parameters with one reference band: matched 0.115 M (the default, for the
CPU; within 5 % of DCTNet with 32 features), tiny 0.16 M, small 0.46 M (within 5 % of DCTNet with
64), base 1.6 M, large 4.4 M; the last two are for a GPU. `coarse_blocks` adds capacity to any of
them at 1 / `scale`^2 of the operations that `blocks` would take."""


class SemiCoupledDenseBlock(nn.Module):
    """The residual dense block of RRDB in both streams, with part of the kernels in common.

    Args:
        features: channels in and out of each stream.
        growth: channels that each inner conv adds to each stream.
        shared: share of the output channels whose kernels both streams use.
        residual_scale: beta of RRDB.
    """

    def __init__(self, features: int, growth: int, shared: float, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.convs = nn.ModuleList(
            SemiCoupledConv(*width, shared) for width in dense_widths(features, growth)
        )
        for parameter in self.parameters():
            parameter.data *= INIT_SCALE

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Two streams (N,features,H,W) to the same."""
        dense = [[lst], [reference]]
        for conv in self.convs[:-1]:
            added = conv(*(torch.cat(stream, 1) for stream in dense))
            for stream, x in zip(dense, added, strict=True):
                stream.append(F.leaky_relu(x, SLOPE))
        d, r = self.convs[-1](*(torch.cat(stream, 1) for stream in dense))
        return lst + self.residual_scale * d, reference + self.residual_scale * r


class SemiCoupledRRDB(nn.Module):
    """x + beta (three semi-coupled dense blocks of x), in both streams."""

    def __init__(self, features: int, growth: int, shared: float, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.blocks = nn.ModuleList(
            SemiCoupledDenseBlock(features, growth, shared, residual_scale) for _ in range(3)
        )

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Two streams (N,features,H,W) to the same."""
        d, r = lst, reference
        for block in self.blocks:
            d, r = block(d, r)
        return lst + self.residual_scale * d, reference + self.residual_scale * r


class CoarseTrunk(nn.Module):
    """RRDBs of the input and its mask on the coarse grid, brought to the fine grid bilinearly."""

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
        """Two of (N,1,h,w) to (N,features,H,W)."""
        return bilinear(self.layers(torch.cat([coarse, coarse_valid], 1)), self.scale)


class SingleScaleDCTRRDBNet(ResidualNetwork):
    """DCTRRDBNet on the fine grid as a residual over a declared base.

    `SIZES` holds ready sets of options.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        features: channels of each stream (nf), a multiple of 4.
        growth: channels that each conv of a dense block adds (gc).
        blocks: semi-coupled RRDBs on the fine grid.
        tail_blocks: RRDBs between the solve and DCTNet's tail of three convs.
        coarse_blocks: RRDBs of the LST stream on the coarse grid; 0 leaves that trunk out.
        shared: share of the trunks' channels whose kernels both streams use; 1 couples fully.
        residual_scale: beta of every RRDB. The published 0.2 keeps 23 of them stable; the few here
            learn faster at 1 (+0.12 dB after 300 steps).
        base: what the residual is over, see `BASES`.
        operators: a key of `LAPLACIANS`.
        sees_deficit: see `stream_images`.
        back_projection: whether a learned share of the deficit is returned, see `BackProjection`.

    Raises:
        LstsrError: an option's value is refused.
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
        returned = BackProjection(scale) if back_projection else None
        super().__init__(scale, reference_channels, base, returned)
        self.sees_deficit = sees_deficit
        if features % 4:
            raise LstsrError(f"features: {features} is not a multiple of 4")
        if not 0 <= shared <= 1:
            raise LstsrError(f"shared: {shared} is not a share between 0 and 1")
        coupled: list[nn.Module] = [
            SemiCoupledRRDB(features, growth, shared, residual_scale) for _ in range(blocks)
        ]
        self.extraction = FeatureExtraction(
            2 + sees_deficit, reference_channels + 1, features, coupled, SLOPE
        )
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
        images = stream_images(*inputs, self.scale, self.sees_deficit)
        d, r = self.extraction(*images)
        if self.coarse_trunk is not None:
            d = d + self.coarse_trunk(coarse, coarse_valid)
        z = self.guided(d, r, reference_valid)
        residual: Tensor = self.tail(z.contiguous(memory_format=torch.channels_last))
        return residual


NETWORKS: dict[str, type[nn.Module]] = {"dctrrdbnet-single-scale": SingleScaleDCTRRDBNet}
