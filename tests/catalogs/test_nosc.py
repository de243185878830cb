"""GOCI-II by folders that answer GET only, and by the OpenAPI."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lstsr.catalogs import nosc
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import NOSC_KEY, Services
from tests.transfer.server import status

LANDSAT = datetime(2023, 5, 12, 2, 8, tzinfo=UTC)
WINDOW = timedelta(minutes=45)
OPENAPI = "/nosc/openapi/GK2BNcMedia/search.do"
HOME = "https://nosc.go.kr/opendap/hyrax/GOCI-II/2023/05/12"


def put(services: Services, folder: Path, name: str, level: str = "L2") -> None:
    file = folder / name
    file.write_bytes(b"\x89HDF\r\n\x1a\n")
    services.goci2(file, level)


def test_the_slot_of_korea_is_found_by_listings(
    services: Services, sources: Sources, tmp_path: Path
) -> None:
    put(services, tmp_path, "GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc")
    found = nosc.slots([LANDSAT], WINDOW, "goci2", sources)
    (one,) = found.products
    # seen 12.5 minutes after the time in the name
    assert one.time == datetime(2023, 5, 12, 2, 28, tzinfo=UTC)
    (file,) = one.files
    assert file.size == 8
    assert file.address == (
        f"{HOME}/L2/GK2_GC2_L2_20230512_021530/GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc"
    )
    assert not found.rejected
    assert not nosc.slots([LANDSAT + timedelta(hours=3)], WINDOW, "goci2", sources).products


def test_a_day_without_a_folder_is_normal_and_days_without_any_are_told(
    services: Services, sources: Sources, tmp_path: Path
) -> None:
    put(services, tmp_path, "GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc")
    missing = LANDSAT + timedelta(days=3)
    assert len(nosc.slots([LANDSAT, missing], WINDOW, "goci2", sources).products) == 1
    with pytest.raises(TransferError, match="05/15/L2/catalog.xml: not found .*moved"):
        nosc.slots([missing], WINDOW, "goci2", sources)


def test_other_products_and_slots_are_passed_over_and_harmful_names_refused(
    services: Services, sources: Sources
) -> None:
    home = "/nosc/opendap/hyrax/GOCI-II/2023/05/12/L2"
    services.list_folder(home, folders=["GK2_GC2_L2_20230512_021530"])
    names = ["GK2B_GOCI2_L2_20230512_021530_LA_TSS.nc"]
    names += ["GK2B_GOCI2_L2_20230512_021530_LA_S001_AC.nc", "../../evil_AC.nc", "/etc/evil_AC.nc"]
    services.list_folder(f"{home}/GK2_GC2_L2_20230512_021530", files=dict.fromkeys(names, 8))
    found = nosc.slots([LANDSAT], WINDOW, "goci2", sources)
    assert not found.products
    assert [one.name for one in found.rejected] == ["../../evil_AC.nc", "/etc/evil_AC.nc"]
    assert all("refused" in one.reason for one in found.rejected)


def test_a_mosaic_serves_where_there_is_no_slot(
    services: Services, sources: Sources, tmp_path: Path
) -> None:
    put(services, tmp_path, "GK2_GOCI2_L1B_20230512_021530_LA.nc", "L1B_COMP")
    (mosaic,) = nosc.slots([LANDSAT], WINDOW, "goci2-l1b", sources).products
    assert mosaic.files[0].address.startswith(f"{HOME}/L1B_COMP/GK2_GC2_L1B_20230512_021530/")
    put(services, tmp_path, "GK2_GOCI2_L1B_20230512_021530_LA_S007.nc", "L1B")
    (slot,) = nosc.slots([LANDSAT], WINDOW, "goci2-l1b", sources).products
    assert slot.name.endswith("S007")


def test_the_openapi_names_the_same_files(
    services: Services, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(services, tmp_path, "GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc")
    (listed,) = nosc.slots([LANDSAT], WINDOW, "goci2", sources).products
    found = nosc.search([LANDSAT], WINDOW, "goci2", sources)
    (one,) = found.products
    assert (one.name, one.time, one.files[0].address) == (
        listed.name,
        listed.time,
        listed.files[0].address,
    )
    assert NOSC_KEY not in repr(found)
    monkeypatch.setenv("NOSC_API_KEY", "wrong")
    with pytest.raises(TransferError, match="NOSC_API_KEY.*folders are open"):
        nosc.search([LANDSAT], WINDOW, "goci2", Sources())


@pytest.mark.parametrize(
    "page",
    [
        "<p>busy",
        "<html><body><p>busy</p></body></html>",
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p>busy</p></html>',
        '<?xml version="1.0" encoding="euc-kr"?><html><p>busy</p></html>',
        '<?xml version="1.0" encoding="no-such"?><html><p>busy</p></html>',
    ],
)
@pytest.mark.parametrize("folder", ["L2", "L2/GK2_GC2_L2_20230512_021530"])
def test_a_page_that_is_no_catalog_is_one_line(
    services: Services, sources: Sources, tmp_path: Path, page: str, folder: str
) -> None:
    put(services, tmp_path, "GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc")
    address = f"/nosc/opendap/hyrax/GOCI-II/2023/05/12/{folder}/catalog.xml"
    services.server.files[address] = page.encode()
    with pytest.raises(TransferError, match="not a listing: `busy`; try") as caught:
        nosc.slots([LANDSAT], WINDOW, "goci2", sources)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "refusal",
    [
        '{"resultCode": "401", "resultMsg": "no key KEY", "data": []}',
        '{"error": "KEY"}',
        '"KEY"',
        "<html><title>login</title>KEY</html>",
        "[" * 5000,
        "",
    ],
)
def test_a_refusal_of_the_openapi_with_status_200_is_told(
    services: Services, sources: Sources, refusal: str
) -> None:
    body = refusal.replace("KEY", NOSC_KEY).encode()
    services.server.always[OPENAPI] = status(200, body)
    with pytest.raises(TransferError, match="not a listing: .*NOSC_API_KEY") as caught:
        nosc.search([LANDSAT], WINDOW, "goci2", sources)
    assert NOSC_KEY not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_day_of_the_openapi_may_be_empty(services: Services, sources: Sources) -> None:
    assert not nosc.search([LANDSAT], WINDOW, "goci2", sources).products
    services.server.always[OPENAPI] = status(404)
    with pytest.raises(TransferError, match="not found"):
        nosc.search([LANDSAT], WINDOW, "goci2", sources)


def test_the_openapi_is_asked_for_the_days_of_utc_and_of_korea(
    services: Services, sources: Sources
) -> None:
    services.server.always[OPENAPI] = status(200, b'{"data": []}')
    evening = datetime(2023, 5, 12, 23, 30, tzinfo=UTC)
    nosc.search([evening], timedelta(0), "goci2", sources)
    days = [path.partition("startDate=")[2][:8] for path, _ in services.server.asked]
    assert sorted(days) == ["20230512", "20230513"]


def test_odd_times_are_rejected_by_either_way(services: Services, sources: Sources) -> None:
    home = "/nosc/opendap/hyrax/GOCI-II/2023/05/12/L2"
    scans = ["GK2_GC2_L2_20230512_021530", "GK2_GC2_L2_20231399_021530", "GK2_GC2_L2_99991231_0"]
    services.list_folder(home, folders=scans)
    odd = "GK2B_GOCI2_L2_20230230_021530_LA_S007_AC.nc"
    other = "GK2B_GOCI2_L2_99991231_235959_LA_S007_AC.nc"  # beyond the times that can be told
    services.list_folder(f"{home}/{scans[0]}", files={odd: 8, other: 8})
    found = nosc.slots([LANDSAT], WINDOW, "goci2", sources)
    assert not found.products
    rejected = [
        (scans[1], "20231399_021530 is not a valid time"),
        (odd, "20230230_021530 is not a valid time"),
    ]
    assert [(one.name, one.reason) for one in found.rejected] == rejected
    answer = {"data": [{"fileName": odd}, {"fileName": other}, {"fileName": ["odd"]}]}
    services.server.always[OPENAPI] = status(200, json.dumps(answer).encode())
    found = nosc.search([LANDSAT], WINDOW, "goci2", sources)
    assert [(one.name, one.reason) for one in found.rejected] == rejected[1:]


@pytest.mark.parametrize("size", ["", "-1", "12 MB", "1e9", "nan", "0", "9" * 5000])
def test_a_size_that_is_no_number_is_not_known(
    services: Services, sources: Sources, tmp_path: Path, size: str
) -> None:
    put(services, tmp_path, "GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc")
    scan = "/nosc/opendap/hyrax/GOCI-II/2023/05/12/L2/GK2_GC2_L2_20230512_021530/catalog.xml"
    listing = services.server.files[scan]
    services.server.files[scan] = listing.replace(b">8<", f">{size}<".encode())
    (one,) = nosc.slots([LANDSAT], WINDOW, "goci2", sources).products
    assert one.files[0].size is None


def test_a_scan_that_began_the_day_before_is_found(
    services: Services, sources: Sources, tmp_path: Path
) -> None:
    put(services, tmp_path, "GK2B_GOCI2_L2_20230511_235030_LA_S007_AC.nc")
    (one,) = nosc.slots(
        [datetime(2023, 5, 12, 0, 4, tzinfo=UTC)], timedelta(minutes=2), "goci2", sources
    ).products
    assert one.time == datetime(2023, 5, 12, 0, 3, tzinfo=UTC)
