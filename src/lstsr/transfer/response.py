"""Status and headers of an HTTP answer (RFC 9110)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime


@dataclass
class Response:
    """Status, headers (names in lower case) and protocol of an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    protocol: str = "HTTP/1.1"

    @property
    def retry_after_s(self) -> float | None:
        """The requested wait in seconds, from a number or a date (section 10.2.3)."""
        text = self.headers.get("retry-after", "")
        if text.isdecimal():
            return float(text)
        date_s = _date_s(text)
        return None if date_s is None else max(0.0, date_s - time.time())

    @property
    def validator(self) -> str | None:
        """The header value that proves that two answers hold one file (section 13.1.5).

        A weak ETag does not count. Nor does a date of the last minute, because the file can change
        again with the same date, and the clocks of servers differ (section 8.8.2.2).
        """
        tag = self.headers.get("etag", "")
        if tag and not tag.startswith("W/"):
            return tag
        modified = self.headers.get("last-modified", "")
        modified_s, answered_s = _date_s(modified), _date_s(self.headers.get("date", ""))
        if modified_s is None or answered_s is None or answered_s - modified_s < 60:
            return None
        return modified

    @property
    def content_length(self) -> int | None:
        """Length of the body in bytes (section 8.6); None if unknown.

        With a transfer coding, the header does not state it (RFC 9112, section 6.3).
        """
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() and "transfer-encoding" not in self.headers else None

    @property
    def content_range(self) -> tuple[int, int | None]:
        """First byte of a partial answer and length of the whole file in bytes (section 14.4).

        The first is -1 if the header is missing or malformed, the second None if unknown.
        """
        text = self.headers.get("content-range", "")
        fields = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", text)
        if fields is None:
            return -1, None
        return int(fields[1]), int(fields[2]) if fields[2] != "*" else None

    @property
    def marks_end(self) -> bool:
        """Whether a cut body can be distinguished from a whole one (RFC 9112, section 8).

        In HTTP/1, a body without length or chunks ends with its connection.
        """
        framed = "transfer-encoding" in self.headers or self.content_length is not None
        return framed or not self.protocol.startswith("HTTP/1")


def _date_s(text: str) -> float | None:
    """Unix time of a date; None if it cannot be read."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
