"""GOCI-II of the National Ocean Satellite Center (NOSC): its open OPeNDAP folders, or its OpenAPI.

Files lie at `/opendap/hyrax/GOCI-II/YYYY/MM/DD/{FOLDER}/GK2_GC2_{LEVEL}_{SCAN}/`, and each folder
has a THREDDS `catalog.xml`. The server answers GET only. The OpenAPI (NOSC_API_KEY) names the same
files by day and slot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from xml.etree import ElementTree

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.product import Found, Product, Rejected, RemoteFile, checked, time_in
from lstsr.catalogs.refusal import check_listing, no_listing
from lstsr.catalogs.web import get_all
from lstsr.errors import LstsrError
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
KST = timezone(timedelta(hours=9))
SLOT_S = 100
"""Slots are taken one after another, about so long each; the last of 12 some 20 minutes on."""
SCAN_LENGTH = timedelta(seconds=12 * SLOT_S)
SIZE = re.compile("[1-9][0-9]{0,17}")
SCAN = re.compile(r"GK2_GC2_L(?:1B|2)_(20\d{6}_\d{6})")


class Kind(NamedTuple):
    """A product: its level and folders, and its file names."""

    level: str
    folders: tuple[str, ...]
    name: re.Pattern[str]


KINDS = {
    "goci2": Kind(
        "L2", ("L2",), re.compile(r"GK2B_GOCI2_L2_(20\d{6}_\d{6})_LA(?:_S(\d{3}))?_AC\.nc")
    ),
    # that slots lie in L1B is by analogy: only the folder of mosaics is known for certain
    "goci2-l1b": Kind(
        "L1B",
        ("L1B", "L1B_COMP"),
        re.compile(r"GK2_GOCI2_L1B_(20\d{6}_\d{6})_LA(?:_S(\d{3}))?\.nc"),
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
    found = Found()
    scans = [
        f"{folder}/{name}"
        for folder, name, _ in _listed(sources, folders)
        if _is_near(found, name, SCAN.fullmatch(name), moments, window)
    ]
    by_scan: dict[str, Product] = {}
    for scan, name, size in _listed(sources, scans):
        _consider(found, by_scan, kind, name, f"{scan}/{name}", size)
    found.products = list(by_scan.values())
    return found


def search(moments: Sequence[datetime], window: timedelta, product: str, sources: Sources) -> Found:
    """The same by the OpenAPI, but for mosaics.

    Raises TransferError, also without a key or where one is refused.
    """
    kind = KINDS[product]
    key = NOSC.read()
    addresses = [
        f"{SEARCH}?startDate={day:%Y%m%d}&endDate={day:%Y%m%d}&slot={KOREA}&ResultType=json"
        # whether its days are those of UTC or of Korea is not documented
        for day in sorted({*_days(moments, window), *_days(moments, window, KST)})
    ]
    found = Found()
    by_scan: dict[str, Product] = {}
    answers = get_all(sources, addresses)
    for address, body in zip(addresses, answers, strict=True):
        for stem in _file_names(address, body, key) if body is not None else []:
            name = f"{stem.removesuffix('.nc')}.nc"
            fits = kind.name.fullmatch(name)
            if fits and _is_near(found, name, fits, moments, window):
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
    fits = kind.name.fullmatch(name)
    slot = int(fits[2]) if fits and fits[2] else None
    try:
        file = RemoteFile(checked(address), size)
        if fits is None or slot not in OUTLINES or (slot is None and fits[1] in by_scan):
            return
        time = _seen(fits[1], slot)
    except LstsrError as fault:
        found.rejected.append(Rejected(name, NOSC.host, None, str(fault)))
        return
    stem = name.removesuffix(".nc")
    by_scan[fits[1]] = Product(stem, NOSC.host, time, OUTLINES[slot], (file,))


def _days(moments: Iterable[datetime], window: timedelta, zone: tzinfo = UTC) -> list[date]:
    """Days of the scans that may have been going on in the window around the moments."""
    found = set()
    for moment in moments:
        first = (moment - window - SCAN_LENGTH).astimezone(zone).date()
        last = (moment + window).astimezone(zone).date()
        found |= {first + timedelta(days=day) for day in range((last - first).days + 1)}
    return sorted(found)


def _is_near(
    found: Found,
    name: str,
    fits: re.Match[str] | None,
    moments: Iterable[datetime],
    window: timedelta,
) -> bool:
    """Whether a name is of a scan that may have been going on in the window around a moment.

    One of an impossible time is rejected.
    """
    if fits is None:
        return False
    try:
        scan = _nominal(fits[1])
    except LstsrError as fault:
        found.rejected.append(Rejected(name, NOSC.host, None, str(fault)))
        return False
    last = scan + SCAN_LENGTH
    return any(moment - window <= last and scan <= moment + window for moment in moments)


def _nominal(stamp: str) -> datetime:
    return time_in(stamp, "%Y%m%d_%H%M%S")


def _seen(stamp: str, slot: int | None) -> datetime:
    """The middle of a slot's observation; of a mosaic that of its slot of Korea."""
    return _nominal(stamp) + timedelta(seconds=((KOREA if slot is None else slot) + 0.5) * SLOT_S)


def _listed(sources: Sources, folders: Sequence[str]) -> list[tuple[str, str, int | None]]:
    """Folder, name and size in bytes of all files and folders in these; some may be missing.

    Raises TransferError where all are, or where an answer is no listing.
    """
    addresses = [f"{folder}/catalog.xml" for folder in folders]
    answers = get_all(sources, addresses)
    return [
        (folder, name, size)
        for folder, address, body in zip(folders, addresses, answers, strict=True)
        if body is not None
        for name, size in _entries(address, body)
    ]


def _entries(address: str, body: bytes) -> list[tuple[str, int | None]]:
    """Names and sizes in a catalog."""
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):  # the latter for its encoding
        raise no_listing(address, body) from None
    if not root.tag.endswith("}catalog"):  # a page may be XML, too
        raise no_listing(address, body)
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
            fits = SIZE.fullmatch((element.text or "").strip())
            return int(fits[0]) if fits else None
    return None


def _file_names(address: str, body: bytes, key: str) -> list[str]:
    """Every `fileName` in an answer of the OpenAPI."""
    try:
        names = list(_named(json.loads(body)))
    except (ValueError, RecursionError):
        raise no_listing(address, body, key) from None
    if not names:
        check_listing(address, body, key=key)
    return names


def _named(answer: Any) -> Iterator[str]:
    """Every `fileName`, wherever it stands."""
    if isinstance(answer, dict):
        if isinstance(answer.get("fileName"), str):
            yield answer["fileName"]
        answer = list(answer.values())
    if isinstance(answer, list):
        for part in answer:
            yield from _named(part)
