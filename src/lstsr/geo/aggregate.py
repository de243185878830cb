"""Means of fine pixels over coarse cells. Temperatures are averaged as T^4, like in a sensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstsr.errors import LstsrError

Doubles = NDArray[np.float64]
# Full width at half maximum of a Gaussian, in standard deviations.
SIGMAS_PER_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


def power_of(unit: str) -> int:
    """Power to which values of ``unit`` are raised before they are averaged: 4 for kelvin, else 1.

    A sensor averages radiance, and a grey body radiates in proportion to T^4 (Stefan-Boltzmann).
    """
    return 4 if unit == "kelvin" else 1


def block_mean(
    values: ArrayLike, valid: ArrayLike, scale: int, power: int, min_fraction: float = 0.0
) -> tuple[Doubles, Doubles]:
    """Mean of each ``scale`` x ``scale`` block, and the valid share of the block.

    The mean is (sum of v x^p / sum of v)^(1/p), with the power p and v = 1 at valid pixels. It is
    (..., H / scale, W / scale), NaN if no pixel, or a share below ``min_fraction``, is valid. The
    share is (H / scale, W / scale). ``values`` (..., H, W) can hold anything outside ``valid``
    (H, W). Raises LstsrError if the size is not a multiple of ``scale``, shapes differ, or a valid
    value is not finite.
    """
    powers, mask = _masked_powers(values, valid, scale, power)
    fraction = _blocks(mask, scale).mean(axis=(-3, -1))
    means = _root(_blocks(powers, scale).mean(axis=(-3, -1)), fraction, power, min_fraction)
    return means, fraction


def block_mean_t4(
    values_k: ArrayLike, valid: ArrayLike, scale: int, min_fraction: float = 0.0
) -> tuple[Doubles, Doubles]:
    """`block_mean` of temperatures (H, W) in kelvin, as T^4."""
    return block_mean(values_k, valid, scale, 4, min_fraction)


def psf_mean_t4(
    values_k: ArrayLike, valid: ArrayLike, scale: int, fwhm: float, min_fraction: float = 0.0
) -> tuple[Doubles, Doubles]:
    """`block_mean_t4`, weighted by a Gaussian point spread function centred on each coarse cell.

    Its full width at half maximum is ``fwhm`` coarse cells. The fraction is the share of its weight
    on valid pixels.
    """
    powers, mask = _masked_powers(values_k, valid, scale, 4)
    sigma = fwhm * scale / SIGMAS_PER_FWHM
    weights = (gaussian_weights(length // scale, length, sigma) for length in mask.shape)
    rows, columns = (of_axis / of_axis.sum(axis=1, keepdims=True) for of_axis in weights)
    fraction = rows @ mask @ columns.T
    return _root(rows @ powers @ columns.T, fraction, 4, min_fraction), fraction


def gaussian_weights(cells: int, pixels: int, sigma: float, shift: float = 0.0) -> Doubles:
    """Gaussians of ``sigma`` pixels around the centres of coarse cells, (cells, pixels).

    Their highest value is 1. The centres are moved by ``shift`` cells.
    """
    centres = (np.arange(cells) + 0.5 + shift) * (pixels / cells) - 0.5
    return np.exp(-0.5 * ((np.arange(pixels) - centres[:, None]) / sigma) ** 2)


def _masked_powers(
    values: ArrayLike, valid: ArrayLike, scale: int, power: int
) -> tuple[Doubles, NDArray[np.bool_]]:
    """``values`` to the power, 0 outside the mask, and the mask."""
    array, mask = np.asarray(values, np.float64), np.asarray(valid, bool)
    if array.shape[-2:] != mask.shape or any(length % scale for length in mask.shape):
        raise LstsrError(
            f"cannot average {array.shape} with a mask of {mask.shape} in blocks of {scale}. "
            "Give equal shapes that are multiples of the scale"
        )
    powers = np.where(mask, array, 0.0) ** power
    if not np.isfinite(powers).all():
        raise LstsrError("values to average are not finite. Mark them as not valid")
    return powers, mask


def _root(total: Doubles, fraction: Doubles, power: int, min_fraction: float) -> Doubles:
    """(total / fraction)^(1/power), NaN if the fraction is 0 or below ``min_fraction``."""
    with np.errstate(invalid="ignore"):
        means = (total / fraction) ** (1 / power)
    return np.where(fraction >= min_fraction, means, np.nan)


def _blocks(image: NDArray, scale: int) -> NDArray:
    """(..., H, W) as (..., H / scale, scale, W / scale, scale)."""
    *bands, height, width = image.shape
    return image.reshape(*bands, height // scale, scale, width // scale, scale)
