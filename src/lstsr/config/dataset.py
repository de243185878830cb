"""Normalisation and masks of the packed triplets, and the blocks of rows that use them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lstsr.config.section import Section, option
from lstsr.tracks import Track, key_of


class DatasetConfig(Section):
    """Normalisation and masks of the packed triplets."""

    scale_k: float = option(10.0, "kelvin per unit of the networks", gt=0)
    scale_reflectance: float = option(0.1, "reflectance per unit of the networks", gt=0)
    wild_k: float = option(15.0, "largest deviation of a cell from the scene's median offset", gt=0)
    min_cell_valid: float = option(0.5, "smallest valid share of a degraded cell", gt=0, le=1)
    psf_fwhm: float = option(1.0, "FWHM of track degraded-psf, coarse cells", ge=0.25, le=4)
    water: Literal["kept", "masked"] = option(
        "kept", "whether pixels that are mostly water are trained on and scored"
    )
    without_reference: Literal["kept", "masked"] = option(
        "masked", "whether pixels without a valid reference are trained on and scored"
    )


class Block(Section):
    """Rows that are compared with each other: one track at one scale."""

    track: Track
    scale: int = Field(ge=2, le=16)

    @property
    def key(self) -> str:
        """Name in files: track-xscale."""
        return key_of(self.track, self.scale)
