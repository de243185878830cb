"""The sun against the almanac's plain facts."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from lstsr.geo.sun import sun_distance_au, sun_position_deg


def test_the_noon_sun_of_the_solstices_and_equinoxes() -> None:
    """At local noon the zenith angle is latitude minus declination: 23.44 degrees in June."""
    for day, declination in (((6, 21), 23.44), ((12, 22), -23.44), ((3, 21), 0.0)):
        start = datetime(2023, *day, 3, 0, tzinfo=UTC)
        zenith = min(
            float(sun_position_deg(start + timedelta(minutes=m), 128.0, 37.0)[0])
            for m in range(0, 120)
        )
        assert zenith == pytest.approx(37.0 - declination, abs=0.4)


def test_the_sun_goes_from_east_over_south_to_west() -> None:
    hours = np.arange(0, 9)
    azimuths = [
        float(sun_position_deg(datetime(2023, 9, 23, int(h), tzinfo=UTC), 127.0, 37.0)[1])
        for h in hours
    ]
    assert azimuths == sorted(azimuths)
    assert 100 < azimuths[0] < 180 < azimuths[-1] < 280


def test_at_night_it_is_below_the_horizon_and_time_zones_agree() -> None:
    night = datetime(2023, 6, 21, 15, 0, tzinfo=UTC)
    zenith, azimuth = sun_position_deg(night, np.array([126.0, 129.0]), np.array([35.0, 38.0]))
    assert zenith.shape == azimuth.shape == (2,)
    assert (zenith > 100).all()
    korean = night.astimezone(timezone(timedelta(hours=9)))
    np.testing.assert_array_equal(sun_position_deg(korean, 126.0, 35.0)[0], zenith[0])


def test_the_distance_is_least_in_january_and_most_in_july() -> None:
    """Perihelion 0.9833, aphelion 1.0167 (Meeus 1998, chapter 38); the series is good to 0.0004."""
    assert sun_distance_au(datetime(2023, 1, 4, tzinfo=UTC)) == pytest.approx(0.9833, abs=5e-4)
    assert sun_distance_au(datetime(2023, 7, 6, tzinfo=UTC)) == pytest.approx(1.0167, abs=5e-4)
