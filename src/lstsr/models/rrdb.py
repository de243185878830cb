"""RRDBNet, the generator of ESRGAN (Wang et al. 2018), which uses no reference.

The model esrnet trains it for fidelity only, and esrgan against a discriminator.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.models.base import SingleImageNetwork, conv3x3, zero_init
from lstsr.registry import register

Conv = Callable[[int, int], nn.Module]

SLOPE = 0.2
"""Negative slope of the leaky ReLUs (ESRGAN, section 3.1 and released options)."""

RESIDUAL_SCALE = 0.2
"""Factor beta on the residual of each dense block and of each RRDB (ESRGAN, section 3.1)."""


class ResidualDenseBlock(nn.Module):
    """x + beta conv5([x, x1, .. x4]), each x_i = LeakyReLU(conv_i of all before it).

    ``features`` is the number of channels in and out, ``growth`` the number that each inner conv
    adds, ``residual_scale`` is beta, and ``conv`` makes a conv from its channels in and out.
    """

    def __init__(
        self,
        features: int,
        growth: int,
        residual_scale: float = RESIDUAL_SCALE,
        conv: Conv = conv3x3,
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        inputs = [features + i * growth for i in range(5)]
        outputs = [growth] * 4 + [features]
        self.convs = nn.ModuleList(map(conv, inputs, outputs))
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
                continue
            if conv is conv3x3:  # other convs have their own Kaiming initialisation
                nn.init.kaiming_normal_(parameter)
            parameter.data *= 0.1  # "smaller initialization" (ESRGAN, section 3.1)

    def forward(self, x: Tensor) -> Tensor:
        """(N,features,H,W) to the same."""
        dense = [x]
        for conv in self.convs[:-1]:
            dense.append(F.leaky_relu(conv(torch.cat(dense, 1)), SLOPE))
        return x + self.residual_scale * self.convs[-1](torch.cat(dense, 1))


class RRDB(nn.Module):
    """Residual in residual dense block: x + beta (three `ResidualDenseBlock` of x)."""

    def __init__(
        self,
        features: int,
        growth: int,
        residual_scale: float = RESIDUAL_SCALE,
        conv: Conv = conv3x3,
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.blocks = nn.Sequential(
            *(ResidualDenseBlock(features, growth, residual_scale, conv) for _ in range(3))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N,features,H,W) to the same."""
        return x + self.residual_scale * self.blocks(x)


@register("esrnet", guided=False)
@register("esrgan", guided=False, adversarial=True)
class ESRNet(SingleImageNetwork):
    """RRDBNet, by default for one channel, as a residual over a declared base.

    The published form (`features=64, growth=32, blocks=23, residual=False`) has 16,695,681
    parameters at x4. The default (0.77 M at x4) is for the CPU. It works on the coarse grid, so its
    cost per fine pixel is small. Other arguments and errors as in `SingleImageNetwork`.

    Args:
        features: channels of the trunk (nf).
        growth: channels that each conv of a dense block adds (gc).
        blocks: number of RRDBs.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 32,
        growth: int = 16,
        blocks: int = 4,
        base: str = "bicubic",
        residual: bool = True,
        bands: int = 1,
    ) -> None:
        super().__init__(scale, reference_channels, base, residual, bands)
        self.first = conv3x3(bands, features)
        self.trunk = nn.Sequential(
            *(RRDB(features, growth) for _ in range(blocks)), conv3x3(features, features)
        )
        self.upsampling = nn.ModuleList(conv3x3(features, features) for _ in range(self.stages))
        self.fine = conv3x3(features, features)
        self.last = conv3x3(features, bands)
        if residual:
            zero_init(self.last)

    def detail(self, coarse: Tensor) -> Tensor:
        """RRDBNet, (N,B,h,w) to (N,B,H,W)."""
        x = self.first(coarse).contiguous(memory_format=torch.channels_last)
        x = x + self.trunk(x)
        for conv in self.upsampling:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), SLOPE)
        return self.last(F.leaky_relu(self.fine(x), SLOPE))
