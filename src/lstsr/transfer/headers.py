"""What the headers of an answer say (RFC 9110)."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

from lstsr.transfer.client import Response

SETTLED_S = 60.0
"""After so long a file's date of modification counts as its own: the servers of one service may
differ in their clocks."""


def retry_after_s(response: Response) -> float | None:
    """The wait that a server asks for, as seconds or as a date (section 10.2.3), seconds."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    date_s = _date_s(text)
    return None if date_s is None else max(0.0, date_s - time.time())


def validator(response: Response) -> str | None:
    """What proves that two answers are of one file (section 13.1.5): no weak ETag will do.

    Nor will a date of modification so short before the answer's own that the file may have changed
    again with the same date (section 8.8.2.2).
    """
    tag = response.headers.get("etag", "")
    if tag and not tag.startswith("W/"):
        return tag
    modified = response.headers.get("last-modified", "")
    modified_s, answered_s = _date_s(modified), _date_s(response.headers.get("date", ""))
    if modified_s is None or answered_s is None or answered_s - modified_s < SETTLED_S:
        return None
    return modified


def content_length(response: Response) -> int | None:
    """Length of the body, bytes; None where it is not told (section 8.6).

    What a transfer coding comes with is not the length (RFC 9112, section 6.3).
    """
    text = response.headers.get("content-length", "")
    return int(text) if text.isdecimal() and not _coded(response) else None


def tells_end(response: Response) -> bool:
    """Whether a body that was cut can be told from a whole one (RFC 9112, section 8).

    In HTTP/1 a body without length or chunks ends where the connection does, whatever ended that.
    """
    framed = _coded(response) or content_length(response) is not None
    return framed or not response.protocol.startswith("HTTP/1")


def _coded(response: Response) -> bool:
    return "transfer-encoding" in response.headers


def _date_s(text: str) -> float | None:
    """Unix time of a date, seconds; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def content_range(response: Response) -> tuple[int, int | None]:
    """First byte of a partial answer and length of the whole, bytes (section 14.4).

    -1 where the header is missing or faulty; None where the length is not told.
    """
    text = response.headers.get("content-range", "")
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", text)
    if found is None:
        return -1, None
    return int(found[1]), int(found[2]) if found[2] != "*" else None
