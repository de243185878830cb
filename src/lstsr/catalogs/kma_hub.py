"""GK2A Level-2 LST from KMA's API hub; a key is needed (KMA_API_KEY).

`.../GK2A/LE2/LST/KO/dataList?sDate=&eDate=&format=json` names the times, `/data?date=` gives the
NetCDF file of one (https://apihub.kma.go.kr, satellite data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache

from shapely import Polygon

from lstsr.catalogs.product import Found, Product, Rejected, RemoteFile, hours, time_in
from lstsr.catalogs.refusal import check_listing
from lstsr.catalogs.web import get_all
from lstsr.errors import LstsrError
from lstsr.geo.footprint import rim
from lstsr.grid import KOREA
from lstsr.transfer.names import KMA_LST
from lstsr.transfer.sources import KMA, Sources

LIST = f"{KMA_LST.rpartition('/')[0]}/dataList"
STAMP = re.compile(rb"(?<!\d)(20\d{10})(?:\d\d)?(?!\d)")
"""A time in a listing, with seconds or without, whatever keys stand around it."""
STEP_MIN = 2


def slots(moments: Iterable[datetime], window: timedelta, sources: Sources) -> Found:
    """The slots of the Korean area around the moments.

    Raises TransferError, also without a key or where one is refused.
    """
    key = KMA.read()  # one line at once, rather than at the first of many requests
    asked = hours(moments, window)
    addresses = [_address(hour) for hour in asked]
    found = Found()
    answers = get_all(sources, addresses)
    for hour, address, body in zip(asked, addresses, answers, strict=True):
        if body is not None:
            _add(found, hour, address, body, key)
    return found


def _address(hour: datetime) -> str:
    """The listing of an hour.

    Its bounds are odd minutes, where there are no slots: an answer may repeat them.
    """
    first, last = hour - timedelta(minutes=1), hour + timedelta(minutes=59)
    return f"{LIST}?sDate={first:%Y%m%d%H%M}&eDate={last:%Y%m%d%H%M}&format=json"


def _add(found: Found, hour: datetime, address: str, body: bytes, key: str) -> None:
    """Add the slots of an hour that a listing names, and what in it is none."""
    listed = {stamp.decode() for stamp in STAMP.findall(body)}
    times, odd = [], []
    for stamp in sorted(listed - set(re.findall(r"\d{12}", address))):
        try:
            time = _time(stamp)
        except LstsrError as fault:
            odd.append(Rejected(stamp, KMA.host, None, str(fault)))
        else:
            if hour <= time < hour + timedelta(hours=1):
                times.append(time)
    if not times:
        check_listing(address, body, bool(odd), key)
    found.products += [_product(time) for time in times]
    found.rejected += odd


def _time(stamp: str) -> datetime:
    """The time of a slot. Raises LstsrError for one that can be none."""
    time = time_in(stamp, "%Y%m%d%H%M")
    if time.minute % STEP_MIN:
        raise LstsrError(f"slots are {STEP_MIN} minutes apart, from the full hour on")
    return time


def _product(time: datetime) -> Product:
    file = RemoteFile(f"{KMA_LST}{time:%Y%m%d%H%M}")
    return Product(file.name.removesuffix(".nc"), KMA.host, time, _outline(), (file,))


@cache
def _outline() -> Polygon:
    """The rim of the Korean area, degrees; its edges are curves there."""
    return Polygon(rim(KOREA))
