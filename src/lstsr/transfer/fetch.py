"""Fetch many files at once. Each one is complete and checked, or absent."""

from __future__ import annotations

import errno
import signal
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn
from urllib.parse import urlsplit

from tqdm import tqdm

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer import checks
from lstsr.transfer.partial import Partial, cache_path, link_or_copy
from lstsr.transfer.response import Response
from lstsr.transfer.retry import CutError, Retry, check_temporary
from lstsr.transfer.sources import Sources, check_address, help_for

GB = 1e9


@dataclass(frozen=True)
class Download:
    """A file to fetch: stable address, path on disk, and size (bytes) and checksum if known."""

    address: str
    path: Path
    size: int | None = None
    checksum: str | None = None

    def is_complete(self, path: Path) -> bool:
        """Whether ``path`` has the known size and checksum; only a whole file gets its name.

        Raises OSError.
        """
        if not path.is_file() or self.size not in (None, path.stat().st_size):
            return False
        return self.checksum is None or checks.has_checksum(path, self.checksum)


class AbsentError(TransferError):
    """The server has no such file, so another attempt would not help."""


class FetchError(TransferError):
    """Some files could not be fetched; ``failed`` holds the fault of each, by path."""

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
    """Download the files that are not on disk yet, and resume partial ones.

    At most ``jobs`` transfers run at once, at most ``jobs_per_host`` from one host, and all of them
    receive at most ``max_bytes``. A fault of one file does not stop the others. Raises FetchError
    (an OSError) at the end if files could not be fetched, BudgetError (an LstsrError) before a file
    that exceeds the limit, and LstsrError at once for an invalid address or checksum, or for two
    addresses of one path.
    """
    by_path: dict[Path, Download] = {}
    for download in downloads:
        check_address(download.address)
        if download.checksum:
            checks.parse_checksum(download.checksum)
        if by_path.setdefault(download.path, download) != download:
            raise LstsrError(f"{download.path} has two different addresses. Remove one")
    failed: dict[Path, TransferError] = {}
    known_bytes = sum(download.size or 0 for download in by_path.values())
    with tqdm(total=known_bytes, unit="B", unit_scale=True, disable=not progress) as bar:
        run = _Run(sources, jobs, max_bytes, bar)
        with ExitStack() as pools:
            try:
                _start(by_path.values(), run, min(jobs, jobs_per_host), pools)
                for _ in by_path:
                    download, fault = run.ended.get()
                    if isinstance(fault, TransferError):
                        failed[download.path] = fault
                    elif fault:
                        raise fault
            finally:
                # running transfers end soon, waiting ones at once
                run.stop.set()
    if failed:
        raise FetchError(failed, len(by_path))


def _start(downloads: Iterable[Download], run: _Run, threads: int, pools: ExitStack) -> None:
    """Open a pool of threads for each host, so that a slow host does not delay the others."""
    hosts: dict[str, list[Download]] = defaultdict(list)
    for download in downloads:
        hosts[urlsplit(download.address).netloc].append(download)
    # A signal handler that raises inside the pool's code could leave its lock held for ever.
    # Threads that start here inherit the mask and leave the signals to the main thread.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        for group in hosts.values():
            pool = pools.enter_context(ThreadPoolExecutor(threads))
            for download in group:
                pool.submit(run.fetch, download)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Run:
    """What the threads of one call of ``fetch`` share: sources, budget, progress bar, stop."""

    def __init__(
        self, sources: Sources, jobs: int, max_bytes: int | None, bar: tqdm[NoReturn]
    ) -> None:
        self.sources = sources
        self.slots = threading.Semaphore(jobs)
        self.stop = threading.Event()
        # Downloads that have ended, and their faults. A wait for futures would lock all of them,
        # and an interrupt can leave them locked.
        self.ended = SimpleQueue[tuple[Download, Exception | None]]()
        self._left = self._max = max_bytes
        self._bar = bar
        self._shown: dict[Path, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def take(self, count: int, address: str) -> None:
        """Take bytes from the budget, or return them if ``count`` < 0. Raises BudgetError."""
        with self._lock:
            if self._left is None:
                return
            if count > self._left:
                self.stop.set()
                raise BudgetError(
                    f"{address} would exceed the limit of {(self._max or 0) / GB:.3g} GB; "
                    "raise --max-gb (partial files are kept)"
                )
            self._left -= count

    def show(self, download: Download, here: int, total: int | None = None) -> None:
        """Show that ``here`` bytes of a file, of ``total`` if known, are on disk."""
        with self._lock:
            old_here, old_total = self._shown.get(download.path, (0, download.size or 0))
            total = max(here, old_total if total is None else total)
            self._shown[download.path] = here, total
            self._bar.total = (self._bar.total or 0) + total - old_total
            self._bar.update(here - old_here)

    def fetch(self, download: Download) -> None:
        """Fetch a file and report its fault, if any."""
        fault: Exception | None = None
        try:
            if self.stop.is_set():
                raise TransferError("stopped")
            if not download.is_complete(download.path):
                known = download.address, download.checksum, download.size
                stored = cache_path(download.path, *known)
                if not download.is_complete(stored):
                    with Partial(stored, download.address, self.stop) as partial:
                        # another process may have finished the file while this one waited
                        if not download.is_complete(stored):
                            _Transfer(self, download, partial).run()
                link_or_copy(stored, download.path)
            length = download.path.stat().st_size
            self.show(download, length, length)
        except LstsrError as error:  # a TransferError is also an OSError
            fault = error
        except OSError as error:
            reason = f"{error.strerror} ({error.filename})" if error.filename else error.strerror
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                reason = "the disk is full. Make room and run again; the download resumes"
            fault = TransferError(f"{download.address}: {reason}")
        except Exception as error:
            fault = error
        self.ended.put((download, fault))


class _Transfer:
    """The attempts to complete one partial file."""

    def __init__(self, run: _Run, download: Download, partial: Partial) -> None:
        self._run = run
        self._download = download
        self._partial = partial
        self._total: int | None = None  # the file's length, from the current response
        self._reserved = 0  # bytes taken from the budget that have not arrived yet
        self._renewed = False  # whether a new signature has not brought a byte yet
        self._spoilt = False  # whether the checksum was wrong once

    def run(self) -> None:
        """Attempt until the file is correct. Raises TransferError, BudgetError, OSError."""
        partial, retry = self._partial, Retry(self._download.address, self._run.stop)
        furthest = partial.length
        self._run.show(self._download, partial.length)
        try:
            self._reserve(self._download.size)
            while True:
                try:
                    if not partial.length or partial.length != partial.total:
                        self._attempt()
                    self._check_file()
                    return partial.finish()
                except CutError as cut:
                    if partial.length > furthest:
                        furthest, self._renewed = partial.length, False
                        retry.reset()
                    retry.wait(cut)
        except TransferError as fault:
            raise type(fault)(f"{self._download.address}: {fault}") from None
        finally:
            self._run.take(-self._reserved, self._download.address)

    def _attempt(self) -> None:
        """Request the missing bytes once."""
        sources, address, stop = self._run.sources, self._download.address, self._run.stop
        with self._run.slots:
            if stop.is_set():
                raise TransferError("stopped")
            request = sources.request(address, stop)
            with sources.client.get(request, self._range(), stop) as (response, body):
                if response.status in (200, 206):
                    self._begin(response)
                    for chunk in body:
                        self._write(chunk)
        status = response.status
        if status in (401, 403):
            if not self._renewed and sources.renew(address, request):
                self._renewed = True
                raise CutError("the signature has expired", 0)
            raise TransferError(f"refused (status {status}); {help_for(address)}")
        if status == 416:
            self._restart()
            raise CutError("the partial file does not match the file any more", 0)
        check_temporary(response)
        if status in (404, 410):
            raise AbsentError(f"status {status}")
        if status not in (200, 206):
            raise TransferError(f"status {status}")
        if self._total is not None and self._partial.length < self._total:
            raise CutError("the answer ended before the end of the file")

    def _range(self) -> tuple[str, ...]:
        """Headers that ask for the missing bytes, or for the whole file if it has changed.

        Without a validator, only a checksum can show that both parts belong to one file.
        """
        if not self._partial.length:
            return ()
        rest = f"Range: bytes={self._partial.length}-"
        if self._partial.validator:
            return rest, f"If-Range: {self._partial.validator}"
        if self._download.checksum:
            return (rest,)
        self._restart()
        return ()

    def _begin(self, response: Response) -> None:
        """Check the headers before any byte is written."""
        partial, download = self._partial, self._download
        if fault := checks.header_fault(download.path, response):
            raise TransferError(f"{fault}; {help_for(download.address)}")
        is_range = response.status == 206
        start, total = response.content_range if is_range else (0, response.content_length)
        if None not in (total, download.size) and total != download.size:
            raise TransferError(f"{total} bytes on the server, {download.size} in the catalog")
        if is_range:
            total = partial.total if total is None else total
            if not self._continues(start, total, response.validator):
                self._restart()
                raise CutError("the server sent a range that does not continue the file", 0)
        else:
            if not response.marks_end:
                total = download.size
                if total is None and not download.checksum:
                    raise TransferError(
                        "the server does not mark the end of the file, so a cut would go unnoticed."
                        " Write the file's bytes or checksum into the manifest's .files.csv"
                    )
            self._restart(response.validator, total)
        self._total = total
        self._reserve(total)
        self._run.show(download, partial.length, total)

    def _continues(self, start: int, total: int | None, tag: str | None) -> bool:
        """Whether a range continues this part. A checksum replaces missing headers."""
        partial, checked = self._partial, bool(self._download.checksum)
        same_tag = tag == partial.validator or (checked and None in (tag, partial.validator))
        if not partial.length or start != partial.length or not same_tag:
            return False
        if total is None:
            return checked and partial.total is None
        return partial.total in (None, total) and total > start

    def _write(self, chunk: bytes) -> None:
        """Write a piece of the body and charge it to the budget."""
        paid = min(len(chunk), self._reserved)
        self._run.take(len(chunk) - paid, self._download.address)
        self._reserved -= paid
        try:
            self._partial.write(chunk)
        finally:
            self._run.show(self._download, self._partial.length)
        limit = self._download.size if self._total is None else self._total
        if limit is not None and self._partial.length > limit:
            self._restart()
            raise TransferError(f"longer than the announced {limit} bytes")

    def _check_file(self) -> None:
        """Check content, length and checksum of the whole file. A wrong file is deleted."""
        partial, download = self._partial, self._download
        fault: Exception | None = None
        if reason := checks.content_fault(download.path, partial.head(checks.HEAD_BYTES)):
            fault = TransferError(f"{reason}; {help_for(download.address)}")
        elif download.size not in (None, partial.length):
            fault = TransferError(f"{partial.length} bytes long, {download.size} in the catalog")
        elif download.checksum and not checks.has_checksum(partial.path, download.checksum):
            fault = CutError("the checksum is wrong", 0)
            if self._spoilt:
                fault = TransferError(f"the checksum is not {download.checksum}, twice")
            self._spoilt = True
        if fault:
            self._restart()
            raise fault

    def _restart(self, validator: str | None = None, total: int | None = None) -> None:
        self._partial.restart(validator, total)
        self._run.show(self._download, 0)

    def _reserve(self, total: int | None) -> None:
        """Take the missing bytes of a file of known length from the budget in advance."""
        if total is not None:
            missing = max(0, total - self._partial.length)
            self._run.take(missing - self._reserved, self._download.address)
            self._reserved = missing
