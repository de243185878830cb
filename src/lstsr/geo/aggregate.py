"""Averaging fine temperatures over coarse cells, as a coarse sensor does: in radiance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstsr.errors import LstsrError

# FWHM of a Gaussian in standard deviations: 2 sqrt(2 ln 2)
SIGMAS_PER_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


def block_mean_t4(
    values_k: ArrayLike, valid: ArrayLike, scale: int, min_fraction: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean temperature of each ``scale`` x ``scale`` block, and the valid share of the block.

    A sensor averages radiance, and a grey body radiates in proportion to T^4 (Stefan-Boltzmann), so
    T_block = (sum of v T^4 / sum of v)^(1/4) with v = 1 where valid. Both results are (H / scale,
    W / scale); the temperature is NaN where no pixel, or a share below ``min_fraction``, is valid.
    ``values_k`` (H, W) in kelvin may hold anything outside ``valid``. Raises LstsrError where the
    size is no multiple of ``scale``, shapes differ, or a valid value is not finite.
    """
    t4, mask = _masked_t4(values_k, valid, scale)
    fraction = blocks(mask, scale).mean(axis=(1, 3))
    return _mean_k(blocks(t4, scale).mean(axis=(1, 3)), fraction, min_fraction), fraction


def psf_mean_t4(
    values_k: ArrayLike, valid: ArrayLike, scale: int, fwhm: float, min_fraction: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What ``block_mean_t4`` gives, seen through a Gaussian point spread function.

    The PSF is centred on the coarse cell, with a full width at half maximum of ``fwhm`` coarse
    cells, and weighs T^4 of the valid pixels; the fraction is the share of its weight on them.
    Shapes, result and faults are those of ``block_mean_t4``.
    """
    t4, mask = _masked_t4(values_k, valid, scale)
    rows, columns = (_psf_weights(length, scale, fwhm) for length in t4.shape)
    fraction = rows @ mask @ columns.T
    return _mean_k(rows @ t4 @ columns.T, fraction, min_fraction), fraction


def _masked_t4(
    values_k: ArrayLike, valid: ArrayLike, scale: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """T^4, 0 outside the mask, and the mask."""
    values = np.asarray(values_k, np.float64)
    mask = np.asarray(valid, bool)
    if values.shape != mask.shape or any(length % scale for length in values.shape):
        raise LstsrError(
            f"cannot average {values.shape} with a mask of {mask.shape} in blocks of {scale}: "
            "give equal shapes that are multiples of the scale"
        )
    t4 = np.where(mask, values, 0.0) ** 4
    if not np.isfinite(t4).all():
        raise LstsrError("temperatures to average are not finite inside the mask: mask them")
    return t4, mask


def _mean_k(
    total: NDArray[np.float64], fraction: NDArray[np.float64], min_fraction: float
) -> NDArray[np.float64]:
    """(total / fraction)^(1/4), NaN where the fraction is 0 or below ``min_fraction``."""
    with np.errstate(invalid="ignore"):
        mean_k = (total / fraction) ** 0.25
    return np.where(fraction >= min_fraction, mean_k, np.nan)


def blocks(image: NDArray, scale: int) -> NDArray:
    """(H, W) as (H / scale, scale, W / scale, scale)."""
    height, width = image.shape
    return image.reshape(height // scale, scale, width // scale, scale)


def _psf_weights(length: int, scale: int, fwhm: float) -> NDArray[np.float64]:
    """(length / scale, length): the weight of each pixel in each coarse cell; a row's sum is 1."""
    centres = (np.arange(length // scale) + 0.5) * scale
    distance = np.arange(length) + 0.5 - centres[:, None]
    weights = np.exp(-0.5 * (distance / (fwhm * scale / SIGMAS_PER_FWHM)) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)
