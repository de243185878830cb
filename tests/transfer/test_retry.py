import threading
import time

import pytest

from lstsr.errors import TransferError
from lstsr.transfer import retry
from lstsr.transfer.response import Response
from lstsr.transfer.retry import CutError, Retry, check_temporary


def test_waits_double_and_are_drawn_from_nothing_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, ...]] = []

    def draw(*ends: float) -> float:
        drawn.append(ends)
        return ends[0]

    monkeypatch.setattr(retry.random, "uniform", draw)
    monkeypatch.setattr(retry, "LONGEST_WAIT_S", 0.1)
    tried = Retry("https://host/file")
    with pytest.raises(TransferError, match="cut; gave up after 6 attempts"):
        for _ in range(100):
            tried.wait(CutError("cut"))
    assert drawn == [(0, wait_s) for wait_s in (0.02, 0.04, 0.08, 0.1, 0.1)]


def test_getting_further_counts_anew() -> None:
    tried = Retry("https://host/file")
    for _ in range(20):
        tried.wait(CutError("cut", 0))
        tried.reset()


def test_a_wait_ends_when_it_is_stopped() -> None:
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(TransferError, match="stopped"):
        Retry("https://host/file", stop).wait(CutError("busy", 100))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass(status: int) -> None:
    with pytest.raises(CutError, match=f"status {status}") as cut:
        check_temporary(Response(status, {"retry-after": "7"}))
    assert cut.value.after_s == 7


@pytest.mark.parametrize("status", [200, 206, 400, 401, 403, 404, 410, 416])
def test_what_stays(status: int) -> None:
    check_temporary(Response(status))


@pytest.mark.parametrize("asked", ["0", "Tue, 01 Jan 2019 00:00:00 GMT", "soon", ""])
def test_no_wait_asked_for_is_the_usual_one(asked: str) -> None:
    with pytest.raises(CutError) as cut:
        check_temporary(Response(503, {"retry-after": asked}))
    assert cut.value.after_s is None
