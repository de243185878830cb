"""What the headers of an answer say (RFC 9110)."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

from lstsr.transfer.client import Response


def retry_after_s(response: Response) -> float | None:
    """The wait that a server asks for, as seconds or as a date (section 10.2.3), seconds."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def validator(response: Response) -> str | None:
    """What proves that two answers are of one file (section 13.1.5): no weak ETag will do."""
    tag = response.headers.get("etag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("last-modified")


def content_length(response: Response) -> int | None:
    """Length of the body, bytes; None where it is not told (section 8.6)."""
    text = response.headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


def content_range(response: Response) -> tuple[int, int | None]:
    """First byte of a partial answer and length of the whole, bytes (section 14.4).

    -1 where the header is missing or faulty; None where the length is not told.
    """
    text = response.headers.get("content-range", "")
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text)
    if found is None:
        return -1, None
    return int(found[1]), int(found[2]) if found[2] != "*" else None
