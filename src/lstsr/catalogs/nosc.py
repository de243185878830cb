"""GOCI-II of the National Ocean Satellite Center (NOSC): its open OPeNDAP folders, or its OpenAPI.

Files lie at `/opendap/hyrax/GOCI-II/YYYY/MM/DD/{FOLDER}/GK2_GC2_{LEVEL}_{SCAN}/`, and each folder
has a THREDDS `catalog.xml`. The server answers GET only. The OpenAPI (NOSC_API_KEY) names the same
files by day and slot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.product import Found, Product, Rejected, RemoteFile, checked
from lstsr.catalogs.web import each, get
from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.paths import safe_path
from lstsr.transfer.sources import NOSC, Sources

ROOT = f"https://{NOSC.host}/opendap/hyrax/GOCI-II"
SEARCH = f"https://{NOSC.host}/openapi/GK2BNcMedia/search.do"
KOREA = 7
"""The slot of South Korea but for its far east; the outlines of the others are not published."""
OUTLINES: dict[int | None, BaseGeometry] = {
    KOREA: box(122.0, 30.7, 130.4, 39.3),
    None: box(116.32, 23.70, 146.26, 48.34),
}
"""By slot; None is the mosaic of all (catalogue bounds)."""
SLOT_S = 100
"""Slots are taken one after another, about so long each; the last of 12 some 20 minutes on."""
SCAN = re.compile(r"GK2_GC2_L(?:1B|2)_(\d{8}_\d{6})")


class Kind(NamedTuple):
    """A product: its level and folders, and its file names."""

    level: str
    folders: tuple[str, ...]
    name: re.Pattern[str]


KINDS = {
    "goci2": Kind(
        "L2", ("L2",), re.compile(r"GK2B_GOCI2_L2_(\d{8}_\d{6})_LA(?:_S(\d{3}))?_AC\.nc")
    ),
    # that slots lie in L1B is by analogy: only the folder of mosaics is known for certain
    "goci2-l1b": Kind(
        "L1B",
        ("L1B", "L1B_COMP"),
        re.compile(r"GK2_GOCI2_L1B_(\d{8}_\d{6})_LA(?:_S(\d{3}))?\.nc"),
    ),
}


def slots(moments: Sequence[datetime], window: timedelta, product: str, sources: Sources) -> Found:
    """The scans of Korea around the moments, by the folders' listings; ``product`` as in a config.

    Of a scan the slot of Korea is taken, or the mosaic where there is no such slot.
    Raises TransferError where a listing cannot be had.
    """
    kind = KINDS[product]
    folders = [
        f"{ROOT}/{day:%Y/%m/%d}/{folder}"
        for day in _days(moments, window)
        for folder in kind.folders
    ]
    listings = each(lambda folder: _listing(sources, folder), folders)
    scans = [
        f"{folder}/{name}"
        for folder, entries in zip(folders, listings, strict=True)
        for name, _ in entries
        if (fits := SCAN.fullmatch(name)) and _near(_nominal(fits[1]), moments, window)
    ]
    found = Found()
    by_scan: dict[str, Product] = {}
    listings = each(lambda scan: _listing(sources, scan), scans)
    for scan, entries in zip(scans, listings, strict=True):
        for name, size in entries:
            _consider(found, by_scan, kind, name, f"{scan}/{name}", size)
    found.products = list(by_scan.values())
    return found


def search(moments: Sequence[datetime], window: timedelta, product: str, sources: Sources) -> Found:
    """The same by the OpenAPI. Raises TransferError, also without a key."""
    kind = KINDS[product]
    addresses = [
        f"{SEARCH}?startDate={day:%Y%m%d}&endDate={day:%Y%m%d}&slot={KOREA}&ResultType=json"
        for day in _days(moments, window)
    ]
    found = Found()
    by_scan: dict[str, Product] = {}
    answers = each(lambda address: get(sources, address), addresses)
    for address, body in zip(addresses, answers, strict=True):
        for stem in _file_names(_json(address, body)):
            name = f"{stem}.nc"
            if (fits := kind.name.fullmatch(name)) and _near(_nominal(fits[1]), moments, window):
                day, folder = _nominal(fits[1]), kind.folders[0]
                home = f"{ROOT}/{day:%Y/%m/%d}/{folder}/GK2_GC2_{kind.level}_{fits[1]}"
                _consider(found, by_scan, kind, name, f"{home}/{name}", None)
    found.products = list(by_scan.values())
    return found


def _consider(
    found: Found,
    by_scan: dict[str, Product],
    kind: Kind,
    name: str,
    address: str,
    size: int | None,
) -> None:
    """Keep a listed file that is of this kind and of Korea; a slot stands over a mosaic."""
    try:
        safe_path(Path("downloads"), name)
        file = RemoteFile(checked(address), size)
    except LstsrError as fault:
        found.rejected.append(Rejected(name, NOSC.host, None, str(fault)))
        return
    fits = kind.name.fullmatch(name)
    slot = int(fits[2]) if fits and fits[2] else None
    if fits is None or slot not in OUTLINES or (slot is None and fits[1] in by_scan):
        return
    by_scan[fits[1]] = Product(
        name.removesuffix(".nc"), NOSC.host, _seen(fits[1], slot), OUTLINES[slot], (file,)
    )


def _days(moments: Iterable[datetime], window: timedelta) -> list[date]:
    """UTC days of the window around the moments."""
    found = set()
    for moment in moments:
        first, last = (moment - window).date(), (moment + window).date()
        found |= {first + timedelta(days=day) for day in range((last - first).days + 1)}
    return sorted(found)


def _near(scan: datetime, moments: Iterable[datetime], window: timedelta) -> bool:
    """Whether any part of a scan may have been seen within the window around a moment."""
    last = scan + timedelta(seconds=12 * SLOT_S)
    return any(moment - window <= last and scan <= moment + window for moment in moments)


def _nominal(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)


def _seen(stamp: str, slot: int | None) -> datetime:
    """The middle of a slot's observation; of a mosaic that of its slot of Korea."""
    return _nominal(stamp) + timedelta(seconds=((KOREA if slot is None else slot) + 0.5) * SLOT_S)


def _listing(sources: Sources, folder: str) -> list[tuple[str, int | None]]:
    """Names, and sizes in bytes, of the files and folders in a folder; none where it is missing."""
    address = f"{folder}/catalog.xml"
    body = get(sources, address)
    if body is None:
        return []
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise TransferError(f"{address}: the answer is no catalog; try later") from None
    return [
        (element.get("name", ""), _bytes(element))
        # the folder itself is a dataset, too: its entries stand within
        for element in root.findall("*/*")
        if element.tag.endswith(("}dataset", "}catalogRef"))
    ]


def _bytes(dataset: ElementTree.Element) -> int | None:
    """The size, where it is given in bytes and so exact."""
    for element in dataset:
        if element.tag.endswith("}dataSize") and element.get("units", "").lower() == "bytes":
            return int(element.text or 0)
    return None


def _json(address: str, body: bytes | None) -> Any:
    try:
        return json.loads(body or b"[]")
    except ValueError:
        raise TransferError(f"{address}: the answer is no JSON; check {NOSC.variable}") from None


def _file_names(answer: Any) -> Iterator[str]:
    """Every `fileName` (without its ending), wherever it stands in the answer."""
    if isinstance(answer, dict):
        if isinstance(answer.get("fileName"), str):
            yield answer["fileName"]
        answer = list(answer.values())
    if isinstance(answer, list):
        for part in answer:
            yield from _file_names(part)
