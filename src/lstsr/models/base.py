"""A network predicts what its declared base misses: output = base + residual."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models import interpolation
from lstsr.models.linear import LocalLinear

BASES: dict[str, type[nn.Module]] = {**interpolation.NETWORKS, "local-linear": LocalLinear}
"""What a network may be a residual over. Each sees only a few cells around, so tiles agree."""


class ResidualNetwork(nn.Module, ABC):
    """Base + residual, where the residual's last layer is linear and zero at first.

    So an untrained network equals its base exactly, no output value is out of reach (a final ReLU
    cannot go below the scene's mean), and the level of the scene passes through untouched.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        base: a key of `BASES`.
        back_projection: what returns to the output what that leaves of the input, if anything: a
            module (fine, coarse, coarse_valid) -> fine.
        bands: of the image, 1 for LST; a network without reference may have B of them in and out.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        base: str,
        back_projection: nn.Module | None = None,
        bands: int = 1,
    ) -> None:
        super().__init__()
        if base not in BASES:
            raise LstsrError(f"base: unknown name {base!r}; use one of {', '.join(BASES)}")
        self.scale, self.bands = scale, bands
        self.base = BASES[base](scale, reference_channels)
        self.back_projection = back_projection

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """Fine LST in normalised units; reference values under its mask never matter.

        Args:
            coarse: (N,1,h,w), filled where invalid.
            reference: (N,C,H,W) with H = h scale, W = w scale.
            coarse_valid: (N,1,h,w), 0 or 1.
            reference_valid: (N,1,H,W), 0 or 1.

        Returns:
            (N,1,H,W).
        """
        reference = torch.where(reference_valid > 0, reference, 0.0)
        base: Tensor = self.base(coarse, reference, coarse_valid, reference_valid)
        fine = base + self.residual(base, coarse, reference, coarse_valid, reference_valid)
        if self.back_projection is None:
            return fine
        corrected: Tensor = self.back_projection(fine, coarse, coarse_valid)
        return corrected

    @abstractmethod
    def residual(
        self,
        base: Tensor,
        coarse: Tensor,
        reference: Tensor,
        coarse_valid: Tensor,
        reference_valid: Tensor,
    ) -> Tensor:
        """What the base misses, (N,1,H,W); the reference is 0 under its mask."""


def zero_init(module: nn.Module) -> None:
    """Set all weights to 0: for the last layer of a residual."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def conv3x3(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3 x 3 convolution of equal size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)
