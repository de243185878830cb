"""GK2A Level-2 LST from KMA's API hub, which needs a key (KMA_API_KEY).

`.../GK2A/LE2/LST/KO/dataList?sDate=&eDate=&format=json` lists the times, `/data?date=` returns the
NetCDF file of one of them (https://apihub.kma.go.kr, satellite data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache

from shapely import Polygon

from lstsr.catalogs.listing import check_listing, get_all
from lstsr.catalogs.results import Product, RemoteFile, SearchResult, hours, time_in
from lstsr.errors import LstsrError
from lstsr.geo.footprint import rim
from lstsr.grid import KOREA
from lstsr.transfer.credentials import KMA
from lstsr.transfer.paths import KMA_LST
from lstsr.transfer.sources import Sources

LIST = f"{KMA_LST.rpartition('/')[0]}/dataList"
STAMP = re.compile(rb"(?<!\d)(20\d{10})(?:\d\d)?(?!\d)")
"""A time in a listing, with or without seconds, under any key."""


def slots(moments: Iterable[datetime], window: timedelta, sources: Sources) -> SearchResult:
    """The slots of the Korean area around the moments.

    Raises TransferError, also if the key is missing or refused.
    """
    key = KMA.read()  # fails here, before many requests
    asked = hours(moments, window)
    # an answer can repeat the bounds, so these are odd minutes, which have no slots
    minute, last = timedelta(minutes=1), timedelta(minutes=59)
    addresses = [
        f"{LIST}?sDate={hour - minute:%Y%m%d%H%M}&eDate={hour + last:%Y%m%d%H%M}&format=json"
        for hour in asked
    ]
    result = SearchResult()
    for hour, address, body in zip(asked, addresses, get_all(sources, addresses), strict=True):
        if body is None:
            continue
        before = len(result.products), len(result.rejected)
        listed = {stamp.decode() for stamp in STAMP.findall(body)}
        for stamp in sorted(listed - set(re.findall(r"\d{12}", address))):
            try:
                time = time_in(stamp, "%Y%m%d%H%M")
                if time.minute % 2:
                    raise LstsrError("slots are 2 minutes apart, from the full hour on")
            except LstsrError as fault:
                result.reject(stamp, KMA.host, fault)
                continue
            if hour <= time < hour + timedelta(hours=1):
                file = RemoteFile(KMA_LST + stamp)
                name = file.name.removesuffix(".nc")
                result.products.append(Product(name, KMA.host, time, _outline(), (file,)))
        if len(result.products) == before[0]:
            check_listing(address, body, len(result.rejected) > before[1], key)
    return result


@cache
def _outline() -> Polygon:
    """The outline of the Korean area in degrees. Its edges are curves."""
    return Polygon(rim(KOREA))
