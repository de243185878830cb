"""U-Net (Ronneberger et al. 2015) of LST and reference: the plain peer of the guided networks."""

from torch import nn

from lstsr.models.trunk import TrunkNetwork


class UNet(TrunkNetwork):
    """U-Net as a residual over a declared base; the arguments are those of `TrunkNetwork`."""

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 16,
        base: str = "bicubic",
        sees_deficit: bool = False,
        back_projection: bool = False,
    ) -> None:
        super().__init__(scale, reference_channels, features, base, sees_deficit, back_projection)


NETWORKS: dict[str, type[nn.Module]] = {"unet": UNet}
