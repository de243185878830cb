"""Images on grids: the image of one sensor, and the three of a triplet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lstsr.grid import Grid

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Viewpoint:
    """Position of a geostationary satellite, and the ellipsoid that its pixels lie on.

    ``distance_m`` counts from the centre of the Earth.
    """

    longitude_deg: float
    distance_m: float = 42_164_000.0
    equatorial_radius_m: float = 6_378_137.0
    polar_radius_m: float = 6_356_752.3

    @property
    def height_m(self) -> float:
        """Height above the equator."""
        return self.distance_m - self.equatorial_radius_m

    @property
    def crs(self) -> str:
        """The geostationary projection: scan angles times ``height_m``."""
        return (
            f"+proj=geos +lon_0={self.longitude_deg:.7g} +h={self.height_m:.10g} "
            f"+a={self.equatorial_radius_m:.10g} +b={self.polar_radius_m:.10g} +sweep=y"
        )


@dataclass(frozen=True)
class SensorImage:
    """A calibrated image of one sensor.

    ``values`` (band, row, column) are float32 in ``unit``, NaN outside ``valid`` (row, column), the
    pixels usable in all bands. ``history`` lists the processing steps. With a ``viewpoint``, pixels
    lie where their line of sight meets the ellipsoid, so terrain appears displaced. Otherwise they
    lie at their true position.
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
        """Raise ValueError if arrays, bands and grid disagree."""
        if self.values.shape != (len(self.bands), *self.grid.shape):
            raise ValueError(f"values {self.values.shape}, {self.bands} on {self.grid.shape}")
        if self.valid.shape != self.grid.shape:
            raise ValueError(f"valid {self.valid.shape} on {self.grid.shape}")

    @property
    def valid_fraction(self) -> float:
        """Share of usable pixels, 0 to 1."""
        return float(self.valid.mean())


@dataclass(frozen=True)
class Triplet:
    """Input, reference and target of one scene; reference and target share a fine grid.

    ``shifts`` registered each image to the anchor, (row, column) in fine pixels. ``water`` is the
    share of water on the fine grid, and ``covariates`` (coarse grid) predict the input's bias; both
    are None if unknown.
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
    """The triplet of an image from which inputs are made later: its reference has no band."""
    valid = np.ones(image.grid.shape, bool)
    nothing = replace(image, values=image.values[:0], valid=valid, bands=())
    return Triplet(scene, image, nothing, image)
