"""Where the sun stands, and how far away: Fourier series of Spencer (1971), Search 2 (5), 172."""

from __future__ import annotations

from datetime import UTC, datetime
from math import cos, pi, sin

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]


def sun_position_deg(
    time: datetime, lon_deg: ArrayLike, lat_deg: ArrayLike
) -> tuple[Doubles, Doubles]:
    """Zenith angle and azimuth (clockwise from north) of the sun, degrees, shapes as given.

    Without refraction; good to about 0.3 degrees. ``time`` carries its time zone.
    """
    moment = time.astimezone(UTC)
    turn = _turn(moment)
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
    utc_h = moment.hour + moment.minute / 60 + moment.second / 3600
    solar_h = utc_h + np.asarray(lon_deg, float) / 15 + equation_min / 60
    hour_angle, lat = np.radians(15 * (solar_h - 12)), np.radians(lat_deg)
    cosine = np.sin(lat) * sin(declination) + np.cos(lat) * cos(declination) * np.cos(hour_angle)
    east = -cos(declination) * np.sin(hour_angle)
    north = sin(declination) * np.cos(lat) - cos(declination) * np.sin(lat) * np.cos(hour_angle)
    return np.degrees(np.arccos(cosine)), np.degrees(np.arctan2(east, north)) % 360


def sun_distance_au(time: datetime) -> float:
    """Distance between Earth and sun, astronomical units."""
    turn = _turn(time.astimezone(UTC))
    inverse_square = (
        1.00011
        + 0.034221 * cos(turn)
        + 0.00128 * sin(turn)
        + 0.000719 * cos(2 * turn)
        + 0.000077 * sin(2 * turn)
    )
    return float(inverse_square**-0.5)


def _turn(moment: datetime) -> float:
    """The day of the year as an angle, radians."""
    return 2 * pi * (moment.timetuple().tm_yday - 1) / 365
