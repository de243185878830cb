"""Sub-pixel shift between two images, which can show different quantities (NDVI and LST).

Both images are cut into overlapping tiles. Each tile gives the correlation at each shift. The mean
over the tiles shows whether the pair matches at all, the median of the tiles' peaks is the shift,
and the scatter of the peaks is its uncertainty. A correlation higher than at zero shift proves
nothing, because mismatched pairs also reach one.

Signs: a shift (row, column), + south and east, moves the content of the moving image onto the
fixed one: ``moved[r, c] = moving[r - row, c - column]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, hypot, inf, nan, pi, sqrt
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, ndimage, optimize

from lstsr.geo.aggregate import gaussian_weights
from lstsr.image import Mask

Array = NDArray[np.floating[Any]]

# Thresholds come from 62 real MODIS/ASTER scenes and deliberately mismatched pairs of them: 930 of
# whole scenes (256 x 256 pixels), 1240 each of cut-outs of 128 x 128 and 96 x 96. Numbers in
# brackets are for 128 x 128.
# NDVI to LST: scenes peak at 0.34 or more, mismatched pairs at 0.04 or less (0.11).
MIN_PEAK = 0.15
# Coarse LST: 0.71 or more against LST, 0.40 against NDVI; mismatched pairs 0.09 or less (0.20).
MIN_PEAK_INPUT = 0.25
# NDVI to LST: at most 0.25 pixel (0.38), including the variation within a scene.
MAX_RESIDUAL_PIXELS = 1.0
# Coarse LST: at most 0.13 cell against LST. Against NDVI two scenes exceed 0.25; both err by 0.3.
MAX_RESIDUAL_CELLS = 0.25
# In mismatched cut-outs of 96 x 96, three tiles can agree by chance, but very rarely four.
MIN_TILES = 4
# Smallest share of a tile that is valid in both images.
MIN_CLEAR = 0.4
# Standard deviation of the Gaussian mean that is subtracted from the input.
HIGH_PASS_CELLS = 1.0
# GK2A over Korea, rows and columns: the start of the search for a scene's PSF.
TYPICAL_PSF_CELLS = (1.4, 1.05)
MAX_FWHM_CELLS = 4.0
# Largest distance of the fitted centre of the PSF from the tiles' shift; true pairs: up to 0.43.
MAX_FIT_CELLS = 1.0
# Simulated GK2A LST against Landsat LST: 24 scenes of 31 x 31 cells, 55 to 96 % clear, reach 0.91
# or more; 1640 mismatched and mirrored pairs of 30 x 30 cells 0.64 or less within MAX_FIT_CELLS.
MIN_FIT_CORRELATION = 0.8
# The PSF is fitted to cells with this share of their PSF on valid pixels, if there are enough.
MIN_PSF_FILLED, MIN_PSF_CELLS = 0.8, 60
# Full width at half maximum of a Gaussian in standard deviations. The exact value of
# `aggregate.SIGMAS_PER_FWHM` would move the shifts of earlier runs by 1e-5 pixel.
SIGMAS_PER_FWHM = 2.3548


@dataclass(frozen=True)
class Registration:
    """Shift of one image onto another, in fine pixels (+ south, east), and its quality.

    ``peak_correlation`` is the highest (absolute) value of the mean correlation surface, ``tiles``
    the number of tiles with a clear peak of their own, ``residual`` the median distance of their
    shifts from the median shift, in fine pixels. Without such tiles the shift is NaN and the
    residual infinite. ``accepted`` requires a high peak inside the search range, and four tiles
    that agree. If the PSF of the coarse sensor was fitted, it requires a good fit near the tiles'
    shift instead of four tiles. ``psf_cells`` is the fitted full width at half maximum along rows
    and columns, in coarse cells.
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
) -> Registration:
    """Shift between two images (row, column) on one fine grid, which can show other quantities.

    Both images have edges at the same positions, so the logarithm of the gradient is correlated.
    The sign of the contrast and a few strong edges then do not decide. ``search`` is the largest
    shift and ``tile`` the side of a tile, in pixels. Raises ValueError if the shapes differ.
    """
    edges = *_log_gradient(moving, moving_valid), *_log_gradient(fixed, fixed_valid)
    return _registration(_surfaces(*edges, search, tile), MIN_PEAK, MAX_RESIDUAL_PIXELS)


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
) -> Registration:
    """Shift of a coarse image against a fine one, in fine pixels, matched at the fine step.

    The fine image (height * scale, width * scale) is blurred like the coarse sensor: by a Gaussian
    with the full width at half maximum ``psf_cells`` along rows and columns, in coarse cells. It is
    read at the centres of the coarse cells (height, width), displaced by each candidate shift.
    Block averages correlated on the coarse grid would find only a part of the shift. Both images
    pass the same high-pass filter, so that large-scale trends do not decide. The contrast can be
    inverse, as between NDVI and temperature.

    If ``psf_cells`` is None, the centre and widths of the PSF are fitted to the whole scene
    (`fit_psf`). The fit starts from the tiles' shift; a single tile is enough. It is accepted
    within MAX_FIT_CELLS of that shift and inside the search range, from MIN_FIT_CORRELATION on.
    ``search`` is the largest shift in fine pixels (default: two coarse cells), ``tile_cells`` the
    side of a tile in coarse cells. Raises ValueError if the shapes do not fit.
    """
    search = 2 * scale if search is None else search
    fwhm_cells = np.broadcast_to(TYPICAL_PSF_CELLS if psf_cells is None else psf_cells, 2)
    sigma = fwhm_cells / SIGMAS_PER_FWHM * scale
    blurred, share = _smooth(fixed, fixed_valid, sigma)
    background, _ = _smooth(fixed, fixed_valid, np.hypot(sigma, HIGH_PASS_CELLS * scale))
    trend, _ = _smooth(input, input_valid, HIGH_PASS_CELLS)

    # each coarse cell becomes one pixel of the fine grid, the one next to the cell's centre
    at = slice(scale // 2, None, scale)
    cells, cells_valid = np.zeros(fixed.shape), np.zeros(fixed.shape, bool)
    if cells[at, at].shape != input.shape:
        raise ValueError(f"input {input.shape} does not fit {fixed.shape} at scale {scale}")
    cells[at, at], cells_valid[at, at] = input - trend, input_valid
    beside_centre = scale // 2 - (scale - 1) / 2

    contrast = blurred - background
    tile = tile_cells * scale
    surfaces = _surfaces(cells, cells_valid, contrast, share > 0.5, search, tile, scale)
    total = surfaces.sum(0)
    if -total.min() > total.max():
        surfaces = -surfaces
    # the tiles only start the fit of a PSF, so that one of them is enough
    limits = (inf, 1) if psf_cells is None else (MAX_RESIDUAL_CELLS * scale, MIN_TILES)
    result = _registration(surfaces, MIN_PEAK_INPUT, *limits)
    start = result.row + beside_centre, result.column + beside_centre
    result = replace(result, row=start[0], column=start[1])
    if psf_cells is not None or not result.tiles:
        return result
    start_cells = start[0] / scale, start[1] / scale
    fit = fit_psf(input, input_valid, fixed, fixed_valid, scale, start_cells)
    row, column = fit.row * scale, fit.column * scale
    accepted = (
        result.accepted
        and hypot(row - start[0], column - start[1]) / scale <= MAX_FIT_CELLS
        and max(abs(row), abs(column)) <= search
        and fit.correlation >= MIN_FIT_CORRELATION
    )
    psf = fit.fwhm_rows, fit.fwhm_columns
    return replace(result, row=row, column=column, accepted=accepted, psf_cells=psf)


@dataclass(frozen=True)
class PsfFit:
    """Shift (as in `Registration`) and FWHM between a coarse and a fine image, in coarse cells.

    ``correlation`` (absolute) is measured after a plane is subtracted from both images.
    """

    row: float
    column: float
    fwhm_rows: float
    fwhm_columns: float
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

    Least squares of input = b blur(fixed) + plane over the cells with a sufficiently valid PSF.
    Centre and widths are iterated from ``start`` (coarse cells). For each of them, b and the plane
    are solved directly (variable projection, Golub & Pereyra 1973). Outliers such as cloud edges
    get less weight. If too few cells are clear, all is NaN and the correlation is 0.
    """
    centre = _mean(fixed, fixed_valid)
    filled = np.where(fixed_valid, fixed - centre, 0).astype(float)

    def psf(axis: int, shift: float, log_fwhm: float) -> Array:
        """A PSF of integral 1 for each cell, (cells, pixels), at its centre plus ``shift``."""
        sigma = np.exp(log_fwhm) * scale / SIGMAS_PER_FWHM
        weights = gaussian_weights(input.shape[axis], fixed.shape[axis], sigma, shift)
        return weights / (sigma * sqrt(2 * pi))

    def seen(parameters: Array) -> tuple[Array, Array]:
        """``fixed`` through the PSF at each cell, and the share of the PSF that is valid."""
        row, column, log_rows, log_columns = parameters
        rows, columns = psf(0, row, log_rows), psf(1, column, log_columns).T
        share = rows @ fixed_valid @ columns
        return centre + rows @ filled @ columns / np.maximum(share, 1e-9), share

    first = np.array([*start, *np.log(TYPICAL_PSF_CELLS)])
    cells = input_valid & (seen(first)[1] >= MIN_PSF_FILLED)
    if cells.sum() < MIN_PSF_CELLS:
        return PsfFit(nan, nan, nan, nan, 0.0)
    measured = input[cells].astype(float)
    plane = np.column_stack([np.ones(cells.sum()), *np.nonzero(cells)])

    def residuals(parameters: Array) -> Array:
        return _misfit(np.column_stack([plane, seen(parameters)[0][cells]]), measured)

    reach = np.array([*(np.abs(start) + MAX_FIT_CELLS + 1), *np.log([MAX_FWHM_CELLS] * 2)])
    fit = optimize.least_squares(
        residuals, first, bounds=(-reach, reach), loss="soft_l1", diff_step=1e-2
    )
    row, column, log_rows, log_columns = map(float, fit.x)
    variance = float(np.mean(_misfit(plane, measured) ** 2))
    explained = 1 - float(np.mean(fit.fun**2)) / variance if variance > 0 else 0.0
    return PsfFit(row, column, exp(log_rows), exp(log_columns), sqrt(max(0.0, explained)))


def _misfit(design: Array, measured: Array) -> Array:
    """Residuals of a linear least-squares fit of ``design`` to ``measured``."""
    solved, *_ = np.linalg.lstsq(design, measured, rcond=None)
    return measured - design @ solved


def _log_gradient(image: Array, valid: Mask) -> tuple[Array, Mask]:
    """log(1 + |gradient| / median), and whether the 3 x 3 neighbourhood is valid."""
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
    search: int,
    tile: int,
    spacing: int = 1,
) -> Array:
    """Correlation of each clear tile at each shift, (tiles, 2 search + 1, 2 search + 1).

    Pearson's correlation of the pixels valid in both at that shift, under a Hann window: masked
    normalised cross-correlation (Padfield 2012, IEEE Transactions on Image Processing 21, 2706).
    ``spacing`` is the step between the pixels of ``moving`` that carry values.
    """
    if len({moving.shape, moving_valid.shape, fixed.shape, fixed_valid.shape}) > 1:
        raise ValueError(f"images of {moving.shape} and {fixed.shape} are not on the same grid")
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
    # the images have unit variance: less than a millionth of it is rounding of a constant
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
    return sliding_window_view(image, sides)[np.ix_(*starts)].reshape(-1, *sides)


def _registration(
    surfaces: Array, min_peak: float, max_residual: float, min_tiles: int = MIN_TILES
) -> Registration:
    """The registration from the correlation surfaces of all tiles."""
    mean = surfaces.mean(0) if len(surfaces) else np.zeros((1, 1))
    peak = float(mean.max())
    peaks = [_peak(surface) for surface in surfaces if surface.max() >= min_peak]
    shifts = np.array([shift for shift in peaks if shift])
    if not len(shifts):
        return Registration(nan, nan, peak, 0, inf, False)
    row, column = np.median(shifts, 0)
    residual = float(np.median(np.hypot(*(shifts - (row, column)).T)))
    clear_peak = peak >= min_peak and _peak(mean) is not None
    accepted = clear_peak and len(shifts) >= min_tiles and residual <= max_residual
    return Registration(float(row), float(column), peak, len(shifts), residual, accepted)


def _peak(surface: Array) -> tuple[float, float] | None:
    """Shift (row, column) of the maximum, to sub-pixel; None if it lies on the border.

    A Gaussian through the maximum and its two neighbours along each axis (Willert and Gharib 1991,
    Experiments in Fluids 10, 181) is less biased to whole pixels than a parabola.
    """
    search = len(surface) // 2
    r, c = np.unravel_index(surface.argmax(), surface.shape)
    if not (0 < r < 2 * search and 0 < c < 2 * search):
        return None
    log = np.log(np.maximum(surface, 1e-2 * surface[r, c]))
    row, column = _vertex(log[r - 1 : r + 2, c]), _vertex(log[r, c - 1 : c + 2])
    return float(r - search + row), float(c - search + column)


def _vertex(three: Array) -> float:
    """Position of the highest point of the parabola through three values at -1, 0 and 1."""
    before, top, after = three
    bend = before - 2 * top + after
    return float((before - after) / (2 * bend)) if bend else 0.0
