"""Where the scenes come from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from lstsr.config.section import Section, option


class AgedReferenceConfig(Section):
    """A reference that is older than the input and has other clouds."""

    days: int = option(1, "age of the reference, days before the input", ge=1, le=7)
    clouds: float = option(0.4, "mean cloud share of the reference", ge=0, le=0.6)


class GenerateConfig(Section):
    """Provider ``generate``: the simulated Korean sample, offline, in the agencies' formats."""

    places: int = option(8, "number of Landsat footprints, all disjoint", ge=3, le=48)
    dates: int = option(2, "number of dates of each place", ge=1, le=8)
    size_km: int = option(64, "side of a footprint", ge=16, le=128, multiple_of=16)
    clouds: float = option(0.15, "mean cloud share", ge=0, le=0.6)
    seed: int = option(2023, "seed of terrain, land cover, weather and sensors", ge=0)
    aged_reference: AgedReferenceConfig | None = option(
        None, "default: the reference has the date and clouds of the other images"
    )
    level: Literal[1, 2] = option(2, "processing level of the GK2A and GOCI-II files")

    @model_validator(mode="after")
    def _check_sector(self) -> Self:
        # three abreast, 12 km apart; the sector ends 700 km south of the first
        most = 3 * (700 // (self.size_km + 12))
        if self.level == 1 and self.places > most:
            raise ValueError(
                f"places = {self.places}: the LA sector of level 1 holds {most} places of "
                f"{self.size_km} km. Use fewer or smaller places"
            )
        return self


class AcquireConfig(Section):
    """Where the scenes come from."""

    provider: Literal["local", "generate", "download"] = option(
        "generate", "files on disk, simulated files, or addresses to download"
    )
    manifest: str = option("scenes.csv", "CSV of scenes, relative to `data` (local, download)")
    generate: GenerateConfig = GenerateConfig()
