"""The split window against numbers worked out by hand, the published ones, and an atmosphere."""

import numpy as np
import pytest

from lstsr.config import CloudTestConfig
from lstsr.sensors.ami.channels import WAVENUMBERS, planck_k
from lstsr.sensors.ami.split_window import cloudy, split_window_k
from lstsr.simulate.atmosphere import EMISSIVITY, Atmosphere, atmosphere_of

TEST = CloudTestConfig()


def lst_k(t_11: float, t_12: float, *surface: float) -> float:
    one = split_window_k(np.array([t_11], np.float32), np.array([t_12], np.float32), *surface)
    return float(one[0])


def test_the_formula_worked_out_by_hand() -> None:
    """Black ground: only the polynomial; grey ground under 2 g/cm2; two emissivities."""
    assert lst_k(290, 290, 1.0, 0.0, 2.0) == pytest.approx(290 - 0.003, abs=1e-4)
    assert lst_k(290, 288, 1.0, 0.0, 2.0) == pytest.approx(290 + 4.108 + 1.332 - 0.003, abs=1e-4)
    grey = lst_k(290, 288, 0.97, 0.0, 2.0) - lst_k(290, 288, 1.0, 0.0, 2.0)
    assert grey == pytest.approx((47.3 - 2 * 1.64) * 0.03, abs=1e-4)
    unequal = lst_k(290, 288, 0.97, -0.01, 2.0) - lst_k(290, 288, 0.97, 0.0, 2.0)
    assert unequal == pytest.approx((164 - 2 * 20.6) * 0.01, abs=1e-4)


def korea(number: int) -> list[tuple[float, Atmosphere, dict[str, float], float]]:
    """LST, atmosphere, emissivities and vapour along the line of sight of simulated mornings."""
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(number):
        season = np.sin(2 * np.pi * (rng.uniform(60, 334) - 115) / 365)
        air_k = float(273.15 + 14.5 + 12 * season + rng.normal(0, 2))
        atmosphere = atmosphere_of(air_k, rng)
        shares = rng.dirichlet([1, 1.5, 1, 0.4])
        covers = ("conifer", "leaf", "soil", "city")
        emissivity = {
            channel: sum(s * EMISSIVITY[c][channel] for s, c in zip(shares, covers, strict=True))
            for channel in ("ir112", "ir123")
        }
        vapour = atmosphere.water_vapour_g_cm2 / np.cos(np.radians(42))
        cases.append((air_k + rng.uniform(-2, 14), atmosphere, emissivity, vapour))
    return cases


def test_what_coefficients_of_another_sensor_cost_under_the_simulated_atmosphere() -> None:
    """The figures of docs/simulation.md: bias and scatter in kelvin, and those of own coefficients.

    Both know emissivity and vapour; "own" are the seven coefficients fitted to the same cases.
    """
    cases = korea(4000)
    true_k = np.array([case[0] for case in cases])
    t_11, t_12 = (
        np.array(
            [
                planck_k(air.radiance(t, e[channel], channel, 42.0), WAVENUMBERS[channel])
                for t, air, e, _ in cases
            ]
        )
        for channel in ("ir112", "ir123")
    )
    mean = np.array([(e["ir112"] + e["ir123"]) / 2 for _, _, e, _ in cases])
    apart = np.array([e["ir112"] - e["ir123"] for _, _, e, _ in cases])
    vapour = np.array([case[3] for case in cases])
    avhrr = np.array([lst_k(*case) for case in zip(t_11, t_12, mean, apart, vapour, strict=True)])
    error = avhrr - true_k
    assert error.mean() == pytest.approx(-0.4, abs=0.15)
    assert error.std() == pytest.approx(1.2, abs=0.15)
    dry, wet = error[vapour < 1.35].mean(), error[vapour > 5.4].mean()
    assert dry == pytest.approx(0.3, abs=0.15) and wet == pytest.approx(-2.5, abs=0.3)
    assert (t_11 - true_k).mean() == pytest.approx(-4.5, abs=0.2)
    d = t_11 - t_12
    terms = [d, d**2, np.ones_like(d), 1 - mean, vapour * (1 - mean), apart, vapour * apart]
    own = np.linalg.lstsq(np.stack(terms, 1), true_k - t_11, rcond=None)
    assert np.sqrt(own[1][0] / len(d)) == pytest.approx(0.65, abs=0.1)


def test_clouds_are_cold_or_colder_than_around_or_let_through_more_at_11_um() -> None:
    t_11 = np.full((60, 60), 295.0, np.float32)
    t_12 = t_11 - 1
    valid = np.ones(t_11.shape, bool)
    assert not cloudy(t_11, t_12, valid, TEST).any()
    t_11[10:20, 10:20], t_12[10:20, 10:20] = 285, 284  # a low cloud
    t_12[40, 40] = 289  # cirrus
    t_11[50:, 50:], t_12[50:, 50:] = 240, 239  # deep
    expected = np.zeros(t_11.shape, bool)
    expected[10:20, 10:20] = expected[40, 40] = True
    expected[50:, 50:] = True
    np.testing.assert_array_equal(cloudy(t_11, t_12, valid, TEST), expected)


def test_slow_changes_and_invalid_pixels_make_no_clouds() -> None:
    """A front across the image, 0.3 K a pixel; what is not valid counts for nothing around."""
    t_11 = np.broadcast_to(280 + 0.3 * np.arange(60, dtype=np.float32), (60, 60)).copy()
    valid = np.ones(t_11.shape, bool)
    assert not cloudy(t_11, t_11 - 1, valid, TEST).any()
    t_11[30], valid[30] = 340.0, False
    found = cloudy(t_11, t_11 - 1, valid, TEST)
    assert not found[valid].any()
    near = CloudTestConfig(reach_px=40)
    assert cloudy(t_11, t_11 - 1, valid, near)[valid].any(), "40 pixels away it is 12 K warmer"
