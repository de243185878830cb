from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lstsr.transfer.client import Response
from lstsr.transfer.headers import (
    content_length,
    content_range,
    retry_after_s,
    tells_end,
    validator,
)


def test_both_forms_of_retry_after() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after_s(Response(429, {"retry-after": "7"})) == 7
    assert retry_after_s(Response(429, {"retry-after": date})) == pytest.approx(100, abs=10)
    assert retry_after_s(Response(429, {"retry-after": "Tue, 01 Jan 2019 00:00:00 GMT"})) == 0
    assert retry_after_s(Response(429, {"retry-after": "soon"})) is None
    assert retry_after_s(Response(429)) is None


def test_a_weak_tag_proves_nothing() -> None:
    date = "Sat, 19 Jul 2025 05:34:00 GMT"
    dates = {"last-modified": date, "date": "Sat, 19 Jul 2025 05:35:00 GMT"}
    assert validator(Response(200, {"etag": '"1"', **dates})) == '"1"'
    assert validator(Response(200, {"etag": 'W/"1"', **dates})) == date
    assert validator(Response(200, {"etag": 'W/"1"'})) is None


@pytest.mark.parametrize("date", ["", "now", "Sat, 19 Jul 2025 05:34:59 GMT"])
def test_nor_does_a_date_that_another_version_may_share(date: str) -> None:
    headers = {"last-modified": "Sat, 19 Jul 2025 05:34:00 GMT", "date": date}
    assert validator(Response(200, headers)) is None


@pytest.mark.parametrize(
    ("headers", "protocol", "told"),
    [
        ({"content-length": "0"}, "HTTP/1.1", True),
        ({"transfer-encoding": "chunked"}, "HTTP/1.1", True),
        ({}, "HTTP/1.1", False),
        ({}, "HTTP/1.0", False),
        ({}, "HTTP/2", True),
    ],
)
def test_the_end_of_a_body(headers: dict[str, str], protocol: str, told: bool) -> None:
    assert tells_end(Response(200, headers, protocol)) is told


def test_lengths_and_ranges() -> None:
    assert content_length(Response(200, {"content-length": "12"})) == 12
    assert content_length(Response(200, {"content-length": "-1"})) is None
    assert content_length(Response(200)) is None
    coded = {"content-length": "12", "transfer-encoding": "chunked"}
    assert content_length(Response(200, coded)) is None
    assert content_range(Response(206, {"content-range": "bytes 3-5/12"})) == (3, 12)
    assert content_range(Response(206, {"content-range": "bytes 3-5/*"})) == (3, None)
    assert content_range(Response(206, {"content-range": "lines 3-5/12"})) == (-1, None)
    assert content_range(Response(206)) == (-1, None)
