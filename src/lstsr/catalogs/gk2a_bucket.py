"""GK2A Level 1B in NOAA's public bucket: listed and read without an account.

Layout: `AMI/L1B/{FD,LA}/{YYYYMM}/{DD}/{HH}/gk2a_ami_le1b_{channel}_{area}{res}ge_{time}.nc`, full
disks every 10 minutes and the local area every 2, from 2023-02-16 (registry of open data on AWS:
noaa-gk2a-pds).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shapely import Polygon
from shapely.geometry import box

from lstsr.catalogs.product import Found, Product, Rejected, RemoteFile, checked, hours, time_in
from lstsr.catalogs.web import each
from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.sources import endpoint

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

BUCKET, REGION = "noaa-gk2a-pds", "us-east-1"
NAME = re.compile(r"gk2a_ami_le1b_([a-z]{2}\d{3})_(fd|la)\d{3}ge_(20\d{10})\.nc")
OUTLINES = {
    "la": Polygon([(119.91, 44.17), (133.09, 44.12), (132.21, 31.11), (121.42, 31.14)]),
    # what a full disk shows of Korea and around; its rim lies in space
    "fd": box(80, -60, 176, 60),
}
"""Corners of the local area as it stood on 2025-07-19 (it can be moved: the files' own headers
decide in the end)."""
SEEN_AFTER = {"la": timedelta(seconds=30), "fd": timedelta(minutes=2, seconds=30)}
"""From the time in the name to when Korea is seen: the middle of the local area's scan; Korea's
rows lie a fifth down the disk."""


def slots(
    moments: Iterable[datetime], window: timedelta, channels: Sequence[str], area: str
) -> Found:
    """The slots around the moments that have all channels; ``area`` is `la` or `fd`.

    The first channel's file is the one that is opened. Raises TransferError where the bucket
    cannot be listed, or where all folders are empty.
    """
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        region=REGION,
        endpoint=endpoint(f"{BUCKET}.s3.amazonaws.com"),
        virtual_hosted_style_request=True,
        skip_signature=True,
        client_options={"allow_http": True},
    )
    folders = [f"AMI/L1B/{area.upper()}/{hour:%Y%m/%d/%H}" for hour in hours(moments, window)]
    listings = list(each(lambda folder: _list(store, folder), folders))
    if listings and not any(listings):
        raise TransferError(
            f"s3://{BUCKET}/{folders[0]}: nothing is there, nor in any of the {len(folders)} "
            "folders asked for: no data of these days (it begins on 2023-02-16), or they have moved"
        )
    by_time: dict[str, list[RemoteFile]] = defaultdict(list)
    found = Found()
    for entries in listings:
        for entry in entries:
            key = entry["path"]
            name = NAME.fullmatch(key.rpartition("/")[2])
            if name is None or name[1] not in channels or name[2] != area:
                continue
            try:
                file = RemoteFile(checked(f"s3://{BUCKET}/{key}"), entry["size"])
                by_time[name[3]].append(file)
            except LstsrError as fault:
                found.rejected.append(Rejected(key, BUCKET, None, str(fault)))
    for stamp, files in by_time.items():
        _add(found, stamp, files, channels, area)
    return found


def _list(store: ObjectStore, folder: str) -> Sequence[ObjectMeta]:
    import obstore
    from obstore.exceptions import BaseError

    try:
        return obstore.list(store, prefix=folder).collect()
    except BaseError as fault:
        reason = " ".join(str(fault).split())[:200]
        raise TransferError(f"s3://{BUCKET}/{folder}: cannot be listed ({reason})") from None


def _add(
    found: Found, stamp: str, files: list[RemoteFile], channels: Sequence[str], area: str
) -> None:
    """Add the slot of a time in the name, or the reason why not."""
    name = f"gk2a_ami_le1b_{area}_{stamp}"
    try:
        time = time_in(stamp, "%Y%m%d%H%M") + SEEN_AFTER[area]
    except LstsrError as fault:
        found.rejected.append(Rejected(name, BUCKET, None, str(fault)))
        return
    by_channel = {file.name.split("_")[3]: file for file in files}
    missing = [channel for channel in channels if channel not in by_channel]
    if missing:
        found.rejected.append(Rejected(name, BUCKET, time, f"{missing[0]} is missing"))
        return
    chosen = tuple(by_channel[channel] for channel in channels)
    found.products.append(Product(name, BUCKET, time, OUTLINES[area], chosen))
