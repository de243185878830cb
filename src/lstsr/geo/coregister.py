"""Sub-pixel registration of images of different kind: reflectance or NDVI against temperature.

Both images are cut into overlapping tiles. Each tile gives a surface of correlation against shift;
the mean surface tells whether the pair matches at all, the median of the tiles' peaks tells the
shift and their scatter tells how far to trust it. An improvement over zero shift would prove
nothing, for mismatched pairs improve too.

Signs: (row, column) says how far the content of the moving image has to be moved to match the fixed
one, + south and east: ``moved[r, c] = moving[r - row, c - column]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIN_PEAK = 0.15
MAX_RESIDUAL = 1.0
MIN_CLEAR = 0.4
_FWHM = 2.3548  # full width at half maximum of a Gaussian, in standard deviations


@dataclass(frozen=True)
class Registration:
    """How far to move one image to match another, in fine pixels (+ south, east), and how sure.

    ``peak_correlation`` is the highest value of the mean correlation surface, 0 where there was
    nothing to correlate; ``residual`` the median distance of the ``tiles`` used from their median
    shift, in fine pixels. ``row``, ``column`` and ``residual`` are NaN where no tile has a peak.
    """

    row: float
    column: float
    peak_correlation: float
    tiles: int
    residual: float
    accepted: bool


def register(
    moving: ArrayLike,
    fixed: ArrayLike,
    moving_valid: Mask,
    fixed_valid: Mask,
    *,
    search: int = 5,
    tile: int = 64,
    min_peak: float = MIN_PEAK,
) -> Registration:
    """Shift between two images (row, column) of one fine grid that need not show the same quantity.

    What they share is where their edges lie: the logarithm of the gradient is correlated, so that
    neither the sign of the contrast nor a few strong edges decide. ``search`` is the largest shift
    and ``tile`` the side of a tile, in pixels. Raises ValueError where the shapes differ.
    """
    edges = _log_gradient(_array(moving), moving_valid)
    return _match(edges, _log_gradient(_array(fixed), fixed_valid), search, tile, 1, min_peak)


def register_input(
    input: ArrayLike,
    input_valid: Mask,
    fixed: ArrayLike,
    fixed_valid: Mask,
    scale: int,
    *,
    psf_cells: float | tuple[float, float] = 1.0,
    search: int | None = None,
    tile_cells: int = 16,
    min_peak: float = MIN_PEAK,
) -> Registration:
    """Shift of a coarse image against a fine one, in fine pixels, matched at the fine step.

    The fine image (height * scale, width * scale) is blurred as the coarse sensor would (Gaussian,
    ``psf_cells`` full width at half maximum in coarse cells, rows and columns) and read at the
    centres of the coarse cells (height, width) displaced by each candidate shift. Block averages
    correlated on the coarse grid would find only part of the shift. Both are high-passed alike, so
    that no large-scale trend decides; the contrast may be inverse, as of NDVI against temperature.
    ``search`` is the largest shift in fine pixels (two coarse cells unless given), ``tile_cells``
    the side of a tile. Raises ValueError where the shapes do not fit.
    """
    coarse, fine = _array(input), _array(fixed)
    psf = scale * np.broadcast_to(psf_cells, 2) / _FWHM
    wide = scale * HIGH_PASS_CELLS
    ...
