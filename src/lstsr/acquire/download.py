"""Fetch the files of scenes whose manifest holds addresses (provider ``download``)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lstsr.errors import LstsrError, TransferError
from lstsr.files import read_csv, sha256, write_csv
from lstsr.manifest import Scene, beside_manifest, read_manifest
from lstsr.transfer.fetch import AbsentError, Download, FetchError, fetch
from lstsr.transfer.partial import link_or_copy
from lstsr.transfer.paths import file_name, safe_path
from lstsr.transfer.sources import Sources, check_address

COLUMNS = ("scene", "file", "address", "bytes", "sha256", "fault")


@dataclass(frozen=True)
class Remote:
    """A scene with its future paths on disk, and the downloads that fill them."""

    scene: Scene
    downloads: tuple[Download, ...]


def read_remote(manifest: Path, folder: Path) -> list[Remote]:
    """The scenes of a manifest, with files in ``folder / scene``. Needs no network.

    A cell holds addresses, separated by spaces, or the name of a local file relative to the
    manifest. A reader opens the file of the first address. Sizes and checksums come from
    ``NAME.files.csv``, if it exists. Raises LstsrError for faults that ``read_manifest`` refuses,
    for an address that is malformed or holds a key, and for an unsafe file name.
    """
    known = _known(manifest.with_suffix(".files.csv"))
    wanted: dict[str, dict[Path, Download]] = {}

    def locate(manifest: Path, scene: str, column: str, cell: str) -> Path:
        if "://" not in cell:
            return beside_manifest(manifest, scene, column, cell)
        downloads = wanted.setdefault(scene, {})
        paths = []
        for address in cell.split():
            try:
                check_address(address)
                path = safe_path(folder / scene, file_name(address))
            except LstsrError as fault:
                raise LstsrError(f"{manifest}: {column} of scene {scene}: {fault}") from None
            download = Download(address, path, *known.get(address, (None, None)))
            if downloads.setdefault(path, download) != download:
                raise LstsrError(
                    f"{manifest}: {column} of scene {scene} has two files named {path.name}"
                )
            paths.append(path)
        return paths[0]

    scenes = read_manifest(manifest, locate=locate)
    return [Remote(scene, tuple(wanted.get(scene.scene, {}).values())) for scene in scenes]


def download(
    remotes: Sequence[Remote], folder: Path, output: Path, max_bytes: int | None = None
) -> None:
    """Fetch the missing files, and write one CSV row per file: path, address, bytes, digest.

    ``folder`` is the folder of ``read_remote``. Each address is fetched once, even if several
    scenes or calls share it. Each scene's folder gets a hard link to the file, or a copy. A file
    that its server does not have excludes its scene, and the file's row gives the fault. Raises
    TransferError (an OSError) with the address if a file cannot be fetched for another reason. The
    other files and all partial ones stay.
    """
    once: dict[str, Download] = {}
    for each in (each for remote in remotes for each in remote.downloads):
        key = hashlib.sha256(each.address.encode()).hexdigest()[:32]
        # no scene has a name that begins with a dot
        once[each.address] = replace(each, path=folder / ".files" / key / each.path.name)
    absent: Mapping[Path, TransferError] = {}
    try:
        fetch(once.values(), Sources(), max_bytes=max_bytes, progress=True)
    except FetchError as error:
        absent = error.failed
        other = {
            path: fault for path, fault in absent.items() if not isinstance(fault, AbsentError)
        }
        if other:
            raise FetchError(other, len(once)) from None
    rows: list[dict[str, object]] = []
    for remote in remotes:
        for each in remote.downloads:
            stored, path = once[each.address].path, each.path
            rows.append({"scene": remote.scene.scene, "file": path, "address": each.address})
            if fault := absent.get(stored):
                rows[-1]["fault"] = fault
                continue
            try:
                link_or_copy(stored, path)
                rows[-1] |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
            except OSError as error:
                raise TransferError(
                    f"{path}: {error.strerror}. Free disk space, or check the permissions"
                ) from None
    write_csv(output, COLUMNS, rows)


def faults(index: Path) -> dict[str, str]:
    """The fault of each scene that lacks a file, from the table that ``download`` wrote.

    Raises LstsrError if a file has been deleted since then.
    """
    rows = read_csv(index)
    for row in rows:
        if not row["fault"] and not Path(row["file"]).is_file():
            raise LstsrError(f"File not found: {row['file']}. Delete {index} to download it again")
    return {row["scene"]: row["fault"] for row in rows if row["fault"]}


def _known(path: Path) -> Mapping[str, tuple[int | None, str | None]]:
    if not path.is_file():
        return {}
    try:
        return {
            row["address"]: (int(row["bytes"]) if row["bytes"] else None, row["checksum"] or None)
            for row in read_csv(path)
        }
    except (KeyError, ValueError):
        raise LstsrError(
            f"{path}: not a table of address, bytes, checksum. Run lstsr match again, or delete it"
        ) from None
