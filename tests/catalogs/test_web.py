"""Short answers, and what stands in for them."""

import time

import pytest

from lstsr.catalogs.web import each, get, get_all
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import Services
from tests.transfer.server import hang_up, status

PAGE = "https://nosc.go.kr/page"


def test_a_passing_fault_is_tried_again(services: Services, sources: Sources) -> None:
    services.server.files["/nosc/page"] = b"found"
    services.server.faults["/nosc/page"] = [status(503), hang_up, status(429)]
    assert get(sources, PAGE) == b"found"


def test_a_lasting_fault_is_one_line(services: Services, sources: Sources) -> None:
    for code, words in ((500, "status 500; gave up after 6"), (401, "refused"), (418, "418")):
        services.server.always["/nosc/page"] = status(code)
        with pytest.raises(TransferError, match=words):
            get(sources, PAGE)


def test_a_service_is_given_the_time_it_asks_for(services: Services, sources: Sources) -> None:
    services.server.files["/nosc/page"] = b"found"
    services.server.faults["/nosc/page"] = [status(429, Retry_After="1")]
    begun = time.monotonic()
    assert get(sources, PAGE) == b"found"
    assert time.monotonic() - begun >= 1


def test_nothing_there_is_none(services: Services, sources: Sources) -> None:
    assert get(sources, "https://nosc.go.kr/nowhere") is None


def test_answers_come_in_the_order_of_questions() -> None:
    assert list(each(lambda n: n * n, range(50))) == [n * n for n in range(50)]


def test_where_one_fails_the_others_do_not_wait(services: Services, sources: Sources) -> None:
    services.server.always["/nosc/busy"] = status(429, Retry_After="60")
    services.server.always["/nosc/page"] = status(401)
    begun = time.monotonic()
    with pytest.raises(TransferError, match="page: refused"):
        get_all(sources, [f"https://nosc.go.kr/{name}" for name in ("page", "busy")])
    assert time.monotonic() - begun < 5
