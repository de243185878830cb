"""The common grid, the registration to it, and what is added to the reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from lstsr.config.channels import AlignedLayer
from lstsr.config.section import Section, read_crs
from lstsr.config.sensors import LandsatBand

Covariate = Literal["view_zenith", "sun_zenith", "hour", "season", "ndvi", "elevation", "water"]


class RegistrationConfig(Section):
    """Sub-pixel registration of the three images."""

    reference: bool = Field(True, description="register the reference to the target")
    reference_band: str | None = Field(None, description="matched band; default: the first")
    target_band: LandsatBand | None = Field(
        None, description="band of a Landsat target to match the reference to; default: LST"
    )
    input: bool = Field(True, description="find the offset of the input through its blur")
    input_psf_cells: float | None = Field(
        1.0, gt=0, le=4, description="FWHM of this blur, coarse cells; null: estimated by scene"
    )
    constant: dict[Literal["reference", "input"], tuple[float, float]] = Field(
        {}, description="fixed shifts (row, column), fine pixels, instead of measured ones"
    )


class GridConfig(Section):
    """A grid of square cells whose corners are multiples of the spacing."""

    crs: str = Field(description="projected system in metres, in any form that PROJ reads")
    spacing_m: float = Field(gt=0, description="side of a coarse cell, metres")

    @field_validator("crs")
    @classmethod
    def _check_unit(cls, value: str) -> str:
        system = read_crs(value)
        units = {axis.unit_name for axis in system.axis_info}
        if not system.is_projected or units - {"metre", "meter"}:
            raise ValueError(
                f"The unit of '{value}' is {' and '.join(sorted(units)) or 'unknown'}. Name a "
                "projected coordinate system in metres, such as EPSG:5179 or a UTM zone"
            )
        return value


class AlignConfig(Section):
    """The common grid. The anchor keeps its position, and the others are resampled once onto it."""

    anchor: Literal["input", "target"] = Field(
        "input", description="image whose geolocation is trusted; `target` needs `grid`"
    )
    grid: GridConfig | None = Field(None, description="coarse grid; default: the grid of the input")
    scale: int = Field(4, ge=2, le=16, description="input spacing / spacing of the fine grid")
    time_window_min: float | None = Field(
        None, gt=0, description="most minutes between input and target; default: not checked"
    )
    reference_max_age_h: float = Field(
        24.0, gt=0, description="most hours between reference and input, if both times are known"
    )
    registration: RegistrationConfig = RegistrationConfig()
    layers: list[AlignedLayer] = Field(
        [],
        description="channels added to the reference: terrain, water share, view and sun; history: "
        "LST of earlier targets, its age and their number; unregistered: a copy of each band "
        "without registration, for rows with that guide",
    )
    history_max_age_days: float = Field(
        400.0,
        gt=0,
        description="layer history: most days between an earlier target and the input; the default "
        "covers the same season of the year before and two repeat cycles of Landsat",
    )
    covariates: list[Covariate] = Field(
        [],
        description="predictors of the input's bias, which is linear in them; none: no "
        "harmonisation",
    )
    min_valid: float = Field(0.05, gt=0, le=1, description="smallest share of valid fine pixels")
    max_excluded_share: float = Field(
        0.2, ge=0, le=1, description="largest share of excluded scenes; above it the run fails"
    )

    @model_validator(mode="after")
    def _check_anchor(self) -> Self:
        if (self.anchor == "target") != (self.grid is not None):
            raise ValueError(
                f"anchor = '{self.anchor}': anchor target needs align.grid, and anchor input must "
                "not have it"
            )
        if "history" in self.layers and self.anchor != "target":
            raise ValueError(
                "layers: layer history has the geolocation of the target. Set anchor to target"
            )
        return self

    @property
    def reference_window(self) -> timedelta:
        """Longest time between reference and input, in a match and in an alignment."""
        return timedelta(hours=self.reference_max_age_h)
