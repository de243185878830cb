"""Short answers of services: listings, read through the same guard and keys as downloads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
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


def get(sources: Sources, address: str, stop: threading.Event | None = None) -> bytes | None:
    """The answer, or None where the service knows nothing there (status 404).

    ``stop`` ends any wait. Raises TransferError where it cannot be had.
    """
    try:
        response, body = _ask(sources, address, stop)
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
    """The answers, in order. Raises TransferError as ``get``, and where nothing is known anywhere.

    A service that has moved answers 404 as a day without data does: only all of them tell.
    """
    stop = threading.Event()
    answers = list(each(lambda address: get(sources, address, stop), addresses, stop))
    if addresses and all(body is None for body in answers):
        raise TransferError(
            f"{addresses[0]}: nothing is there (status 404), nor at any of the {len(answers)} "
            f"places asked: no data of these days, or it has moved; {help_for(addresses[0])}"
        )
    return answers


def _ask(sources: Sources, address: str, stop: threading.Event | None) -> tuple[Response, bytes]:
    patience = Patience(address, stop)
    while True:
        try:
            response, body = read(sources.client, sources.resolve(address, stop), stop=stop)
            check_put_off(response)
            return response, body
        except CutError as cut:
            patience.wait(cut)


def each(
    ask: Callable[[T], R], of: Iterable[T], stop: threading.Event | None = None
) -> Iterator[R]:
    """What is answered to each, in order, a few asked at once.

    ``stop`` is set where one fails or the program is interrupted: the others need not wait.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            yield from pool.map(ask, of)
        finally:
            if stop:
                stop.set()
