"""KMA's API hub: times by listing, with a key that shows nowhere."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import Point

from lstsr.catalogs.kma_hub import slots
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import KMA_KEY, Services
from tests.transfer.server import Handler, status

LANDSAT = datetime(2023, 5, 12, 2, 55, tzinfo=UTC)
WINDOW = timedelta(minutes=10)
LIST = "/kma/api/typ05/api/GK2A/LE2/LST/KO/dataList"
EMPTY = b'{"list": []}'


def test_slots_are_those_listed_in_the_hours_around(services: Services, sources: Sources) -> None:
    services.stamps += ["202305120158", "202305120254", "202305120302", "202305120402"]
    found = slots([LANDSAT], WINDOW, sources)
    assert [one.name[-12:] for one in found.products] == ["202305120254", "202305120302"]
    one = found.products[0]
    assert one.time == datetime(2023, 5, 12, 2, 54, tzinfo=UTC)
    assert [file.address for file in one.files] == [
        "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date=202305120254"
    ]
    assert KMA_KEY not in repr(found)


def test_the_outline_is_that_of_the_projected_square(services: Services, sources: Sources) -> None:
    services.stamps.append("202305120254")
    outline = slots([LANDSAT], WINDOW, sources).products[0].outline
    for place in ((126.5, 33.2), (131.9, 37.2), (124.6, 38.0)):  # Jeju, Dokdo, Baengnyeong
        assert outline.contains(Point(place))
    assert not outline.contains(Point(126, 29))


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_missing_or_wrong_key_is_one_line_of_help(
    services: Services, monkeypatch: pytest.MonkeyPatch, key: str, tmp_path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("KMA_API_KEY", key)
    with pytest.raises(
        TransferError, match="KMA_API_KEY.*apihub.kma.go.kr.*public bucket"
    ) as error:
        slots([LANDSAT], WINDOW, Sources())
    assert "\n" not in str(error.value)
    assert not key or key not in str(error.value)


def answering(services: Services, *bodies: bytes | None) -> list[str]:
    """The times that are found where the two hours asked for are answered so; None: status 404."""

    def answer(handler: Handler) -> None:
        body = bodies["eDate=2023051203" in handler.path]
        handler.send(404 if body is None else 200, body or b"")

    services.server.always[LIST] = answer
    return [one.name[-12:] for one in slots([LANDSAT], WINDOW, Sources()).products]


@pytest.mark.parametrize(
    "refusal",
    [
        '{"result": {"status": 403, "message": "활용신청이 필요한 API 입니다."}}',
        '{"result": {"status": 403, "message": "활용신청이 필요한 API 입니다."}, "list": []}',
        '{"error": "no such key KEY", "list": []}',
        '{"error": "over quota until 202306010000"}',
        "유효하지 않은 인증키 KEY",
        "<html><head><link href='a.css?v=202301010000'/></head><body>\n점검 중</body></html>",
        "<!doctype html><title>no data</title>",
        '{"list": null}',
        "",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "euc-kr"])
def test_a_refusal_with_status_200_is_told_and_is_not_an_empty_hour(
    services: Services, refusal: str, encoding: str
) -> None:
    body = refusal.replace("KEY", KMA_KEY).encode(encoding)
    with pytest.raises(TransferError, match="dataList.*check KMA_API_KEY") as caught:
        answering(services, b'{"list": [{"item": "202305120254"}]}', body)
    said = str(caught.value)
    assert "\n" not in said and "<" not in said and KMA_KEY not in said
    for words in ("활용신청이 필요한", "점검 중", "over quota"):
        assert (words in refusal) == (words in said)


def test_an_hour_without_slots_is_normal(services: Services) -> None:
    listed = b'{"list": [{"item": "202305120254"}]}'
    for nothing in (EMPTY, b'{"resultCode": "03", "resultMsg": "NO_DATA"}', None):
        assert answering(services, listed, nothing) == ["202305120254"]
        assert answering(services, EMPTY, nothing) == []


def test_a_listing_that_is_nowhere_is_told(services: Services) -> None:
    with pytest.raises(TransferError, match="not found .* 2 addresses.*KMA_API_KEY"):
        answering(services, None, None)


def test_times_may_have_seconds_and_may_stand_in_plain_text(services: Services) -> None:
    assert answering(services, b"202305120254\n20230512025600", EMPTY) == [
        "202305120254",
        "202305120256",
    ]


def test_what_is_asked_for_is_no_slot_when_it_is_repeated(
    services: Services, sources: Sources
) -> None:
    services.stamps.append("202305120300")  # the full hour is
    found = slots([LANDSAT], WINDOW, sources)
    assert [one.name[-12:] for one in found.products] == ["202305120300"]
    assert not found.rejected
    services.stamps.clear()
    assert not slots([LANDSAT], WINDOW, sources).products


def test_odd_times_are_rejected_and_others_days_passed_over(services: Services) -> None:
    stamps = ["202313991299", "202305120255", "202305120254", "202305130254", "20230512"]
    body = json.dumps({"list": [{"item": stamp} for stamp in stamps]}).encode()
    services.server.always[LIST] = status(200, body)
    found = slots([LANDSAT], timedelta(0), Sources())
    assert [one.name[-12:] for one in found.products] == ["202305120254"]
    assert [(one.name, one.reason) for one in found.rejected] == [
        ("202305120255", "slots are 2 minutes apart, from the full hour on"),
        ("202313991299", "202313991299 is not a valid time"),
    ]


def test_an_hour_of_odd_times_alone_is_rejected_and_one_of_another_hour_is_told(
    services: Services,
) -> None:
    assert answering(services, b'{"list": [{"item": "202313991299"}]}', EMPTY) == []
    # the hour of Korea's clock
    with pytest.raises(TransferError, match="not a listing: .*202305121154"):
        answering(services, b'{"list": [{"item": "202305121154"}]}', EMPTY)
