"""Short answers of services: listings, read through the same guard and keys as downloads."""

from __future__ import annotations

import html
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import unquote

from lstsr.errors import TransferError
from lstsr.transfer.client import CutError, read
from lstsr.transfer.sources import Sources, help_for

T = TypeVar("T")
R = TypeVar("R")
ATTEMPTS = 4
FIRST_WAIT_S = 1.0
AT_ONCE = 4
"""Requests at the same time: agencies' servers are small."""
EXCERPT = 200
"""Letters of an answer that are told."""
NONE_THERE = re.compile(r"no[_ ]?data", re.IGNORECASE)
EMPTY = re.compile(r"\[\s*\]")
GOOD = r"0+|200|ok|success|normal\w*"
REFUSAL = re.compile(rf'error|"\w*(?:code|status)"\s*:\s*"?(?!(?:{GOOD})\b)\w', re.IGNORECASE)
"""What stands in a JSON answer with status 200 that is none: KMA's hub writes
`{"result": {"status": 403, "message": ...}}`, NOSC's API `resultCode` and `resultMsg`."""


def get(sources: Sources, address: str) -> bytes | None:
    """The answer, or None where the service knows nothing there (status 404).

    Raises TransferError where it cannot be had.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response, body = read(sources.client, sources.resolve(address))
            if response.status != 429 and response.status < 500:
                break
            fault = f"status {response.status}"
        except CutError as cut:
            fault = str(cut)
        if attempt == ATTEMPTS:
            raise TransferError(f"{address}: {fault}; gave up after {attempt} attempts")
        time.sleep(random.uniform(0.5, 1) * FIRST_WAIT_S * 2**attempt)
    if response.status == 404:
        return None
    if response.status in (401, 403):
        raise TransferError(f"{address}: refused (status {response.status}); {help_for(address)}")
    if response.status != 200:
        raise TransferError(f"{address}: status {response.status}")
    return body


def get_all(sources: Sources, addresses: Sequence[str]) -> list[bytes | None]:
    """The answers, in order. Raises TransferError as ``get``, and where nothing is known anywhere.

    A service that has moved answers 404 as a day without data does: only all of them tell.
    """
    answers = list(each(lambda address: get(sources, address), addresses))
    if addresses and all(body is None for body in answers):
        raise TransferError(
            f"{addresses[0]}: nothing is there (status 404), nor at any of the {len(answers)} "
            f"places asked: no data of these days, or it has moved; {help_for(addresses[0])}"
        )
    return answers


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


def each(ask: Callable[[T], R], of: Iterable[T]) -> Iterator[R]:
    """What is answered to each, in order, a few asked at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, of)
