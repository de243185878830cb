"""The 16 channels of AMI, Planck's law, and the calibration of Level 1B counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Channel(NamedTuple):
    """Bits of a count if known, and the central wavenumber (cm-1) of a thermal channel."""

    bits: int | None
    wavenumber: float | None = None


CHANNELS: Mapping[str, Channel] = {
    "vi004": Channel(11),
    "vi005": Channel(11),
    "vi006": Channel(12),
    "vi008": Channel(None),
    "nr013": Channel(None),
    "nr016": Channel(None),
    "sw038": Channel(14, 2612.677373521110),
    "wv063": Channel(12, 1617.609242531340),
    "wv069": Channel(13, 1441.575428760170),
    "wv073": Channel(13, 1365.249992024440),
    "ir087": Channel(13, 1164.949392856340),
    "ir096": Channel(13, 1039.960216776110),
    "ir105": Channel(13, 966.153383926055),
    "ir112": Channel(13, 891.713057301260),
    "ir123": Channel(13, 810.609007871230),
    "ir133": Channel(13, 753.590621482278),
}
"""Wavenumbers come from KMA's calibration manual. The attribute channel_center_wavelength is only a
label: with it, temperatures err by up to 1.9 K. Bits come from public header dumps. The bits of
WV069, WV073, IR087, IR096 and IR133 follow from KMA's coefficients: the largest count has radiance
0."""
WAVENUMBERS = {name: nu for name, (_, nu) in CHANNELS.items() if nu is not None}
# Physical constants of KMA's manual (CODATA 2010), as the files repeat them.
LIGHT_M_S, PLANCK_J_S, BOLTZMANN_J_K = 299792458.0, 6.62606957e-34, 1.3806488e-23
# Constants of Planck's law in mW m-2 sr-1 (cm-1)-1 and cm-1.
C1 = 2e11 * PLANCK_J_S * LIGHT_M_S**2
C2 = 100 * PLANCK_J_S * LIGHT_M_S / BOLTZMANN_J_K


def planck(temperature_k: Any, wavenumber: float) -> Any:
    """Radiance of a black body, mW m-2 sr-1 (cm-1)-1, at a wavenumber in cm-1."""
    return C1 * wavenumber**3 / np.expm1(C2 * wavenumber / temperature_k)


def planck_k(radiance: Any, wavenumber: float) -> Any:
    """Temperature in kelvin of a black body of that radiance: the inverse of ``planck``."""
    return C2 * wavenumber / np.log1p(C1 * wavenumber**3 / radiance)


@dataclass(frozen=True)
class Calibration:
    """Counts to physical values: radiance = gain x count + offset, then ``coefficients``.

    For a thermal channel these are c0, c1, c2 of Tbb = c0 + c1 Teff + c2 Teff^2, with Teff the
    inverse of Planck's law at its wavenumber. For a visible or near-infrared channel there is one,
    the factor to reflectance, without the cosine of the sun's zenith angle. Source: KMA, GK2A AMI
    Level 1B manual.
    """

    channel: str
    bits: int
    gain: float
    offset: float
    coefficients: tuple[float, ...]

    def physical(self) -> NDArray[np.float64]:
        """The value of each count, (2^bits,): kelvin or reflectance factor; NaN at no radiance."""
        # numbers of a damaged header can overflow; non-finite results are masked
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            radiance = self.gain * np.arange(2.0**self.bits) + self.offset
            if self.channel not in WAVENUMBERS:
                return radiance * self.coefficients[0]
            emitted = np.where(radiance > 0, radiance, np.nan)
            effective_k = planck_k(emitted, WAVENUMBERS[self.channel])
            c0, c1, c2 = self.coefficients
            values: NDArray[np.float64] = c0 + c1 * effective_k + c2 * effective_k**2
            return values


def coefficient_names(channel: str) -> list[str]:
    """The file attributes that hold a channel's ``Calibration.coefficients``."""
    if channel in WAVENUMBERS:
        return [f"Teff_to_Tbb_c{power}" for power in range(3)]
    return ["Radiance_to_Albedo_c"]
