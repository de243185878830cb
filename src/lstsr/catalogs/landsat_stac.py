"""Landsat 8/9 Collection-2 Level-2 by STAC: Planetary Computer, or USGS by https or from S3.

The ends of file names (`_ST_B10.TIF`) identify the assets, because asset keys differ between
services and have changed (`lwir11`, `ST_B10`, `ST_B10.TIF`). USGS keeps surface temperature and
surface reflectance in separate collections, and lstsr joins their items.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from shapely import make_valid
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from lstsr.catalogs.listing import get, no_listing
from lstsr.catalogs.results import Product, RemoteFile, SearchResult, checked
from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.checks import parse_checksum
from lstsr.transfer.sources import Sources

if TYPE_CHECKING:
    from lstsr.config import LandsatConfig

REFLECTANCE = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
"""Bands of OLI in the order of their numbers, 1 to 7."""
PRODUCT = re.compile(
    r"(?P<satellite>L[A-Z]\d\d)_(?P<level>L2S[PR])_(?P<path_row>\d{6})_(?P<day>\d{8})_\d{8}_02_"
    r"(?P<tier>T1|T2|RT)(?=_)"
)
"""Landsat Collection 2 product identifier (USGS LSDS-1619)."""
TIERS = ("T1", "T2", "RT")
"""Best first."""


@dataclass(frozen=True)
class Provider:
    """A STAC API: host, path, collections; ``s3``: files come from S3, at the user's cost."""

    host: str
    path: str
    collections: tuple[str, ...]
    s3: bool = False


USGS = ("landsatlook.usgs.gov", "/stac-server", ("landsat-c2l2-st", "landsat-c2l2-sr"))
PROVIDERS = {
    "planetary-computer": Provider(
        "planetarycomputer.microsoft.com", "/api/stac/v1", ("landsat-c2-l2",)
    ),
    "usgs": Provider(*USGS),
    "usgs-s3": Provider(*USGS, s3=True),
}


def endings(sensor: LandsatConfig, also: Iterable[str] = ()) -> tuple[str, ...]:
    """Ends of the names of the files that hold a config's bands and the bands ``also``."""
    names = ["_MTL.json", "_QA_PIXEL.TIF"]
    if sensor.masked_saturation:
        names.append("_QA_RADSAT.TIF")
    for band in dict.fromkeys([*sensor.bands, *also]):
        if band in REFLECTANCE:
            names.append(f"_SR_B{REFLECTANCE.index(band) + 1}.TIF")
        elif band == "lst":
            names.append("_ST_B10.TIF")
            if sensor.max_uncertainty_k is not None:
                names.append("_ST_QA.TIF")
        else:
            raise LstsrError(
                f"sensors.target.bands: {band} is a Level-1 band. lstsr match finds only Level 2"
            )
    return tuple(names)


def search(
    name: str,
    area: BaseGeometry,
    start: date,
    end: date,
    wanted: Sequence[str],
    sources: Sources,
) -> SearchResult:
    """The products of Landsat 8 and 9 that touch the area, with files of the ``wanted`` endings.

    Days are UTC, both included. If a scene has several products, the best tier and then the latest
    processing wins. Raises TransferError if the service does not answer.
    """
    by_product: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in _items(PROVIDERS[name], area, start, end, sources):
        by_product[re.sub(r"_S[RT]$", "", str(item.get("id")))].append(item)
    result = SearchResult()
    products: list[Product] = []
    for identity, items in by_product.items():
        try:
            outline = make_valid(shape(items[0]["geometry"]))
            if not outline.area > 0:
                raise LstsrError("the outline is empty")
            if outline.intersects(area):
                products.append(_product(name, items, outline, wanted))
        except LstsrError as fault:
            result.reject(identity, name, fault, _time(items[0]))
        except (KeyError, TypeError, ValueError, AttributeError, ShapelyError) as fault:
            reason = f"the item is malformed ({type(fault).__name__}: {fault})"
            result.reject(identity, name, reason)
    best: dict[str, Product] = {}
    for product in sorted(products, key=_rank):
        other = best.setdefault(scene_of(product), product)
        if other is not product:
            reason = f"{other.name} of the same scene has a better tier or is newer"
            result.rejected.append(product.rejected(reason))
    result.products = list(best.values())
    return result


def keep(product: Product, wanted: Sequence[str]) -> Product:
    """The product with only the files of the ``wanted`` endings, in this order."""
    files = (file for end in wanted for file in product.files if file.name.endswith(end))
    return replace(product, files=tuple(files))


def scene_of(product: Product) -> str:
    """A scene's name: path and row, day, satellite (`115034-20230512-LC08`)."""
    parts = PRODUCT.match(product.name + "_")
    assert parts is not None  # every product has a name that matches
    return f"{parts['path_row']}-{parts['day']}-{parts['satellite']}"


def _items(
    provider: Provider, area: BaseGeometry, start: date, end: date, sources: Sources
) -> Iterator[dict[str, Any]]:
    """The items in the bounding box of the area, page by page (STAC API 1.0, Item Search, GET)."""
    query = {
        "collections": ",".join(provider.collections),
        "bbox": ",".join(map(str, area.bounds)),
        "datetime": f"{start}T00:00:00Z/{end}T23:59:59Z",
        "limit": 100,
    }
    root = f"https://{provider.host}{provider.path}/search"
    address = f"{root}?{urlencode(query)}"
    while address:
        body = get(sources, address)
        if body is None:
            raise TransferError(f"{root}: not found (status 404). The service has moved")
        try:
            page = json.loads(body)
            items = [dict(item) for item in page["features"]]
            links = [link["href"] for link in page.get("links", ()) if link["rel"] == "next"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise no_listing(root, body) from None
        yield from items
        address = str(links[0]) if links else ""


def _product(
    source: str, items: list[dict[str, Any]], outline: BaseGeometry, wanted: Sequence[str]
) -> Product:
    """The product that the items describe. Raises LstsrError if it cannot be used."""
    identity = str(items[0]["id"])
    if not identity.startswith(("LC08", "LC09")):
        raise LstsrError(f"unsupported satellite {identity[:4]}. lstsr reads Landsat 8 and 9")
    files = {}
    for asset in (asset for item in items for asset in item["assets"].values()):
        end = next((end for end in wanted if asset["href"].endswith(end)), None)
        if end:
            link = asset["alternate"]["s3"] if PROVIDERS[source].s3 else asset
            address = checked(link["href"])
            files[end] = RemoteFile(address, asset.get("file:size"), _checksum(asset))
    for end in wanted:
        if end not in files:
            raise LstsrError(f"it has no file ...{end}")
    names = set()
    for file in files.values():
        fits = PRODUCT.match(file.name)
        if fits is None:
            raise LstsrError(f"{file.name!r} is not a name of a Landsat Collection 2 product")
        names.add(fits[0])
    if len(names) != 1:
        raise LstsrError(f"its files belong to several products: {', '.join(sorted(names))}")
    cloud_percent = float(items[0]["properties"]["eo:cloud_cover"])
    if not 0 <= cloud_percent <= 100:  # USGS writes -1 for scenes that were not assessed
        raise LstsrError("the catalog gives no cloud cover for this scene")
    time = _time(items[0])
    if time is None:
        raise LstsrError("the catalog gives no valid time for this scene")
    ordered = tuple(files[end] for end in wanted)
    return Product(names.pop(), source, time, outline, ordered, cloud_percent / 100)


def _time(item: dict[str, Any]) -> datetime | None:
    """The time of observation (UTC, as in all of STAC); None if the item has no valid time."""
    try:
        time = datetime.fromisoformat(item["properties"]["datetime"])
    except (KeyError, TypeError, ValueError):
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _checksum(asset: dict[str, Any]) -> str:
    """The file extension's multihash; '' if lstsr does not know its kind."""
    text = str(asset.get("file:checksum") or "")
    try:
        return text and ":".join(parse_checksum(text))
    except LstsrError:
        return ""


def _rank(product: Product) -> tuple[int, int]:
    """Best first: tier, then the latest day of processing."""
    *_, processed, _, tier = product.name.split("_")
    return TIERS.index(tier), -int(processed)
