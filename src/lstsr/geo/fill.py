"""Filling of invalid pixels, because networks and transforms need finite numbers everywhere."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from lstsr.image import Floats, Mask

# Widths in pixels. The narrowest Gaussian that reaches a valid pixel fills a gap.
SIGMAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Gaussians are cut at this many widths, and do not reach pixels with a smaller weight.
CUT, REACHED = 4, 1e-4


def fill(values: Floats, valid: Mask) -> Floats:
    """``values`` (..., row, column) with invalid pixels replaced by a normalised Gaussian mean.

    The Gaussian is wider for wider gaps (normalised convolution, Knutsson & Westin 1993). Beyond
    all widths, the mean of all valid pixels fills the gap, or 0 if there are none. Values under the
    mask (NaN, 0, 1e6) have no influence.
    """
    bands = values.reshape(-1, *values.shape[-2:])
    filled = np.zeros(bands.shape, np.float32)
    if valid.any():
        means = np.array([band[valid].mean(dtype=np.float64) for band in bands], np.float32)
        means = means[:, None, None]
        filled += means
        # The valid part of a product is often small. No Gaussian reaches beyond this margin around
        # it, which has room for the pixels that a Gaussian averages there.
        margin = 2 * CUT * int(max(SIGMAS))
        rows, columns = (np.flatnonzero(valid.any(axis)) for axis in (1, 0))
        near = (
            slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
            slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
        )
        filled[:, *near] = _fill_near(bands[:, *near], valid[near], means)
    return filled.reshape(values.shape)


def _fill_near(bands: Floats, valid: Mask, means: Floats) -> Floats:
    """``bands`` (band, row, column), filled; ``means`` are (band, 1, 1)."""
    anomalies = np.where(valid, bands - means, np.float32(0))
    filled, weight, gaps = anomalies.copy(), valid.astype(np.float64), ~valid
    for sigma in SIGMAS:
        if not gaps.any():
            break
        total = gaussian_filter(weight, sigma, truncate=CUT)
        reached = gaps & (total > REACHED)
        around = gaussian_filter(anomalies, (0, sigma, sigma), truncate=CUT)
        filled[:, reached] = around[:, reached] / total[reached]
        gaps &= ~reached
    return np.where(valid, bands, filled + means).astype(np.float32)
