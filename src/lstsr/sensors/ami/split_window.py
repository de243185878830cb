"""LST from brightness temperatures of two channels near 11 and 12 um, and a cloud test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lstsr.image import Floats, Mask

if TYPE_CHECKING:
    from lstsr.config import CloudTestConfig

COEFFICIENTS = (-0.003, 2.054, 0.333, 47.3, -1.64, -164.0, 20.6)
"""c0..c6 for AVHRR on NOAA-9, channels 4 and 5 (table of Jimenez-Munoz & Sobrino 2008).

We found no published coefficients for AMI's IR112 and IR123 (11.2 and 12.3 um). Of the sensors in
the table, AVHRR on NOAA-9 errs least with AMI's channels under the simulated atmosphere;
docs/simulation.md gives the error.
"""


def split_window_k(
    t_11_k: Floats,
    t_12_k: Floats,
    emissivity: float,
    emissivity_difference: float,
    water_vapour_g_cm2: float,
) -> Floats:
    """LST in kelvin from brightness temperatures in kelvin; all arrays have one shape.

    Ts = Ti + c1 (Ti - Tj) + c2 (Ti - Tj)^2 + c0 + (c3 + c4 W)(1 - e) + (c5 + c6 W) de, with e the
    mean of both emissivities, de = ei - ej and W the column of water vapour: Jimenez-Munoz &
    Sobrino (2008), IEEE GRSL 5(4), 806-809, eq. 1.
    """
    c0, c1, c2, c3, c4, c5, c6 = COEFFICIENTS
    difference = t_11_k - t_12_k
    surface = (c3 + c4 * water_vapour_g_cm2) * (1 - emissivity)
    surface += (c5 + c6 * water_vapour_g_cm2) * emissivity_difference
    lst_k: Floats = t_11_k + c1 * difference + c2 * difference**2 + np.float32(c0 + surface)
    return lst_k


def cloudy(t_11_k: Floats, t_12_k: Floats, valid: Mask, test: CloudTestConfig) -> Mask:
    """Likely clouds (rows, columns), from brightness temperatures in kelvin.

    A pixel is cloudy if it is very cold, colder than the warmest mean of 3 x 3 valid pixels around
    it, or so much warmer at 11 than at 12 um that thin cloud is likely (Saunders & Kriebel 1988,
    International Journal of Remote Sensing 9, 123-150). The test misses fog as warm as the ground
    and wide decks. It takes mountains and, by day, cold water beside land for clouds if they are
    colder by ``test.depression_k``.
    """
    known = np.where(valid, t_11_k, np.float32(0))
    warm = cv2.blur(known, (3, 3), borderType=cv2.BORDER_REPLICATE)
    side = 2 * test.reach_px + 1
    warm = cv2.dilate(warm, np.ones((side, side), np.uint8))
    cold = (t_11_k < test.coldest_k) | (t_11_k < warm - test.depression_k)
    return np.asarray(cold | (t_11_k - t_12_k > test.difference_k), bool)
