"""Averaging fine temperatures over coarse cells, as a coarse sensor does: in radiance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

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
    fraction = _blocks(mask, scale).mean(axis=(1, 3))
    with np.errstate(invalid="ignore"):
        mean_k = (_blocks(t4, scale).mean(axis=(1, 3)) / fraction) ** 0.25
    return np.where(fraction >= min_fraction, mean_k, np.nan), fraction


def _blocks(image: NDArray, scale: int) -> NDArray:
    """(H, W) as (H / scale, scale, W / scale, scale)."""
    height, width = image.shape
    return image.reshape(height // scale, scale, width // scale, scale)


def psf_mean_t4(
    values_k: ArrayLike, valid: ArrayLike, scale: int, fwhm: float, min_fraction: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What ``block_mean_t4`` gives, seen through a Gaussian point spread function.

    The PSF has a full width at half maximum of ``fwhm`` coarse cells; its valid-weighted mean of
    T^4 is sampled at the cell centres. Shapes, result and faults are those of ``block_mean_t4``.
    """
    mask = np.asarray(valid, bool)
    t4 = np.where(mask, np.asarray(values_k, np.float64), 0.0) ** 4
    if not np.isfinite(t4).all():
        raise LstsrError("temperatures to blur are not finite inside the mask: mask them")
    sigma = fwhm * scale / SIGMAS_PER_FWHM
    weight = gaussian_filter(mask.astype(np.float64), sigma, mode="nearest")
    blurred = gaussian_filter(t4, sigma, mode="nearest")
    fraction, total = _at_centres(weight, scale), _at_centres(blurred, scale)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_k = (total / fraction) ** 0.25
    return np.where(fraction >= min_fraction, mean_k, np.nan), fraction


def _at_centres(image: NDArray, scale: int) -> NDArray:
    """Values at the centres of the coarse cells: the mean of the pixels that touch the centre."""
    first, last = (scale - 1) // 2, scale // 2
    blocks = _blocks(image, scale)
    middle = blocks[:, first : last + 1, :, first : last + 1]
    return middle.mean(axis=(1, 3))
