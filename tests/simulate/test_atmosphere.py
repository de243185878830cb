"""One layer of vapour: its limits, and the transmittances that it stands in for."""

import numpy as np
import pytest

from lstsr.sensors.ami.channels import WAVENUMBERS, planck, planck_k
from lstsr.simulate.atmosphere import ABSORPTION, Atmosphere, atmosphere_of, emissivity_of
from lstsr.simulate.world import KELVIN

COLD = Atmosphere(3.0, 285.0)


@pytest.mark.parametrize(
    ("channel", "a", "b", "w"),
    [("ir112", 2.89798, -1.88366, -21.22704), ("ir123", -3.59289, 4.60414, 32.70639)],
)
def test_transmittance_is_that_of_the_neighbouring_channels_of_modis(
    channel: str, a: float, b: float, w: float
) -> None:
    """Mao et al. (2005): t = a + b exp(-W / w) of bands 31 and 32, for 1 to 4 g/cm2."""
    for vapour in (1.0, 2.0, 3.0, 4.0):
        known = a + b * np.exp(-vapour / w)
        assert Atmosphere(vapour, 280).transmittance(channel, 0) == pytest.approx(known, abs=0.02)


def test_a_slanted_path_is_longer() -> None:
    for channel in ABSORPTION:
        down, slant = (COLD.transmittance(channel, zenith) for zenith in (0.0, 60.0))
        assert slant == pytest.approx(down**2)


@pytest.mark.parametrize("channel", sorted(ABSORPTION))
def test_radiance_between_its_limits(channel: str) -> None:
    """Without vapour the surface alone; as warm as the air, it lacks what the sky lacks twice."""
    nu = WAVENUMBERS[channel]
    assert Atmosphere(0.0, 285.0).radiance(300.0, 0.96, channel, 42.0) == pytest.approx(
        0.96 * planck(300.0, nu)
    )
    through = COLD.transmittance(channel, 42.0)
    for emissivity in (1.0, 0.95):
        seen = COLD.radiance(285.0, emissivity, channel, 42.0)
        expected = (1 - (1 - emissivity) * through**2) * planck(285.0, nu)
        assert seen == pytest.approx(expected)


def test_more_is_absorbed_at_12_than_at_11_than_at_10_um() -> None:
    seen_k = [
        planck_k(COLD.radiance(305.0, 0.98, channel, 42.0), WAVENUMBERS[channel])
        for channel in ("ir105", "ir112", "ir123")
    ]
    assert 305 > seen_k[0] > seen_k[1] > seen_k[2] > 285


def test_warm_air_holds_more() -> None:
    rng = np.random.default_rng(0)
    winter, summer = (
        np.array([atmosphere_of(KELVIN + t, rng).water_vapour_g_cm2 for _ in range(500)])
        for t in (2.0, 27.0)
    )
    assert np.median(winter) == pytest.approx(0.84, rel=0.05)
    assert np.median(summer) == pytest.approx(4.3, rel=0.05)
    assert np.log(summer).std() == pytest.approx(0.2, abs=0.02)


def test_emissivity_is_mixed_by_cover() -> None:
    cover = {"soil": np.array([1.0, 0.5], np.float32), "leaf": np.array([0.0, 0.5], np.float32)}
    assert emissivity_of(cover, "ir112") == pytest.approx([0.968, 0.976])
