"""Provider ``download``: a manifest whose cells hold addresses; their files, once fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstsr.errors import LstsrError, TransferError
from lstsr.files import read_csv, sha256, write_csv
from lstsr.scenes import Scene, beside_manifest, read_manifest
from lstsr.transfer.download import AbsentError, Download, FetchError, fetch
from lstsr.transfer.names import file_name
from lstsr.transfer.paths import safe_path
from lstsr.transfer.sources import Sources, check_address

COLUMNS = ("scene", "file", "address", "bytes", "sha256", "fault")


@dataclass(frozen=True)
class Remote:
    """A scene as it will lie on disk, and the downloads that bring it there."""

    scene: Scene
    downloads: tuple[Download, ...]


class Known(NamedTuple):
    """What a catalog said of a file."""

    size: int | None
    checksum: str | None


def read_remote(manifest: Path, folder: Path) -> list[Remote]:
    """The scenes of a manifest, their files under ``folder / scene``: no network is asked.

    A cell holds addresses, separated by spaces, or the name of a file that is there already,
    relative to the manifest. The first address is the file that is opened, the others lie beside
    it. Sizes and checksums come from ``NAME.files.csv``, if that is there. Raises LstsrError for
    what ``read_manifest`` refuses, an address that is none or holds a key, and an unsafe name.
    """
    known = _known(manifest.with_suffix(".files.csv"))
    wanted: dict[str, dict[Path, Download]] = {}

    def locate(manifest: Path, scene: str, column: str, cell: str) -> Path:
        if "://" not in cell:
            return beside_manifest(manifest, scene, column, cell)
        found = wanted.setdefault(scene, {})
        paths = []
        for address in cell.split():
            path = _path(manifest, scene, column, address, folder)
            size, checksum = known.get(address, Known(None, None))
            download = Download(address, path, size, checksum)
            if found.setdefault(path, download) != download:
                raise LstsrError(
                    f"{manifest}: {column} of scene {scene} has two files of one name, {path.name}"
                )
            paths.append(path)
        return paths[0]

    scenes = read_manifest(manifest, locate=locate)
    return [Remote(scene, tuple(wanted.get(scene.scene, {}).values())) for scene in scenes]


def download(remotes: Sequence[Remote], output: Path, max_bytes: int | None = None) -> None:
    """Fetch what is not there yet, and write one CSV row a file: where it is, whence, its digest.

    A file that its server does not have (any more) costs its scene: the row tells the fault. Raises
    TransferError (an OSError) where a file cannot be had for another reason, naming its address;
    the other files are kept, and so are the parts of it.
    """
    wanted = [one for remote in remotes for one in remote.downloads]
    absent: Mapping[Path, TransferError] = {}
    try:
        fetch(wanted, Sources(), max_bytes=max_bytes, progress=True)
    except FetchError as error:
        if not all(isinstance(fault, AbsentError) for fault in error.failed.values()):
            raise
        absent = error.failed
    write_csv(
        output,
        COLUMNS,
        (
            {"scene": remote.scene.scene, "file": one.path, "address": one.address}
            | ({"fault": absent[one.path]} if one.path in absent else _facts(one.path))
            for remote in remotes
            for one in remote.downloads
        ),
    )


def faults(index: Path) -> dict[str, str]:
    """Scene to fault, of those that lack a file, by what ``download`` wrote."""
    return {row["scene"]: row["fault"] for row in read_csv(index) if row["fault"]}


def _facts(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _path(manifest: Path, scene: str, column: str, address: str, folder: Path) -> Path:
    """Where an address's file will lie."""
    try:
        check_address(address)
        return safe_path(folder / scene, file_name(address))
    except LstsrError as fault:
        raise LstsrError(f"{manifest}: {column} of scene {scene}: {fault}") from None


def _known(path: Path) -> Mapping[str, Known]:
    """Size and checksum by address."""
    if not path.is_file():
        return {}
    try:
        return {
            row["address"]: Known(
                int(row["bytes"]) if row["bytes"] else None, row["checksum"] or None
            )
            for row in read_csv(path)
        }
    except (KeyError, ValueError):
        raise LstsrError(
            f"{path}: not a table of address, bytes, checksum; match again, or delete it"
        ) from None
