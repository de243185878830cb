"""Many files at once, each whole and checked or not there at all."""

from __future__ import annotations

import errno
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from tqdm import tqdm

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer import checksum, content
from lstsr.transfer.client import CutError, Response
from lstsr.transfer.headers import content_length, content_range, validator
from lstsr.transfer.patience import Patience, check_put_off
from lstsr.transfer.sources import Sources, check_address, help_for
from lstsr.transfer.store import Part, cached, place

ABSENT = frozenset({404, 410})
GB = 1e9


@dataclass(frozen=True)
class Download:
    """A file to be had: stable address, where to, and what is known of it.

    ``size`` in bytes; ``checksum`` as `ALGORITHM:HEX` or a hexadecimal multihash.
    """

    address: str
    path: Path
    size: int | None = None
    checksum: str | None = None


class AbsentError(TransferError):
    """The server says that there is no such file: another attempt would not help."""


class FetchError(TransferError):
    """Some files could not be had; ``failed`` tells each one's fault, by path."""

    def __init__(self, failed: dict[Path, TransferError], asked: int) -> None:
        first = next(iter(failed.values()))
        super().__init__(str(first) if asked == 1 else f"{len(failed)} of {asked} files: {first}")
        self.failed = failed


class BudgetError(LstsrError):
    """The next file would exceed the limit."""


def fetch(
    downloads: Iterable[Download],
    sources: Sources,
    *,
    jobs: int = 8,
    jobs_per_host: int = 4,
    max_bytes: int | None = None,
    progress: bool = False,
) -> None:
    """Download what is not on disk yet, going on with unfinished parts.

    At most ``jobs`` transfers run at once and ``jobs_per_host`` from one host; they bring at most
    ``max_bytes``. One file's fault does not keep the others from arriving. Raises FetchError (an
    OSError) at the end for those that could not be had, BudgetError (an LstsrError) before
    starting a file that is too much, and LstsrError at once for an address or checksum that is
    wrong in itself or for two addresses of one path.
    """
    wanted = _checked(downloads)
    known = sum(one.size or 0 for one in wanted)
    failed: dict[Path, TransferError] = {}
    with tqdm(total=known, unit="B", unit_scale=True, disable=not progress) as bar:
        run = _Run(sources, Budget(max_bytes), threading.Semaphore(jobs), bar)
        with ExitStack() as pools:
            try:
                futures = _start(wanted, run, min(jobs, jobs_per_host), pools)
                for future in as_completed(futures):
                    if fault := future.exception():
                        if not isinstance(fault, TransferError):
                            raise fault
                        failed[futures[future].path] = fault
            finally:
                # those under way end soon, those in the queue at once
                run.stop.set()
    if failed:
        raise FetchError(failed, len(wanted))


def _checked(downloads: Iterable[Download]) -> list[Download]:
    """The downloads without repetitions."""
    by_path: dict[Path, Download] = {}
    for one in downloads:
        check_address(one.address)
        if one.checksum:
            checksum.parse(one.checksum)
        if by_path.setdefault(one.path, one) != one:
            raise LstsrError(f"{one.path} is asked for twice, from different addresses")
    return list(by_path.values())


def _start(
    wanted: list[Download], run: _Run, threads: int, pools: ExitStack
) -> dict[Future[None], Download]:
    """One pool of threads a host, so that a slow host holds up no other."""
    hosts: dict[str, list[Download]] = defaultdict(list)
    for one in wanted:
        hosts[urlsplit(one.address).netloc].append(one)
    futures = {}
    for group in hosts.values():
        pool = pools.enter_context(ThreadPoolExecutor(threads))
        futures.update({pool.submit(run.obtain, one): one for one in group})
    return futures


class Budget:
    """Bytes that may still be brought; shared by threads."""

    def __init__(self, max_bytes: int | None) -> None:
        self._left = max_bytes
        self._max = max_bytes
        self._lock = threading.Lock()

    def take(self, count: int, address: str) -> None:
        """Raises BudgetError where there is not as much left."""
        with self._lock:
            if self._left is None:
                return
            if count > self._left:
                raise BudgetError(
                    f"{address} ({count / GB:.3g} GB) would exceed the limit of "
                    f"{(self._max or 0) / GB:.3g} GB; raise --max-gb (what has arrived is kept)"
                )
            self._left -= count


class _Run:
    """One call of ``fetch``: what its threads share."""

    def __init__(
        self, sources: Sources, budget: Budget, slots: threading.Semaphore, bar: tqdm[NoReturn]
    ) -> None:
        self.sources = sources
        self.budget = budget
        self.slots = slots
        self.bar = bar
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def show(self, count: int) -> None:
        """Bytes more, or less, for the progress bar."""
        with self._lock:
            self.bar.update(count)

    def check_stop(self) -> None:
        """Raises TransferError once the run is to end."""
        if self.stop.is_set():
            raise TransferError("stopped")

    def obtain(self, download: Download) -> None:
        """Have one file under its final name."""
        self.check_stop()
        try:
            if _complete(download.path, download):
                return self.show(download.size or 0)
            stored = cached(download.path, download.address, download.checksum, download.size)
            if not _complete(stored, download):
                with Part(stored, download.address, self.stop) as part:
                    # another process may have had it while this one waited for the part
                    if not _complete(stored, download):
                        _Transfer(self, download, part).run()
            place(stored, download.path)
        except BudgetError:
            self.stop.set()
            raise
        except LstsrError:
            raise
        except OSError as error:
            raise TransferError(f"{download.address}: {_disk_fault(error)}") from None


def _complete(path: Path, download: Download) -> bool:
    """Whether the file is there, as far as can be told."""
    if not path.is_file() or download.size not in (None, path.stat().st_size):
        return False
    return download.checksum is None or checksum.matches(path, download.checksum)


def _disk_fault(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; make room and run again: it goes on where it stopped"
    return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)


class _Transfer:
    """The attempts to bring one file into its part; receives the body of each."""

    def __init__(self, run: _Run, download: Download, part: Part) -> None:
        self._run = run
        self._download = download
        self._part = part
        self._paid = False  # whether the budget was asked for the whole file
        self._renewed = False  # whether a new signature was had and has not brought a byte yet
        self._spoilt = False  # whether the checksum was wrong once

    def run(self) -> None:
        """Attempt until the file is whole and right. Raises TransferError, BudgetError, OSError."""
        self._run.show(self._part.length)
        try:
            self._pay(self._download.size)
            self._repeat()
            self._part.finish()
        except TransferError as fault:
            raise type(fault)(f"{self._download.address}: {fault}") from None

    def _repeat(self) -> None:
        patience, furthest = Patience(self._download.address, self._run.stop), self._part.length
        while True:
            try:
                self._attempt()
                return self._judge()
            except CutError as cut:
                if self._part.length > furthest:
                    furthest, self._renewed = self._part.length, False
                    patience.renew()
                patience.wait(cut)

    def _attempt(self) -> None:
        """One request for what is missing, if anything is."""
        part, sources, address = self._part, self._run.sources, self._download.address
        if part.length and part.length == part.notes.total:
            return
        with self._run.slots:
            self._run.check_stop()
            request = sources.resolve(address, self._run.stop)
            response = sources.client.get(request, self, self._range())
        status = response.status
        if status in (401, 403):
            if not self._renewed and sources.renew(address, request):
                self._renewed = True
                raise CutError("the signature has expired", 0)
            raise TransferError(f"refused (status {status}); {help_for(address)}")
        if status == 416:
            self._restart(None, None)
            raise CutError("the part does not fit the file any more", 0)
        check_put_off(response)
        if status in ABSENT:
            raise AbsentError(f"status {status}")
        if status not in (200, 206):
            raise TransferError(f"status {status}")

    def _range(self) -> tuple[str, ...]:
        """Headers that ask for the rest of the part, or for the whole of a file that changed.

        Without a validator only a checksum can tell whether both halves are of one file.
        """
        part = self._part
        if not part.length:
            return ()
        rest = f"Range: bytes={part.length}-"
        if part.notes.validator:
            return rest, f"If-Range: {part.notes.validator}"
        if self._download.checksum:
            return (rest,)
        self._restart(None, None)
        return ()

    def idle(self) -> None:
        """Leave the transfer soon after the run was stopped."""
        self._run.check_stop()

    def begin(self, response: Response) -> None:
        """Judge an answer by its headers, before any byte is written."""
        part, size = self._part, self._download.size
        if fault := content.announced_fault(self._download.path, response):
            raise TransferError(f"{fault}; {help_for(self._download.address)}")
        start, total = 0, content_length(response)
        if response.status == 206:
            start, total = content_range(response)
        if None not in (total, size) and total != size:
            raise TransferError(f"{total} bytes long on the server, {size} in the catalog")
        tag = validator(response)
        if response.status == 200:
            self._restart(tag, total)
        elif start != part.length or _differ(tag, part.notes.validator):
            self._restart(None, None)
            raise CutError("the server sent a range that does not continue the part", 0)
        self._pay(total)

    def write(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        if not self._paid:
            self._run.budget.take(len(chunk), self._download.address)
        try:
            before = self._part.length
            self._part.write(chunk)
        finally:
            self._run.show(self._part.length - before)
        if self._download.size is not None and self._part.length > self._download.size:
            self._restart(None, None)
            raise TransferError(f"longer than the {self._download.size} bytes of the catalog")

    def _judge(self) -> None:
        """Judge the whole file. One that is wrong is not kept."""
        part, download = self._part, self._download
        if fault := content.fault(download.path, part.head(content.HEAD_BYTES)):
            self._restart(None, None)
            raise TransferError(f"{fault}; {help_for(download.address)}")
        if download.size not in (None, part.length):
            length = part.length
            self._restart(None, None)
            raise TransferError(f"{length} bytes long, {download.size} in the catalog")
        if download.checksum and not checksum.matches(part.path, download.checksum):
            self._restart(None, None)
            if self._spoilt:
                raise TransferError(f"the checksum is not {download.checksum}, twice")
            self._spoilt = True
            raise CutError("the checksum is wrong", 0)

    def _restart(self, validator: str | None, total: int | None) -> None:
        self._run.show(-self._part.length)
        self._part.restart(validator, total)

    def _pay(self, total: int | None) -> None:
        """Ask the budget, once, for what is missing of a file of known length."""
        if total is not None and not self._paid:
            self._run.budget.take(total - self._part.length, self._download.address)
            self._paid = True


def _differ(one: str | None, other: str | None) -> bool:
    return None not in (one, other) and one != other
