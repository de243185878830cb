"""Landsat 8/9 Collection-2 Level-2 by STAC: Planetary Computer, or USGS by https or from S3.

Assets are told by the ends of their file names (`_ST_B10.TIF`), which are the products' own: asset
keys differ between services and have changed (`lwir11`, `ST_B10`, `ST_B10.TIF`). USGS keeps surface
temperature and surface reflectance in collections of their own, whose items are joined here.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, RequestException, Response, Session
from requests.adapters import HTTPAdapter
from shapely import make_valid
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from urllib3 import BaseHTTPResponse, Retry

from lstsr.catalogs.product import Found, Product, Rejected, RemoteFile, checked
from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.checksum import parse
from lstsr.transfer.patience import LONGEST_RETRY_AFTER_S
from lstsr.transfer.sources import endpoint

if TYPE_CHECKING:
    from lstsr.config import LandsatConfig

logger = logging.getLogger(__name__)
REFLECTANCE = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
"""Bands of OLI in the order of their numbers, 1 to 7."""
PRODUCT = re.compile(
    r"(?P<satellite>L[A-Z]\d\d)_(?P<level>L2S[PR])_(?P<place>\d{6})_(?P<day>\d{8})_\d{8}_02_"
    r"(?P<tier>T1|T2|RT)(?=_)"
)
"""Landsat Collection 2 product identifier (USGS LSDS-1619)."""
TIERS = ("T1", "T2", "RT")
"""Best first."""
SATELLITES = ("LC08", "LC09")
TIMEOUT_S = (30, 120)
"""To connect, and between two bytes of an answer."""
ATTEMPTS = 5
PUT_OFF = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Provider:
    """A STAC API: host, path, collections; whether files come from S3, at the reader's cost."""

    host: str
    path: str
    collections: tuple[str, ...]
    s3: bool = False


PROVIDERS = {
    "planetary-computer": Provider(
        "planetarycomputer.microsoft.com", "/api/stac/v1", ("landsat-c2-l2",)
    ),
    "usgs": Provider(
        "landsatlook.usgs.gov", "/stac-server", ("landsat-c2l2-st", "landsat-c2l2-sr")
    ),
    "usgs-s3": Provider(
        "landsatlook.usgs.gov", "/stac-server", ("landsat-c2l2-st", "landsat-c2l2-sr"), s3=True
    ),
}


def endings(sensor: LandsatConfig, also: Iterable[str] = ()) -> tuple[str, ...]:
    """Ends of the file names that a config's bands, and ``also`` others, are read from."""
    found = ["_MTL.json", "_QA_PIXEL.TIF"]
    if sensor.masked_saturation:
        found.append("_QA_RADSAT.TIF")
    for band in dict.fromkeys([*sensor.bands, *also]):
        if band in REFLECTANCE:
            found.append(f"_SR_B{REFLECTANCE.index(band) + 1}.TIF")
        elif band == "lst":
            found.append("_ST_B10.TIF")
            if sensor.max_uncertainty_k is not None:
                found.append("_ST_QA.TIF")
        else:
            raise LstsrError(f"sensors.target.bands: {band} is of Level 1, match finds Level 2")
    return tuple(found)


def search(name: str, area: BaseGeometry, start: date, end: date, wanted: Sequence[str]) -> Found:
    """The products of Landsat 8 and 9 that touch the area, with files of the ``wanted`` endings.

    Days are UTC, both included. Of a scene that comes twice the better tier, or else the later
    processed, stays. Raises TransferError where the service does not answer.
    """
    provider = PROVIDERS[name]
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in _items(provider, area, start, end):
        parts[re.sub(r"_S[RT]$", "", str(item.get("id")))].append(item)
    found = Found()
    for identity, items in parts.items():
        try:
            found.products.append(_product(name, items, wanted))
        except LstsrError as fault:
            found.rejected.append(Rejected(identity, name, _time_if_any(items[0]), str(fault)))
        except (KeyError, TypeError, ValueError, AttributeError, ShapelyError) as fault:
            reason = f"the item cannot be understood ({type(fault).__name__}: {fault})"
            found.rejected.append(Rejected(identity, name, None, reason))
    _keep_best(found)
    return found


def of_files(product: Product, wanted: Sequence[str]) -> tuple[RemoteFile, ...]:
    """The files of these endings, in their order."""
    return tuple(file for end in wanted for file in product.files if file.name.endswith(end))


def scene_of(product: Product) -> str:
    """A scene's name: path and row, day, satellite (`115034-20230512-LC08`)."""
    parts = PRODUCT.match(product.name + "_")
    assert parts is not None  # products are made of names that fit
    return f"{parts['place']}-{parts['day']}-{parts['satellite']}"


class _Patience(Retry):
    """Waits as long as the server says, but not for hours as urllib3 does, and tells of it."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        asked_s = super().get_retry_after(response)
        if asked_s is None:
            return None
        wait_s = min(asked_s, LONGEST_RETRY_AFTER_S)
        logger.warning("Landsat: status %d; again in %.1f s", response.status, wait_s)
        return wait_s


class _Anonymous(Session):
    """Asks again what was put off, and sends no login.

    Of ~/.netrc requests would send `default` to anyone, also where a redirect leads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request
        patience = _Patience(
            ATTEMPTS,
            backoff_factor=1,
            backoff_jitter=1,
            status_forcelist=PUT_OFF,
            allowed_methods=None,  # a search by POST changes nothing, so it is repeated, too
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=patience))

    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Nothing to add."""


def _items(provider: Provider, area: BaseGeometry, start: date, end: date) -> list[dict[str, Any]]:
    from pystac import STACError
    from pystac_client import Client
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO

    root = endpoint(provider.host) + provider.path
    try:
        ask = StacApiIO(timeout=TIMEOUT_S)
        ask.session = _Anonymous()
        search = Client.open(root, stac_io=ask).search(
            collections=list(provider.collections),
            intersects=mapping(area),
            datetime=f"{start}T00:00:00Z/{end}T23:59:59Z",
            limit=250,
        )
        return list(search.items_as_dicts())
    except (
        APIError,
        ClientTypeError,
        NotImplementedError,  # a catalog that cannot be searched
        RequestException,
        STACError,
        AttributeError,  # JSON that is no STAC
        KeyError,
        TypeError,
        ValueError,  # no JSON
    ) as fault:
        # their messages quote whole pages
        reason = " ".join(str(fault).split())[:200]
        raise TransferError(f"{root}: the search failed ({reason}); try later") from None


def _product(source: str, items: list[dict[str, Any]], wanted: Sequence[str]) -> Product:
    """One product of the items that tell of it. Raises LstsrError where it cannot be used."""
    if not str(items[0]["id"]).startswith(SATELLITES):
        raise LstsrError("only Landsat 8 and 9 are used")
    files = {}
    for asset in (asset for item in items for asset in item["assets"].values()):
        end = next((end for end in wanted if asset["href"].endswith(end)), None)
        if end:
            place = asset["alternate"]["s3"] if PROVIDERS[source].s3 else asset
            address = checked(place["href"])
            files[end] = RemoteFile(address, asset.get("file:size"), _checksum(asset))
    missing = [end for end in wanted if end not in files]
    if missing:
        raise LstsrError(f"it has no file ...{missing[0]}")
    names = {_product_name(file) for file in files.values()}
    if len(names) != 1:
        raise LstsrError("its files' names are of several products: " + ", ".join(sorted(names)))
    (name,) = names
    time, properties = _time(items[0]), items[0]["properties"]
    cloud_percent = float(properties["eo:cloud_cover"])
    if not 0 <= cloud_percent <= 100:  # USGS writes -1 where it was not assessed
        raise LstsrError("its cloud cover is not known")
    outline = make_valid(shape(items[0]["geometry"]))
    if not outline.area > 0:
        raise LstsrError("its outline is empty")
    return Product(
        name,
        source,
        time,
        outline,
        tuple(files[end] for end in wanted),
        cloud_percent / 100,
    )


def _product_name(file: RemoteFile) -> str:
    fits = PRODUCT.match(file.name)
    if fits is None:
        raise LstsrError(f"{file.name!r} is no name of a Landsat Collection 2 product")
    return fits[0]


def _time(item: dict[str, Any]) -> datetime:
    """The time of observation; STAC's are UTC."""
    time = datetime.fromisoformat(item["properties"]["datetime"])
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _time_if_any(item: dict[str, Any]) -> datetime | None:
    try:
        return _time(item)
    except (KeyError, TypeError, ValueError):
        return None


def _checksum(asset: dict[str, Any]) -> str:
    """The file extension's multihash, where it is of a kind that can be checked."""
    text = str(asset.get("file:checksum") or "")
    try:
        return text and ":".join(parse(text))
    except LstsrError:
        return ""


def _keep_best(found: Found) -> None:
    """Of products of one scene keep one, and reject the others."""
    best: dict[str, Product] = {}
    for product in sorted(found.products, key=_rank):
        scene = scene_of(product)
        if scene in best:
            reason = f"{best[scene].name} of the same scene is of a better tier or newer"
            found.rejected.append(Rejected(product.name, product.source, product.time, reason))
        else:
            best[scene] = product
    found.products = list(best.values())


def _rank(product: Product) -> tuple[int, int]:
    """Best first: tier, then the latest day of processing."""
    *_, processed, _, tier = product.name.split("_")
    return TIERS.index(tier), -int(processed)
