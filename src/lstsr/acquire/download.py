"""Provider ``download``: a manifest whose cells hold addresses; their files, once fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from lstsr.errors import LstsrError, TransferError
from lstsr.files import read_csv, sha256, write_csv
from lstsr.manifest import Scene, beside_manifest, read_manifest
from lstsr.transfer.fetch import AbsentError, Download, FetchError, fetch
from lstsr.transfer.partial import link_or_copy
from lstsr.transfer.paths import file_name, safe_path
from lstsr.transfer.sources import Sources, check_address

COLUMNS = ("scene", "file", "address", "bytes", "sha256", "fault")
ONCE = ".files"
"""Folder beside those of the scenes: each file once, by its address. No scene's name has a dot in
front."""


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


def download(
    remotes: Sequence[Remote], folder: Path, output: Path, max_bytes: int | None = None
) -> None:
    """Fetch what is not there yet, and write one CSV row a file: where it is, whence, its digest.

    An address is fetched once into ``folder``, that of ``read_remote``, however many scenes share
    it and whichever call comes first; each scene's folder has a hard link to it, or a copy. A file
    that its server does not have (any more) costs its scene: the row tells the fault. Raises
    TransferError (an OSError) where a file cannot be had for another reason, naming its address;
    the other files are kept, and so are the parts of it.
    """
    once = {
        one.address: replace(one, path=_once(folder, one))
        for remote in remotes
        for one in remote.downloads
    }
    absent: Mapping[Path, TransferError] = {}
    try:
        fetch(once.values(), Sources(), max_bytes=max_bytes, progress=True)
    except FetchError as error:
        absent = error.failed
        other = {path: one for path, one in absent.items() if not isinstance(one, AbsentError)}
        if other:
            raise FetchError(other, len(once)) from None
    rows = []
    for remote in remotes:
        for one in remote.downloads:
            stored = once[one.address].path
            row = {"scene": remote.scene.scene, "file": one.path, "address": one.address}
            fault = absent.get(stored)
            rows.append(row | ({"fault": fault} if fault else _laid(stored, one)))
    write_csv(output, COLUMNS, rows)


def faults(index: Path) -> dict[str, str]:
    """Scene to fault, of those that lack a file, by what ``download`` wrote.

    Raises LstsrError where a file has been deleted since.
    """
    rows = read_csv(index)
    for row in rows:
        if not row["fault"] and not Path(row["file"]).is_file():
            raise LstsrError(f"{row['file']} is gone; delete {index}, and it is downloaded anew")
    return {row["scene"]: row["fault"] for row in rows if row["fault"]}


def _once(folder: Path, one: Download) -> Path:
    """Where the file of an address lies for all scenes."""
    return folder / ONCE / hashlib.sha256(one.address.encode()).hexdigest()[:32] / one.path.name


def _laid(stored: Path, one: Download) -> dict[str, object]:
    """Give a file its name in a scene; its length and digest."""
    try:
        link_or_copy(stored, one.path)
        return {"bytes": one.path.stat().st_size, "sha256": sha256(one.path)}
    except OSError as error:
        raise TransferError(f"{one.path}: {error.strerror}; make room, or check rights") from None


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
