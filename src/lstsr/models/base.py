"""Parts that the networks share: residual over a declared base, and ties to the input."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models import interpolation
from lstsr.models.interpolation import bicubic_backprojected, bilinear, block_mean
from lstsr.models.linear import LocalLinear

BASES: dict[str, type[nn.Module]] = {
    "bilinear": interpolation.Bilinear,
    "bicubic": interpolation.Bicubic,
    "bicubic-backprojected": interpolation.BicubicBackprojected,
    "local-linear": LocalLinear,
}
"""Bases of a residual network. A pixel depends on a few cells around it only, so tiles agree."""

RATE = 10.0
"""Share of `BackProjection` / its weight. An optimiser moves a weight by about its learning rate
per step, so 400 steps at 1e-3 can reach a share of 4 instead of 0.4."""


class Inputs(NamedTuple):
    """Inputs of a residual, in normalised units.

    The output of the base (N,1,H,W), the coarse image (N,1,h,w), filled where invalid, the
    reference (N,C,H,W), 0 where invalid, and the masks of both (N,1,h,w) and (N,1,H,W), 0 or 1.
    """

    base: Tensor
    coarse: Tensor
    reference: Tensor
    coarse_valid: Tensor
    reference_valid: Tensor


class ResidualNetwork(nn.Module, ABC):
    """Base + residual. The last layer of the residual is linear and starts at zero.

    An untrained network therefore equals its base exactly. The output can have any value, and a
    constant added to the input passes through unchanged. Raises LstsrError if the base is unknown.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        base: a key of `BASES`.
        sees_deficit: whether the LST stream also sees the deficit of the base. The block means of a
            regression, for example, are not the input.
        back_projection: whether `BackProjection` follows.
        bands: bands of the image, 1 for LST. A network without reference can have several.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        base: str,
        sees_deficit: bool = False,
        back_projection: bool = False,
        bands: int = 1,
    ) -> None:
        super().__init__()
        if base not in BASES:
            raise LstsrError(f"base: unknown name {base!r}; use one of {', '.join(BASES)}")
        self.scale, self.bands, self.sees_deficit = scale, bands, sees_deficit
        self.base = BASES[base](scale, reference_channels)
        self.back_projection = BackProjection(scale) if back_projection else None
        self.stream_channels = 2 + sees_deficit, reference_channels + 1

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """Fine image (N,1,H,W); shapes as in `Inputs`. Invalid reference values do not matter."""
        reference = torch.where(reference_valid > 0, reference, 0.0)
        base = self.base(coarse, reference, coarse_valid, reference_valid)
        fine = base + self.residual(Inputs(base, coarse, reference, coarse_valid, reference_valid))
        if self.back_projection is None:
            return fine
        return self.back_projection(fine, coarse, coarse_valid)

    @abstractmethod
    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""

    def stream_images(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Images of the LST stream and of the reference stream, with `stream_channels` channels.

        Base, mask and, with ``sees_deficit``, the interpolated deficit; reference and mask.
        """
        base, coarse, reference, coarse_valid, reference_valid = inputs
        lst = [base, F.interpolate(coarse_valid, scale_factor=self.scale, mode="nearest")]
        if self.sees_deficit:
            lst.append(bilinear(deficit(base, coarse, coarse_valid, self.scale), self.scale))
        return torch.cat(lst, 1), torch.cat([reference, reference_valid], 1)


class SingleImageNetwork(ResidualNetwork):
    """A network without reference that works on the coarse grid and upsamples last.

    Each of its `stages` doubles the size: x8 has three. ``residual=False`` gives the published
    form without a base. Other arguments as in `ResidualNetwork`. Raises LstsrError if the scale is
    not a power of two or the base is unknown.
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
        """Coarse (N,B,h,w) to (N,B,H,W). Only the base uses the reference and the masks."""
        if self.over_base:
            return super().forward(coarse, reference, coarse_valid, reference_valid)
        return self.detail(coarse)

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,B,H,W), from the coarse image only."""
        return self.detail(inputs.coarse)

    @abstractmethod
    def detail(self, coarse: Tensor) -> Tensor:
        """The published network, (N,B,h,w) to (N,B,H,W)."""


def deficit(fine: Tensor, coarse: Tensor, coarse_valid: Tensor, scale: int) -> Tensor:
    """Input minus block means of ``fine`` (N,1,H,W), as (N,1,h,w); 0 where the input is invalid."""
    return coarse_valid * (coarse - block_mean(fine, scale))


class BackProjection(nn.Module):
    """fine + g U(deficit) after Irani and Peleg (1991), with a learned share g that starts at 0.

    U is `bicubic_backprojected`. With g = 1 the block means of the output equal the input. This is
    right if the input is the block mean of the target. A real coarse sensor has a wider PSF and
    noise, and training finds a smaller g.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.tenth = nn.Parameter(torch.zeros(1))

    def forward(self, fine: Tensor, coarse: Tensor, coarse_valid: Tensor) -> Tensor:
        """Fine (N,1,H,W), coarse (N,1,h,w) and its mask to (N,1,H,W)."""
        missing = deficit(fine, coarse, coarse_valid, self.scale)
        return fine + RATE * self.tenth * bicubic_backprojected(missing, self.scale)


def zero_init(module: nn.Module) -> None:
    """Initialise all weights to zero. Used for the last layer, so training starts from the base."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def conv3x3(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3 x 3 convolution that keeps the image size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)
