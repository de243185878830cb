"""Normalisation and masks of the packed triplets, and the blocks of rows that use them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lstsr.config.section import Section
from lstsr.tracks import Track, key_of


class DatasetConfig(Section):
    """Normalisation and masks of the packed triplets."""

    scale_k: float = Field(10.0, gt=0, description="kelvin per unit of the networks")
    scale_reflectance: float = Field(
        0.1, gt=0, description="reflectance per unit of the networks (task optical)"
    )
    wild_k: float = Field(
        15.0, gt=0, description="cells that differ more from the scene's median offset are excluded"
    )
    min_cell_valid: float = Field(
        0.5, gt=0, le=1, description="smallest valid share of a degraded cell"
    )
    psf_fwhm: float = Field(
        1.0, ge=0.25, le=4, description="FWHM of track degraded-psf, coarse cells"
    )
    water: Literal["kept", "masked"] = Field(
        "kept", description="whether pixels that are mostly water are trained on and scored"
    )
    without_reference: Literal["kept", "masked"] = Field(
        "masked", description="whether pixels without a valid reference are trained on and scored"
    )


class Block(Section):
    """Rows that are compared with each other: one track at one scale."""

    track: Track
    scale: int = Field(ge=2, le=16)

    @property
    def key(self) -> str:
        """Its name in files: track-xscale."""
        return key_of(self.track, self.scale)
