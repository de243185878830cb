"""Images averaged over whole blocks of their pixels, onto the grid of the blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstsr.geo.aggregate import blocks
from lstsr.image import SensorImage


def coarsened(image: SensorImage, scale: int, min_fraction: float = 0.5) -> SensorImage:
    """``image`` in blocks of ``scale`` x ``scale`` pixels: kelvin as T^4, all else plainly.

    A block is valid from the share ``min_fraction`` of valid pixels on, of which it is the mean.
    What is left over in the south and east is left out.
    """
    height, width = (length // scale * scale for length in image.grid.shape)
    power = 4 if image.unit == "kelvin" else 1
    valid = image.valid[:height, :width]
    known = np.where(valid, image.values[:, :height, :width].astype(np.float64), 0.0) ** power
    fraction = blocks(valid, scale).mean(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [blocks(band, scale).mean(axis=(1, 3)) / fraction for band in known]
    values = np.stack(means) ** (1 / power)
    usable = fraction >= max(min_fraction, 1 / scale**2)
    values[:, ~usable] = np.nan
    return replace(
        image,
        values=values.astype(np.float32),
        valid=usable,
        grid=image.grid.window(0, 0, height, width).coarsen(scale),
        history=(*image.history, f"averaged over {scale} x {scale} pixels"),
    )


def at_least(image: SensorImage, gsd_m: float) -> SensorImage:
    """``image``, averaged over whole blocks of pixels to about ``gsd_m`` where it is finer."""
    scale = round(gsd_m / image.grid.gsd_m)
    return coarsened(image, scale) if scale > 1 else image
