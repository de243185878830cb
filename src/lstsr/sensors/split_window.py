"""LST from the brightness temperatures of two channels near 11 and 12 um, and a test for clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lstsr.image import Floats, Mask

if TYPE_CHECKING:
    from lstsr.config import CloudTestConfig

# c0..c6 for AVHRR on NOAA-9, channels 4 and 5 (Jimenez-Munoz & Sobrino 2008, its table of them).
AVHRR = (-0.003, 2.054, 0.333, 47.3, -1.64, -164.0, 20.6)


def split_window_k(
    t_11_k: Floats,
    t_12_k: Floats,
    emissivity: float,
    emissivity_difference: float,
    water_vapour_g_cm2: float,
) -> Floats:
    """LST in kelvin of brightness temperatures in kelvin, of any one shape.

    Ts = Ti + c1 (Ti - Tj) + c2 (Ti - Tj)^2 + c0 + (c3 + c4 W)(1 - e) + (c5 + c6 W) de, with e the
    mean of both emissivities, de = ei - ej and W the column of water vapour: Jimenez-Munoz &
    Sobrino (2008), IEEE GRSL 5(4), 806-809, eq. 1. Coefficients for AMI's IR112 and IR123 (11.2 and
    12.3 um) could not be found in print: these are, of the sensors there, of the one that errs
    least with AMI's channels under the simulated atmosphere. What it costs stands in
    docs/simulation.md.
    """
    c0, c1, c2, c3, c4, c5, c6 = AVHRR
    difference = t_11_k - t_12_k
    surface = (c3 + c4 * water_vapour_g_cm2) * (1 - emissivity)
    surface += (c5 + c6 * water_vapour_g_cm2) * emissivity_difference
    lst_k: Floats = t_11_k + c1 * difference + c2 * difference**2 + np.float32(c0 + surface)
    return lst_k


def cloudy(t_11_k: Floats, t_12_k: Floats, valid: Mask, test: CloudTestConfig) -> Mask:
    """Where clouds are likely (rows, columns), of brightness temperatures in kelvin.

    Clouds are very cold; or colder than the warm part of what lies around, which is the warmest
    mean of 3 x 3 valid pixels; or so thin that the ground shines through, more at 11 than at 12 um
    (Saunders & Kriebel 1988, International Journal of Remote Sensing 9, 123-150). Fog as warm as
    the ground and wide decks are missed; high mountains and, by day, cold water beside land are
    taken for clouds where they are colder by ``test.depression_k``.
    """
    known = np.where(valid, t_11_k, np.float32(0))
    warm = cv2.blur(known, (3, 3), borderType=cv2.BORDER_REPLICATE)
    side = 2 * test.reach_px + 1
    warm = cv2.dilate(warm, np.ones((side, side), np.uint8))
    cold = (t_11_k < test.coldest_k) | (t_11_k < warm - test.depression_k)
    return np.asarray(cold | (t_11_k - t_12_k > test.difference_k), bool)
