"""The sun, compared with published positions: the example of the SPA, the Earth's apsides."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from lstsr.geo.sun import sun_distance_au, sun_position


def test_the_example_of_reda_and_andreas() -> None:
    """NREL/TP-560-34302, table A5.1: 17 October 2003, 12:30:30 in Golden, Colorado."""
    time = datetime(2003, 10, 17, 12, 30, 30, tzinfo=timezone(timedelta(hours=-7)))
    found = np.degrees(sun_position(time, -105.1786, 39.742476))
    np.testing.assert_allclose(found, (50.11162, 194.34024), rtol=0, atol=0.4)
    assert sun_distance_au(time) == pytest.approx(0.9965422974, abs=1e-4)


def test_the_sun_stands_overhead_where_it_should() -> None:
    """At the solstice of June 2023 on the tropic, at noon of the longitude (equation -2 min)."""
    time = datetime(2023, 6, 21, 3, 27, 42, tzinfo=UTC)
    zenith, _ = sun_position(time, 128.57, 23.44)
    assert np.degrees(zenith) < 0.2


def test_perihelion_and_aphelion() -> None:
    """Astronomical Almanac for 2023: 0.983296 au on 4 January, 1.016681 au on 6 July."""
    assert sun_distance_au(datetime(2023, 1, 4, 16, tzinfo=UTC)) == pytest.approx(0.9833, abs=5e-4)
    assert sun_distance_au(datetime(2023, 7, 6, 20, tzinfo=UTC)) == pytest.approx(1.0167, abs=5e-4)


def test_arrays_are_taken_place_by_place() -> None:
    time = datetime(2023, 5, 14, 2, 27, tzinfo=UTC)
    lon, lat = (np.array([pair], np.float32) for pair in ((126.0, 129.0), (33.0, 38.0)))
    zenith, azimuth = sun_position(time, lon, lat)
    assert zenith.shape == (1, 2) and zenith.dtype == np.float32
    for column in (0, 1):
        one = sun_position(time, float(lon[0, column]), float(lat[0, column]))
        assert (zenith[0, column], azimuth[0, column]) == pytest.approx(one, abs=1e-5)
