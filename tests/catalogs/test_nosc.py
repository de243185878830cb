"""GOCI-II by folders that answer GET only, and by the OpenAPI."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lstsr.catalogs import nosc
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import NOSC_KEY, Services

LANDSAT = datetime(2023, 5, 12, 2, 8, tzinfo=UTC)
WINDOW = timedelta(minutes=45)
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
    assert not nosc.slots([LANDSAT + timedelta(days=3)], WINDOW, "goci2", sources).products


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


def test_a_page_that_is_no_catalog_is_one_line(services: Services, sources: Sources) -> None:
    services.server.files["/nosc/opendap/hyrax/GOCI-II/2023/05/12/L2/catalog.xml"] = b"<p>busy"
    with pytest.raises(TransferError, match="no catalog; try later"):
        nosc.slots([LANDSAT], WINDOW, "goci2", sources)
