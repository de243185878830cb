"""Channels that alignment adds to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

_Terrain = Literal["elevation", "slope", "northness", "eastness", "water"]
_View = Literal["view_zenith", "sun_zenith", "illumination"]
Layer = Literal[_Terrain, _View, "history"]
AlignedLayer = Literal[Layer, "unregistered"]
HISTORY = ("history", "history_age", "history_count")
"""The channels of layer history."""


def unregistered(band: str) -> str:
    """The channel that holds ``band`` of the reference as delivered, without registration."""
    return f"unregistered_{band}"


def channels_of(layers: Sequence[str]) -> list[str]:
    """The channels that these layers add to the reference."""
    return [name for layer in layers for name in (HISTORY if layer == "history" else (layer,))]
