"""DCTNet (Zhao et al., CVPR 2022): guided super-resolution by a solve in the DCT basis.

Features D of the LST and R of the reference meet in one problem per channel,

    min over x of |x - D|^2 + lambda |L x - W o L R|^2,

with L the Laplacian and W in (0, 1) the edges of the reference worth transferring (section 3.3).
With Neumann borders the 5-point L is diagonal in the DCT-II basis, with eigenvalues kappa, so that

    x = IDCT[ DCT(D + lambda L (W o L R)) / (1 + lambda kappa^2) ].

`DCTNet` is our network, `PublishedDCTNet` the one of the released weights. They differ in the
residual over a base, the Laplacian (the published right-hand side uses another one than its kappa),
the attention (the published one is displaced by up to 9 pixels, differently for each image size)
and the start of lambda.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import ResidualNetwork, conv3x3, zero_init
from lstsr.models.consistency import BackProjection, deficit
from lstsr.models.interpolation import bilinear, block_mean
from lstsr.models.weights import load_weights

SLOPE = 0.2
"""Negative slope of the leaky ReLUs; the published network has plain ReLUs."""

SHORTEST_PX = 0.3
"""Smallest smoothing length at the start: lambda = 0.008, the solve changes next to nothing."""


# The DCT solve


@lru_cache(maxsize=64)
def dct_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Orthonormal DCT-II as a matrix (size, size): C[i, j] ~ cos(pi i (2 j + 1) / (2 size))."""
    # A tensor made in inference mode could not be used in training later.
    with torch.inference_mode(False), torch.no_grad():
        index = torch.arange(size, dtype=torch.float64)
        matrix = torch.cos(torch.pi / size * index[:, None] * (index + 0.5))
        matrix *= math.sqrt(2 / size)
        matrix[0] /= math.sqrt(2)
        return matrix.to(device, dtype)


@lru_cache(maxsize=64)
def eigenvalues(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Of the 5-point Laplacian: kappa_ij = 2 cos(pi i / H) + 2 cos(pi j / W) - 4, (H,W)."""
    with torch.inference_mode(False), torch.no_grad():
        rows, columns = (
            2 * torch.cos(torch.pi / n * torch.arange(n, dtype=torch.float64)) - 2
            for n in (height, width)
        )
        return (rows[:, None] + columns).to(device, dtype)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """No autocast, TF32 or bfloat16: 8 to 11 bits of mantissa could cost kelvins in the solve."""
    products = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [product.fp32_precision for product in products]
    try:
        for product in products:
            product.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for product, precision in zip(products, before, strict=True):
            product.fp32_precision = precision


class _Separable(torch.autograd.Function):
    """rows @ x @ columns^T at full precision, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        with full_precision(x.device):
            return rows @ x @ columns.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, columns = ctx.saved_tensors
        with full_precision(rows.device):
            return rows.T @ gradients[0] @ columns, None, None


def dct2(x: Tensor) -> Tensor:
    """Orthonormal DCT-II over the last two axes."""
    rows, columns = (dct_matrix(n, x.dtype, x.device) for n in x.shape[-2:])
    transformed: Tensor = _Separable.apply(x, rows, columns)
    return transformed


def idct2(x: Tensor) -> Tensor:
    """Inverse of `dct2`."""
    rows, columns = (dct_matrix(n, x.dtype, x.device).T for n in x.shape[-2:])
    transformed: Tensor = _Separable.apply(x, rows, columns)
    return transformed


class _FivePoint(torch.autograd.Function):
    """5-point Laplacian with replicated border; the operator is its own transpose."""

    @staticmethod
    def apply_stencil(x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for axis in (-2, -1):
            size = x.shape[axis] - 1
            step = x.diff(dim=axis)
            out.narrow(axis, 0, size).add_(step)
            out.narrow(axis, 1, size).sub_(step)
        return out

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _FivePoint.apply_stencil(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _FivePoint.apply_stencil(gradients[0])


def laplacian(x: Tensor) -> Tensor:
    """5-point Laplacian, borders replicated: exactly the operator that `eigenvalues` belongs to."""
    filtered: Tensor = _FivePoint.apply(x)
    return filtered


def published_laplacian(x: Tensor) -> Tensor:
    """The published right-hand side's: (sum of 8 neighbours - 8 centre) / 16, borders reflected.

    For released weights. At low frequency it is 3/16 of the 5-point one: the solve is no minimiser.
    """
    channels = x.shape[1]
    kernel = torch.ones(3, 3, dtype=x.dtype, device=x.device)
    kernel[1, 1] = -8
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, (kernel / 16).expand(channels, 1, 3, 3), groups=channels)


LAPLACIANS: dict[str, Callable[[Tensor], Tensor]] = {
    "consistent": laplacian,
    "published": published_laplacian,
}
"""Operators of the right-hand side, by name."""


def right_hand_side(
    lst: Tensor, reference: Tensor, weight: Tensor, penalty: Tensor, operators: str = "consistent"
) -> Tensor:
    """D + lambda L (W o L R) of features (N,C,H,W); `penalty` is lambda, (C,1,1)."""
    operator = LAPLACIANS[operators]
    return lst + penalty * operator(weight * operator(reference))


def solve(rhs: Tensor, penalty: Tensor) -> Tensor:
    """Solve (I + lambda L^T L) x = rhs with the 5-point L.

    Args:
        rhs: (N,C,H,W).
        penalty: lambda (C,1,1), in pixel^4: lambda^(1/4) is the smoothing length.

    Returns:
        (N,C,H,W), of the type of rhs.
    """
    kappa = eigenvalues(*rhs.shape[-2:], rhs.dtype, rhs.device)
    return idct2(dct2(rhs) / (1 + penalty * kappa**2))


def guided_solve(
    lst: Tensor, reference: Tensor, weight: Tensor, penalty: Tensor, operators: str = "consistent"
) -> Tensor:
    """The minimiser of |x - D|^2 + lambda |L x - W o L R|^2 in float32 (or the inputs' float64).

    Args:
        lst: D (N,C,H,W).
        reference: R (N,C,H,W).
        weight: W (N,C,H,W).
        penalty: lambda (C,1,1) in pixel^4.
        operators: a key of `LAPLACIANS`.

    Returns:
        (N,C,H,W), float32 whatever the autocast.
    """
    dtype = torch.promote_types(lst.dtype, torch.float32)
    with full_precision(lst.device):
        d, r, w, lam = (x.to(dtype).contiguous() for x in (lst, reference, weight, penalty))
        return solve(right_hand_side(d, r, w, lam, operators), lam)


class SmoothingLength(nn.Module):
    """lambda = ell^4 per channel, ell = softplus(theta) limited to ``longest_px``.

    The channels start evenly spaced in log ell, from 0.3 pixel to ``start_px``.

    Args:
        features: number of channels.
        start_px: longest length at the start, pixels.
        longest_px: upper limit, pixels.
    """

    def __init__(self, features: int, start_px: float, longest_px: float) -> None:
        super().__init__()
        self.longest_px = longest_px
        start = torch.logspace(math.log10(SHORTEST_PX), math.log10(start_px), features)
        self.theta = nn.Parameter(torch.log(torch.expm1(start)))

    def forward(self) -> Tensor:
        """Lambda (features,1,1) in pixel^4."""
        length_px = F.softplus(self.theta).clamp(max=self.longest_px)
        return (length_px**4)[:, None, None]


# Semi-coupled feature extraction (section 3.2)


class SemiCoupledConv(nn.Module):
    """3 x 3 conv of both streams: some output channels have kernels in common, the others private.

    Args:
        channels_in: of each stream.
        channels_out: of each stream.
        shared: share of the output channels whose kernels both streams use; published: half.
    """

    def __init__(self, channels_in: int, channels_out: int, shared: float = 0.5) -> None:
        super().__init__()
        common = round(shared * channels_out)

        def kernel(channels: int) -> nn.Parameter:
            # Kaiming, uniform, fan-in, gain of a ReLU.
            bound = math.sqrt(6 / (9 * channels_in))
            return nn.Parameter(torch.empty(channels, channels_in, 3, 3).uniform_(-bound, bound))

        self.shared = kernel(common)
        self.lst = kernel(channels_out - common)
        self.reference = kernel(channels_out - common)
        self.shared_bias = nn.Parameter(torch.zeros(common))
        self.lst_bias = nn.Parameter(torch.zeros(channels_out - common))
        self.reference_bias = nn.Parameter(torch.zeros(channels_out - common))

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Two streams (N,channels_in,H,W) to two of (N,channels_out,H,W)."""

        def conv(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
            kernels, biases = torch.cat([self.shared, kernel]), torch.cat([self.shared_bias, bias])
            return F.conv2d(x, kernels, biases, padding=1)

        return (
            conv(lst, self.lst, self.lst_bias),
            conv(reference, self.reference, self.reference_bias),
        )


class SemiCoupledLayer(nn.Module):
    """y = act(x + conv2(act(conv1(x)))) in both streams."""

    def __init__(self, features: int, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.conv1 = SemiCoupledConv(features, features)
        self.conv2 = SemiCoupledConv(features, features)

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Two streams (N,features,H,W) to the same."""
        inner = (F.leaky_relu(x, self.slope) for x in self.conv1(lst, reference))
        outer = self.conv2(*inner)
        return (
            F.leaky_relu(lst + outer[0], self.slope),
            F.leaky_relu(reference + outer[1], self.slope),
        )


class FeatureExtraction(nn.Module):
    """SCFE: a private head per stream, then layers that take and return both streams.

    Args:
        lst_channels: channels of the LST stream's image.
        reference_channels: channels of the reference stream's image.
        features: channels after the heads.
        layers: modules (lst, reference) -> (lst, reference).
        slope: of the leaky ReLU after the heads.
    """

    def __init__(
        self,
        lst_channels: int,
        reference_channels: int,
        features: int,
        layers: list[nn.Module],
        slope: float,
    ) -> None:
        super().__init__()
        self.slope = slope
        self.head_lst = conv3x3(lst_channels, features)
        self.head_reference = conv3x3(reference_channels, features)
        self.layers = nn.ModuleList(layers)

    def forward(self, lst: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N,*,H,W) to features (N,features,H,W)."""
        d, r = (
            F.leaky_relu(head(x).contiguous(memory_format=torch.channels_last), self.slope)
            for head, x in ((self.head_lst, lst), (self.head_reference, reference))
        )
        for layer in self.layers:
            d, r = layer(d, r)
        return d, r


def reconstruction(features: int, slope: float) -> nn.Sequential:
    """Features to one channel by three convs, the widths halved at each (section 3.4)."""
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

    As enhanced spatial attention, but it sees both streams, and its wide branch lives on the coarse
    grid: block means down, bilinear up, so that it is aligned on images of any size and on tiles.

    Args:
        features: channels of each stream.
        scale: coarse spacing / fine spacing.
    """

    def __init__(self, features: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        inner = features // 4
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

    `gain` scales the guide term per feature and can close it altogether, because texture
    transferred for nothing costs more than it gains. It starts open: started at 0.1, 60 steps on a
    synthetic pair left an error 10 to 35 % larger.

    Args:
        features: channels of each stream.
        scale: coarse spacing / fine spacing.
        operators: a key of `LAPLACIANS`.

    Raises:
        LstsrError: the operators are unknown.
    """

    def __init__(self, features: int, scale: int, operators: str) -> None:
        super().__init__()
        if operators not in LAPLACIANS:
            known = ", ".join(LAPLACIANS)
            raise LstsrError(f"operators: unknown name {operators!r}; use one of {known}")
        self.operators = operators
        self.gate = Gate(features, scale)
        # About half a coarse cell is useful: the largest lambda of the released weights is near
        # (scale / 2)^4.
        self.length = SmoothingLength(features, scale / 2, 2.0 * scale)
        self.gain = nn.Parameter(torch.ones(features, 1, 1))

    def forward(self, lst: Tensor, reference: Tensor, reference_valid: Tensor) -> Tensor:
        """Two streams (N,features,H,W) to one; no edge is taken where the reference is invalid."""
        weight = self.gain * reference_valid * self.gate(lst, reference)
        return guided_solve(lst, reference, weight, self.length(), self.operators)


def stream_images(
    base: Tensor,
    coarse: Tensor,
    reference: Tensor,
    coarse_valid: Tensor,
    reference_valid: Tensor,
    scale: int,
    sees_deficit: bool,
) -> tuple[Tensor, Tensor]:
    """What the two streams see: image and mask, (N,2,H,W) and (N,C+1,H,W).

    A base that is a regression does not return the input. With ``sees_deficit`` the LST stream
    has a third image, what the base leaves of the input, interpolated.
    """
    lst = [base, F.interpolate(coarse_valid, scale_factor=scale, mode="nearest")]
    if sees_deficit:
        lst.append(bilinear(deficit(base, coarse, coarse_valid, scale), scale))
    return torch.cat(lst, 1), torch.cat([reference, reference_valid], 1)


class DCTNet(ResidualNetwork):
    """DCTNet as a residual over a declared base.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        features: channels of each stream, a multiple of 4; 64 as published, 32 for the CPU.
        layers: number of semi-coupled layers.
        base: what the residual is over, see `BASES`.
        operators: a key of `LAPLACIANS`.
        sees_deficit: see `stream_images`.
        back_projection: whether a learned share of the deficit is returned, see `BackProjection`.

    Raises:
        LstsrError: an option's value is refused.
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
        returned = BackProjection(scale) if back_projection else None
        super().__init__(scale, reference_channels, base, returned)
        self.sees_deficit = sees_deficit
        if features % 4:
            raise LstsrError(f"features: {features} is not a multiple of 4")
        coupled: list[nn.Module] = [SemiCoupledLayer(features, SLOPE) for _ in range(layers)]
        self.extraction = FeatureExtraction(
            2 + sees_deficit, reference_channels + 1, features, coupled, SLOPE
        )
        self.guided = GuidedSolve(features, scale, operators)
        self.tail = reconstruction(features, SLOPE)
        zero_init(self.tail[-1])

    def residual(
        self,
        base: Tensor,
        coarse: Tensor,
        reference: Tensor,
        coarse_valid: Tensor,
        reference_valid: Tensor,
    ) -> Tensor:
        """What the base misses, (N,1,H,W)."""
        inputs = base, coarse, reference, coarse_valid, reference_valid
        images = stream_images(*inputs, self.scale, self.sees_deficit)
        z = self.guided(*self.extraction(*images), reference_valid)
        residual: Tensor = self.tail(z.contiguous(memory_format=torch.channels_last))
        return residual


# The published network, for released weights


class PublishedAttention(nn.Module):
    """GESA as published: unpadded strides, resized to the image, from the reference alone."""

    def __init__(self, features: int, inner: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(features, inner, 1)
        self.strided = nn.Conv2d(inner, inner, 3, stride=2)
        self.wide = nn.Sequential(
            nn.MaxPool2d(7, stride=3),
            conv3x3(inner, inner),
            nn.ReLU(),
            conv3x3(inner, inner),
            nn.ReLU(),
            conv3x3(inner, inner),
        )
        self.narrow = nn.Conv2d(inner, inner, 1)
        self.expand = nn.Conv2d(inner, features, 1)

    def forward(self, reference: Tensor) -> Tensor:
        """(N,features,H,W) to the same, in (0, 1); at least 15 x 15 pixels."""
        x = self.reduce(reference)
        wide = F.interpolate(
            self.wide(self.strided(x)), x.shape[-2:], mode="bilinear", align_corners=False
        )
        return torch.sigmoid(self.expand(wide + self.narrow(x)))


class PublishedDCTNet(nn.Module):
    """The network of the released weights: 480,545 parameters, 64 features, 4 layers.

    It has no path from input to output and ends in a ReLU, so it takes images in 0 .. 1.
    """

    def __init__(self) -> None:
        super().__init__()
        features = 64
        coupled: list[nn.Module] = [SemiCoupledLayer(features, 0.0) for _ in range(4)]
        self.extraction = FeatureExtraction(1, 3, features, coupled, 0.0)
        self.attention = PublishedAttention(features, 16)
        self.theta = nn.Parameter(torch.empty(1, features, 1, 1).normal_(0.1, 0.3))
        self.tail = reconstruction(features, 0.0)

    def forward(self, upsampled: Tensor, guide: Tensor) -> Tensor:
        """Upsampled image (N,1,H,W) in 0 .. 1 and normalised guide (N,3,H,W) to (N,1,H,W)."""
        d, r = self.extraction(upsampled, guide)
        z = guided_solve(d, r, self.attention(r), self.theta[0].exp(), "published")
        return F.relu(self.tail(z))


_PUBLISHED_NAMES: Mapping[str, str] = {
    r"lambd": "theta",
    r"WPNet\.conv1\.": "attention.reduce.",
    r"WPNet\.conv2\.": "attention.strided.",
    r"WPNet\.conv_max\.": "attention.wide.1.",
    r"WPNet\.conv3\.": "attention.wide.3.",
    r"WPNet\.conv3_\.": "attention.wide.5.",
    r"WPNet\.conv_f\.": "attention.narrow.",
    r"WPNet\.conv4\.": "attention.expand.",
    r"Encoder_coupled\.init_deep\.0\.": "extraction.head_lst.",
    r"Encoder_coupled\.init_rgb\.0\.": "extraction.head_reference.",
    r"Encoder_coupled\.coupled_feat_extractor\.": "extraction.layers.",
    r"kernel_shared_(\d)": r"conv\1.shared",
    r"kernel_depth_(\d)": r"conv\1.lst",
    r"kernel_rgb_(\d)": r"conv\1.reference",
    r"bias_shared_(\d)": r"conv\1.shared_bias",
    r"bias_depth_(\d)": r"conv\1.lst_bias",
    r"bias_rgb_(\d)": r"conv\1.reference_bias",
    r"Decoder_depth\.Decoder_Deep\.": "tail.",
}
"""Names of the released checkpoints to ours."""

_PUBLISHED_UNUSED = "WPNet.conv_dilation."
"""A conv of the released checkpoints (2,320 numbers) that the network never calls."""


def load_published(state_dict: Mapping[str, Tensor]) -> PublishedDCTNet:
    """The published network with released weights.

    Args:
        state_dict: names as in the released checkpoints, with or without the prefix `module.`.

    Returns:
        A `PublishedDCTNet`; see its `forward`.

    Raises:
        LstsrError: keys are missing, unknown, or of another shape.
    """
    renamed = {}
    for key, value in state_dict.items():
        name = key.removeprefix("module.")
        if name.startswith(_PUBLISHED_UNUSED):
            continue
        for pattern, ours in _PUBLISHED_NAMES.items():
            name = re.sub(pattern, ours, name)
        renamed[name] = value
    network = PublishedDCTNet()
    try:
        load_weights(network, renamed)
    except LstsrError as error:
        raise LstsrError(f"state_dict: not a released DCTNet checkpoint: {error}") from error
    return network


NETWORKS: dict[str, type[nn.Module]] = {"dctnet": DCTNet}
