"""Attempts in a row: which faults may pass, how often a server is asked again, and when."""

from __future__ import annotations

import logging
import random
import threading

from lstsr.errors import TransferError
from lstsr.transfer.client import CutError, Response
from lstsr.transfer.headers import retry_after_s

logger = logging.getLogger(__name__)
ATTEMPTS = 6
"""In a row without getting further."""
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 300.0
PUT_OFF = frozenset({408, 425, 429})
"""Statuses, besides those of the server's own faults (500 and more), that may pass."""


def check_put_off(response: Response, asked: str = "") -> None:
    """Raises CutError, with the wait that the server asks for, where its status may pass.

    ``asked`` says what was asked for, if not the file itself.
    """
    if response.status in PUT_OFF or response.status >= 500:
        status = f"status {response.status}"
        # one that asks for no wait is not to be asked six times at once
        after_s = retry_after_s(response) or None
        raise CutError(f"{asked}: {status}" if asked else status, after_s)


class Patience:
    """Sits out the cuts of one address, but not too many in a row; ``stop`` ends any wait."""

    def __init__(self, address: str, stop: threading.Event | None = None) -> None:
        self._address = address
        self._stop = stop or threading.Event()
        self._failed = 0

    def renew(self) -> None:
        """Count anew: the last attempt got further than those before it."""
        self._failed = 0

    def wait(self, cut: CutError) -> None:
        """Wait as long as the server said, or else by exponential backoff with full jitter.

        Raises TransferError where that was the last attempt, or once it is stopped.
        """
        self._failed += 1
        if self._failed >= ATTEMPTS:
            raise TransferError(f"{cut}; gave up after {self._failed} attempts")
        wait_s = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failed))
        if cut.after_s is not None:
            wait_s = min(cut.after_s, LONGEST_RETRY_AFTER_S)
        logger.warning("%s: %s; again in %.1f s", self._address, cut, wait_s)
        if self._stop.wait(wait_s):
            raise TransferError("stopped")
