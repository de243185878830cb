"""Listings, and the refusals that services send in place of them."""

import time
from urllib.parse import quote

import pytest

from lstsr.catalogs.listing import check_listing, each, get, get_all, no_listing
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import Services
from tests.transfer.server import hang_up, status

PAGE = "https://nosc.go.kr/page"
ADDRESS = "https://nosc.go.kr/openapi/GK2BNcMedia/search.do?slot=7"


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
    assert list(each(lambda n, _: n * n, range(50))) == [n * n for n in range(50)]


def test_where_one_fails_the_others_do_not_wait(services: Services, sources: Sources) -> None:
    services.server.always["/nosc/busy"] = status(429, Retry_After="60")
    services.server.always["/nosc/page"] = status(401)
    begun = time.monotonic()
    with pytest.raises(TransferError, match="page: refused"):
        get_all(sources, [f"https://nosc.go.kr/{name}" for name in ("page", "busy")])
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "empty",
    [
        "[]",
        '{"list": [ ]}',
        '{"error": null, "errorMsg": "", "list": []}',
        '{"resultCode": "00", "resultMsg": "NORMAL_SERVICE", "data": []}',
        '{"status": 200, "data": []}',
        '{"resultCode": "03", "resultMsg": "NO_DATA"}',
    ],
)
def test_a_list_of_nothing_is_accepted(empty: str) -> None:
    check_listing(ADDRESS, empty.encode())


@pytest.mark.parametrize(
    "refusal",
    [
        "",
        "{}",
        '{"message": "forbidden"}',
        '{"status": 500, "list": []}',
        '{"resultCode": "30", "data": []}',
        '{"error": {"reason": "key"}, "data": []}',
        '{"error": true, "data": []}',
        "<p>no data []</p>",
    ],
)
def test_anything_else_is_a_refusal(refusal: str) -> None:
    with pytest.raises(TransferError, match="not a listing: .* check NOSC_API_KEY"):
        check_listing(ADDRESS, refusal.encode())


def test_what_is_told_is_one_short_line_without_markup_and_control_characters() -> None:
    page = "<html>\n<title>Sorry</title>\r\n\x1b[31m" + "long " * 10_000
    _, said, _ = str(no_listing(ADDRESS, page.encode())).split("`")
    assert said.startswith("Sorry [31mlong long")
    assert len(said) == 200


@pytest.mark.parametrize("end", ["", " ", "\n"])
@pytest.mark.parametrize(
    "quoted",
    [
        "a/b+c=%2Fd",
        quote("a/b+c=%2Fd", safe=""),
        r"a\/b+c=%2Fd",
        r"a/b\u002bc\u003D%2Fd",
        "a&#x2F;b&#43;c=%2Fd",
    ],
)
def test_a_key_is_never_told_however_it_is_quoted(quoted: str, end: str) -> None:
    text = "x" * 190 + f" key={quoted} is unknown" + "y" * 300
    _, said, _ = str(no_listing(ADDRESS, text.encode(), "a/b+c=%2Fd" + end)).split("`")
    assert said == "x" * 190 + " key=... i"
