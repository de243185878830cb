"""GOCI-II of the National Ocean Satellite Center (NOSC): its open OPeNDAP folders, or its OpenAPI.

Files lie at `/opendap/hyrax/GOCI-II/YYYY/MM/DD/{FOLDER}/GK2_GC2_{LEVEL}_{SCAN}/`, and each folder
has a THREDDS `catalog.xml`. The server answers only GET. The OpenAPI (NOSC_API_KEY) lists the same
files by day and slot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.listing import check_listing, get_all, no_listing, parse_xml
from lstsr.catalogs.results import Product, RemoteFile, SearchResult, checked, time_in
from lstsr.errors import LstsrError
from lstsr.transfer.credentials import NOSC
from lstsr.transfer.sources import Sources

ROOT = f"https://{NOSC.host}/opendap/hyrax/GOCI-II"
SEARCH = f"https://{NOSC.host}/openapi/GK2BNcMedia/search.do"
KOREA = 7
"""The slot of South Korea without its far east. NOSC publishes no outlines of the other slots."""
OUTLINES: dict[int | None, BaseGeometry] = {
    KOREA: box(122.0, 30.7, 130.4, 39.3),
    None: box(116.32, 23.70, 146.26, 48.34),
}
"""By slot; None is the mosaic of all slots (bounds from the catalogue)."""
KST = timezone(timedelta(hours=9))
SLOT_S = 100
"""Slots follow each other after about this time; the scan of all 12 takes 20 minutes."""
SCAN_LENGTH = timedelta(seconds=12 * SLOT_S)
SCAN = re.compile(r"GK2_GC2_L(?:1B|2)_(20\d{6}_\d{6})")


class Kind(NamedTuple):
    """A product: its level, folders and file names."""

    level: str
    folders: tuple[str, ...]
    name: re.Pattern[str]


KINDS = {
    "goci2": Kind(
        "L2", ("L2",), re.compile(r"GK2B_GOCI2_L2_(20\d{6}_\d{6})_LA(?:_S(\d{3}))?_AC\.nc")
    ),
    # the folder L1B of slots is an assumption, by analogy with L2; L1B_COMP (mosaics) is certain
    "goci2-l1b": Kind(
        "L1B",
        ("L1B", "L1B_COMP"),
        re.compile(r"GK2_GOCI2_L1B_(20\d{6}_\d{6})_LA(?:_S(\d{3}))?\.nc"),
    ),
}


class _Scans:
    """Collects the scans of Korea in the window around some moments."""

    def __init__(self, moments: Sequence[datetime], window: timedelta, kind: Kind) -> None:
        self._moments, self._window, self._kind = moments, window, kind
        self._by_scan: dict[str, Product] = {}
        self._result = SearchResult()

    def days(self, zone: tzinfo = UTC) -> list[date]:
        """Days of all scans that can overlap the window around a moment."""
        days = set()
        for moment in self._moments:
            first = (moment - self._window - SCAN_LENGTH).astimezone(zone).date()
            last = (moment + self._window).astimezone(zone).date()
            days |= {first + timedelta(days=day) for day in range((last - first).days + 1)}
        return sorted(days)

    def is_near(self, name: str, fits: re.Match[str] | None) -> bool:
        """Whether the named scan overlaps the window around a moment. Rejects invalid times."""
        if fits is None:
            return False
        try:
            scan = _nominal(fits[1])
        except LstsrError as fault:
            self._result.reject(name, NOSC.host, fault)
            return False
        first, last = scan - self._window, scan + SCAN_LENGTH + self._window
        return any(first <= moment <= last for moment in self._moments)

    def add(self, name: str, address: str, size: int | None) -> None:
        """Keep a file of this kind and of Korea. A slot takes precedence over a mosaic."""
        fits = self._kind.name.fullmatch(name)
        slot = int(fits[2]) if fits and fits[2] else None
        try:
            file = RemoteFile(checked(address), size)
            if fits is None or slot not in OUTLINES or (slot is None and fits[1] in self._by_scan):
                return
            # the middle of the slot's observation; for a mosaic, of its slot of Korea
            middle_s = ((KOREA if slot is None else slot) + 0.5) * SLOT_S
            time = _nominal(fits[1]) + timedelta(seconds=middle_s)
        except LstsrError as fault:
            self._result.reject(name, NOSC.host, fault)
            return
        stem = name.removesuffix(".nc")
        self._by_scan[fits[1]] = Product(stem, NOSC.host, time, OUTLINES[slot], (file,))

    def result(self) -> SearchResult:
        """The scans so far."""
        return SearchResult(list(self._by_scan.values()), self._result.rejected)


def slots(
    moments: Sequence[datetime], window: timedelta, product: str, sources: Sources
) -> SearchResult:
    """The scans of Korea around the moments, from the listings of the OPeNDAP folders.

    ``product`` is a key of `KINDS`. A mosaic is taken if the slot of Korea is missing. Raises
    TransferError if a listing cannot be read.
    """
    kind = KINDS[product]
    scans = _Scans(moments, window, kind)
    days = [f"{ROOT}/{day:%Y/%m/%d}/{folder}" for day in scans.days() for folder in kind.folders]
    folders = [
        f"{day}/{name}"
        for day, name, _ in _listed(sources, days)
        if scans.is_near(name, SCAN.fullmatch(name))
    ]
    for folder, name, size in _listed(sources, folders):
        scans.add(name, f"{folder}/{name}", size)
    return scans.result()


def search(
    moments: Sequence[datetime], window: timedelta, product: str, sources: Sources
) -> SearchResult:
    """Like ``slots``, from the OpenAPI and without mosaics.

    Raises TransferError, also if the key is missing or refused.
    """
    kind, key = KINDS[product], NOSC.read()
    scans = _Scans(moments, window, kind)
    addresses = [
        f"{SEARCH}?startDate={day:%Y%m%d}&endDate={day:%Y%m%d}&slot={KOREA}&ResultType=json"
        # the documentation does not say whether its days are in UTC or Korean time
        for day in sorted({*scans.days(), *scans.days(KST)})
    ]
    for address, body in zip(addresses, get_all(sources, addresses), strict=True):
        for stem in _file_names(address, body, key) if body is not None else []:
            name = f"{stem.removesuffix('.nc')}.nc"
            fits = kind.name.fullmatch(name)
            if fits and scans.is_near(name, fits):
                day = f"{ROOT}/{_nominal(fits[1]):%Y/%m/%d}/{kind.folders[0]}"
                scans.add(name, f"{day}/GK2_GC2_{kind.level}_{fits[1]}/{name}", None)
    return scans.result()


def _nominal(stamp: str) -> datetime:
    return time_in(stamp, "%Y%m%d_%H%M%S")


def _listed(sources: Sources, folders: Sequence[str]) -> Iterator[tuple[str, str, int | None]]:
    """Folder, name and size in bytes of the entries of these folders; some may be missing.

    Raises TransferError if all are missing, or if an answer is not a listing.
    """
    addresses = [f"{folder}/catalog.xml" for folder in folders]
    answers = get_all(sources, addresses)
    for folder, address, body in zip(folders, addresses, answers, strict=True):
        if body is None:
            continue
        # the folder is itself a dataset, which holds its entries
        for element in parse_xml(address, body, "}catalog").iterfind("*/*"):
            if element.tag.endswith(("}dataset", "}catalogRef")):
                size, exact = element.find("{*}dataSize"), None
                # only a size in bytes is exact
                if size is not None and size.get("units", "").lower() == "bytes":
                    exact = re.fullmatch("[1-9][0-9]{0,17}", (size.text or "").strip())
                yield folder, element.get("name", ""), int(exact[0]) if exact else None


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
    """Every `fileName`, at any depth."""
    if isinstance(answer, dict):
        if isinstance(answer.get("fileName"), str):
            yield answer["fileName"]
        answer = list(answer.values())
    if isinstance(answer, list):
        for part in answer:
            yield from _named(part)
