"""U-Net (Ronneberger et al. 2015) of LST and reference: the plain peer of the guided networks."""

import torch
from torch import Tensor, nn

from lstsr.models.base import ResidualNetwork, conv3x3, zero_init
from lstsr.models.consistency import BackProjection
from lstsr.models.dctnet import stream_images
from lstsr.models.trunk import Trunk, widths


class UNet(ResidualNetwork):
    """U-Net as a residual over a declared base. Both images enter together on the fine grid.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        features: channels on the fine grid, see `trunk.widths`.
        base: what the residual is over, see `BASES`.
        sees_deficit: see `stream_images`.
        back_projection: whether a learned share of the deficit is returned, see `BackProjection`.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 16,
        base: str = "bicubic",
        sees_deficit: bool = False,
        back_projection: bool = False,
    ) -> None:
        returned = BackProjection(scale) if back_projection else None
        super().__init__(scale, reference_channels, base, returned)
        self.sees_deficit = sees_deficit
        channels = 2 + sees_deficit + reference_channels + 1
        self.trunk = Trunk(channels, widths(features, scale), scale)
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


NETWORKS: dict[str, type[nn.Module]] = {"unet": UNet}
