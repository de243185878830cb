"""The services on the loopback interface, speaking their own protocols about simulated products.

Layouts and answers as recorded in public clients and documentation: STAC items of Planetary
Computer and of USGS, KMA's API hub, NOSC's OPeNDAP folders (GET only) and OpenAPI, and, by moto,
NOAA's bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.sax.saxutils import quoteattr

import requests
from moto.server import ThreadedMotoServer
from shapely.geometry import Polygon, box, mapping, shape

from tests.transfer.server import Handler, Server, serving, whole_file

BLOB = "landsateuwest.blob.core.windows.net"
BUCKET = "noaa-gk2a-pds"
SIGNATURE = "sv=2023&se=soon&sig=of-the-test"
KMA_KEY, NOSC_KEY = "kma-key-of-the-test", "nosc-key-of-the-test"
PAGE = 2
KEYS = {
    "_ST_B10.TIF": ("lwir11", "ST_B10.TIF"),
    "_ST_QA.TIF": ("qa", "ST_QA.TIF"),
    "_QA_PIXEL.TIF": ("qa_pixel", "QA_PIXEL.TIF"),
    "_QA_RADSAT.TIF": ("qa_radsat", "QA_RADSAT.TIF"),
    "_SR_B4.TIF": ("red", "red"),
    "_SR_B5.TIF": ("nir08", "nir08"),
    "_MTL.json": ("mtl.json", "MTL.json"),
    "_MTL.txt": ("mtl.txt", "MTL.txt"),
}
"""Asset keys of Planetary Computer, and of USGS (old and new ones mixed, as found there)."""


@dataclass
class Services:
    """What is offered, by service."""

    server: Server
    bucket: str
    stamps: list[str] = field(default_factory=list)
    items: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"pc": [], "usgs": []})
    everywhere: bool = False
    """Whether a STAC search leaves its area out: for items that have none."""
    busy: int = 0
    """How many STAC searches are put off."""
    page: bytes = b""
    """What a STAC API answers in place of items."""
    logins: list[str | None] = field(default_factory=list)
    """With what STAC APIs were asked."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead a process here."""
        root = self.server.root
        mirrors = {
            "planetarycomputer.microsoft.com": f"{root}/pc",
            "landsatlook.usgs.gov": f"{root}/usgs",
            BLOB: f"{root}/blobs",
            "apihub.kma.go.kr": f"{root}/kma",
            "nosc.go.kr": f"{root}/nosc",
            f"{BUCKET}.s3.amazonaws.com": f"{self.bucket}/{BUCKET}",
        }
        return {
            "LSTSR_ENDPOINTS": " ".join(f"{host}={mirror}" for host, mirror in mirrors.items()),
            "LSTSR_ALLOW_HOSTS": "127.0.0.1",
            "PC_SDK_SAS_URL": f"{root}/sas",
            "KMA_API_KEY": KMA_KEY,
            "NOSC_API_KEY": NOSC_KEY,
        }

    def landsat(self, product: Path, time: datetime, outline: Any, cloud: float) -> None:
        """Offer a product's folder, as both services do."""
        _, _, place, *_ = product.name.split("_")
        home = f"{time:%Y}/{place[:3]}/{place[3:]}/{product.name}"
        path = f"/landsat-c2/level-2/standard/oli-tirs/{home}"
        for file in product.iterdir():
            self.server.files[f"/blobs{path}/{file.name}"] = file.read_bytes()
            self.server.always[f"/blobs{path}/{file.name}"] = signed
        geometry = mapping(Polygon(outline))
        parts = product.name.split("_")
        identity = "_".join([*parts[:4], *parts[5:]])  # no day of processing
        common = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "stac_extensions": ["https://stac-extensions.github.io/eo/v1.0.0/schema.json"],
            "geometry": geometry,
            "bbox": list(shape(geometry).bounds),
            "links": [],
        }
        properties = {
            "datetime": f"{time:%Y-%m-%dT%H:%M:%S}.123456Z",
            "eo:cloud_cover": cloud,
            "landsat:correction": parts[1],
            "landsat:wrs_path": place[:3],
            "landsat:wrs_row": place[3:],
            "proj:epsg": 32652,
        }
        assets = {
            keys[0]: {"href": f"https://{BLOB}{path}/{product.name}{end}"}
            for end, keys in KEYS.items()
        }
        self.items["pc"].append(
            {
                **common,
                "id": identity,
                "collection": "landsat-c2-l2",
                "properties": {**properties, "platform": "landsat-8"},
                "assets": assets,
            }
        )
        for kind, ends in (("SR", "SR_B"), ("ST", "ST_")):
            self.items["usgs"].append(
                {
                    **common,
                    "id": f"{product.name}_{kind}",
                    "collection": f"landsat-c2l2-{kind.lower()}",
                    "properties": {**properties, "platform": "LANDSAT_8"},
                    "assets": {
                        "thumbnail": {"href": "https://landsatlook.usgs.gov/thumbnail.jpeg"},
                        **{
                            keys[1]: self._usgs_asset(path, product.name, end)
                            for end, keys in KEYS.items()
                            if ends in end or "QA_P" in end or "QA_R" in end or "MTL" in end
                        },
                    },
                }
            )

    def _usgs_asset(self, path: str, product: str, end: str) -> dict[str, Any]:
        place = path.replace("/landsat-c2/", "/collection02/")
        data = self.server.files[f"/blobs{path}/{product}{end}"]
        return {
            "href": f"https://landsatlook.usgs.gov/data{place}/{product}{end}",
            "file:size": len(data),
            "alternate": {"s3": {"href": f"s3://usgs-landsat{place}/{product}{end}"}},
        }

    def kma(self, file: Path) -> None:
        """Offer a GK2A LST file of the Korean area under its time."""
        stamp = file.stem.rpartition("_")[2]
        self.stamps.append(stamp)
        self.server.files[f"/data/{stamp}"] = file.read_bytes()

    def goci2(self, file: Path, level: str = "L2") -> None:
        """Offer a GOCI-II file, with its folders' listings."""
        day, clock = (part for part in file.stem.split("_")[3:5])
        home = f"/nosc/opendap/hyrax/GOCI-II/{day[:4]}/{day[4:6]}/{day[6:]}/{level}"
        scan = f"GK2_GC2_{level.partition('_')[0]}_{day}_{clock}"
        self.server.files[f"{home}/{scan}/{file.name}"] = file.read_bytes()
        self.list_folder(home, folders=[scan])
        self.list_folder(f"{home}/{scan}", files={file.name: file.stat().st_size})

    def list_folder(
        self, folder: str, folders: list[str] | None = None, files: Mapping[str, int] | None = None
    ) -> None:
        """A THREDDS catalog, as Hyrax writes it."""
        entries = [
            f"<thredds:catalogRef name={quoteattr(name)} ID={quoteattr(f'{folder}/{name}/')}"
            f' xlink:title={quoteattr(name)} xlink:href="{name}/catalog.xml" xlink:type="simple"/>'
            for name in folders or []
        ]
        entries += [
            f"<thredds:dataset name={quoteattr(name)} ID={quoteattr(f'{folder}/{name}')}>"
            f'<thredds:dataSize units="bytes">{size}</thredds:dataSize>'
            "<thredds:date type='modified'>2023-11-01T00:00:00Z</thredds:date></thredds:dataset>"
            for name, size in (files or {}).items()
        ]
        self.server.files[f"{folder}/catalog.xml"] = (
            '<?xml version="1.0" encoding="UTF-8"?><thredds:catalog '
            'xmlns:thredds="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0" '
            'xmlns:xlink="http://www.w3.org/1999/xlink">'
            '<thredds:service name="dap" serviceType="OPeNDAP" base="/opendap/hyrax"/>'
            f"<thredds:dataset name={quoteattr(folder)} ID={quoteattr(folder)}>"
            + "".join(entries)
            + "</thredds:dataset></thredds:catalog>"
        ).encode()

    def gk2a(self, file: Path) -> None:
        """Put a GK2A Level 1B file into the bucket."""
        stamp, area = file.stem.rpartition("_")[2], file.stem.split("_")[4][:2].upper()
        hour = f"{stamp[:6]}/{stamp[6:8]}/{stamp[8:10]}"
        self.put(f"AMI/L1B/{area}/{hour}/{file.name}", file.read_bytes())

    def put(self, key: str, body: bytes) -> None:
        """An object of the bucket that anyone may read."""
        public = {"x-amz-acl": "public-read"}
        requests.put(f"{self.bucket}/{BUCKET}/{key}", body, headers=public, timeout=10)


def signed(handler: Handler) -> None:
    """A file of a container that only signed requests may read."""
    if urlsplit(handler.path).query == SIGNATURE:
        whole_file(handler)
    else:
        handler.send(409, b"Public access is not permitted on this storage account.")


class ServiceHandler(Handler):
    """Answers that depend on the query or the body."""

    services: Services

    def do_GET(self) -> None:  # noqa: N802
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        head, _, rest = parts.path.removeprefix("/").partition("/")
        if head in ("pc", "usgs"):
            self.services.logins.append(self.headers.get("Authorization"))
        if parts.path in self.server.state.always or self.server.state.faults.get(parts.path):
            super().do_GET()
        elif head in ("pc", "usgs") and self.services.busy:
            self.services.busy -= 1
            self.send(429, Retry_After="3600")
        elif head in ("pc", "usgs") and self.services.page:
            self.send(200, self.services.page)
        elif head in ("pc", "usgs"):
            if self.services.everywhere:
                query.pop("bbox")
            url = f"{self.services.server.root}{parts.path}"
            self._json(stac_page(self.services.items[head], query, url))
        elif head == "sas":
            self._json({"msft:expiry": "2999-01-01T00:00:00Z", "token": SIGNATURE})
        elif head == "kma":
            self._kma(rest.rpartition("/")[2], query)
        elif rest.startswith("openapi/"):
            self._nosc(query)
        else:
            super().do_GET()

    def _kma(self, what: str, query: Mapping[str, str]) -> None:
        if query.get("authKey") != KMA_KEY:
            return self.send(401, b'{"result": {"status": 401, "message": "authKey"}}')
        stamps = self.services.stamps
        if what == "dataList":
            listed = [one for one in stamps if query["sDate"] <= one <= query["eDate"]]
            items = [{"item": stamp} for stamp in listed]
            return self._json({"sDate": query["sDate"], "eDate": query["eDate"], "list": items})
        data = self.services.server.files.get(f"/data/{query['date']}")
        if data is None:  # as the hub does: status 200 and a message
            return self.send(200, b"file is not exist", Content_Type="text/plain")
        self.send(200, data)

    def _nosc(self, query: Mapping[str, str]) -> None:
        if query.get("ServiceKey") != NOSC_KEY:
            return self.send(403)
        day = query["startDate"]
        names = [path.rpartition("/")[2] for path in self.services.server.files if day in path]
        found = [
            {"fileName": name.removesuffix(".nc"), "filePath": "GOCI-II", "ObsTime": day}
            for name in names
            if f"_S{int(query['slot']):03d}" in name
        ]
        self._json({"resultCode": "200", "resultMsg": "OK", "data": found})

    def _json(self, content: Any) -> None:
        self.send(200, json.dumps(content).encode(), Content_Type="application/json")


def stac_page(items: list[dict[str, Any]], query: Mapping[str, str], url: str) -> dict[str, Any]:
    """Items of the collections, days and area that are asked for, a few at a time."""
    first, last = query["datetime"].split("/")
    area = box(*map(float, query.get("bbox", "-180,-90,180,90").split(",")))
    found = [
        item
        for item in items
        if item["collection"] in query["collections"].split(",")
        and first <= (item["properties"]["datetime"] or first) <= last
        and ("bbox" not in query or shape(item["geometry"]).intersects(area))
    ]
    start = int(query.get("token", 0))
    links = []
    if start + PAGE < len(found):
        href = f"{url}?{urlencode({**query, 'token': start + PAGE})}"
        links = [{"rel": "next", "href": href, "method": "GET"}]
    return {"type": "FeatureCollection", "features": found[start : start + PAGE], "links": links}


@contextmanager
def serving_bucket() -> Iterator[str]:
    """The root of an S3 service."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        moto.stop()


@contextmanager
def serving_all(bucket: str) -> Iterator[Services]:
    """All services, and nothing in them yet; ``bucket`` is the root of an S3 service."""
    requests.post(f"{bucket}/moto-api/reset", timeout=10)
    requests.put(f"{bucket}/{BUCKET}", timeout=10)
    with serving(handler=ServiceHandler) as server:
        services = ServiceHandler.services = Services(server, bucket)
        yield services
