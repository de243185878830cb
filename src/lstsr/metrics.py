"""Scores of one scene, masked and in kelvin; the seed study's convention beside.

Every function takes whole images (row, column) in kelvin and the mask of pixels that count. What
lies outside the mask never matters; a value that is not finite inside it is an error. An optical
image (band, row, column) is in reflectance; its scores are means over the bands, in its own unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4

GREY_ZERO_K = 240.0
"""Kelvin that the seed study's convention maps to grey level 0."""
GREY_SPAN_K = 100.0
"""Kelvin between grey levels 0 and 255."""
PEAK = 255.0
REFLECTANCE_RANGE = 1.0
"""Reflectance that counts as the peak in PSNR, and as the data range in SSIM: 0 to a white area."""
SSIM_SIGMA = 1.5
"""Gaussian of Wang et al. 2004 (Image quality assessment), section III-B, in pixels."""
SSIM_WINDOW = 11
CONSISTENT_FRACTION = 0.75
"""Least scored share of a coarse cell that is compared with the input (12 of 16 at scale 4)."""
INTERVAL_SCENES = 5
"""Fewest scenes for an interval: with fewer, resampling repeats the same few means."""


def rmse_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Root of the mean squared error, kelvin."""
    return math.sqrt(np.mean(_errors_k(prediction_k, target_k, scored) ** 2))


def ubrmse_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Root mean squared error after the scene's bias is removed, kelvin: the errors' deviation.

    Of an optical image the bias of each band is.
    """
    return math.sqrt(np.mean(np.var(_errors_k(prediction_k, target_k, scored), axis=-1)))


def mae_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Mean absolute error, kelvin."""
    return float(np.mean(np.abs(_errors_k(prediction_k, target_k, scored))))


def bias_k(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Mean of prediction minus target, kelvin."""
    return float(np.mean(_errors_k(prediction_k, target_k, scored)))


def mse(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Mean squared error in grey levels squared (240..340 K onto 0..255, no rounding, no clip)."""
    errors_k = _errors_k(prediction_k, target_k, scored)
    return float(np.mean((errors_k * PEAK / GREY_SPAN_K) ** 2))


def psnr_db(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Peak signal-to-noise ratio of one image, 10 log10(255^2 / mse), dB; infinite if equal."""
    error = mse(prediction_k, target_k, scored)
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def ssim(prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13) in grey levels, data range 255.

    Gaussian window of 11 x 11 pixels, sigma 1.5, population covariance; the map is averaged over
    the pixels whose whole window is scored. NaN where no window is whole.
    """
    _errors_k(prediction_k, target_k, scored)
    mask = np.asarray(scored, bool)
    return _similarity(_grey(prediction_k, mask), _grey(target_k, mask), mask, PEAK)


def _similarity(
    prediction: NDArray[np.float64],
    target: NDArray[np.float64],
    mask: NDArray[np.bool_],
    data_range: float,
) -> float:
    from skimage.metrics import structural_similarity  # evaluation only: training runs without

    whole = _whole_windows(mask, SSIM_WINDOW)
    if not whole.any():
        return math.nan
    _, similarity = structural_similarity(
        target,
        prediction,
        data_range=data_range,
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return float(similarity[whole].mean())


def consistency_k(
    prediction_k: ArrayLike,
    scored: ArrayLike,
    input_k: ArrayLike,
    input_valid: ArrayLike,
    scale: int,
) -> float:
    """Root mean squared difference, kelvin, between the input and the prediction seen as coarsely.

    The prediction is averaged in T^4 over the scored pixels of each coarse cell, and compared where
    the input is valid and at least CONSISTENT_FRACTION of the cell is scored. NaN if nowhere.
    """
    coarse_k, fraction = block_mean_t4(prediction_k, scored, scale)
    compared = (fraction >= CONSISTENT_FRACTION) & np.asarray(input_valid, bool)
    return rmse_k(coarse_k, input_k, compared) if compared.any() else math.nan


def lattice(prediction_k: ArrayLike, scored: ArrayLike, scale: int) -> float:
    """How much more a prediction steps across the centre lines of coarse cells than elsewhere.

    A method that asks the nearest centres changes them there; where it does not fade out the one
    that it leaves, as JIIF's published blending (Tang et al. 2021), it prints a lattice. The lines
    between fine pixels have ``scale`` places in a cell (at an odd scale a centre line lies on a
    pixel, and its place is the line before it); the score is the mean absolute step across centre
    lines over the median place's, along both axes, from scored pixel to scored pixel. No lattice
    is 1; bilinear, whose steps average two slopes there, is below. NaN where a place has no step
    or the median place's is 0.
    """
    mask = np.asarray(scored, bool)
    values = _filled(prediction_k, mask)
    total, count = np.zeros(scale), np.zeros(scale)
    for steps, known in (_steps(values, mask), _steps(values.T, mask.T)):
        place = np.nonzero(known)[1] % scale
        total += np.bincount(place, np.abs(steps[known]), scale)
        count += np.bincount(place, minlength=scale)
    if not count.all() or not (usual := np.median(total / count)):
        return math.nan
    return float(total[scale // 2 - 1] / count[scale // 2 - 1] / usual)


def spectrum_db(
    prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike, scale: int
) -> tuple[float, float]:
    """Distance between the power spectra of prediction and target, and its signed bias, dB.

    Root mean square, and mean, of 10 log10(P_prediction / P_target) over the rings of `rapsd`, both
    under one mask and window, whose wavelength is between 2 and 2 ``scale`` fine pixels: what
    super-resolution adds to the input. A negative bias says too smooth. Infinite where one of the
    images has no power, NaN where both have none. Raises what `rapsd` raises.
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

    Fine arrays (H, W), coarse ones (H / scale, W / scale), kelvin and masks; without an input, as
    on a grid in which it does not nest, what its cells take part in (``consistency_k``, ``lattice``
    and the spectra) is left out. Raises LstsrError where shapes differ, nothing is scored, or a
    scored value is not finite.
    """
    compared = (prediction_k, target_k, scored)
    scores = {
        "n_pixels": float(np.count_nonzero(scored)),
        "psnr_db": psnr_db(*compared),
        "ssim": ssim(*compared),
        "mse": mse(*compared),
        "rmse_k": rmse_k(*compared),
        "ubrmse_k": ubrmse_k(*compared),
        "mae_k": mae_k(*compared),
        "bias_k": bias_k(*compared),
    }
    if input_k is not None and input_valid is not None:
        scores["consistency_k"] = consistency_k(prediction_k, scored, input_k, input_valid, scale)
        scores["lattice"] = lattice(prediction_k, scored, scale)
        scores |= _spectrum_scores(*compared, scale)
    return scores


def _spectrum_scores(
    prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike, scale: int
) -> dict[str, float]:
    """Distance and bias of the spectra; NaN where too few scored pixels are neighbours."""
    try:
        distance_db, bias_db = spectrum_db(prediction_k, target_k, scored, scale)
    except LstsrError:
        distance_db = bias_db = math.nan
    return {"spectrum_db": distance_db, "spectrum_bias_db": bias_db}


def score_image(prediction: ArrayLike, target: ArrayLike, scored: ArrayLike) -> dict[str, float]:
    """All scores of one optical image, by the names of the table's columns, and ``n_pixels``.

    Images (B, H, W) in reflectance. PSNR and SSIM are those of each band, data range
    `REFLECTANCE_RANGE`, averaged; ``rmse`` is the root of the mean over bands of the squared error.
    Raises LstsrError as `score`.
    """
    errors = _errors_k(prediction, target, scored)
    peak = REFLECTANCE_RANGE**2
    squares = np.mean(errors**2, axis=-1)
    with np.errstate(divide="ignore"):  # equal images: infinite
        psnr = 10 * np.log10(peak / squares)
    mask = np.asarray(scored, bool)
    pairs = zip(np.asarray(prediction), np.asarray(target), strict=True)
    similarities = [
        _similarity(np.where(mask, one, 0.0), np.where(mask, other, 0.0), mask, REFLECTANCE_RANGE)
        for one, other in pairs
    ]
    return {
        "n_pixels": float(np.count_nonzero(mask)),
        "psnr_db": float(np.mean(psnr)),
        "ssim": float(np.mean(similarities)),
        "rmse": math.sqrt(np.mean(squares)),
        "mae": float(np.mean(np.abs(errors))),
        "bias": float(np.mean(errors)),
        "sam_deg": sam_deg(prediction, target, scored),
    }


def sam_deg(prediction: ArrayLike, target: ArrayLike, scored: ArrayLike) -> float:
    """Mean angle between the spectra of prediction and target, degrees (Kruse et al. 1993, SAM).

    arccos(p . t / |p| |t|) of each scored pixel whose spectra are not 0, averaged. Images are
    (B, H, W); NaN for one band, which has no angle.
    """
    mask = np.asarray(scored, bool)
    one, other = (np.asarray(image, np.float64)[..., mask] for image in (prediction, target))
    lengths = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    seen = lengths > 0
    if len(one) < 2 or not seen.any():
        return math.nan
    cosines = (one * other).sum(axis=0)[seen] / lengths[seen]
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())


def gain_db(baseline_ubrmse_k: float, model_ubrmse_k: float) -> float:
    """What a model gains over a baseline (bilinear) on one scene, dB: positive is better."""
    return 20 * math.log10(baseline_ubrmse_k / model_ubrmse_k)


def paired_bootstrap(
    values: ArrayLike, n: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over scenes of paired differences, and the ends of its 95 % interval.

    The ends are NaN for fewer than `INTERVAL_SCENES` scenes.
    Percentile bootstrap (Efron and Tibshirani 1993, chapter 13): ``n`` draws of as many scenes with
    replacement. Give per-scene differences (or gains in dB), one value a scene. Raises LstsrError
    on an empty list or a value that is not finite.
    """
    scenes = np.asarray(values, np.float64).ravel()
    if not scenes.size or not np.isfinite(scenes).all():
        raise LstsrError("the bootstrap needs one finite value a scene: drop scenes without scores")
    if scenes.size < INTERVAL_SCENES:
        return float(scenes.mean()), math.nan, math.nan
    rng = np.random.default_rng(seed)
    means = [scenes[rng.integers(scenes.size, size=scenes.size)].mean() for _ in range(n)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(scenes.mean()), float(low), float(high)


def rapsd(values_k: ArrayLike, valid: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radially averaged power spectrum: (frequency in cycles a pixel, power in K^2), each (bins,).

    LST has far more power in long waves than in short ones, and the rims of gaps would spill it
    over. So the spectrum is that of the steps between neighbouring valid pixels, divided by what a
    step makes of each frequency (prewhitening: Percival and Walden 1993, section 6.5). Steps less
    their mean are zero across a gap and tapered by a Hann window; their power, of both axes, is
    divided by the window's energy, so white noise of variance s^2 gives s^2 at every frequency.
    Rings are 1 / n wide, n the shorter side, from 1 / n to the Nyquist frequency. Raises LstsrError
    where no valid pixels are neighbours along an axis or a valid value is not finite.
    """
    mask = np.asarray(valid, bool)
    values = _filled(values_k, mask)
    if not np.isfinite(values).all():
        raise LstsrError("a spectrum needs finite values inside the mask: fill or mask them")
    power = _step_power(values, mask) + _step_power(values.T, mask.T).T
    rows, columns = np.meshgrid(*map(np.fft.fftfreq, mask.shape), indexing="ij")
    gain = 4 * (np.sin(np.pi * rows) ** 2 + np.sin(np.pi * columns) ** 2)
    gain[0, 0] = 1.0  # a mean has no steps, and is in no ring

    shorter = min(mask.shape)
    ring = np.rint(np.hypot(rows, columns) * shorter).astype(int).ravel()
    mean = np.bincount(ring, (power / gain).ravel()) / np.maximum(np.bincount(ring), 1)
    rings = np.arange(1, shorter // 2 + 1)
    return rings / shorter, mean[rings]


def _steps(
    values: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Steps along rows, (H, W - 1), and which of them are between two pixels of the mask."""
    return np.diff(values), mask[:, 1:] & mask[:, :-1]


def _step_power(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Power (H, W) by frequency of the steps along rows."""
    steps, known = _steps(values, mask)
    window = np.outer(*(np.hanning(length) for length in steps.shape)) * known
    if not window.any():
        raise LstsrError("a spectrum needs neighbouring pixels inside the mask: leave this out")
    tapered = (steps - np.average(steps, weights=window)) * window
    power: NDArray[np.float64] = np.abs(np.fft.fft2(tapered, mask.shape)) ** 2
    return power / np.sum(window**2)


def _errors_k(
    prediction_k: ArrayLike, target_k: ArrayLike, scored: ArrayLike
) -> NDArray[np.float64]:
    """Prediction minus target over the scored pixels, (n,) or (B, n) float64."""
    prediction, target, mask = np.asarray(prediction_k), np.asarray(target_k), np.asarray(scored)
    if not prediction.shape == target.shape or target.shape[-2:] != mask.shape:
        raise LstsrError(
            f"cannot score a prediction of {prediction.shape} against a target of {target.shape} "
            f"and a mask of {mask.shape}: bring them to one grid"
        )
    mask = mask.astype(bool)
    if not mask.any():
        raise LstsrError("no pixel is scored: leave this scene out")
    for name, image in (("prediction", prediction), ("target", target)):
        if bad := np.count_nonzero(~np.isfinite(image[..., mask])):
            raise LstsrError(
                f"the {name} is not finite at {bad} scored pixels: fill them or do not score them"
            )
    return prediction[..., mask].astype(np.float64) - target[..., mask].astype(np.float64)


def _filled(values_k: ArrayLike, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The image in float64 with one harmless temperature outside the mask."""
    return np.where(mask, np.asarray(values_k, np.float64), GREY_ZERO_K)


def _grey(values_k: ArrayLike, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Kelvin to the seed study's grey levels; 0 outside the mask."""
    return (_filled(values_k, mask) - GREY_ZERO_K) * PEAK / GREY_SPAN_K


def _whole_windows(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Pixels whose whole ``size`` x ``size`` window is in the image and in the mask."""
    padded = np.pad(mask, size // 2)
    rows = np.all(sliding_window_view(padded, size, axis=0), axis=-1)
    whole: NDArray[np.bool_] = np.all(sliding_window_view(rows, size, axis=1), axis=-1)
    return whole
