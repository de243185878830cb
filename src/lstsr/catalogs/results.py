"""Results of a catalog search: products with stable addresses, and rejected candidates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from shapely.geometry.base import BaseGeometry

from lstsr.errors import LstsrError
from lstsr.transfer.paths import file_name, safe_path
from lstsr.transfer.sources import check_address


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file: its stable address, and size in bytes and checksum if the catalog gives them."""

    address: str
    size: int | None = None
    checksum: str = ""

    @property
    def name(self) -> str:
        """The name on disk."""
        return file_name(self.address)


class Rejected(NamedTuple):
    """A candidate that is not used, and why; ``time`` is None if unknown."""

    name: str
    source: str
    time: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Product:
    """One observation of a sensor.

    ``time`` is the middle of the observation; ``outline`` is in degrees; ``cloud`` is a fraction,
    0..1; a reader opens the first of ``files``.
    """

    name: str
    source: str
    time: datetime
    outline: BaseGeometry
    files: tuple[RemoteFile, ...]
    cloud: float = 0.0

    def rejected(self, reason: str) -> Rejected:
        """This product as a candidate that is not used."""
        return Rejected(self.name, self.source, self.time, reason)


@dataclass
class SearchResult:
    """The products of a search, and the candidates that cannot be used."""

    products: list[Product] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, name: str, source: str, reason: object, time: datetime | None = None) -> None:
        """Add a rejected candidate."""
        self.rejected.append(Rejected(name, source, time, str(reason)))


def checked(address: str) -> str:
    """The address of a catalog entry, after a check that it is stable and safe.

    Raises LstsrError if it holds a key, a signature, or a space (which would split it in a
    manifest), or if its path, with percent signs decoded, is not a safe file name.
    """
    parts = check_address(address)
    if address.split() != [address]:
        raise LstsrError(f"{parts.scheme}://{parts.hostname}{parts.path}: write spaces as %20")
    safe_path(Path("downloads"), unquote(parts.path).removeprefix("/"))
    return address


def time_in(stamp: str, form: str) -> datetime:
    """The UTC time in a file name. Raises LstsrError if it is not a valid time."""
    try:
        return datetime.strptime(stamp, form).replace(tzinfo=UTC)
    except ValueError:
        raise LstsrError(f"{stamp} is not a valid time") from None


def hours(moments: Iterable[datetime], window: timedelta) -> list[datetime]:
    """The full hours (UTC) that overlap the window around any moment."""
    starts = set()
    for moment in moments:
        hour = (moment - window).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour <= moment + window:
            starts.add(hour)
            hour += timedelta(hours=1)
    return sorted(starts)
