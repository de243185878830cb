"""GK2A Level-2 LST from KMA's API hub; a key is needed (KMA_API_KEY).

`.../GK2A/LE2/LST/KO/dataList?sDate=&eDate=&format=json` names the times, `/data?date=` gives the
NetCDF file of one (https://apihub.kma.go.kr, satellite data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from pyproj import Transformer
from shapely import Polygon

from lstsr.catalogs.product import Found, Product, RemoteFile, hours
from lstsr.catalogs.web import each, get
from lstsr.transfer.names import KMA_LST
from lstsr.transfer.sources import KMA, Sources

LIST = f"{KMA_LST.rpartition('/')[0]}/dataList"
STAMP = re.compile(rb"(?<!\d)(20\d{10})(?!\d)")
"""A time in a listing, whatever keys stand around it."""
KO_CRS = "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +datum=WGS84 +units=m"
KO_EDGE_M = 900_000.0
"""The Korean area (KO) reaches so far from its origin in each direction: 900 pixels of 2 km."""


def slots(moments: Iterable[datetime], window: timedelta, sources: Sources) -> Found:
    """The slots of the Korean area around the moments. Raises TransferError, also without a key."""
    KMA.read()  # one line at once, rather than at the first of many requests
    addresses = [
        f"{LIST}?sDate={hour:%Y%m%d%H}00&eDate={hour:%Y%m%d%H}59&format=json"
        for hour in hours(moments, window)
    ]
    listed = each(lambda address: get(sources, address) or b"", addresses)
    stamps = sorted({stamp.decode() for body in listed for stamp in STAMP.findall(body)})
    return Found([_product(stamp) for stamp in stamps])


def _product(stamp: str) -> Product:
    time = datetime.strptime(stamp, "%Y%m%d%H%M").replace(tzinfo=UTC)
    file = RemoteFile(f"{KMA_LST}{stamp}")
    return Product(file.name.removesuffix(".nc"), KMA.host, time, _outline(), (file,))


@cache
def _outline() -> Polygon:
    """The rim of the Korean area, degrees; its edges are curves there."""
    along = np.linspace(-KO_EDGE_M, KO_EDGE_M, 9)
    edge = np.full_like(along, KO_EDGE_M)
    x = np.concatenate([along, edge, along[::-1], -edge])
    y = np.concatenate([edge, along[::-1], -edge, along])
    lon, lat = Transformer.from_crs(KO_CRS, "EPSG:4326", always_xy=True).transform(x, y)
    return Polygon(zip(lon, lat, strict=True))
