"""DCTNet (Zhao et al., CVPR 2022): guided super-resolution by a solve in the DCT basis (`dct`).

The network of the released weights (`dctnet_released`) differs. It has no base, and its lambda
starts at other values. Its attention is displaced by up to 9 pixels, depending on the image size.
Its right-hand side uses another Laplacian than its eigenvalues.
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


class SemiCoupledConv(nn.Module):
    """3 x 3 conv of two streams with common kernels for a share of the output channels.

    The batch stacks both streams, LST first (section 3.2). The published ``shared`` is half.
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
        private = (self.lst, self.lst_bias), (self.reference, self.reference_bias)
        outputs = []
        for x, (kernel, bias) in zip(streams.chunk(2), private, strict=True):
            weight = torch.cat([self.shared, kernel])
            outputs.append(F.conv2d(x, weight, torch.cat([self.shared_bias, bias]), padding=1))
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
    """SCFE: a private head per stream with leaky ReLU, then ``layers`` of both streams.

    ``channels`` are the numbers of channels of the LST image and the reference image. Each layer
    is a module from (2N,features,H,W) to the same.
    """

    def __init__(
        self, channels: tuple[int, int], features: int, layers: list[nn.Module], slope: float
    ) -> None:
        super().__init__()
        self.slope = slope
        self.head_lst, self.head_reference = (conv3x3(n, features) for n in channels)
        self.layers = nn.Sequential(*layers)

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Two images (N,*,H,W) to their features (N,features,H,W)."""
        x = torch.cat([self.head_lst(lst), self.head_reference(reference)])
        x = F.leaky_relu(x.contiguous(memory_format=torch.channels_last), self.slope)
        d, r = self.layers(x).chunk(2)
        return d, r


def reconstruction(features: int, slope: float) -> nn.Sequential:
    """Features to one channel by three convs that halve the width twice (section 3.4)."""
    half, quarter = features // 2, features // 4
    first, second, last = conv3x3(features, half), conv3x3(half, quarter), conv3x3(quarter, 1)
    return nn.Sequential(first, nn.LeakyReLU(slope), second, nn.LeakyReLU(slope), last)


class Gate(nn.Module):
    """W in (0, 1), per feature: which edges of the reference to transfer (GESA, section 3.3).

    It is enhanced spatial attention to both streams. Its wide branch works on the coarse grid
    (block means down, bilinear up), so it is aligned on images of any size and on tiles.
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
    """The DCT module: gate, smoothing length and solve, with ``features`` channels per stream.

    `gain` scales the guide term per feature and can close it, because useless texture costs more
    than it gains. It starts open: a start at 0.1 left an error 10 to 35 % larger after 60 steps on
    a synthetic pair. Raises LstsrError if the features are not a multiple of 4, or if the
    operators are not a key of `LAPLACIANS`.
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

    Other arguments as in `ResidualNetwork`. Raises LstsrError if an option is invalid.

    Args:
        features: channels of each stream, a multiple of 4; 64 as published, 32 for the CPU.
        layers: number of semi-coupled layers.
        operators: a key of `LAPLACIANS`.
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
