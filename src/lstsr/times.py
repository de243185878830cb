"""Read times in any form of ISO 8601; return timezone-aware UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_TIME = re.compile(
    r"""
    (?P<year>\d{4})
    (?: (?P<dash>-?) (?P<month>\d\d) (?P=dash) (?P<day>\d\d)
      | (?P<week_dash>-?) [Ww] (?P<week>\d\d) (?P=week_dash) (?P<weekday>\d)
      | -? (?P<ordinal>\d{3}) )
    (?: [Tt] | \s+ )
    (?P<hour>\d\d)
    (?: (?P<colon>:?) (?P<minute>[0-5]\d) (?: (?P=colon) (?P<second>[0-5]\d|60) )? )?
    (?: [.,] (?P<fraction>\d+) )?
    \s* (?: [Zz]
      | (?P<sign>[+\-\u2212]) (?P<zone_hour>[01]\d|2[0-3]) (?: :? (?P<zone_minute>[0-5]\d) )? )?
    """,
    re.ASCII | re.VERBOSE,
)


def read_time(text: str) -> datetime | None:
    """The time in ``text`` (any form of ISO 8601) as timezone-aware UTC.

    The date can be a calendar, week (2023-W19-5) or ordinal date (2023-132). A time without a zone
    is UTC. Fractions finer than a microsecond are cut off. Returns None if the text cannot be read
    or is a date without a time of day.
    """
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    try:
        moment = datetime.combine(_date(match), datetime.min.time(), UTC) + _time_of_day(match)
        hours, minutes = (int(match[f"zone_{unit}"] or 0) for unit in ("hour", "minute"))
        zone = timedelta(hours=hours, minutes=minutes)
        return moment - zone if match["sign"] == "+" else moment + zone
    except (ValueError, OverflowError):
        return None


def iso(time: datetime) -> str:
    """A timezone-aware time in UTC to the second, as 2023-05-12T02:10:00Z."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _date(match: re.Match[str]) -> date:
    """The day of a match. Raises ValueError if the calendar has no such day."""
    year = int(match["year"])
    if match["week"]:
        return date.fromisocalendar(year, int(match["week"]), int(match["weekday"]))
    if match["ordinal"]:
        day = date(year, 1, 1) + timedelta(int(match["ordinal"]) - 1)
        if day.year != year:
            raise ValueError(f"{year} has no day {match['ordinal']}")
        return day
    return date(year, int(match["month"]), int(match["day"]))


def _time_of_day(match: re.Match[str]) -> timedelta:
    """Time since midnight, up to 24:00 or a leap second. Raises ValueError for any other time."""
    hour, minute, second = (int(match[unit] or 0) for unit in ("hour", "minute", "second"))
    # the fraction belongs to the smallest unit in the text
    step_s = 1 if match["second"] else 60 if match["minute"] else 3600
    digits = match["fraction"] or "0"
    part_us = step_s * 1_000_000 * int(digits) // 10 ** len(digits)
    time = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=part_us)
    if (second == 60 and minute < 59) or time > timedelta(days=1):
        raise ValueError(f"{time} is not a time of day")
    return time
