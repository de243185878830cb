"""Short answers of services: listings, read through the same guard and keys as downloads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lstsr.errors import TransferError
from lstsr.transfer.client import CutError, Response, read
from lstsr.transfer.patience import Patience, check_put_off
from lstsr.transfer.sources import Sources, help_for

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 4
"""Requests at the same time: agencies' servers are small."""
_thread = threading.local()
"""Holds the event that ends the waits of a thread of `each`."""


def get(sources: Sources, address: str) -> bytes | None:
    """The answer, or None where the service knows nothing there (status 404).

    Raises TransferError where it cannot be had.
    """
    try:
        response, body = _ask(sources, address)
    except TransferError as fault:
        raise TransferError(f"{address}: {fault}") from None
    if response.status == 404:
        return None
    if response.status in (401, 403):
        raise TransferError(f"{address}: refused (status {response.status}); {help_for(address)}")
    if response.status != 200:
        raise TransferError(f"{address}: status {response.status}")
    return body


def _ask(sources: Sources, address: str) -> tuple[Response, bytes]:
    stop = getattr(_thread, "stop", None)
    patience = Patience(address, stop)
    while True:
        try:
            response, body = read(sources.client, sources.resolve(address, stop), stop=stop)
            check_put_off(response)
            return response, body
        except CutError as cut:
            patience.wait(cut)


def each(ask: Callable[[T], R], of: Iterable[T]) -> Iterator[R]:
    """What is answered to each, in order, a few asked at once.

    Where one fails, or the program is interrupted, the others stop waiting for theirs.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE, initializer=setattr, initargs=(_thread, "stop", stop)) as pool:
        try:
            yield from pool.map(ask, of)
        finally:
            stop.set()
