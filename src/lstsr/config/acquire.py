"""Where the scenes come from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from lstsr.config.section import Section


class AgedReferenceConfig(Section):
    """A reference that is days older than the input and has its own clouds."""

    days: int = Field(1, ge=1, le=7, description="days before the input")
    clouds: float = Field(0.4, ge=0, le=0.6, description="mean cloud share of the reference")


class GenerateConfig(Section):
    """Provider ``generate``: the simulated Korean sample, offline, in the agencies' formats."""

    places: int = Field(8, ge=3, le=48, description="number of Landsat footprints, none overlap")
    dates: int = Field(2, ge=1, le=8, description="dates of each place")
    size_km: int = Field(64, ge=16, le=128, multiple_of=16, description="side of a footprint")
    clouds: float = Field(0.15, ge=0, le=0.6, description="mean cloud share")
    seed: int = Field(2023, ge=0, description="seed of terrain, land cover, weather and sensors")
    aged_reference: AgedReferenceConfig | None = Field(
        None, description="default: the reference has the day and the clouds of the other images"
    )
    level: Literal[1, 2] = Field(2, description="processing level of the GK2A and GOCI-II files")

    @model_validator(mode="after")
    def _check_sector(self) -> Self:
        # three abreast, 12 km apart; the sector ends 700 km south of the first
        most = 3 * (700 // (self.size_km + 12))
        if self.level == 1 and self.places > most:
            raise ValueError(
                f"places = {self.places}: the LA sector of level 1 holds {most} places of "
                f"{self.size_km} km. Use fewer or smaller ones"
            )
        return self


class AcquireConfig(Section):
    """Where the scenes come from."""

    provider: Literal["local", "generate", "download"] = Field(
        "generate", description="files on disk, simulated files, or addresses to download"
    )
    manifest: str = Field(
        "scenes.csv", description="CSV of scenes, relative to `data` (local, download)"
    )
    generate: GenerateConfig = GenerateConfig()
