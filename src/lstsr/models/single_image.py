"""What networks without a reference share: they work on the coarse grid and upsample last."""

from abc import abstractmethod

from torch import Tensor

from lstsr.errors import LstsrError
from lstsr.models.base import ResidualNetwork


class SingleImageNetwork(ResidualNetwork):
    """A residual from the coarse image alone, in ``stages`` upsamplings by two.

    Args:
        scale: a power of two; x8 takes a third upsampling stage.
        reference_channels: used by the base alone.
        base: what the residual is over, see `lstsr.models.base.BASES`.
        residual: False gives the published form, the network's output without a base.
        bands: of the image (B), in and out.

    Raises:
        LstsrError: the scale is no power of two, or the base is unknown.
    """

    def __init__(
        self, scale: int, reference_channels: int, base: str, residual: bool, bands: int
    ) -> None:
        super().__init__(scale, reference_channels, base, bands=bands)
        self.stages = scale.bit_length() - 1
        if scale != 2**self.stages:
            raise LstsrError(f"scale: the network upsamples by powers of two, not by {scale}")
        self.over_base = residual

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,B,h,w) to (N,B,H,W); reference and masks are used by the base alone."""
        if self.over_base:
            return super().forward(coarse, reference, coarse_valid, reference_valid)
        return self.detail(coarse)

    def residual(
        self,
        base: Tensor,
        coarse: Tensor,
        reference: Tensor,
        coarse_valid: Tensor,
        reference_valid: Tensor,
    ) -> Tensor:
        """What the base misses, from the coarse image alone."""
        return self.detail(coarse)

    @abstractmethod
    def detail(self, coarse: Tensor) -> Tensor:
        """The published network, (N,B,h,w) to (N,B,H,W)."""
