"""Filling of invalid pixels, so that networks and transforms see finite numbers everywhere."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from lstsr.image import Floats, Mask

# Widths tried in turn, pixels: the narrowest that reaches a valid pixel fills a gap.
SIGMAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Less weight than this is out of reach of a Gaussian cut at four widths.
REACHED = 1e-4


def fill(values: Floats, valid: Mask) -> Floats:
    """``values`` (..., row, column) with invalid pixels replaced by a normalised Gaussian mean.

    The mean of the valid pixels around a gap, weighted by a Gaussian (normalised convolution,
    Knutsson & Westin 1993), wider where the gap is wider; beyond all widths the mean of the valid
    pixels, and 0 where none is valid. What stood under the mask (NaN, 0, 1e6) has no influence.
    """
    bands = values.reshape(-1, *values.shape[-2:])
    filled = [_fill_band(band, valid) for band in bands]
    return np.array(filled, np.float32).reshape(values.shape)


def _fill_band(band: Floats, valid: Mask) -> Floats:
    if valid.all():
        return band.astype(np.float32)
    if not valid.any():
        return np.zeros_like(band, np.float32)
    mean = float(band[valid].mean(dtype=np.float64))
    anomaly = np.where(valid, band - mean, 0.0)
    weight = valid.astype(np.float64)
    filled = np.where(valid, anomaly, np.nan)
    for sigma in SIGMAS:
        gaps = np.isnan(filled)
        if not gaps.any():
            break
        total = gaussian_filter(weight, sigma)
        reached = gaps & (total > REACHED)
        filled[reached] = (gaussian_filter(anomaly, sigma)[reached]) / total[reached]
    out = np.nan_to_num(filled, nan=0.0) + mean
    return np.where(valid, band, out).astype(np.float32)
