"""Short answers of services: listings, read through the same guard and keys as downloads."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lstsr.errors import TransferError
from lstsr.transfer.client import CutError, read
from lstsr.transfer.sources import Sources, help_for

T = TypeVar("T")
R = TypeVar("R")
ATTEMPTS = 4
FIRST_WAIT_S = 1.0
AT_ONCE = 4
"""Requests at the same time: agencies' servers are small."""


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


def each(ask: Callable[[T], R], of: Iterable[T]) -> Iterator[R]:
    """What is answered to each, in order, a few asked at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, of)
