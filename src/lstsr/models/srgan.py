"""SRResNet, the generator of SRGAN (Ledig et al. 2017, figure 4), which uses no reference."""

import torch
from torch import Tensor, nn

from lstsr.models.base import SingleImageNetwork, conv3x3, zero_init
from lstsr.registry import register


def normalised(conv: nn.Conv2d, batch_norm: bool) -> nn.Module:
    """The convolution, followed by batch normalisation if ``batch_norm``."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels)) if batch_norm else conv


class ResidualBlock(nn.Module):
    """x + BN(conv(PReLU(BN(conv(x))))) with optional BN (figure 4, after Gross and Wilber 2016)."""

    def __init__(self, features: int, batch_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            normalised(conv3x3(features, features), batch_norm),
            nn.PReLU(features),
            normalised(conv3x3(features, features), batch_norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N,features,h,w) to the same."""
        return x + self.body(x)


class Doubling(nn.Sequential):
    """Conv to four times the channels, pixel shuffle, PReLU (Shi et al. 2016; figure 4)."""

    def __init__(self, features: int) -> None:
        super().__init__(conv3x3(features, 4 * features), nn.PixelShuffle(2), nn.PReLU(features))


@register("srgan", guided=False, adversarial=True)
class SRResNet(SingleImageNetwork):
    """SRResNet, by default for one channel, as a residual over a declared base.

    The published form is `features=64, blocks=16, batch_norm=True, residual=False`. Batch
    normalisation is off by default. It causes artefacts, especially in adversarial training (Wang
    et al. 2018, ESRGAN, section 3.1), and would mix the levels of the scenes in a batch. Other
    arguments and errors as in `SingleImageNetwork`.

    Args:
        features: channels of the trunk (n).
        blocks: number of residual blocks (B).
        batch_norm: whether batch normalisation follows the convs of the trunk.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 32,
        blocks: int = 16,
        batch_norm: bool = False,
        base: str = "bicubic",
        residual: bool = True,
        bands: int = 1,
    ) -> None:
        super().__init__(scale, reference_channels, base, residual, bands)
        # The first and the last kernel are 9 pixels wide (figure 4: k9).
        self.first = nn.Sequential(nn.Conv2d(bands, features, 9, padding=4), nn.PReLU(features))
        self.trunk = nn.Sequential(
            *(ResidualBlock(features, batch_norm) for _ in range(blocks)),
            normalised(conv3x3(features, features), batch_norm),
        )
        self.upsampling = nn.Sequential(*(Doubling(features) for _ in range(self.stages)))
        self.last = nn.Conv2d(features, bands, 9, padding=4)
        if residual:
            zero_init(self.last)

    def detail(self, coarse: Tensor) -> Tensor:
        """SRResNet, (N,B,h,w) to (N,B,H,W)."""
        x = self.first(coarse).contiguous(memory_format=torch.channels_last)
        return self.last(self.upsampling(x + self.trunk(x)))
