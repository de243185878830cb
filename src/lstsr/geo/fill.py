"""Filling of invalid pixels, so that networks and transforms see finite numbers everywhere."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from lstsr.image import Floats, Mask

# Widths tried in turn, pixels: the narrowest that reaches a valid pixel fills a gap.
SIGMAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Gaussians are cut at so many widths.
CUT = 4
# Less weight than this is out of reach of a Gaussian so cut.
REACHED = 1e-4


def fill(values: Floats, valid: Mask) -> Floats:
    """``values`` (..., row, column) with invalid pixels replaced by a normalised Gaussian mean.

    The mean of the valid pixels around a gap, weighted by a Gaussian (normalised convolution,
    Knutsson & Westin 1993), wider where the gap is wider; beyond all widths the mean of the valid
    pixels, and 0 where none is valid. What stood under the mask (NaN, 0, 1e6) has no influence.
    """
    bands = values.reshape(-1, *values.shape[-2:])
    filled = np.zeros(bands.shape, np.float32)
    if valid.any():
        means = [float(band[valid].mean(dtype=np.float64)) for band in bands]
        filled += np.array(means, np.float32)[:, None, None]
        near = (slice(None), *_within_reach(valid))
        filled[near] = _fill_near(bands[near], valid[near[1:]], means)
    return filled.reshape(values.shape)


def _within_reach(valid: Mask) -> tuple[slice, slice]:
    """Rows and columns beyond which no Gaussian meets a valid pixel, nor the edge of this window.

    A product is often a large image of which a small part is seen.
    """
    # so far a Gaussian reaches from the valid pixels, and as far again what it looks at
    margin = 2 * CUT * int(max(SIGMAS))
    rows, columns = (np.flatnonzero(valid.any(axis)) for axis in (1, 0))
    return (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )


def _fill_near(bands: Floats, valid: Mask, means: list[float]) -> Floats:
    """``bands`` (band, row, column), filled."""
    anomalies = [
        np.where(valid, band - mean, 0.0).astype(np.float32)
        for band, mean in zip(bands, means, strict=True)
    ]
    filled = [anomaly.copy() for anomaly in anomalies]
    weight, gaps = valid.astype(np.float64), ~valid
    for sigma in SIGMAS:
        if not gaps.any():
            break
        total = gaussian_filter(weight, sigma, truncate=CUT)
        reached = gaps & (total > REACHED)
        for band, anomaly in zip(filled, anomalies, strict=True):
            around = gaussian_filter(anomaly, sigma, truncate=CUT)
            band[reached] = around[reached] / total[reached]
        gaps &= ~reached
    return np.stack(
        [
            np.where(valid, band, one + mean)
            for band, one, mean in zip(bands, filled, means, strict=True)
        ]
    ).astype(np.float32)
