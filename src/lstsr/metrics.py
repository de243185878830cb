"""Scores of one scene, masked and in kelvin, and in the seed study's convention.

Functions take whole images (row, column) in kelvin and the mask of the scored pixels. Values inside
the mask must be finite; others have no effect. Optical images (band, row, column) are in
reflectance, and their scores are means over the bands in that unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4

Image = NDArray[np.float64]

GREY_ZERO_K, GREY_SPAN_K, PEAK = 240.0, 100.0, 255.0
"""The seed study's convention maps 240..340 K to grey levels 0..255."""
REFLECTANCE_RANGE = 1.0
"""Peak of PSNR and data range of SSIM for reflectance: from 0 to a white area."""
CONSISTENT_FRACTION = 0.75
"""Smallest scored share of a coarse cell that is compared with the input (12 of 16 at scale 4)."""
INTERVAL_SCENES = 5
"""Fewest scenes for an interval. With fewer, resampling repeats the same few means."""


def rmse_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Root mean squared error, kelvin."""
    return math.sqrt(np.mean(_errors(prediction_k, target_k, scored) ** 2))


def ubrmse_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Standard deviation of the errors, kelvin; in an optical image, each band has its own bias."""
    return math.sqrt(np.mean(np.var(_errors(prediction_k, target_k, scored), axis=-1)))


def bias_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Mean of prediction minus target, kelvin."""
    return float(np.mean(_errors(prediction_k, target_k, scored)))


def ssim(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13) in grey levels, data range 255.

    The mean over the pixels whose whole window is scored, NaN if there are none.
    """
    _errors(prediction_k, target_k, scored)
    mask = np.asarray(scored, bool)
    images = (_filled(image_k, mask) * PEAK / GREY_SPAN_K for image_k in (prediction_k, target_k))
    return _similarity(mask, PEAK, *images)


def _similarity(
    mask: NDArray[np.bool_], data_range: float, prediction: Image, target: Image
) -> float:
    """SSIM of two images that are 0 outside the mask, with population covariance.

    Gaussian window of 11 x 11 pixels, sigma 1.5 (Wang et al. 2004, section III-B).
    """
    # evaluation only: training runs without these libraries
    from scipy.ndimage import binary_erosion
    from skimage.metrics import structural_similarity

    whole = binary_erosion(mask, np.ones((11, 11)))
    if not whole.any():
        return math.nan
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, similarity = structural_similarity(
        target, prediction, data_range=data_range, full=True, **window
    )
    return float(similarity[whole].mean())


def consistency_k(
    prediction_k: ArrayLike, scored: ArrayLike, input_k: ArrayLike, valid: ArrayLike, scale: int
) -> float:
    """Root mean squared difference between the input and the prediction on the coarse grid, kelvin.

    The prediction is averaged in T^4 over the scored pixels of each coarse cell. A cell counts if
    the input is valid and at least `CONSISTENT_FRACTION` of it is scored. NaN if no cell counts.
    """
    coarse_k, fraction = block_mean_t4(prediction_k, scored, scale)
    compared = (fraction >= CONSISTENT_FRACTION) & np.asarray(valid, bool)
    return rmse_k(coarse_k, input_k, compared) if compared.any() else math.nan


def lattice(prediction_k: ArrayLike, scored: ArrayLike, scale: int) -> float:
    """Steps of a prediction across the centre lines of coarse cells, relative to other steps.

    A method that queries the nearest cell centres changes them at these lines. If it does not fade
    out the cell that it leaves, as in JIIF's published blending (Tang et al. 2021), it prints a
    lattice. A step between fine pixels has one of ``scale`` positions in its cell. At an odd scale
    a centre line lies on a pixel and counts at the step before it. The score is the mean absolute
    step at the centre lines over that at the median position, along both axes, between scored
    pixels. It is 1 without a lattice, and below 1 for bilinear, whose steps there average two
    slopes. NaN if a position has no step or the median is 0.
    """
    mask = np.asarray(scored, bool)
    values = _filled(prediction_k, mask)
    total, count = np.zeros(scale), np.zeros(scale)
    for steps, known in (_steps(values, mask), _steps(values.T, mask.T)):
        position = np.nonzero(known)[1] % scale
        total += np.bincount(position, np.abs(steps[known]), scale)
        count += np.bincount(position, minlength=scale)
    if not count.all() or not (usual := np.median(total / count)):
        return math.nan
    return float(total[scale // 2 - 1] / count[scale // 2 - 1] / usual)


def spectrum_db(
    prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike, scale: int
) -> tuple[float, float]:
    """Distance between the power spectra of prediction and target, and its signed bias, dB.

    Root mean square, and mean, of 10 log10(P_prediction / P_target) over the rings of `rapsd` with
    wavelengths of 2 to 2 ``scale`` fine pixels, which the input lacks. A negative bias means too
    smooth. Infinite if one image has no power, NaN if both have none. Raises the errors of `rapsd`.
    """
    frequency, predicted = rapsd(prediction_k, scored)
    _, true = rapsd(target_k, scored)
    added = frequency >= 0.5 / scale
    with np.errstate(divide="ignore", invalid="ignore"):
        difference_db = 10 * np.log10(predicted[added] / true[added])
    return math.sqrt(np.mean(difference_db**2)), float(np.mean(difference_db))


def score(
    prediction_k: ArrayLike,
    target_k: ArrayLike,
    scored: ArrayLike,
    input_k: ArrayLike | None = None,
    input_valid: ArrayLike | None = None,
    scale: int = 1,
) -> dict[str, float]:
    """All scores of one scene, by the names of the table's columns, and ``n_pixels``.

    ``mse`` is in grey levels squared (240..340 K onto 0..255, no rounding, no clip), ``psnr_db`` is
    10 log10(255^2 / mse). Scores that compare coarse cells (``consistency_k``, ``lattice`` and the
    spectra) need an input (H / scale, W / scale) that nests in the fine grid (H, W). Spectra are
    NaN if too few scored pixels are neighbours. Raises LstsrError if shapes differ, no pixel is
    scored, or a scored value is not finite.
    """
    compared = (prediction_k, target_k, scored)
    errors_k = _errors(*compared)
    mse = float(np.mean((errors_k * PEAK / GREY_SPAN_K) ** 2))
    scores = {
        "n_pixels": float(np.count_nonzero(scored)),
        "psnr_db": 10 * math.log10(PEAK**2 / mse) if mse else math.inf,
        "ssim": ssim(*compared),
        "mse": mse,
        "rmse_k": rmse_k(*compared),
        "ubrmse_k": ubrmse_k(*compared),
        "mae_k": float(np.mean(np.abs(errors_k))),
        "bias_k": bias_k(*compared),
    }
    if input_k is not None and input_valid is not None:
        scores["consistency_k"] = consistency_k(prediction_k, scored, input_k, input_valid, scale)
        scores["lattice"] = lattice(prediction_k, scored, scale)
        try:
            spectrum = spectrum_db(*compared, scale)
        except LstsrError:
            spectrum = math.nan, math.nan
        scores["spectrum_db"], scores["spectrum_bias_db"] = spectrum
    return scores


def score_image(prediction: ArrayLike, target: ArrayLike, scored: ArrayLike) -> dict[str, float]:
    """All scores of one optical image (B, H, W), by the names of the table's columns.

    PSNR and SSIM are means over the bands with the data range `REFLECTANCE_RANGE`; ``rmse`` is over
    all bands. Raises LstsrError as `score`.
    """
    errors = _errors(prediction, target, scored)
    squares = np.mean(errors**2, axis=-1)
    with np.errstate(divide="ignore"):  # equal images: infinite
        psnr_db = 10 * np.log10(REFLECTANCE_RANGE**2 / squares)
    mask = np.asarray(scored, bool)
    images = (np.where(mask, image, 0.0) for image in (prediction, target))
    similarities = [
        _similarity(mask, REFLECTANCE_RANGE, *bands) for bands in zip(*images, strict=True)
    ]
    return {
        "n_pixels": float(np.count_nonzero(mask)),
        "psnr_db": float(np.mean(psnr_db)),
        "ssim": float(np.mean(similarities)),
        "rmse": math.sqrt(np.mean(squares)),
        "mae": float(np.mean(np.abs(errors))),
        "bias": float(np.mean(errors)),
        "sam_deg": sam_deg(prediction, target, scored),
    }


def sam_deg(prediction: ArrayLike, target: ArrayLike, scored: ArrayLike) -> float:
    """Mean angle between the spectra of prediction and target, degrees (Kruse et al. 1993, SAM).

    Mean of arccos(p . t / |p| |t|) over the scored pixels of images (B, H, W) with spectra that are
    not 0. NaN for a single band.
    """
    mask = np.asarray(scored, bool)
    p, t = (np.asarray(image, np.float64)[..., mask] for image in (prediction, target))
    lengths = np.linalg.norm(p, axis=0) * np.linalg.norm(t, axis=0)
    seen = lengths > 0
    if len(p) < 2 or not seen.any():
        return math.nan
    cosines = (p * t).sum(axis=0)[seen] / lengths[seen]
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())


def gain_db(baseline_ubrmse_k: float, model_ubrmse_k: float) -> float:
    """Gain of a model over a baseline on one scene, dB. Positive is better."""
    return 20 * math.log10(baseline_ubrmse_k / model_ubrmse_k)


def paired_bootstrap(
    values: ArrayLike, n: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over scenes of paired differences, and the ends of its 95 % interval.

    Percentile bootstrap (Efron and Tibshirani 1993, chapter 13): ``n`` draws of as many scenes with
    replacement. ``values`` hold one difference per scene. The ends are NaN for fewer than
    `INTERVAL_SCENES` scenes. Raises LstsrError if there is no value or one is not finite.
    """
    scenes = np.asarray(values, np.float64).ravel()
    if not scenes.size or not np.isfinite(scenes).all():
        raise LstsrError("the bootstrap needs one finite value per scene. Drop the other scenes")
    if scenes.size < INTERVAL_SCENES:
        return float(scenes.mean()), math.nan, math.nan
    rng = np.random.default_rng(seed)
    means = [scenes[rng.integers(scenes.size, size=scenes.size)].mean() for _ in range(n)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(scenes.mean()), float(low), float(high)


def rapsd(values_k: ArrayLike, valid: ArrayLike) -> tuple[Image, Image]:
    """Radially averaged power spectrum: frequency (cycles per pixel) and power (K^2), each (bins,).

    LST has far more power in long waves than in short ones, and the edges of gaps would leak it. We
    therefore take the spectrum of the steps between neighbouring valid pixels and divide it by the
    gain of a step at each frequency (prewhitening: Percival and Walden 1993, section 6.5). The mean
    step is removed, steps across a gap are zero, and a Hann window tapers them. Power is divided by
    the window's energy, so white noise of variance s^2 gives s^2 at every frequency. Rings are 1/n
    wide, n the shorter side, from 1/n to the Nyquist frequency. Raises LstsrError if no valid
    pixels are neighbours along an axis or a valid value is not finite.
    """
    mask = np.asarray(valid, bool)
    values = _filled(values_k, mask)
    if not np.isfinite(values).all():
        raise LstsrError("a spectrum needs finite values inside the mask. Fill or mask them")
    power = _step_power(values, mask) + _step_power(values.T, mask.T).T
    rows, columns = np.meshgrid(*map(np.fft.fftfreq, mask.shape), indexing="ij")
    gain = 4 * (np.sin(np.pi * rows) ** 2 + np.sin(np.pi * columns) ** 2)
    gain[0, 0] = 1.0  # a mean has no steps, and no ring holds it

    shorter = min(mask.shape)
    ring = np.rint(np.hypot(rows, columns) * shorter).astype(int).ravel()
    mean = np.bincount(ring, (power / gain).ravel()) / np.maximum(np.bincount(ring), 1)
    rings = np.arange(1, shorter // 2 + 1)
    return rings / shorter, mean[rings]


def _steps(values: Image, mask: NDArray[np.bool_]) -> tuple[Image, NDArray[np.bool_]]:
    """Steps along rows, (H, W - 1), and whether both of their pixels are in the mask."""
    return np.diff(values), mask[:, 1:] & mask[:, :-1]


def _step_power(values: Image, mask: NDArray[np.bool_]) -> Image:
    """Power (H, W) by frequency of the steps along rows."""
    steps, known = _steps(values, mask)
    window = np.outer(*(np.hanning(length) for length in steps.shape)) * known
    if not window.any():
        raise LstsrError("a spectrum needs neighbouring pixels inside the mask. Skip this scene")
    tapered = (steps - np.average(steps, weights=window)) * window
    return np.abs(np.fft.fft2(tapered, mask.shape)) ** 2 / np.sum(window**2)


def _errors(prediction: ArrayLike, target: ArrayLike, scored: ArrayLike) -> Image:
    """Prediction minus target over the scored pixels, (n,) or (B, n) float64."""
    images = np.asarray(prediction), np.asarray(target)
    mask = np.asarray(scored, bool)
    if not images[0].shape == images[1].shape or images[1].shape[-2:] != mask.shape:
        raise LstsrError(
            f"cannot score a prediction of {images[0].shape} against a target of "
            f"{images[1].shape} and a mask of {mask.shape}. Bring them to one grid"
        )
    if not mask.any():
        raise LstsrError("no pixel is scored. Leave this scene out")
    compared = [image[..., mask].astype(np.float64) for image in images]
    for name, values in zip(("prediction", "target"), compared, strict=True):
        if bad := np.count_nonzero(~np.isfinite(values)):
            raise LstsrError(f"the {name} is not finite at {bad} scored pixels. Fill or mask them")
    return compared[0] - compared[1]


def _filled(values_k: ArrayLike, mask: NDArray[np.bool_]) -> Image:
    """Kelvin above `GREY_ZERO_K` in float64, 0 outside the mask."""
    return np.where(mask, np.asarray(values_k, np.float64) - GREY_ZERO_K, 0.0)
