"""Scores against closed forms and a direct sum over windows."""

import math

import numpy as np
import pytest
from scipy import ndimage

from lstsr import metrics
from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4

SHAPE = (32, 40)


@pytest.fixture
def target() -> np.ndarray:
    return np.random.default_rng(1).uniform(280, 310, SHAPE).astype(np.float32)


@pytest.fixture
def scored() -> np.ndarray:
    mask = np.ones(SHAPE, bool)
    mask[:4, :9] = False
    mask[20, 30] = False
    return mask


def value(name: str, *images: np.ndarray) -> float:
    """A score by its function, or by its column if it has none."""
    function = getattr(metrics, name, None)
    return function(*images) if function else metrics.score(*images)[name]


def test_errors_of_known_moments(target: np.ndarray, scored: np.ndarray) -> None:
    checkerboard = 2.0 * (np.indices(SHAPE).sum(axis=0) % 2) - 1
    mask = np.ones(SHAPE, bool)
    prediction = target.astype(float) + 1.5 + 2.0 * checkerboard
    assert metrics.bias_k(prediction, target, mask) == pytest.approx(1.5)
    assert metrics.rmse_k(prediction, target, mask) == pytest.approx(2.5)
    assert metrics.ubrmse_k(prediction, target, mask) == pytest.approx(2.0)
    assert value("mae_k", prediction, target, mask) == pytest.approx((3.5 + 0.5) / 2)
    rmse, bias, ubrmse = (
        value(name, prediction, target, scored) for name in ("rmse_k", "bias_k", "ubrmse_k")
    )
    assert rmse**2 == pytest.approx(bias**2 + ubrmse**2)


def test_seed_study_convention(target: np.ndarray, scored: np.ndarray) -> None:
    """1 K is 2.55 grey levels of a peak of 255, so the PSNR of 1 K is that of 100 K over 1 K."""
    assert value("mse", target + 1.0, target, scored) == pytest.approx(2.55**2)
    assert value("psnr_db", target + 1.0, target, scored) == pytest.approx(40.0, abs=1e-6)
    assert value("psnr_db", target.astype(float) + 0.963, target, scored) == pytest.approx(
        40.327, abs=1e-3
    )
    assert value("psnr_db", target, target, scored) == math.inf


def test_ssim_is_the_gaussian_window_sum_over_whole_windows(
    target: np.ndarray, scored: np.ndarray
) -> None:
    prediction = target + np.random.default_rng(2).normal(0, 2, SHAPE).astype(np.float32)
    offsets = np.arange(-5, 6)
    gaussian = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(gaussian, gaussian) / gaussian.sum() ** 2
    x, y = ((image.astype(float) - 240) * 2.55 for image in (target, prediction))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for row in range(5, SHAPE[0] - 5):
        for column in range(5, SHAPE[1] - 5):
            at = np.s_[row - 5 : row + 6, column - 5 : column + 6]
            if not scored[at].all():
                continue
            mx, my = (window * x[at]).sum(), (window * y[at]).sum()
            vx, vy = (window * (x[at] - mx) ** 2).sum(), (window * (y[at] - my) ** 2).sum()
            covariance = (window * (x[at] - mx) * (y[at] - my)).sum()
            values.append(
                (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    assert 0 < len(values) < (SHAPE[0] - 10) * (SHAPE[1] - 10)
    assert metrics.ssim(prediction, target, scored) == pytest.approx(np.mean(values), abs=1e-9)


def test_ssim_is_nan_where_no_window_is_whole(target: np.ndarray) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:, ::2] = True
    assert math.isnan(metrics.ssim(target, target, mask))


def test_consistency_sees_the_prediction_as_the_sensor_does(target: np.ndarray) -> None:
    mask = np.ones(SHAPE, bool)
    mask[:2, :4] = False  # half of the first cell: not compared
    mask[4, 0] = False  # 15 of 16: compared
    input_k, _ = block_mean_t4(target, mask, 4)
    valid = np.ones((8, 10), bool)
    assert metrics.consistency_k(target, mask, input_k, valid, 4) < 1e-9
    input_k[0, 0] += 100
    valid[5, 5], input_k[5, 5] = False, np.nan
    input_k[2, 3] += 3
    compared = 8 * 10 - 2
    assert metrics.consistency_k(target, mask, input_k, valid, 4) == pytest.approx(
        math.sqrt(9 / compared)
    )


def test_nothing_outside_the_mask_matters(target: np.ndarray, scored: np.ndarray) -> None:
    prediction = target + np.random.default_rng(3).normal(0, 1, SHAPE).astype(np.float32)
    input_k, _ = block_mean_t4(target, np.ones(SHAPE, bool), 4)
    valid = np.ones(input_k.shape, bool)
    valid[3, 3] = False
    clean = metrics.score(prediction, target, scored, input_k, valid, 4)
    for rubbish in (np.nan, np.inf, 1e30):
        dirty = metrics.score(
            np.where(scored, prediction, rubbish),
            np.where(scored, target, rubbish),
            scored,
            np.where(valid, input_k, rubbish),
            valid,
            4,
        )
        assert dirty == clean
    assert clean["n_pixels"] == scored.sum()
    without_input = metrics.score(prediction, target, scored)
    of_cells = {"consistency_k", "lattice", "spectrum_db", "spectrum_bias_db"}
    assert without_input == {name: clean[name] for name in clean if name not in of_cells}
    assert of_cells < set(clean)
    assert all(math.isfinite(value) for value in clean.values())


@pytest.mark.parametrize(
    "name", ["rmse_k", "ubrmse_k", "mae_k", "bias_k", "mse", "psnr_db", "ssim"]
)
def test_what_is_not_finite_inside_the_mask_is_an_error(
    name: str, target: np.ndarray, scored: np.ndarray
) -> None:
    broken = target.copy()
    broken[10, 10] = np.nan
    with pytest.raises(LstsrError, match="prediction is not finite at 1 scored"):
        value(name, broken, target, scored)
    with pytest.raises(LstsrError, match="target is not finite at 1 scored"):
        value(name, target, broken, scored)
    with pytest.raises(LstsrError, match="no pixel is scored"):
        value(name, target, target, np.zeros(SHAPE, bool))
    with pytest.raises(LstsrError, match="one grid"):
        value(name, target[:-1], target, scored)


def test_gain_counts_halving_the_error_as_six_decibels() -> None:
    assert metrics.gain_db(2.0, 1.0) == pytest.approx(6.0206, abs=1e-4)
    assert metrics.gain_db(1.0, 2.0) == pytest.approx(-6.0206, abs=1e-4)


def test_bootstrap_interval_of_a_normal_sample_is_that_of_its_mean() -> None:
    values = np.random.default_rng(4).normal(1.0, 2.0, 400)
    mean, low, high = metrics.paired_bootstrap(values, n=4000, seed=7)
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert mean == values.mean()
    assert low == pytest.approx(mean - half, abs=0.05 * half)
    assert high == pytest.approx(mean + half, abs=0.05 * half)
    assert (mean, low, high) == metrics.paired_bootstrap(values, n=4000, seed=7)
    assert metrics.paired_bootstrap([0.3] * 5, n=100) == pytest.approx((0.3, 0.3, 0.3))


def test_fewer_than_five_scenes_have_no_interval() -> None:
    mean, low, high = metrics.paired_bootstrap([0.1, 0.3, 0.2, 0.4], n=100)
    assert mean == pytest.approx(0.25) and math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_bootstrap_refuses_scenes_without_a_value(values: list[float]) -> None:
    with pytest.raises(LstsrError, match="one finite value per scene"):
        metrics.paired_bootstrap(values)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_lattice_is_the_step_across_centre_lines_over_the_usual_one(scale: int) -> None:
    """Steps of 1, and of 3 across centre lines; at odd scales, into the pixels on them."""
    size = 12 * scale
    before = np.arange(size - 1) % scale == (scale - 1) // 2 - (scale % 2)
    profile = 280 + np.concatenate([[0.0], np.cumsum(np.where(before, 3.0, 1.0))])
    image = profile[:, None] + profile
    usual = 2.0 if scale == 2 else 1.0  # of two places, one is the centre line's
    scored = np.random.default_rng(8).random(image.shape) < 0.7
    for mask in (np.ones_like(scored), scored):
        gaps = np.where(mask, image, np.nan)
        assert metrics.lattice(gaps, mask, scale) == pytest.approx(3 / usual)
    assert math.isnan(metrics.lattice(np.full_like(image, 300.0), scored, scale))
    lonely = np.indices(image.shape).sum(axis=0) % 2 == 0
    assert math.isnan(metrics.lattice(image, lonely, scale))


@pytest.mark.parametrize("scale", [4, 8])
def test_only_what_jumps_at_centre_lines_has_a_lattice(scale: int) -> None:
    field = red_noise(9, 128)
    assert metrics.lattice(field, np.ones(field.shape, bool), scale) == pytest.approx(1, abs=0.05)
    coarse = field.reshape(128 // scale, scale, -1, scale).mean(axis=(1, 3))
    bilinear = ndimage.zoom(coarse, scale, order=1, mode="nearest", grid_mode=True)
    assert 0.6 < metrics.lattice(bilinear, np.ones(field.shape, bool), scale) < 0.9
    jumps = np.roll(np.kron(coarse, np.ones((scale, scale))), scale // 2, axis=(0, 1))
    assert metrics.lattice(field + jumps, np.ones(field.shape, bool), scale) > 1.5


def red_noise(seed: int, size: int) -> np.ndarray:
    """Periodic noise of power f^-2.5, as LST has, around 300 K with a deviation of 2 K."""
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return 300 + 2 * _normed(_through(noise, np.maximum(_frequency(size), 1 / size) ** -1.25))


def _frequency(size: int) -> np.ndarray:
    return np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))


def _through(image: np.ndarray, gain: np.ndarray) -> np.ndarray:
    return np.fft.ifft2(np.fft.fft2(image) * gain).real


def _normed(image: np.ndarray) -> np.ndarray:
    return (image - image.mean()) / image.std()


@pytest.fixture(scope="module")
def cloudy() -> np.ndarray:
    """Half of an image under broad clouds, and one pixel in fifty of the rest lost."""
    rng = np.random.default_rng(10)
    cover = ndimage.gaussian_filter(rng.normal(size=(256, 256)), 12)
    return (cover > np.median(cover)) & (rng.random(cover.shape) < 0.98)


def test_spectrum_of_white_noise_is_flat_at_its_variance() -> None:
    noise = 300 + np.random.default_rng(5).normal(0, 2, (128, 96))
    frequency, power = metrics.rapsd(noise, np.ones(noise.shape, bool))
    assert frequency[0] == pytest.approx(1 / 96)
    assert frequency[-1] == 0.5
    assert power[1:].mean() == pytest.approx(4.0, rel=0.05)
    np.testing.assert_allclose(power[10:], 4.0, rtol=0.4)


def test_clouds_do_not_change_the_spectrum_of_temperatures(cloudy: np.ndarray) -> None:
    field = red_noise(11, 256)
    _, clear = metrics.rapsd(field, np.ones(field.shape, bool))
    _, power = metrics.rapsd(np.where(cloudy, field, np.nan), cloudy)
    difference_db = 10 * np.log10(power / clear)[4:]
    assert abs(difference_db.mean()) < 0.6
    assert np.abs(difference_db).max() < 3


def test_spectrum_of_a_wave_peaks_at_its_frequency() -> None:
    wave = 300 + np.cos(2 * np.pi * 0.25 * np.arange(64)) * np.ones((64, 1))
    frequency, power = metrics.rapsd(wave, np.ones(wave.shape, bool))
    assert frequency[power.argmax()] == 0.25
    with pytest.raises(LstsrError, match="finite values inside the mask"):
        metrics.rapsd(np.where(wave > 300.5, np.nan, wave), np.ones(wave.shape, bool))
    with pytest.raises(LstsrError, match="neighbouring pixels inside the mask"):
        metrics.rapsd(wave, np.zeros(wave.shape, bool))


def test_scores_of_an_image_are_means_over_its_bands(scored: np.ndarray) -> None:
    """Errors of 0.01 and 0.1 at a data range of 1 are 40 and 20 dB."""
    target = np.random.default_rng(2).uniform(0.1, 0.4, (2, *SHAPE))
    prediction = target + np.array([0.01, -0.1])[:, None, None]
    prediction[:, ~scored] = np.nan
    found = metrics.score_image(prediction, target, scored)
    assert all(map(math.isfinite, found.values()))
    assert found["psnr_db"] == pytest.approx(30)
    assert found["rmse"] == pytest.approx(math.sqrt((0.01**2 + 0.1**2) / 2))
    assert found["mae"] == pytest.approx(0.055)
    assert found["bias"] == pytest.approx(-0.045)
    assert found["n_pixels"] == np.count_nonzero(scored)
    assert metrics.ubrmse_k(prediction, target, scored) == pytest.approx(0, abs=1e-9)
    perfect = metrics.score_image(target, target, scored)
    assert (perfect["ssim"], perfect["psnr_db"]) == (pytest.approx(1), math.inf)


def test_ssim_of_an_image_is_the_mean_of_its_bands_in_the_declared_range(
    target: np.ndarray, scored: np.ndarray
) -> None:
    """240..340 K onto grey levels is reflectance 0..1 in other units: SSIM has none."""
    noisy = target + np.random.default_rng(3).normal(0, 3, SHAPE)
    one, other = (np.stack([(image - 240) / 100] * 2) for image in (noisy, target))
    expected = metrics.ssim(noisy, target, scored)
    assert metrics.score_image(one, other, scored)["ssim"] == pytest.approx(expected, rel=1e-6)


def test_the_spectral_angle_sees_colour_and_not_brightness(scored: np.ndarray) -> None:
    ones = np.ones(SHAPE)
    red, yellow = np.stack([ones, 0 * ones]), np.stack([ones, ones])
    assert metrics.sam_deg(red, yellow, scored) == pytest.approx(45)
    assert metrics.sam_deg(3 * yellow, yellow, scored) == pytest.approx(0, abs=1e-5)
    assert math.isnan(metrics.sam_deg(red[:1], yellow[:1], scored))


def test_a_scaled_image_differs_by_its_factor_at_every_frequency(cloudy: np.ndarray) -> None:
    noise = 300 + np.random.default_rng(12).normal(0, 2, cloudy.shape)
    for factor in (0.5, 1.0, 3.0):
        distance_db, bias_db = metrics.spectrum_db(285 + factor * (noise - 300), noise, cloudy, 4)
        assert bias_db == pytest.approx(20 * math.log10(factor), abs=1e-6)
        assert distance_db == pytest.approx(abs(bias_db), abs=1e-6)


@pytest.mark.parametrize("scale", [4, 8])
def test_what_a_filter_takes_from_short_waves_is_found_also_under_clouds(
    scale: int, cloudy: np.ndarray
) -> None:
    field, short = red_noise(13, 256), _frequency(256) >= 0.5 / scale
    half = _through(field, np.where(short, 0.5, 1.0))
    for scored in (np.ones_like(cloudy), cloudy):
        distance_db, bias_db = metrics.spectrum_db(half, field, scored, scale)
        assert bias_db == pytest.approx(20 * math.log10(0.5), abs=0.4)
        assert distance_db == pytest.approx(-bias_db, abs=0.2)
    # Gaussian of 1 pixel: exp(-(2 pi f)^2 / 2) in amplitude
    frequency = np.arange(256 // (2 * scale), 129) / 256
    expected_db = 10 * np.log10(np.exp(-((2 * np.pi * frequency) ** 2)))
    smooth = ndimage.gaussian_filter(field, 1.0, mode="wrap", truncate=8)
    distance_db, bias_db = metrics.spectrum_db(smooth, field, np.ones_like(cloudy), scale)
    assert bias_db == pytest.approx(expected_db.mean(), rel=0.03)
    assert distance_db == pytest.approx(np.sqrt(np.mean(expected_db**2)), rel=0.03)


def test_long_waves_which_the_input_shows_do_not_count() -> None:
    field, long = red_noise(14, 256), _frequency(256) < 0.4 / 4
    other = _through(field, np.where(long, 0.5, 1.0))
    distance_db, _ = metrics.spectrum_db(other, field, np.ones(field.shape, bool), 4)
    assert distance_db < 0.2


def test_a_scene_of_isolated_pixels_has_scores_but_no_spectrum() -> None:
    target = 300 + np.random.default_rng(7).normal(0, 2, (32, 32))
    scored = np.zeros((32, 32), bool)
    scored[::4, ::4] = True
    found = metrics.score(target + 1, target, scored, target[::4, ::4], scored[::4, ::4], 4)
    assert found["rmse_k"] == pytest.approx(1)
    assert math.isnan(found["spectrum_db"]) and math.isnan(found["spectrum_bias_db"])
