"""Quality bands of Landsat products: the bits of QA_PIXEL, BQA and QA_RADSAT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstsr.errors import SceneError
from lstsr.image import Mask
from lstsr.sensors.landsat.mtl import Product

FILL_BIT = (1 << 0,)
QA_PIXEL = {
    "dilated_cloud": (1 << 1,),
    "cirrus": (1 << 2,),
    "cloud": (1 << 3,),
    "cloud_shadow": (1 << 4,),
    "snow": (1 << 5,),
    "water": (1 << 7,),
}
"""Bit patterns of each flag in Collection 2. A flag is set if all bits of one pattern are set.
Source: Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619)."""
BQA = {
    "cloud": (1 << 4, 3 << 5),
    "cloud_shadow": (3 << 7,),
    "snow": (3 << 9,),
    "cirrus": (3 << 11,),
}
"""The same for Collection 1: a single bit, or high confidence in two bits. Source: Landsat
Collection 1 Level 1 Product Definition (LSDS-1656)."""
BQA_SATURATION = 1 << 1 | 3 << 2
"""Terrain occlusion (dropped pixels for ETM+) and saturated bands in BQA; Collection 2 has them in
QA_RADSAT."""


@dataclass(frozen=True)
class Quality:
    """A quality band and the bit patterns of its flags.

    ``saturation`` holds the bits of saturation, or is None if QA_RADSAT has them.
    """

    name: str
    file: Path
    flags: Mapping[str, tuple[int, ...]]
    saturation: int | None = None

    def flagged(self, numbers: np.ndarray, names: Sequence[str]) -> Mask:
        """Pixels that are fill or carry one of the flags ``names``; unknown flags do not count."""
        patterns = [FILL_BIT, *(self.flags[name] for name in names if name in self.flags)]
        return np.asarray(np.any([is_set(numbers, pattern) for pattern in patterns], axis=0))

    def note(self, masked: Sequence[str]) -> str:
        """Flags that are masked, and flags of ``masked`` that the band does not have."""
        known = ["fill", *(flag for flag in masked if flag in self.flags)]
        absent = [flag for flag in masked if flag not in self.flags]
        note = f"masked {', '.join(known)} of {self.name}"
        return note + (f", which has no {', '.join(absent)}" if absent else "")


def quality_band(product: Product) -> Quality | None:
    """The quality band of a product, or None. Raises SceneError if its file is missing."""
    key = "FILE_NAME_QUALITY_L1_PIXEL"
    if product.level.startswith("L2") or key in product.keys:
        return Quality("QA_PIXEL", product.file(key, "QA_PIXEL"), QA_PIXEL)
    key = "FILE_NAME_BAND_QUALITY"
    if key not in product.keys:
        return None
    # before Collection 1, BQA had other bits
    if product.number("COLLECTION_NUMBER") != 1:
        raise SceneError(
            f"{product.name}: lstsr reads BQA only in Collection 1. Use a newer product."
        )
    return Quality("BQA", product.file(key, "BQA"), BQA, BQA_SATURATION)


def is_set(numbers: np.ndarray, patterns: tuple[int, ...]) -> Mask:
    """Pixels in which all bits of one of the ``patterns`` are set."""
    return np.asarray(np.any([numbers & bits == bits for bits in patterns], axis=0))
