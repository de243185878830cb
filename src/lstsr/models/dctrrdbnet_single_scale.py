"""DCTRRDBNet on one scale: DCTNet with residual in residual dense blocks around its solve.

RRDBs (ESRGAN, Wang et al. 2018) can be in three parts: the semi-coupled feature extraction, the
tail behind the solve, and an LST trunk on the coarse grid, where capacity is cheapest. By default
it sees the deficit of its base and ends with a back-projection, which helps on the degraded tracks
most.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.dctnet import FeatureExtraction, GuidedSolve, SemiCoupledConv, reconstruction
from lstsr.models.interpolation import bilinear
from lstsr.models.rrdb import RRDB, SLOPE
from lstsr.registry import register


class CoarseTrunk(nn.Module):
    """RRDBs of the input and its mask on the coarse grid, interpolated to the fine grid."""

    def __init__(
        self, features: int, blocks: int, make: Callable[[], nn.Module], scale: int
    ) -> None:
        super().__init__()
        self.scale = scale
        first, deep = conv3x3(2, features), [make() for _ in range(blocks)]
        self.layers = nn.Sequential(first, *deep, conv3x3(features, features))

    def forward(self, coarse: Tensor, coarse_valid: Tensor) -> Tensor:
        """Coarse image and mask (N,1,h,w) to (N,features,H,W)."""
        return bilinear(self.layers(torch.cat([coarse, coarse_valid], 1)), self.scale)


@register("dctrrdbnet-single-scale")
class SingleScaleDCTRRDBNet(ResidualNetwork):
    """DCTRRDBNet on the fine grid as a residual over a declared base.

    With one reference band it has 0.115 M parameters, like DCTNet with 32 features. With features
    32 and growth 16 it has 0.46 M, like DCTNet with 64. Other arguments as in `ResidualNetwork`.
    Raises LstsrError if an option is invalid.

    Args:
        features: channels of each stream (nf), a multiple of 4.
        growth: channels that each conv of a dense block adds (gc).
        blocks: semi-coupled RRDBs on the fine grid.
        tail_blocks: RRDBs between the solve and DCTNet's tail of three convs.
        coarse_blocks: RRDBs of the LST stream on the coarse grid, for 1 / scale^2 of the
            operations of ``blocks``; 0 leaves this trunk out.
        shared: share of the channels of ``blocks`` that both streams compute with common kernels.
        residual_scale: beta of every RRDB. The published 0.2 keeps 23 of them stable. The few here
            learn faster at 1 (+0.12 dB after 300 steps).
        operators: a key of `dct.LAPLACIANS`.
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
        block = partial(RRDB, features, growth, residual_scale)
        coupled: list[nn.Module] = [block(conv) for _ in range(blocks)]
        self.extraction = FeatureExtraction(self.stream_channels, features, coupled, SLOPE)
        self.coarse_trunk: CoarseTrunk | None = None
        if coarse_blocks:
            self.coarse_trunk = CoarseTrunk(features, coarse_blocks, block, scale)
        self.guided = GuidedSolve(features, scale, operators)
        tail = [block() for _ in range(tail_blocks)]
        self.tail = nn.Sequential(*tail, *reconstruction(features, SLOPE))
        zero_init(self.tail[-1])

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""
        d, r = self.extraction(*self.stream_images(inputs))
        if self.coarse_trunk is not None:
            d = d + self.coarse_trunk(inputs.coarse, inputs.coarse_valid)
        z = self.guided(d, r, inputs.reference_valid)
        return self.tail(z.contiguous(memory_format=torch.channels_last))
