"""Position and distance of the sun, from Fourier series of the day of the year.

Spencer, J. W. (1971): Fourier series representation of the position of the sun. Search 2 (5), 172.
Errors reach 0.4 degrees near the equinoxes and 0.0005 au near perihelion.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

Angles = NDArray[np.floating[Any]]
# Coefficients of 1, cos t, sin t, cos 2t, sin 2t, cos 3t and sin 3t, where t is the day angle.
DECLINATION = (0.006918, -0.399912, 0.070257, -0.006758, 0.000907, -0.002697, 0.00148)
EQUATION_OF_TIME = (0.000075, 0.001868, -0.032077, -0.014615, -0.040849)
INVERSE_SQUARE_DISTANCE = (1.000110, 0.034221, 0.001280, 0.000719, 0.000077)
MINUTES_PER_RADIAN = 229.18


def sun_position(
    time: datetime, lon_deg: float | Angles, lat_deg: float | Angles
) -> tuple[Angles, Angles]:
    """Zenith angle and azimuth (clockwise from north) of the sun, radians, without refraction."""
    moment = time.astimezone(UTC)
    declination = _series(DECLINATION, moment)
    equation_min = MINUTES_PER_RADIAN * _series(EQUATION_OF_TIME, moment)
    clock_h = moment.hour + moment.minute / 60 + moment.second / 3600
    solar_h = clock_h + lon_deg / 15 + equation_min / 60
    hour_angle, lat = np.radians(15 * (solar_h - 12)), np.radians(lat_deg)
    cosine = np.sin(lat) * sin(declination) + np.cos(lat) * cos(declination) * np.cos(hour_angle)
    east = -cos(declination) * np.sin(hour_angle)
    north = sin(declination) * np.cos(lat) - cos(declination) * np.sin(lat) * np.cos(hour_angle)
    return np.arccos(np.clip(cosine, -1, 1)), np.arctan2(east, north) % (2 * pi)


def sun_distance_au(time: datetime) -> float:
    """Distance between Earth and sun, astronomical units."""
    return float(_series(INVERSE_SQUARE_DISTANCE, time.astimezone(UTC)) ** -0.5)


def _series(coefficients: tuple[float, ...], moment: datetime) -> float:
    day_angle = 2 * pi * (moment.timetuple().tm_yday - 1) / 365
    turns = (day_angle * order for order in (1, 2, 3))
    terms = [1.0, *(value for turn in turns for value in (cos(turn), sin(turn)))]
    return sum(a * term for a, term in zip(coefficients, terms, strict=False))
