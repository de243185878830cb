"""Times in every form of ISO 8601 that files and people write."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lstsr.times import iso, read_time

MOMENT = datetime(2023, 5, 12, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2023-05-12T02:10:00Z",
        "20230512T021000Z",
        "2023-05-12t02:10:00z",
        "2023-05-12 02:10:00",
        "2023-05-12 02:10:00 +00:00",
        "2023-05-12T02:10",
        "2023-05-12T02:10:00.000000000Z",
        "2023-05-12T02:10:00,0+00",
        "2023-05-12T11:10+09",
        "2023-05-12T11:10:00+0900",
        "2023-05-12T11:10:00+09:00",
        "2023-05-11T21:40:00-04:30",
        "2023-05-11T21:40:00\u221204:30",
        "2023-W19-5T02:10Z",
        "2023W195T0210Z",
        "2023-132T02:10Z",
        "2023132T021000Z",
        " 2023-05-12T02:10:00Z\n",
    ],
)
def test_one_moment_has_many_forms(text: str) -> None:
    found = read_time(text)
    assert found == MOMENT
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2023-05-12T24:00Z", datetime(2023, 5, 13, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2024-366T00:00Z", datetime(2024, 12, 31, tzinfo=UTC)),
        ("2020-W53-5T00:00Z", datetime(2021, 1, 1, tzinfo=UTC)),
        ("2023-05-12T02:10:00.1234567Z", MOMENT.replace(microsecond=123456)),
        ("2023-05-12T02:10,5Z", MOMENT.replace(second=30)),
        ("2023-05-12T02.5Z", MOMENT.replace(minute=30)),
        ("2023-05-12T02Z", MOMENT.replace(minute=0)),
    ],
)
def test_the_corners_of_the_standard(text: str, right: datetime) -> None:
    assert read_time(text) == right


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-05-12",
        "20230512",
        "2023-132",
        "02:10:00Z",
        "12.5.2023 02:10",
        "2023-13-01T00:00Z",
        "2023-02-29T00:00Z",
        "2023-366T00:00Z",
        "2023-W54-1T00:00Z",
        "2023-05-12T24:01Z",
        "2023-05-12T02:60Z",
        "2023-05-12T02:09:60Z",
        "2023-05-12T02:10:00+24:00",
        "2023-05-12T02:10:00 KST",
        "0001-01-01T00:00+09:00",
        "9999-12-31T24:00Z",
        "2023-05-12T02:10:00." + "1" * 5000,
        "\u0662\u0660\u0662\u0663-05-12T02:10Z",
    ],
)
def test_what_gives_no_moment_is_none(text: str) -> None:
    assert read_time(text) is None


def test_a_time_is_written_in_utc_to_the_second() -> None:
    korea = MOMENT.replace(microsecond=999).astimezone(timezone(timedelta(hours=9)))
    assert iso(korea) == "2023-05-12T02:10:00Z"
    assert read_time(iso(korea)) == MOMENT
