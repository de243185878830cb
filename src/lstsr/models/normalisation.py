"""The only way between kelvin and network units. It sees the input, never the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lstsr.errors import LstsrError

Kind = Literal["input", "min-max", "statistics"]
"""How a row is normalised. The last two are ablations (`training.network_io`)."""

Array = TypeVar("Array", bound=Any)
"""A numpy array or a torch tensor of floating type. The result has the same type."""


@dataclass(frozen=True)
class Normalisation:
    """Affine maps of one scene, the same in training and in prediction.

    ``centre_k`` is the mean of the whole scene's valid input, so that f(T + c) = f(T) + c.
    ``scale_k`` is the same for all scenes. A statistic of a patch or scene would amplify flat
    scenes, and tiles of one scene would disagree. ``reference_mean`` and ``reference_std`` are per
    channel, over the valid pixels of the training scenes. Raises LstsrError if a scale or deviation
    is not positive, or if the numbers of channels differ.
    """

    centre_k: float
    scale_k: float
    reference_mean: tuple[float, ...]
    reference_std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.scale_k > 0:
            raise LstsrError(f"scale_k: {self.scale_k} is not positive")
        means, deviations = len(self.reference_mean), len(self.reference_std)
        if deviations != means:
            raise LstsrError(
                f"reference_std: {deviations} values, but reference_mean has {means}. Give one of "
                "each per channel"
            )
        for channel, std in enumerate(self.reference_std):
            if not std > 0:
                raise LstsrError(
                    f"reference_std: {std} in channel {channel}. Drop a band that is constant"
                )

    def to_units(self, temperature_k: Array) -> Array:
        """Kelvin to network units, any shape."""
        return (temperature_k - self.centre_k) / self.scale_k

    def to_kelvin(self, units: Array) -> Array:
        """Network units to kelvin, any shape."""
        return units * self.scale_k + self.centre_k

    def reference_to_units(self, reference: Array) -> Array:
        """Reference (...,C,H,W) to zero mean and unit variance per channel."""
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
