"""Images averaged over whole blocks of their pixels, on the grid of the blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstsr.geo.aggregate import block_mean, power_of
from lstsr.image import SensorImage


def coarsened(image: SensorImage, scale: int, min_fraction: float = 0.5) -> SensorImage:
    """Mean of the valid pixels in each block of ``scale`` x ``scale``, temperatures as T^4.

    A block is valid if at least the share ``min_fraction`` of its pixels is. Southern rows and
    eastern columns that do not fill a block are left out.
    """
    height, width = (length // scale * scale for length in image.grid.shape)
    values, valid = image.values[:, :height, :width], image.valid[:height, :width]
    means, fraction = block_mean(values, valid, scale, power_of(image.unit), min_fraction)
    return replace(
        image,
        values=means.astype(np.float32),
        valid=(fraction >= min_fraction) & (fraction > 0),
        grid=image.grid.window(0, 0, height, width).coarsen(scale),
        history=(*image.history, f"averaged over {scale} x {scale} pixels"),
    )


def coarsened_to(image: SensorImage, gsd_m: float) -> SensorImage:
    """``image``, if it is finer averaged over whole blocks of pixels to about ``gsd_m``."""
    scale = round(gsd_m / image.grid.gsd_m)
    return coarsened(image, scale) if scale > 1 else image
