"""The retry policy: which faults are temporary, and how often and when lstsr tries again."""

from __future__ import annotations

import logging
import random
import threading

from lstsr.errors import TransferError
from lstsr.transfer.response import Response

logger = logging.getLogger(__name__)
ATTEMPTS = 6
"""Attempts in a row without progress."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
LONGEST_RETRY_AFTER_S = 300.0


class CutError(Exception):
    """A temporary fault. ``after_s`` is the wait in seconds that the server asks for."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


def check_temporary(response: Response, asked: str = "") -> None:
    """Raise CutError if the status is temporary; ``asked`` names the request."""
    if response.status in (408, 425, 429) or response.status >= 500:
        status = f"status {response.status}"
        # after a requested wait of 0 s, all attempts would follow at once
        raise CutError(f"{asked}: {status}" if asked else status, response.retry_after_s or None)


class Retry:
    """Counts the failed attempts for one address and waits between them. ``stop`` ends a wait."""

    def __init__(self, address: str, stop: threading.Event | None = None) -> None:
        self._address = address
        self._stop = stop or threading.Event()
        self._failed = 0

    def reset(self) -> None:
        """Start the count again, because the last attempt made progress."""
        self._failed = 0

    def wait(self, cut: CutError) -> None:
        """Wait as long as the server asks, or by exponential backoff with full jitter.

        Raises TransferError after the last attempt, or if stopped.
        """
        self._failed += 1
        if self._failed >= ATTEMPTS:
            raise TransferError(f"{cut}; gave up after {self._failed} attempts")
        wait_s = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failed))
        if cut.after_s is not None:
            wait_s = min(cut.after_s, LONGEST_RETRY_AFTER_S)
        logger.warning("%s: %s; trying again in %.1f s", self._address, cut, wait_s)
        if self._stop.wait(wait_s):
            raise TransferError("stopped")
