"""The common grid, the registration to it, and what is added to the reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from lstsr.config.channels import AlignedLayer
from lstsr.config.section import Section, option, read_crs
from lstsr.config.sensors import LandsatBand

Covariate = Literal["view_zenith", "sun_zenith", "hour", "season", "ndvi", "elevation", "water"]


class RegistrationConfig(Section):
    """Sub-pixel registration of the three images."""

    reference: bool = option(True, "register the reference to the target")
    reference_band: str | None = option(None, "matched band; default: the first")
    target_band: LandsatBand | None = option(
        None, "band of a Landsat target that the reference is matched to; default: LST"
    )
    input: bool = option(True, "register the input, blurring the target with its PSF")
    input_psf_cells: float | None = option(
        1.0, "FWHM of this PSF, coarse cells; null: estimated per scene", gt=0, le=4
    )
    constant: dict[Literal["reference", "input"], tuple[float, float]] = option(
        {}, "fixed shifts (row, column), fine pixels, instead of measured ones"
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
                f"the unit of '{value}' is {' and '.join(sorted(units)) or 'unknown'}. Name a "
                "projected coordinate system in metres, such as EPSG:5179 or a UTM zone"
            )
        return value


class AlignConfig(Section):
    """The common grid. The anchor keeps its position, and the other images are registered to it."""

    anchor: Literal["input", "target"] = option(
        "input", "image with the most reliable geolocation; `target` needs `grid`"
    )
    grid: GridConfig | None = option(None, "coarse grid; default: the grid of the input")
    scale: int = option(4, "input spacing / spacing of the fine grid", ge=2, le=16)
    time_window_min: float | None = option(
        None, "most minutes between input and target; null: not checked", gt=0
    )
    reference_max_age_h: float = option(
        24.0, "most hours between reference and input if both times are known", gt=0
    )
    registration: RegistrationConfig = RegistrationConfig()
    layers: list[AlignedLayer] = option(
        [],
        "channels added to the reference: terrain, water share, view and sun; history: "
        "LST of earlier targets, its age and their number; unregistered: a copy of each band "
        "without registration, for rows with this guide",
    )
    history_max_age_days: float = option(
        400.0, "layer history: oldest target; by default a year and two Landsat cycles", gt=0
    )
    covariates: list[Covariate] = option([], "predictors of the input's bias; none: not harmonised")
    min_valid: float = option(0.05, "smallest share of valid fine pixels", gt=0, le=1)
    max_excluded_share: float = option(0.2, "largest share of excluded scenes in a run", ge=0, le=1)

    @model_validator(mode="after")
    def _check_anchor(self) -> Self:
        if (self.anchor == "target") != (self.grid is not None):
            raise ValueError(
                f"anchor = '{self.anchor}': anchor target needs align.grid, and anchor input "
                "excludes it"
            )
        if "history" in self.layers and self.anchor != "target":
            raise ValueError(
                "layers: layer history uses the geolocation of the target. Set anchor to target"
            )
        return self

    @property
    def reference_window(self) -> timedelta:
        """Longest time between reference and input, in a match and in an alignment."""
        return timedelta(hours=self.reference_max_age_h)
