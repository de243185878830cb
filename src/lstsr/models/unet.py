"""U-Net (Ronneberger et al. 2015) of LST and reference, with the coarse grid as coarsest level.

Most of its capacity works on coarse levels, where it is cheap. DCTRRDBNet adds to it.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.interpolation import bilinear
from lstsr.registry import register

SLOPE = 0.1
"""Negative slope of the leaky ReLUs."""


def pooling_factors(scale: int) -> list[int]:
    """Prime factors of ``scale``, from the fine grid to the coarse one: 2 and 2 for x4.

    The cells of every level nest in the coarse cells. A tile that begins at a coarse cell therefore
    gives the same values as the whole image.
    """
    factors, rest = [], scale
    for factor in range(2, scale + 1):
        while rest % factor == 0:
            factors.append(factor)
            rest //= factor
    return factors


def widths(features: int, scale: int) -> list[int]:
    """Channels of each level, doubled twice: 16, 32, 64 for x4, and 16, 32, 64, 64 for x8."""
    return [features * min(2**level, 4) for level in range(len(pooling_factors(scale)) + 1)]


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
    concatenations keep LST linear and the widths small. `coarsest` follows the block of the
    coarsest level and can be replaced. ``widths`` are the channels of the levels, from fine to
    coarse.
    """

    def __init__(self, channels_in: int, widths: Sequence[int], scale: int) -> None:
        super().__init__()
        self.coarsest: nn.Module = nn.Identity()
        self.factors = pooling_factors(scale)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(
            ResidualBlock(*pair) for pair in [(channels_in, widths[0]), *pairs]
        )
        self.lateral = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.up = nn.ModuleList(ResidualBlock(width, width) for width in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels_in,H,W) to (N,widths[0],H,W)."""
        # Channels last are a fifth faster on the CPU.
        features = [self.down[0](x.contiguous(memory_format=torch.channels_last))]
        for factor, block in zip(self.factors, self.down[1:], strict=True):
            features.append(block(F.avg_pool2d(features[-1], factor)))
        x = self.coarsest(features.pop())
        for factor, lateral, block in zip(
            self.factors[::-1], self.lateral[::-1], self.up[::-1], strict=True
        ):
            x = block(features.pop() + bilinear(lateral(x), factor))
        return x


@register("unet")
class UNet(ResidualNetwork):
    """A trunk that sees LST and reference together, as a residual over a declared base.

    ``features`` are the channels on the fine grid. Other arguments as in `ResidualNetwork`.
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
        super().__init__(scale, reference_channels, base, sees_deficit, back_projection)
        self.trunk = Trunk(sum(self.stream_channels), widths(features, scale), scale)
        self.tail = conv3x3(features, 1)
        zero_init(self.tail)

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""
        return self.tail(self.trunk(torch.cat(self.stream_images(inputs), 1)))
