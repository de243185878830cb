"""U-Net (Ronneberger et al. 2015) of LST and reference, with the coarse grid as coarsest level.

Most of its capacity works on coarse levels, where it is cheap. `TrunkNetwork` is also the frame of
DCTRRDBNet.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.interpolation import bilinear
from lstsr.registry import register

SLOPE = 0.1
"""Negative slope of the leaky ReLUs."""

WIDEST = 4
"""Channels of the coarsest levels / channels of the fine grid."""


def pooling_factors(scale: int) -> list[int]:
    """Prime factors of ``scale``, from the fine grid to the coarse one: 2 and 2 for x4.

    The cells of every level nest in the coarse cells. A tile that begins at a coarse cell therefore
    gives the same values as the whole image.
    """
    factors = []
    factor = 2
    while scale > 1:
        while scale % factor == 0:
            factors.append(factor)
            scale //= factor
        factor += 1
    return factors


def widths(features: int, scale: int) -> list[int]:
    """Channels of each level, doubled twice: 16, 32, 64 for x4, and 16, 32, 64, 64 for x8."""
    return [features * min(2**level, WIDEST) for level in range(len(pooling_factors(scale)) + 1)]


class ResidualBlock(nn.Module):
    """act(skip(x) + conv2(act(conv1(x)))), with 1 x 1 weights as skip if the widths differ."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels_in, channels_out)
        self.conv2 = conv3x3(channels_out, channels_out)
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels_in,H,W) to (N,channels_out,H,W)."""
        inner = self.conv2(F.leaky_relu(self.conv1(x), SLOPE))
        return F.leaky_relu(self.skip(x) + inner, SLOPE)


class Trunk(nn.Module):
    """Features of an image on its own grid, after Ronneberger et al. 2015 (U-Net, section 2).

    Down: a block on each level, mean pooling between. Up: bilinear interpolation, 1 x 1 weights,
    the features of the way down added, a block. Means and sums instead of the published maxima and
    concatenations keep LST linear and the widths small.

    Args:
        channels_in: channels of the image.
        widths: features of each level, from the fine grid to the coarse one.
        scale: coarse spacing / fine spacing.
        coarsest: module after the block of the coarsest level, if any.
    """

    def __init__(
        self, channels_in: int, widths: Sequence[int], scale: int, coarsest: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.coarsest = coarsest or nn.Identity()
        self.factors = pooling_factors(scale)
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.down = nn.ModuleList(
            ResidualBlock(*pair) for pair in [(channels_in, widths[0]), *pairs]
        )
        self.lateral = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.up = nn.ModuleList(ResidualBlock(width, width) for width in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels_in,H,W) to (N,widths[0],H,W)."""
        # channels last: a fifth faster on the CPU
        features = [self.down[0](x.contiguous(memory_format=torch.channels_last))]
        for factor, block in zip(self.factors, self.down[1:], strict=True):
            features.append(block(F.avg_pool2d(features[-1], factor)))
        x = self.coarsest(features.pop())
        for factor, lateral, block in zip(
            self.factors[::-1], self.lateral[::-1], self.up[::-1], strict=True
        ):
            x = block(features.pop() + bilinear(lateral(x), factor))
        return x


class TrunkNetwork(ResidualNetwork):
    """A trunk that sees LST and reference together, as a residual over a declared base.

    Other arguments are those of `ResidualNetwork`.

    Args:
        features: channels on the fine grid, see `widths`.
        coarsest: see `Trunk`.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int,
        base: str,
        sees_deficit: bool,
        back_projection: bool,
        coarsest: nn.Module | None = None,
    ) -> None:
        super().__init__(scale, reference_channels, base, sees_deficit, back_projection)
        channels = sum(self.stream_channels)
        self.trunk = Trunk(channels, widths(features, scale), scale, coarsest)
        self.tail = conv3x3(features, 1)
        zero_init(self.tail)

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""
        return self.tail(self.trunk(torch.cat(self.stream_images(inputs), 1)))


@register("unet")
class UNet(TrunkNetwork):
    """The plain peer of the guided networks; its arguments are those of `TrunkNetwork`."""

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
