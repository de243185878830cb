"""Images on grids: one sensor's, and the three that make a triplet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lstsr.grid import Grid

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Viewpoint:
    """Where a geostationary satellite stands, and the ellipsoid that its pixels are placed on.

    ``distance_m`` is from the Earth's centre (42164 km), not from its surface.
    """

    longitude_deg: float
    distance_m: float = 42_164_000.0
    equatorial_radius_m: float = 6_378_137.0
    polar_radius_m: float = 6_356_752.3


@dataclass(frozen=True)
class SensorImage:
    """What one sensor saw, calibrated.

    ``values`` (band, row, column) float32 in ``unit``; ``valid`` (row, column), where all bands are
    usable (values elsewhere are NaN); ``history`` says what was done, in order. With a
    ``viewpoint``, pixels are placed where the line of sight meets the ellipsoid, so that terrain
    appears displaced; without one they stand where they are.
    """

    values: Floats
    valid: Mask
    grid: Grid
    bands: tuple[str, ...]
    unit: str
    sensor: str
    time: str = ""
    history: tuple[str, ...] = ()
    viewpoint: Viewpoint | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where arrays, bands and grid disagree."""
        if self.values.shape != (len(self.bands), *self.grid.shape):
            raise ValueError(
                f"values {self.values.shape} against {self.bands} on {self.grid.shape}"
            )
        if self.valid.shape != self.grid.shape:
            raise ValueError(f"valid {self.valid.shape} on {self.grid.shape}")

    @property
    def valid_fraction(self) -> float:
        """Share of usable pixels, 0 to 1."""
        return float(self.valid.mean())


@dataclass(frozen=True)
class Triplet:
    """Input, reference and target of one place and moment; reference and target share a fine grid.

    ``shifts`` says how far each was moved to meet the anchor, in fine pixels (row, column).
    ``water`` is the share of water on the fine grid and ``covariates`` on the coarse one that of
    which the input's bias is a function, where they are known.
    """

    scene: str
    input: SensorImage
    reference: SensorImage
    target: SensorImage
    shifts: dict[str, tuple[float, float]] = field(default_factory=dict)
    water: SensorImage | None = None
    covariates: SensorImage | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless the input's grid nests in the shared fine grid."""
        if self.reference.grid != self.target.grid or not self.input.grid.nests(self.target.grid):
            raise ValueError(f"scene {self.scene}: the grids do not nest")

    @property
    def scale(self) -> int:
        """Fine cells along one side of a coarse cell."""
        return self.target.grid.width // self.input.grid.width


def alone(scene: str, image: SensorImage) -> Triplet:
    """The triplet of an image from which inputs are yet to be made: its reference has no band."""
    nothing = replace(
        image, values=image.values[:0], valid=np.ones(image.grid.shape, bool), bands=()
    )
    return Triplet(scene, image, nothing, image)
