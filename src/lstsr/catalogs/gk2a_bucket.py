"""GK2A Level 1B in NOAA's public bucket, listed and read without an account.

Layout: `AMI/L1B/{FD,LA}/{YYYYMM}/{DD}/{HH}/gk2a_ami_le1b_{channel}_{area}{res}ge_{time}.nc`, full
disks every 10 minutes and the local area every 2, from 2023-02-16 (registry of open data on AWS:
noaa-gk2a-pds).
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from shapely import Polygon
from shapely.geometry import box

from lstsr.catalogs.listing import each, get, no_listing, parse_xml
from lstsr.catalogs.results import Product, RemoteFile, SearchResult, checked, hours, time_in
from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.sources import Sources

BUCKET = "noaa-gk2a-pds"
NAME = re.compile(r"gk2a_ami_le1b_([a-z]{2}\d{3})_(fd|la)\d{3}ge_(20\d{10})\.nc")
OUTLINES = {
    "la": Polygon([(119.91, 44.17), (133.09, 44.12), (132.21, 31.11), (121.42, 31.14)]),
    # the part of a full disk around Korea; its rim lies in space
    "fd": box(80, -60, 176, 60),
}
"""Corners of the local area on 2025-07-19. KMA can move it; alignment uses the files' headers."""
SEEN_AFTER = {"la": timedelta(seconds=30), "fd": timedelta(minutes=2, seconds=30)}
"""From the time in the name to the scan of Korea: the middle of the local area's scan, or a fifth
of the full disk's scan."""


def slots(
    moments: Iterable[datetime],
    window: timedelta,
    channels: Sequence[str],
    area: str,
    sources: Sources,
) -> SearchResult:
    """The slots around the moments that have all channels; ``area`` is `la` or `fd`.

    Raises TransferError if the bucket cannot be listed, or if all folders are empty.
    """
    folders = [f"AMI/L1B/{area.upper()}/{hour:%Y%m/%d/%H}" for hour in hours(moments, window)]
    listings = list(each(lambda folder, stop: _list(sources, folder, stop), folders))
    if listings and not any(listings):
        raise TransferError(
            f"s3://{BUCKET}/{folders[0]}: empty, like all {len(folders)} folders of this search. "
            "There are no data of these days (they begin on 2023-02-16), or the folders have moved"
        )
    by_time: dict[str, dict[str, RemoteFile]] = defaultdict(dict)
    result = SearchResult()
    for key, size in (entry for listing in listings for entry in listing):
        name = NAME.fullmatch(key.rpartition("/")[2])
        if name is None or name[1] not in channels or name[2] != area:
            continue
        try:
            by_time[name[3]][name[1]] = RemoteFile(checked(f"s3://{BUCKET}/{key}"), size)
        except LstsrError as fault:
            result.reject(key, BUCKET, fault)
    for stamp, by_channel in by_time.items():
        slot = f"gk2a_ami_le1b_{area}_{stamp}"
        try:
            time = time_in(stamp, "%Y%m%d%H%M") + SEEN_AFTER[area]
        except LstsrError as fault:
            result.reject(slot, BUCKET, fault)
            continue
        missing = [channel for channel in channels if channel not in by_channel]
        if missing:
            result.reject(slot, BUCKET, f"{missing[0]} is missing", time)
        else:
            files = tuple(by_channel[channel] for channel in channels)
            result.products.append(Product(slot, BUCKET, time, OUTLINES[area], files))
    return result


def _list(sources: Sources, folder: str, stop: threading.Event) -> list[tuple[str, int]]:
    """Keys and bytes of the objects in a folder (Amazon S3 API, ListObjectsV2)."""
    entries: list[tuple[str, int]] = []
    query = {"prefix": f"{folder}/"}
    while True:
        address = f"https://{BUCKET}.s3.amazonaws.com/?list-type=2&{urlencode(query)}"
        body = get(sources, address, stop)
        if body is None:
            raise TransferError(f"s3://{BUCKET}/{folder}: cannot be listed (status 404)")
        root = parse_xml(address, body, "ListBucketResult")
        try:
            for item in root.iterfind("{*}Contents"):
                entries.append((item.findtext("{*}Key", ""), int(item.findtext("{*}Size", ""))))
        except ValueError:
            raise no_listing(address, body) from None
        token = root.findtext("{*}NextContinuationToken")
        if not token:
            return entries
        query["continuation-token"] = token
