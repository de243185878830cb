"""Read listings from services, with the guard, keys and retries of downloads.

Some services answer with status 200 and a refusal, a login page or a notice instead of a listing.
"""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import unquote
from xml.etree import ElementTree

from lstsr.errors import TransferError
from lstsr.transfer.retry import CutError, Retry, check_temporary
from lstsr.transfer.sources import Sources, help_for

T = TypeVar("T")
R = TypeVar("R")
NONE_THERE = re.compile(r"no[_ ]?data", re.IGNORECASE)
EMPTY = re.compile(r"\[\s*\]")
GOOD = r"0+|200|ok|success|normal\w*|null|false"
REFUSAL = re.compile(
    rf'"\w*(?:error|code|status)\w*"\s*:\s*"?(?!(?:{GOOD})\b)[\w{{]', re.IGNORECASE
)
"""Marks a refusal in JSON with status 200: KMA's hub writes
`{"result": {"status": 403, "message": ...}}`, NOSC's API `resultCode` and `resultMsg`."""


def get(sources: Sources, address: str, stop: threading.Event | None = None) -> bytes | None:
    """The answer; None if the service has nothing there (status 404).

    ``stop`` ends any wait. Raises TransferError if the service does not answer or refuses.
    """
    retry = Retry(address, stop)
    try:
        while True:
            try:
                response, body = sources.client.read(sources.request(address, stop), stop)
                check_temporary(response)
                break
            except CutError as cut:
                retry.wait(cut)
    except TransferError as fault:
        raise TransferError(f"{address}: {fault}") from None
    if response.status == 404:
        return None
    if response.status in (401, 403):
        raise TransferError(f"{address}: refused (status {response.status}); {help_for(address)}")
    if response.status != 200:
        raise TransferError(f"{address}: status {response.status}")
    return body


def get_all(sources: Sources, addresses: Sequence[str]) -> list[bytes | None]:
    """The answers, in order. Raises TransferError as ``get``, and if all of them are None.

    A single 404 can mean a day without data. If all answers are 404, the service may have moved.
    """
    answers = list(each(lambda address, stop: get(sources, address, stop), addresses))
    if addresses and all(body is None for body in answers):
        raise TransferError(
            f"{addresses[0]}: not found (status 404), like all {len(answers)} addresses of this "
            "search. There are no data of these days, or the service has moved; "
            f"{help_for(addresses[0])}"
        )
    return answers


def each(ask: Callable[[T, threading.Event], R], items: Iterable[T]) -> Iterator[R]:
    """The answer to each item, in order, with a few requests at once.

    ``ask`` also gets an event, which is set after a fault or an interrupt to stop the others.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:  # the servers of agencies are small
        try:
            yield from pool.map(lambda item: ask(item, stop), items)
        finally:
            stop.set()


def check_listing(address: str, body: bytes, entries: bool = False, key: str = "") -> None:
    """Check an answer without usable entries; ``entries`` says whether it has unusable ones.

    Raises TransferError if it is a refusal, or not a listing.
    """
    text = _decode(body).lstrip()
    if not text.startswith("<"):  # a web page: listings are in JSON
        if NONE_THERE.search(text):
            return
        if not REFUSAL.search(text) and (entries or EMPTY.search(text)):
            return
    raise no_listing(address, body, key)


def no_listing(address: str, body: bytes, key: str = "") -> TransferError:
    """The error for an answer with status 200 that is not a listing.

    It quotes the start of the answer, without markup and without the ``key`` in any encoding.
    """
    text = _unescape(_decode(body))
    if secret := _unescape(key).strip():
        text = text.replace(secret, "...")
    letters = re.sub("<[^<>]*>", " ", text)
    words = "".join(letter if letter.isprintable() else " " for letter in letters).split()
    said = " ".join(words)[:200] or "nothing"
    return TransferError(
        f"{address}: the answer is not a listing: `{said}`; try later, or {help_for(address)}"
    )


def parse_xml(address: str, body: bytes, root_tag: str) -> ElementTree.Element:
    """The root of an XML listing. Raises TransferError for anything else; a page can be XML."""
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):  # the last two: unknown encoding
        raise no_listing(address, body) from None
    if not root.tag.endswith(root_tag):
        raise no_listing(address, body)
    return root


def _decode(body: bytes) -> str:
    """Korean services write UTF-8, or EUC-KR without stating it."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("euc-kr", "replace")


def _unescape(text: str) -> str:
    """The text without the escapes of JSON, HTML and URLs, which can be nested."""
    for _ in range(3):
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
        text = unquote(html.unescape(text.replace("\\/", "/")))
    return text
