"""The only way between kelvin and network units. It sees the input, never the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lstsr.errors import LstsrError

Kind = Literal["input", "min-max", "statistics"]
"""How a row is normalised; the last two are ablations (`training.inference`)."""

Array = TypeVar("Array", bound=Any)
"""A numpy array or a torch tensor of floating type. The result is of the same kind."""


@dataclass(frozen=True)
class Normalisation:
    """Affine maps of one scene, the same in training and in prediction.

    Attributes:
        centre_k: mean of the whole scene's valid input, so that f(T + c) = f(T) + c.
        scale_k: a fixed number of kelvin for all scenes. A statistic of a patch or scene would
            amplify flat scenes, and tiles of one scene would disagree.
        reference_mean: per channel, over the valid pixels of the training scenes.
        reference_std: likewise.

    Raises:
        LstsrError: a scale or deviation is not positive, or the channel numbers differ.
    """

    centre_k: float
    scale_k: float
    reference_mean: tuple[float, ...]
    reference_std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse numbers that cannot normalise."""
        if not self.scale_k > 0:
            raise LstsrError(f"scale_k: {self.scale_k} is not positive")
        channels = len(self.reference_mean)
        if len(self.reference_std) != channels:
            raise LstsrError(
                f"reference_std: {len(self.reference_std)} values for "
                f"{channels} channels of reference_mean"
            )
        for channel, std in enumerate(self.reference_std):
            if not std > 0:
                raise LstsrError(
                    f"reference_std: {std} in channel {channel}; drop a band that is constant"
                )

    def to_units(self, temperature_k: Array) -> Array:
        """Kelvin to network units, any shape."""
        return (temperature_k - self.centre_k) / self.scale_k

    def to_kelvin(self, units: Array) -> Array:
        """Network units to kelvin, any shape."""
        return units * self.scale_k + self.centre_k

    def reference_to_units(self, reference: Array) -> Array:
        """Raw reference (..., C, H, W) to zero mean and unit variance per channel."""
        channels = len(self.reference_mean)
        if reference.shape[-3] != channels:
            raise LstsrError(
                f"reference: {reference.shape[-3]} channels, but the normalisation has {channels}"
            )
        units = reference * 1.0
        for channel in range(channels):
            units[..., channel, :, :] -= self.reference_mean[channel]
            units[..., channel, :, :] /= self.reference_std[channel]
        return units
