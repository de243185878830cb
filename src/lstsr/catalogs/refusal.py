"""Answers with status 200 that are no listings: refusals, pages to log in, notices of repair."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

from lstsr.errors import TransferError
from lstsr.transfer.sources import help_for

EXCERPT = 200
"""Letters of an answer that are told."""
NONE_THERE = re.compile(r"no[_ ]?data", re.IGNORECASE)
EMPTY = re.compile(r"\[\s*\]")
GOOD = r"0+|200|ok|success|normal\w*|null|false"
REFUSAL = re.compile(
    rf'"\w*(?:error|code|status)\w*"\s*:\s*"?(?!(?:{GOOD})\b)[\w{{]', re.IGNORECASE
)
"""What stands in a JSON answer with status 200 that is none: KMA's hub writes
`{"result": {"status": 403, "message": ...}}`, NOSC's API `resultCode` and `resultMsg`."""


def check_listing(address: str, body: bytes, entries: bool = False, key: str = "") -> None:
    """Accept an answer without anything to use; ``entries`` tells whether something is listed.

    Raises TransferError where it refuses, or is no listing, rather than a list of nothing.
    """
    text = _text(body).lstrip()
    if not text.startswith("<"):  # a page: listings are asked for in JSON
        if NONE_THERE.search(text):
            return
        if not REFUSAL.search(text) and (entries or EMPTY.search(text)):
            return
    raise no_listing(address, body, key)


def no_listing(address: str, body: bytes, key: str = "") -> TransferError:
    """The fault of an answer with status 200 that is something else than was asked for.

    It tells how the answer begins, without markup and without the ``key``, however that is quoted.
    """
    text = _unquoted(_text(body))
    if secret := _unquoted(key).strip():
        text = text.replace(secret, "...")
    letters = re.sub("<[^<>]*>", " ", text)
    words = "".join(letter if letter.isprintable() else " " for letter in letters).split()
    said = " ".join(words)[:EXCERPT] or "nothing"
    return TransferError(
        f"{address}: no listing, the answer says `{said}`; try later, or {help_for(address)}"
    )


def _text(body: bytes) -> str:
    """Korean services write UTF-8, or EUC-KR without saying so."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("euc-kr", "replace")


def _unquoted(text: str) -> str:
    """The text without the escapes of JSON, HTML and URLs, which may lie within one another."""
    for _ in range(3):
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
        text = unquote(html.unescape(text.replace("\\/", "/")))
    return text
