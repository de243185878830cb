from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lstsr.transfer.response import Response


def test_both_forms_of_retry_after() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert Response(429, {"retry-after": "7"}).retry_after_s == 7
    assert Response(429, {"retry-after": date}).retry_after_s == pytest.approx(100, abs=10)
    assert Response(429, {"retry-after": "Tue, 01 Jan 2019 00:00:00 GMT"}).retry_after_s == 0
    assert Response(429, {"retry-after": "soon"}).retry_after_s is None
    assert Response(429).retry_after_s is None


def test_a_weak_tag_proves_nothing() -> None:
    date = "Sat, 19 Jul 2025 05:34:00 GMT"
    dates = {"last-modified": date, "date": "Sat, 19 Jul 2025 05:35:00 GMT"}
    assert Response(200, {"etag": '"1"', **dates}).validator == '"1"'
    assert Response(200, {"etag": 'W/"1"', **dates}).validator == date
    assert Response(200, {"etag": 'W/"1"'}).validator is None


@pytest.mark.parametrize("date", ["", "now", "Sat, 19 Jul 2025 05:34:59 GMT"])
def test_nor_does_a_date_that_another_version_may_share(date: str) -> None:
    headers = {"last-modified": "Sat, 19 Jul 2025 05:34:00 GMT", "date": date}
    assert Response(200, headers).validator is None


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
    assert Response(200, headers, protocol).marks_end is told


def test_lengths_and_ranges() -> None:
    assert Response(200, {"content-length": "12"}).content_length == 12
    assert Response(200, {"content-length": "-1"}).content_length is None
    assert Response(200).content_length is None
    coded = {"content-length": "12", "transfer-encoding": "chunked"}
    assert Response(200, coded).content_length is None
    assert Response(206, {"content-range": "bytes 3-5/12"}).content_range == (3, 12)
    assert Response(206, {"content-range": "bytes 3-5/*"}).content_range == (3, None)
    assert Response(206, {"content-range": "lines 3-5/12"}).content_range == (-1, None)
    assert Response(206).content_range == (-1, None)
