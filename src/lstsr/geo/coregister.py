"""Sub-pixel registration of images of different kind: reflectance or NDVI against temperature.

Both images are cut into overlapping tiles. Each tile gives a surface of correlation against shift:
the mean surface tells whether the pair matches at all, the median of the tiles' peaks tells the
shift, their scatter how far to trust it. An improvement over zero shift would prove nothing, for
mismatched pairs improve too.

Signs: (row, column) says how far the content of the moving image has to be moved to match the fixed
one, + south and east: ``moved[r, c] = moving[r - row, c - column]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, hypot, inf, nan, pi, sqrt
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, ndimage, optimize

from lstsr.image import Mask

Array = NDArray[np.floating[Any]]

# What may be believed, from 62 real MODIS/ASTER scenes and deliberately mismatched pairs of them:
# 930 of whole scenes (256 x 256 pixels), 1240 each of cut-outs of 128 x 128 and 96 x 96.
# NDVI to LST: whole scenes peak at 0.34 or more, mismatched at 0.04 at most (0.11 for 128 x 128).
MIN_PEAK = 0.15
# Coarse LST: from 0.71 against LST and 0.40 against NDVI; mismatched at 0.09 at most (0.20).
MIN_PEAK_INPUT = 0.25
# NDVI to LST: at most 0.25 pixel (0.38), the variation within a scene included.
MAX_RESIDUAL_PIXELS = 1.0
# Coarse LST: at most 0.13 cell against LST; against NDVI two scenes exceed 0.25, both wrong by 0.3.
MAX_RESIDUAL_CELLS = 0.25
# In mismatched cut-outs of 96 x 96 three tiles may agree by chance, hardly ever four.
MIN_TILES = 4
# Least share of a tile that is valid in both images.
MIN_CLEAR = 0.4
# Standard deviation of the Gaussian whose mean is taken away from the input.
HIGH_PASS_CELLS = 1.0
# GK2A over Korea, rows and columns, where the search for the PSF of a scene starts.
TYPICAL_PSF_CELLS = (1.4, 1.05)
MAX_FWHM_CELLS = 4.0
# So far the fitted centre of the PSF may lie from the tiles' shift: up to 0.43 cell of true pairs.
MAX_FIT_CELLS = 1.0
# Simulated GK2A LST against Landsat LST: 24 scenes of 31 x 31 cells, 55 to 96 % clear, from 0.91;
# 1640 mismatched and mirrored pairs of 30 x 30 cells at most 0.64 within MAX_FIT_CELLS.
MIN_FIT_CORRELATION = 0.8
# A cell enters the fit of the PSF where so much of it lies on valid pixels, and so many must be.
MIN_PSF_FILLED, MIN_PSF_CELLS = 0.8, 60
_FWHM = 2.3548  # of a Gaussian, in standard deviations: 2 sqrt(2 ln 2)


@dataclass(frozen=True)
class Registration:
    """How far to move one image to match another, in fine pixels (+ south, east), and how sure.

    ``peak_correlation`` is the highest (absolute) value of the mean correlation surface, ``tiles``
    how many tiles have such a peak of their own, ``residual`` the median distance of their shifts
    from the median shift, in fine pixels. Without such tiles the shift is NaN and the residual
    infinite. ``accepted`` asks for the peak, inside the search, and for four tiles that agree or,
    where the coarse sensor's PSF was fitted, for a fit near the tiles' shift that explains the
    scene. ``psf_cells`` is that PSF: full width at half maximum along rows and columns, coarse
    cells.
    """

    row: float
    column: float
    peak_correlation: float
    tiles: int
    residual: float
    accepted: bool
    psf_cells: tuple[float, float] = (nan, nan)


def register(
    moving: Array,
    fixed: Array,
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
    surfaces = _surfaces(
        *_log_gradient(moving, moving_valid),
        *_log_gradient(fixed, fixed_valid),
        search=search,
        tile=tile,
    )
    return _registration(surfaces, min_peak, MAX_RESIDUAL_PIXELS)


def register_input(
    input: Array,
    input_valid: Mask,
    fixed: Array,
    fixed_valid: Mask,
    scale: int,
    *,
    psf_cells: float | tuple[float, float] | None = 1.0,
    search: int | None = None,
    tile_cells: int = 16,
    min_peak: float = MIN_PEAK_INPUT,
) -> Registration:
    """Shift of a coarse image against a fine one, in fine pixels, matched at the fine step.

    The fine image (height * scale, width * scale) is blurred as the coarse sensor would (Gaussian,
    ``psf_cells`` its full width at half maximum along rows and columns, in coarse cells) and read
    at the centres of the coarse cells (height, width), displaced by each candidate shift: block
    averages correlated on the coarse grid would find only a part of it. Both are high-passed alike,
    so that no large-scale trend decides. The contrast may be inverse, as of NDVI to temperature.

    Without ``psf_cells`` centre and widths of the PSF are fitted to the whole scene (`fit_psf`),
    starting from the tiles' shift, however few and scattered they are: accepted is a fit within
    MAX_FIT_CELLS of it, inside the search, that correlates by MIN_FIT_CORRELATION.
    ``search`` is the largest shift in fine pixels (two coarse cells unless given), ``tile_cells``
    the side of a tile in coarse cells. Raises ValueError where the shapes do not fit.
    """
    search = 2 * scale if search is None else search
    psf = np.broadcast_to(TYPICAL_PSF_CELLS if psf_cells is None else psf_cells, 2) / _FWHM * scale
    blurred, share = _smooth(fixed, fixed_valid, psf)
    background, _ = _smooth(fixed, fixed_valid, np.hypot(psf, HIGH_PASS_CELLS * scale))
    trend, _ = _smooth(input, input_valid, HIGH_PASS_CELLS)

    # Each coarse cell becomes one pixel of the fine grid, next to the centre it stands for.
    at = slice(scale // 2, None, scale)
    cells, cells_valid = np.zeros(fixed.shape), np.zeros(fixed.shape, bool)
    if cells[at, at].shape != input.shape:
        raise ValueError(f"an input of {input.shape} against {fixed.shape} at scale {scale}")
    cells[at, at], cells_valid[at, at] = input - trend, input_valid
    beside_centre = scale // 2 - (scale - 1) / 2

    surfaces = _surfaces(
        cells,
        cells_valid,
        blurred - background,
        share > 0.5,
        search=search,
        tile=tile_cells * scale,
        spacing=scale,
    )
    total = surfaces.sum(0)
    if -total.min() > total.max():
        surfaces = -surfaces
    if psf_cells is None:  # the tiles only start the fit: one of them suffices
        found = _registration(surfaces, min_peak, inf, 1)
    else:
        found = _registration(surfaces, min_peak, MAX_RESIDUAL_CELLS * scale)
    found = replace(found, row=found.row + beside_centre, column=found.column + beside_centre)
    if psf_cells is not None or not found.tiles:
        return found
    fit = fit_psf(
        input, input_valid, fixed, fixed_valid, scale, (found.row / scale, found.column / scale)
    )
    row, column = fit.row * scale, fit.column * scale
    left = hypot(row - found.row, column - found.column) / scale
    return replace(
        found,
        row=row,
        column=column,
        accepted=found.accepted
        and left <= MAX_FIT_CELLS
        and max(abs(row), abs(column)) <= search
        and fit.correlation >= MIN_FIT_CORRELATION,
        psf_cells=(fit.fwhm_rows, fit.fwhm_columns),
    )


@dataclass(frozen=True)
class PsfFit:
    """How a coarse image is made of a fine one, in coarse cells: shift, as in `Registration`, FWHM.

    ``rms`` is what remains between the two, in the input's units; ``correlation`` (absolute) is
    theirs once the plane is taken away from both.
    """

    row: float
    column: float
    fwhm_rows: float
    fwhm_columns: float
    rms: float
    correlation: float


def fit_psf(
    input: Array,
    input_valid: Mask,
    fixed: Array,
    fixed_valid: Mask,
    scale: int,
    start: tuple[float, float] = (0.0, 0.0),
) -> PsfFit:
    """The Gaussian PSF, its centre and widths, through which ``fixed`` looks most like ``input``.

    Least squares of input = a + b blur(fixed) + plane over the cells with a completely valid PSF.
    Centre and widths are iterated from ``start`` (coarse cells). For each of them, a, b and the
    plane are solved directly (variable projection, Golub & Pereyra 1973). Outliers such as cloud
    edges get less weight.
    """
    centre = _mean(fixed, fixed_valid)
    filled = np.where(fixed_valid, fixed - centre, 0).astype(float)

    def seen(parameters: Array) -> tuple[Array, Array]:
        """``fixed`` through the PSF at each cell, and the share of the PSF that is valid."""
        row, column, *log_fwhm = parameters
        along = [
            _weights(cells, pixels, by, fwhm * scale / _FWHM)
            for cells, pixels, by, fwhm in zip(
                input.shape, fixed.shape, (row, column), np.exp(log_fwhm), strict=True
            )
        ]
        share = along[0] @ fixed_valid @ along[1].T
        return centre + along[0] @ filled @ along[1].T / np.maximum(share, 1e-9), share

    first = np.array([*start, *np.log(np.broadcast_to(TYPICAL_PSF_CELLS, 2))])
    _, share = seen(first)
    cells = input_valid & (share >= MIN_PSF_FILLED)
    measured = input[cells].astype(float)
    rows, columns = np.indices(input.shape).astype(float)
    trend = np.stack([np.ones(cells.sum()), rows[cells], columns[cells]], 1)

    def residuals(parameters: Array) -> Array:
        blurred, _ = seen(parameters)
        design = np.column_stack([trend, blurred[cells]])
        solved, *_ = np.linalg.lstsq(design, measured, rcond=None)
        left: Array = measured - design @ solved
        return left

    if cells.sum() < MIN_PSF_CELLS:
        return PsfFit(nan, nan, nan, nan, inf, 0.0)
    widest = np.log(MAX_FWHM_CELLS)
    reach = [*(np.abs(start) + MAX_FIT_CELLS + 1), widest, widest]
    fit = optimize.least_squares(
        residuals, first, bounds=(-np.array(reach), reach), loss="soft_l1", diff_step=1e-2
    )
    row, column, log_rows, log_columns = map(float, fit.x)
    left = float(np.mean(fit.fun**2))
    plane, *_ = np.linalg.lstsq(trend, measured, rcond=None)
    variance = float(np.mean((measured - trend @ plane) ** 2))
    correlation = sqrt(max(0.0, 1 - left / variance)) if variance > 0 else 0.0
    return PsfFit(row, column, exp(log_rows), exp(log_columns), sqrt(left), correlation)


def _weights(cells: int, pixels: int, shift: float, sigma: float) -> Array:
    """Gaussians of ``sigma`` pixels, (cells, pixels), about the cells' centres moved by ``shift``.

    In cells; the content of the input has to move by it, so the PSF looks that far ahead.
    """
    centres = (np.arange(cells) + 0.5 + shift) * (pixels / cells) - 0.5
    apart = (np.arange(pixels) - centres[:, None]) / sigma
    weights: Array = np.exp(-(apart**2) / 2) / (sigma * sqrt(2 * pi))
    return weights


def _log_gradient(image: Array, valid: Mask) -> tuple[Array, Mask]:
    """log(1 + |gradient| / its median), and where the 3 x 3 neighbourhood is valid."""
    filled = np.where(valid, image, _mean(image, valid)).astype(float)
    gradient = np.hypot(ndimage.sobel(filled, 0), ndimage.sobel(filled, 1))
    inside = ndimage.binary_erosion(valid, np.ones((3, 3)))
    edges = gradient[inside & (gradient > 0)]
    return np.log1p(gradient / np.median(edges) if edges.size else gradient), inside


def _smooth(image: Array, valid: Mask, sigma: float | Array) -> tuple[Array, Array]:
    """Gaussian mean of the valid pixels, and the share of the Gaussian that they fill."""
    centre = _mean(image, valid)
    share = ndimage.gaussian_filter(valid.astype(float), sigma)
    total = ndimage.gaussian_filter(np.where(valid, image - centre, 0).astype(float), sigma)
    return centre + total / np.maximum(share, 1e-9), share


def _mean(image: Array, valid: Mask) -> float:
    return float(image[valid].mean(dtype=float)) if valid.any() else 0.0


def _surfaces(
    moving: Array,
    moving_valid: Mask,
    fixed: Array,
    fixed_valid: Mask,
    *,
    search: int,
    tile: int,
    spacing: int = 1,
) -> Array:
    """Correlation of each clear tile against shift, (tiles, 2 search + 1, 2 search + 1).

    Pearson's correlation of the pixels valid in both at that shift, under a Hann window: masked
    normalised cross-correlation (Padfield 2012, IEEE Transactions on Image Processing 21, 2706).
    ``spacing`` is the step between the pixels of ``moving`` that carry values.
    """
    if len({moving.shape, moving_valid.shape, fixed.shape, fixed_valid.shape}) > 1:
        raise ValueError(f"images of {moving.shape} and {fixed.shape} share no grid")
    m, f = _tiles(moving_valid, tile).astype(float), _tiles(fixed_valid, tile).astype(float)
    clear = (m * f).mean((1, 2)) * spacing**2 >= MIN_CLEAR
    m, f = m[clear], f[clear]
    a = _tiles(_standardised(moving, moving_valid), tile)[clear]
    b = _tiles(_standardised(fixed, fixed_valid), tile)[clear]
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in f.shape[1:]))
    f = f * window

    size = [fft.next_fast_len(side + search, real=True) for side in f.shape[1:]]
    lags = np.arange(-search, search + 1)

    def sums(left: NDArray[Any], right: NDArray[Any]) -> Array:
        """Sum over the pixels p of left(p - lag) right(p), from their spectra."""
        correlation: Array = fft.irfft2(left.conj() * right, size)
        return correlation[:, lags[:, None], lags]

    ones_a, sum_a, square_a = (fft.rfft2(x, size) for x in (m, a, a * a))
    ones_b, sum_b, square_b = (fft.rfft2(x, size) for x in (f, b * f, b * b * f))
    count = sums(ones_a, ones_b)
    enough = count * spacing**2 >= MIN_CLEAR / 2 * window.sum()
    count = np.where(enough, count, 1)
    mean_a, mean_b = sums(sum_a, ones_b) / count, sums(ones_a, sum_b) / count
    variance_a = sums(square_a, ones_b) / count - mean_a**2
    variance_b = sums(ones_a, square_b) / count - mean_b**2
    covariance = sums(sum_a, sum_b) / count - mean_a * mean_b
    # The images have unit variance: below a millionth of it lies what rounding makes of a constant.
    usable = enough & (variance_a > 1e-6) & (variance_b > 1e-6)
    return np.where(usable, covariance, 0) / np.sqrt(np.where(usable, variance_a * variance_b, 1))


def _standardised(image: Array, valid: Mask) -> Array:
    """Zero mean and unit variance over the valid pixels, 0 elsewhere (everywhere if constant)."""
    centred = np.where(valid, image - _mean(image, valid), 0).astype(float)
    spread = np.sqrt(_mean(centred**2, valid))
    return centred / spread if spread > 0 else centred


def _tiles(image: NDArray[Any], tile: int) -> NDArray[Any]:
    """Windows (tiles, side, side), at least half overlapping, spread from edge to edge."""
    sides = [min(tile, size) for size in image.shape]
    starts = [
        np.linspace(0, size - side, 1 - (side - size) * 2 // side).round().astype(int)
        for size, side in zip(image.shape, sides, strict=True)
    ]
    windows: NDArray[Any] = sliding_window_view(image, sides)[np.ix_(*starts)]
    return windows.reshape(-1, *sides)


def _registration(
    surfaces: Array, min_peak: float, max_residual: float, min_tiles: int = MIN_TILES
) -> Registration:
    """What the correlation surfaces of the tiles say together."""
    if not len(surfaces):
        return Registration(nan, nan, 0.0, 0, inf, False)
    mean = surfaces.mean(0)
    peak = float(mean.max())
    found = [_peak(surface) for surface in surfaces if surface.max() >= min_peak]
    shifts = np.array([shift for shift in found if shift])
    if not len(shifts):
        return Registration(nan, nan, peak, 0, inf, False)
    row, column = np.median(shifts, 0)
    residual = float(np.median(np.hypot(*(shifts - (row, column)).T)))
    clear_peak = peak >= min_peak and _peak(mean) is not None
    accepted = clear_peak and len(shifts) >= min_tiles and residual <= max_residual
    return Registration(float(row), float(column), peak, len(shifts), residual, accepted)


def _peak(surface: Array) -> tuple[float, float] | None:
    """Shift (row, column) of the maximum, to sub-pixel; None where it lies on the border.

    A Gaussian through the maximum and its two neighbours along each axis (Willert and Gharib 1991,
    Experiments in Fluids 10, 181): less drawn to whole pixels than a parabola.
    """
    search = len(surface) // 2
    r, c = np.unravel_index(surface.argmax(), surface.shape)
    if not (0 < r < 2 * search and 0 < c < 2 * search):
        return None
    log = np.log(np.maximum(surface, 1e-2 * surface[r, c]))
    return (
        float(r - search + _vertex(log[r - 1 : r + 2, c])),
        float(c - search + _vertex(log[r, c - 1 : c + 2])),
    )


def _vertex(three: Array) -> float:
    """Where the parabola through three values at -1, 0 and 1 is highest."""
    before, top, after = three
    bend = before - 2 * top + after
    return float((before - after) / (2 * bend)) if bend else 0.0
