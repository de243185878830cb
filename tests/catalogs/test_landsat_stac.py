"""Landsat by both item shapes: the same products, at addresses that stay."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from lstsr.catalogs.landsat_stac import endings, keep, scene_of, search
from lstsr.catalogs.results import SearchResult
from lstsr.config import LandsatConfig
from lstsr.errors import LstsrError, TransferError
from lstsr.transfer import retry
from lstsr.transfer.sources import Sources, check_address
from tests.catalogs.services import BLOB, KEYS, Services

AREA = box(126, 36, 128, 38)
SQUARE = ((126, 36), (128, 36), (128, 38), (126, 38))
EMPTY = {"type": "Polygon", "coordinates": []}
WANTED = endings(LandsatConfig(product="landsat"), ["nir08"])


def offer(
    services: Services,
    folder: Path,
    day: int = 12,
    name: str = "LC08_L2SP_115034_202305{day:02d}_20230601_02_T1",
    outline: Sequence[tuple[float, float]] = SQUARE,
    cloud: float = 12.5,
) -> str:
    product = folder / name.format(day=day)
    product.mkdir(parents=True)
    for end in KEYS:
        (product / f"{product.name}{end}").write_bytes(b"II*\0" + end.encode())
    services.landsat(product, datetime(2023, 5, day, 2, 8, 12, tzinfo=UTC), outline, cloud)
    return product.name


def ask(name: str = "planetary-computer") -> SearchResult:
    return search(name, AREA, date(2023, 5, 1), date(2023, 5, 31), WANTED, Sources())


@pytest.mark.parametrize("provider", ["planetary-computer", "usgs", "usgs-s3"])
def test_a_product_is_found_whatever_its_assets_are_called(
    services: Services, tmp_path: Path, provider: str
) -> None:
    names = [offer(services, tmp_path, day) for day in (4, 12, 20)]
    offer(services, tmp_path, 28, outline=((0, 0), (1, 0), (1, 1)))
    found = ask(provider)
    assert [one.name for one in found.products] == names  # over two pages, none from elsewhere
    one = found.products[1]
    assert one.time == datetime(2023, 5, 12, 2, 8, 12, 123456, UTC)
    assert one.cloud == 0.125
    assert one.outline.equals(box(126, 36, 128, 38))
    assert [file.name.removeprefix(one.name) for file in one.files] == [
        "_MTL.json",
        "_QA_PIXEL.TIF",
        "_QA_RADSAT.TIF",
        "_ST_B10.TIF",
        "_ST_QA.TIF",
        "_SR_B5.TIF",
    ]
    places = {
        "planetary-computer": f"https://{BLOB}/landsat-c2/",
        "usgs": "https://landsatlook.usgs.gov/data/collection02/",
        "usgs-s3": "s3://usgs-landsat/collection02/",
    }
    for file in one.files:
        assert file.address.startswith(places[provider])
        assert not check_address(file.address).query
        # USGS states sizes
        assert (file.size is None) == (provider == "planetary-computer")
    assert scene_of(one) == "115034-20230512-LC08"
    assert [file.name[-11:] for file in keep(one, ["_ST_B10.TIF"]).files] == ["_ST_B10.TIF"]


def test_what_cannot_be_used_is_rejected_by_reason(services: Services, tmp_path: Path) -> None:
    offer(services, tmp_path, 4)
    old = offer(services, tmp_path / "old", 4, "LC08_L2SP_115034_202305{day:02d}_20230610_02_T2")
    offer(services, tmp_path, 5, "LE07_L2SP_115034_202305{day:02d}_20230601_02_T1")
    offer(services, tmp_path, 6)
    offer(services, tmp_path, 7)
    offer(services, tmp_path, 8)
    items = services.items["pc"]
    del items[3]["assets"]["lwir11"]
    items[4]["assets"]["lwir11"]["href"] = f"https://{BLOB}/a/../../etc/passwd_ST_B10.TIF"
    del items[5]["properties"]["eo:cloud_cover"]
    # Landsat 7 has its surface temperature in band 6
    items[2]["assets"]["lwir"] = items[2]["assets"].pop("lwir11")
    items[2]["assets"]["lwir"]["href"] = items[2]["assets"]["lwir"]["href"].replace("B10", "B6")
    found = ask()
    assert len(found.products) == 1
    reasons = {one.name: one.reason for one in found.rejected}
    assert "has a better tier or is newer" in reasons[old]
    del reasons[old]
    assert [reasons[name] for name in sorted(reasons)] == [
        "it has no file ..._ST_B10.TIF",
        reasons["LC08_L2SP_115034_20230507_02_T1"],
        "the item is malformed (KeyError: 'eo:cloud_cover')",
        "unsupported satellite LE07. lstsr reads Landsat 8 and 9",
    ]
    assert "`..` parts" in reasons["LC08_L2SP_115034_20230507_02_T1"]


def remove_time(item: dict[str, Any]) -> None:
    item["properties"]["datetime"] = None
    del item["assets"]["lwir11"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda item: item["properties"].update({"eo:cloud_cover": -1}),
            "gives no cloud cover",
        ),
        (lambda item: item.update(geometry=None), "is malformed"),
        (lambda item: item.update(geometry={"type": "Blob"}), "is malformed"),
        (lambda item: item.update(geometry=EMPTY), "outline is empty"),
        (remove_time, "it has no file"),
    ],
)
def test_an_odd_item_costs_itself_only(
    services: Services, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], reason: str
) -> None:
    offer(services, tmp_path, 4)
    good = offer(services, tmp_path, 5)
    spoil(services.items["pc"][0])
    services.everywhere = True
    found = ask()
    assert [one.name for one in found.products] == [good]
    (other,) = found.rejected
    assert reason in other.reason


@pytest.mark.parametrize("time", ["2023-05-12T02:08:12", "2023-05-12T11:08:12+09:00"])
def test_a_crossed_outline_and_a_time_of_any_zone_are_read(
    services: Services, tmp_path: Path, time: str
) -> None:
    offer(services, tmp_path, outline=((126, 36), (128, 38), (128, 36), (126, 38)))
    services.items["pc"][0]["properties"]["datetime"] = time
    services.everywhere = True
    (one,) = ask().products
    assert f"{one.time:%Y-%m-%dT%H:%M:%SZ}" == "2023-05-12T02:08:12Z"
    assert one.outline.is_valid
    assert one.outline.area == pytest.approx(2)


def test_a_busy_service_is_asked_again_but_not_after_any_time(
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retry, "LONGEST_RETRY_AFTER_S", 0.1)
    name = offer(services, tmp_path)
    services.busy = 2
    assert [one.name for one in ask().products] == [name]
    assert services.busy == 0
    assert sum("status 429; trying again in 0.1 s" in line for line in caplog.messages) == 2


@pytest.mark.parametrize("entry", ["default", "machine 127.0.0.1"])
def test_no_login_is_sent_nor_to_where_a_redirect_leads(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    (tmp_path / "netrc").write_text(f"{entry} login me password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    name = offer(services, tmp_path)
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "127.0.0.1 localhost")
    elsewhere = services.server.root.replace("127.0.0.1", "localhost") + "/pc/moved/search"
    services.server.faults["/pc/api/stac/v1/search"] = [
        lambda handler: handler.send(302, Location=elsewhere + "?" + handler.path.split("?")[1])
    ]
    assert [one.name for one in ask().products] == [name]
    assert len(services.logins) == 2 and set(services.logins) == {None}


@pytest.mark.parametrize(
    "page", [b"<html>down for maintenance</html>", b"[1]", b'{"a": 1}', b'{"features": [1]}']
)
def test_an_answer_of_another_kind_is_one_line(services: Services, page: bytes) -> None:
    services.page = page
    with pytest.raises(TransferError, match="search: the answer is not a listing: ") as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_signed_address_is_refused_and_not_repeated(services: Services, tmp_path: Path) -> None:
    offer(services, tmp_path)
    asset = services.items["pc"][0]["assets"]["lwir11"]
    asset["href"] = asset["href"].replace("_ST_B10", "_ST_B10.TIF?sig=secret&x=_ST_B10")
    found = ask()
    assert not found.products
    assert "holds a key or signature" in found.rejected[0].reason
    assert "secret" not in found.rejected[0].reason


def test_a_silent_service_is_one_line(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTSR_ENDPOINTS", "planetarycomputer.microsoft.com=http://127.0.0.1:9")
    with pytest.raises(TransferError, match="libcurl error 7.*gave up after 6") as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_files_follow_from_the_bands_of_the_config() -> None:
    optics = LandsatConfig(product="landsat", bands=["red", "nir08"], masked_saturation=False)
    assert endings(optics) == ("_MTL.json", "_QA_PIXEL.TIF", "_SR_B4.TIF", "_SR_B5.TIF")
    surely = LandsatConfig(product="landsat", max_uncertainty_k=None)
    assert endings(surely)[-1] == "_ST_B10.TIF"
    with pytest.raises(LstsrError, match="brightness_temperature is a Level-1 band"):
        endings(LandsatConfig(product="landsat", bands=["brightness_temperature"]))
