"""What every catalog tells of a product: when and where it was seen, and its files' addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from shapely.geometry.base import BaseGeometry

from lstsr.errors import LstsrError
from lstsr.transfer.names import file_name
from lstsr.transfer.paths import safe_path
from lstsr.transfer.sources import check_address


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file: stable address; bytes and checksum where the catalog states them."""

    address: str
    size: int | None = None
    checksum: str = ""

    @property
    def name(self) -> str:
        """What it is called on disk."""
        return file_name(self.address)


@dataclass(frozen=True, slots=True)
class Product:
    """What one sensor saw of one place at one moment.

    ``time`` is the middle of the observation; ``outline`` is in degrees; ``cloud`` is a share,
    0..1; the first of ``files`` is the one that a reader opens.
    """

    name: str
    source: str
    time: datetime
    outline: BaseGeometry
    files: tuple[RemoteFile, ...]
    cloud: float = 0.0


class Rejected(NamedTuple):
    """A candidate that is not used, and why; ``time`` is None where it is not known."""

    name: str
    source: str
    time: datetime | None
    reason: str


@dataclass
class Found:
    """What a catalog offers, and what of it cannot be used."""

    products: list[Product] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def checked(address: str) -> str:
    """The address of a catalog's entry, known to be stable and harmless.

    Raises LstsrError where it holds a key or signature, or a space, which would part it in a
    manifest, or where its path, taken for a file name, would be absolute, empty, or lead out of a
    folder, also in percent signs.
    """
    parts = check_address(address)
    if address.split() != [address]:
        raise LstsrError(f"{parts.scheme}://{parts.hostname}{parts.path}: it holds a space")
    safe_path(Path("downloads"), unquote(parts.path).removeprefix("/"))
    return address


def time_in(stamp: str, form: str) -> datetime:
    """The UTC time that is written in a name. Raises LstsrError where there is no such time."""
    try:
        return datetime.strptime(stamp, form).replace(tzinfo=UTC)
    except ValueError:
        raise LstsrError(f"{stamp} is no time") from None


def hours(moments: Iterable[datetime], window: timedelta) -> list[datetime]:
    """The full hours (UTC) that lie, in part at least, within the window around any moment."""
    found = set()
    for moment in moments:
        hour = (moment - window).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour <= moment + window:
            found.add(hour)
            hour += timedelta(hours=1)
    return sorted(found)
