"""How scenes are divided into training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from lstsr.config.section import Section, Share, option
from lstsr.split import SPLITS


class Region(Section):
    """Scenes whose longitude and latitude in the manifest lie strictly inside, degrees.

    240 and -120 are the same longitude. A region with only one bound in longitude ends at 180.
    """

    lon_min: float | None = Field(None, ge=-360, le=360)
    lon_max: float | None = Field(None, ge=-360, le=360)
    lat_min: float | None = Field(None, ge=-90, le=90)
    lat_max: float | None = Field(None, ge=-90, le=90)

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        for axis in ("lon", "lat"):
            low, high = getattr(self, f"{axis}_min"), getattr(self, f"{axis}_max")
            if low is not None and high is not None and low >= high:
                across = f". Across 180 degrees, write {high + 360:g}" if axis == "lon" else ""
                raise ValueError(f"{axis}_min = {low} must be below {axis}_max = {high}{across}")
        return self


def _region_or_share(value: Any) -> str | None:
    if isinstance(value, (Mapping, Region)):
        return "<region>"
    return "<share>" if isinstance(value, (int, float)) else None


# Messages leave out tags in angle brackets.
RegionOrShare = Annotated[
    Annotated[Region, Tag("<region>")] | Annotated[Share, Tag("<share>")],
    Discriminator(
        _region_or_share,
        custom_error_type="region_or_share",
        custom_error_message="Input should be a share between 0 and 1, or a region: "
        + ", ".join(Region.model_fields),
    ),
]


class SplitConfig(Section):
    """Test and validation scenes by place. All other scenes are for training.

    A split by shares (0..1) keeps overlapping scenes together. With ``folds``, each region is the
    test split of one fold, so every scene is tested once.
    """

    test: RegionOrShare | None = option(
        None,
        "required without folds; null: no test scenes, for networks that will be "
        "published (needs evaluate.split: validation)",
    )
    validation: RegionOrShare | None = option(None, "required without folds")
    folds: int | None = option(
        None,
        "number of regions of a cross-validation; replaces test and validation",
        ge=len(SPLITS),
    )
    buffer_km: float = option(0.0, "with folds: smallest distance between two splits", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [name for name in ("test", "validation") if getattr(self, name) is not None]
        if self.folds and named:
            raise ValueError(f"folds = {self.folds}: folds replace {named[0]}. Remove one of them")
        if not self.folds:
            if "test" not in self.model_fields_set:
                raise ValueError("test is missing")
            if self.validation is None:
                raise ValueError("validation is missing")
            if self.buffer_km:
                raise ValueError(f"buffer_km = {self.buffer_km:g} needs folds. Set split.folds")
        shares = [share for share in (self.test, self.validation) if isinstance(share, float)]
        if len(shares) == 1 and self.test is not None:
            raise ValueError("test and validation must both be regions or both be shares")
        if sum(shares) >= 1:
            raise ValueError("test + validation leaves nothing to train on. Keep it below 1")
        return self
