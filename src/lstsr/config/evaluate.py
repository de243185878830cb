"""What the table and figures show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lstsr.config.section import Section


class EvaluateConfig(Section):
    """What the table and figures show."""

    split: Literal["test", "validation"] = Field("test", description="split that is scored")
    bootstrap: int = Field(10_000, ge=100, description="resamplings of the paired interval")
    figure_scenes: int = Field(3, ge=1, description="number of scenes in the figures")
