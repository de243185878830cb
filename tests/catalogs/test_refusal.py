"""What is taken for a refusal, and what of it is told."""

from urllib.parse import quote

import pytest

from lstsr.catalogs.refusal import EXCERPT, check_listing, no_listing
from lstsr.errors import TransferError

ADDRESS = "https://nosc.go.kr/openapi/GK2BNcMedia/search.do?slot=7"


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
    with pytest.raises(TransferError, match="no listing, .* check NOSC_API_KEY"):
        check_listing(ADDRESS, refusal.encode())


def test_what_is_told_is_one_short_line_without_markup_and_control_characters() -> None:
    page = "<html>\n<title>Sorry</title>\r\n\x1b[31m" + "long " * 10_000
    _, said, _ = str(no_listing(ADDRESS, page.encode())).split("`")
    assert said.startswith("Sorry [31mlong long")
    assert len(said) == EXCERPT


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
