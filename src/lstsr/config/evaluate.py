"""What the table and figures show."""

from __future__ import annotations

from typing import Literal

from lstsr.config.section import Section, option


class EvaluateConfig(Section):
    """What the table and figures show."""

    split: Literal["test", "validation"] = option("test", "split that is scored")
    bootstrap: int = option(10_000, "bootstrap resamples of the paired interval", ge=100)
    figure_scenes: int = option(3, "number of scenes in the figures", ge=1)
