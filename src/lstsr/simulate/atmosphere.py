"""The clear atmosphere over a simulated place in AMI's thermal window channels.

One layer absorbs and emits, but does not reflect. The radiance at its top has three parts: surface
emission and reflected sky radiance, both attenuated, and the layer's own emission (e.g. Li et al.
2013, Remote Sensing of Environment 131, eq. 1). Numbers without a source are assumptions;
docs/simulation.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, exp, radians
from typing import Any

import numpy as np

from lstsr.image import Floats
from lstsr.sensors.ami.channels import WAVENUMBERS, planck
from lstsr.simulate.spectra import SPECTRA
from lstsr.simulate.world import KELVIN

# Optical depth of a vertical column of W g/cm2 of water vapour: b W + c W^2; the square is the
# continuum. IR112 and IR123 agree to 0.02 with the transmittances of MODIS bands 31 and 32 at 1 to
# 4 g/cm2 by Mao et al. (2005), International Journal of Remote Sensing 26, 3181.
ABSORPTION = {"ir105": (0.055, 0.0130), "ir112": (0.065, 0.0147), "ir123": (0.121, 0.0156)}
EMISSIVITY = {
    "conifer": {"ir105": 0.986, "ir112": 0.986, "ir123": 0.987},
    "leaf": {"ir105": 0.984, "ir112": 0.984, "ir123": 0.985},
    "soil": {"ir105": 0.964, "ir112": 0.968, "ir123": 0.974},
    "city": {"ir105": 0.950, "ir112": 0.954, "ir123": 0.960},
    "water": {"ir105": 0.992, "ir112": 0.992, "ir123": 0.987},
}
assert set(EMISSIVITY) == set(SPECTRA)
# The vapour radiates at a height of about 1 km, where air is colder than near the ground.
COLDER_K = 6.0
# Water vapour over Korea: column at an air temperature, growth per kelvin, and scatter of its log.
VAPOUR_G_CM2, VAPOUR_AT_K, VAPOUR_PER_K, VAPOUR_SCATTER = 1.9, KELVIN + 14.5, 0.065, 0.2


@dataclass(frozen=True)
class Atmosphere:
    """A vertical column of ``water_vapour_g_cm2`` that radiates at ``radiating_k``."""

    water_vapour_g_cm2: float
    radiating_k: float

    def transmittance(self, channel: str, view_zenith_deg: float) -> float:
        """Transmittance (0..1) along the line of sight."""
        b, c = ABSORPTION[channel]
        vapour = self.water_vapour_g_cm2
        return exp(-(b * vapour + c * vapour**2) / cos(radians(view_zenith_deg)))

    def radiance(
        self, surface_k: Any, emissivity: Any, channel: str, view_zenith_deg: float
    ) -> Any:
        """At the top, mW m-2 sr-1 (cm-1)-1: t (e B(Ts) + (1 - e)(1 - t) B(Ta)) + (1 - t) B(Ta).

        We assume that the reflected sky is as bright as the sky along the line of sight. At the
        view zenith angles of Korea, this is close to the mean over the hemisphere.
        """
        wavenumber = WAVENUMBERS[channel]
        through = self.transmittance(channel, view_zenith_deg)
        sky = (1 - through) * planck(self.radiating_k, wavenumber)
        surface = emissivity * planck(surface_k, wavenumber) + (1 - emissivity) * sky
        return through * surface + sky


def atmosphere_of(air_k: float, rng: np.random.Generator) -> Atmosphere:
    """A random atmosphere over air of ``air_k`` near the ground. Warmer air holds more vapour."""
    mean = VAPOUR_G_CM2 * exp(VAPOUR_PER_K * (air_k - VAPOUR_AT_K))
    return Atmosphere(mean * exp(rng.normal(0, VAPOUR_SCATTER)), air_k - COLDER_K)


def emissivity_of(cover: Mapping[str, Floats], channel: str) -> Floats:
    """Emissivity of ground with the shares ``cover`` of the land covers."""
    shares = (share * np.float32(EMISSIVITY[name][channel]) for name, share in cover.items())
    return np.asarray(sum(shares), np.float32)
