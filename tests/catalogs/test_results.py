"""Names and addresses that catalogs may not use, and the hours to be listed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lstsr.catalogs.results import checked, hours
from lstsr.errors import LstsrError


@pytest.mark.parametrize(
    "address",
    [
        "https://host/a/../../etc/passwd",
        "https://host/a/..%2f..%2fetc/passwd",
        "https://host//etc/passwd",
        "https://host/%2Fetc/passwd",
        "https://host/a%0ab.tif",
        "https://host/a b.tif",
        "https://host/a\tb.tif",
        "https://host/a.tif\n",
        "https://host/a.tif?sig=1",
        "https://user:word@host/a.tif",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_could_do_harm_is_refused(address: str) -> None:
    with pytest.raises(LstsrError):
        checked(address)


def test_a_plain_address_stays_as_it_is() -> None:
    for address in ("s3://bucket/a/b.nc", "https://host/a/b_ST_B10.TIF", "https://host/a?date=1"):
        assert checked(address) == address


def test_hours_cover_the_window_once_each() -> None:
    moments = [datetime(2023, 1, 1, 0, 5, tzinfo=UTC), datetime(2023, 1, 1, 0, 58, tzinfo=UTC)]
    assert [f"{hour:%d %H}" for hour in hours(moments, timedelta(minutes=10))] == [
        "31 23",
        "01 00",
        "01 01",
    ]


def test_hours_are_those_of_utc() -> None:
    korea = timezone(timedelta(hours=9))
    (hour,) = hours([datetime(2023, 5, 12, 8, 30, tzinfo=korea)], timedelta(0))
    assert f"{hour:%Y-%m-%d %H}" == "2023-05-11 23"
