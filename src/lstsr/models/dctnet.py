"""DCTNet (Zhao et al., CVPR 2022): guided super-resolution by a solve in the DCT basis (`dct`).

This is our network, `dctnet_released` holds the network of the released weights. They differ in:

- the residual over a base,
- the Laplacian: the published right-hand side uses another one than its eigenvalues,
- the attention: the published one is displaced by up to 9 pixels, depending on the image size,
- the start of lambda.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.dct import LAPLACIANS, SmoothingLength, guided_solve
from lstsr.models.interpolation import bilinear, block_mean
from lstsr.registry import register

SLOPE = 0.2
"""Negative slope of the leaky ReLUs; the published network has plain ReLUs."""


# Semi-coupled feature extraction (section 3.2). The batch stacks both streams, LST first.


class SemiCoupledConv(nn.Module):
    """3 x 3 conv of two streams, which use the same kernels for a share of the output channels.

    The published ``shared`` is half.
    """

    def __init__(self, channels_in: int, channels_out: int, shared: float = 0.5) -> None:
        super().__init__()
        bound = math.sqrt(6 / (9 * channels_in))  # Kaiming, uniform, fan-in, gain of a ReLU

        def kernel(channels: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(channels, channels_in, 3, 3).uniform_(-bound, bound))

        common = round(shared * channels_out)
        private = channels_out - common
        self.shared, self.lst, self.reference = kernel(common), kernel(private), kernel(private)
        self.shared_bias = nn.Parameter(torch.zeros(common))
        self.lst_bias = nn.Parameter(torch.zeros(private))
        self.reference_bias = nn.Parameter(torch.zeros(private))

    def forward(self, streams: Tensor) -> Tensor:
        """(2N,channels_in,H,W) to (2N,channels_out,H,W)."""
        lst, reference = streams.chunk(2)
        outputs = [
            F.conv2d(
                x, torch.cat([self.shared, kernel]), torch.cat([self.shared_bias, bias]), padding=1
            )
            for x, kernel, bias in (
                (lst, self.lst, self.lst_bias),
                (reference, self.reference, self.reference_bias),
            )
        ]
        return torch.cat(outputs)


class SemiCoupledLayer(nn.Module):
    """y = act(x + conv2(act(conv1(x)))) in both streams."""

    def __init__(self, features: int, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.conv1 = SemiCoupledConv(features, features)
        self.conv2 = SemiCoupledConv(features, features)

    def forward(self, streams: Tensor) -> Tensor:
        """(2N,features,H,W) to the same."""
        inner = F.leaky_relu(self.conv1(streams), self.slope)
        return F.leaky_relu(streams + self.conv2(inner), self.slope)


class FeatureExtraction(nn.Module):
    """SCFE: a private head per stream, then layers of both streams.

    Args:
        channels: channels of the LST stream's image and of the reference stream's image.
        features: channels after the heads.
        layers: modules from (2N,features,H,W) to the same.
        slope: negative slope of the leaky ReLU after the heads.
    """

    def __init__(
        self, channels: tuple[int, int], features: int, layers: list[nn.Module], slope: float
    ) -> None:
        super().__init__()
        self.slope = slope
        self.head_lst, self.head_reference = (conv3x3(n, features) for n in channels)
        self.layers = nn.ModuleList(layers)

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N,*,H,W) to features (N,features,H,W)."""
        x = torch.cat([self.head_lst(lst), self.head_reference(reference)])
        x = F.leaky_relu(x.contiguous(memory_format=torch.channels_last), self.slope)
        for layer in self.layers:
            x = layer(x)
        d, r = x.chunk(2)
        return d, r


def reconstruction(features: int, slope: float) -> nn.Sequential:
    """Features to one channel by three convs that halve the width each time (section 3.4)."""
    half, quarter = features // 2, features // 4
    return nn.Sequential(
        conv3x3(features, half),
        nn.LeakyReLU(slope),
        conv3x3(half, quarter),
        nn.LeakyReLU(slope),
        conv3x3(quarter, 1),
    )


# The network


class Gate(nn.Module):
    """W in (0, 1), per feature: which edges of the reference to transfer (GESA, section 3.3).

    This is enhanced spatial attention, but it sees both streams. Its wide branch works on the
    coarse grid, block means down and bilinear up: it is aligned on images of any size and on tiles.
    """

    def __init__(self, features: int, scale: int) -> None:
        super().__init__()
        self.scale, inner = scale, features // 4
        self.reduce = nn.Conv2d(2 * features, inner, 1)
        self.wide = nn.Sequential(
            conv3x3(inner, inner), nn.LeakyReLU(SLOPE), conv3x3(inner, inner), nn.LeakyReLU(SLOPE)
        )
        self.wide_last = conv3x3(inner, inner)
        self.narrow = nn.Conv2d(inner, inner, 1)
        self.expand = nn.Conv2d(inner, features, 1)

    def forward(self, lst: Tensor, reference: Tensor) -> Tensor:
        """Two streams (N,features,H,W) to (N,features,H,W)."""
        x = self.reduce(torch.cat([lst, reference], 1))
        wide = bilinear(self.wide_last(self.wide(block_mean(x, self.scale))), self.scale)
        return torch.sigmoid(self.expand(wide + self.narrow(x)))


class GuidedSolve(nn.Module):
    """The DCT module: gate, smoothing length and solve.

    `gain` scales the guide term per feature and can close it, because useless texture costs more
    than it gains. It starts open: a start at 0.1 left an error 10 to 35 % larger after 60 steps on
    a synthetic pair.

    Args:
        features: channels of each stream, a multiple of 4.
        scale: coarse spacing / fine spacing.
        operators: a key of `LAPLACIANS`.

    Raises:
        LstsrError: features are not a multiple of 4, or the operators are unknown.
    """

    def __init__(self, features: int, scale: int, operators: str) -> None:
        super().__init__()
        if features % 4:
            raise LstsrError(f"features: {features} is not a multiple of 4")
        if operators not in LAPLACIANS:
            known = ", ".join(LAPLACIANS)
            raise LstsrError(f"operators: unknown name {operators!r}; use one of {known}")
        self.operators = operators
        self.gate = Gate(features, scale)
        # Half a coarse cell: the largest lambda of the released weights is near (scale / 2)^4.
        self.length = SmoothingLength(features, scale / 2, 2.0 * scale)
        self.gain = nn.Parameter(torch.ones(features, 1, 1))

    def forward(self, lst: Tensor, reference: Tensor, reference_valid: Tensor) -> Tensor:
        """Two streams (N,features,H,W) to one. Invalid reference pixels transfer no edge."""
        weight = self.gain * reference_valid * self.gate(lst, reference)
        return guided_solve(lst, reference, weight, self.length(), self.operators)


@register("dctnet")
class DCTNet(ResidualNetwork):
    """DCTNet as a residual over a declared base.

    Other arguments are those of `ResidualNetwork`.

    Args:
        features: channels of each stream, a multiple of 4; 64 as published, 32 for the CPU.
        layers: number of semi-coupled layers.
        operators: a key of `LAPLACIANS`.

    Raises:
        LstsrError: an option has an invalid value.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 64,
        layers: int = 4,
        base: str = "bicubic",
        operators: str = "consistent",
        sees_deficit: bool = False,
        back_projection: bool = False,
    ) -> None:
        super().__init__(scale, reference_channels, base, sees_deficit, back_projection)
        coupled: list[nn.Module] = [SemiCoupledLayer(features, SLOPE) for _ in range(layers)]
        self.extraction = FeatureExtraction(self.stream_channels, features, coupled, SLOPE)
        self.guided = GuidedSolve(features, scale, operators)
        self.tail = reconstruction(features, SLOPE)
        zero_init(self.tail[-1])

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""
        streams = self.extraction(*self.stream_images(inputs))
        z = self.guided(*streams, inputs.reference_valid)
        return self.tail(z.contiguous(memory_format=torch.channels_last))
