"""Where the sun stands and how far it is, by the series of Spencer.

Spencer, J. W. (1971): Fourier series representation of the position of the sun. Search 2 (5), 172.
They take a day as a whole and all years as equal: the sun may stand 0.4 degrees off, about the
equinoxes, and 0.0005 au, about perihelion.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

Angles = NDArray[np.floating[Any]]


def sun_position(
    time: datetime, lon_deg: float | Angles, lat_deg: float | Angles
) -> tuple[Angles, Angles]:
    """Zenith angle and azimuth (clockwise from north) of the sun, radians, without refraction."""
    moment = time.astimezone(UTC)
    turn = _day_angle(moment)
    declination = (
        0.006918
        - 0.399912 * cos(turn)
        + 0.070257 * sin(turn)
        - 0.006758 * cos(2 * turn)
        + 0.000907 * sin(2 * turn)
        - 0.002697 * cos(3 * turn)
        + 0.00148 * sin(3 * turn)
    )
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * cos(turn)
        - 0.032077 * sin(turn)
        - 0.014615 * cos(2 * turn)
        - 0.040849 * sin(2 * turn)
    )
    clock_h = moment.hour + moment.minute / 60 + moment.second / 3600
    solar_h = clock_h + lon_deg / 15 + equation_min / 60
    hour_angle, lat = np.radians(15 * (solar_h - 12)), np.radians(lat_deg)
    cosine = np.sin(lat) * sin(declination) + np.cos(lat) * cos(declination) * np.cos(hour_angle)
    east = -cos(declination) * np.sin(hour_angle)
    north = sin(declination) * np.cos(lat) - cos(declination) * np.sin(lat) * np.cos(hour_angle)
    return np.arccos(np.clip(cosine, -1, 1)), np.arctan2(east, north) % (2 * pi)


def sun_distance_au(time: datetime) -> float:
    """Distance between Earth and sun, astronomical units."""
    turn = _day_angle(time.astimezone(UTC))
    inverse_square = (
        1.000110
        + 0.034221 * cos(turn)
        + 0.001280 * sin(turn)
        + 0.000719 * cos(2 * turn)
        + 0.000077 * sin(2 * turn)
    )
    return float(inverse_square**-0.5)


def _day_angle(moment: datetime) -> float:
    return 2 * pi * (moment.timetuple().tm_yday - 1) / 365
