"""Many files at once, each whole and checked or not there at all."""

from __future__ import annotations

import errno
import signal
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn
from urllib.parse import urlsplit

from tqdm import tqdm

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer import checksum, content
from lstsr.transfer.client import CutError, Response
from lstsr.transfer.headers import content_length, content_range, tells_end, validator
from lstsr.transfer.patience import Patience, check_put_off
from lstsr.transfer.sources import Sources, check_address, help_for
from lstsr.transfer.store import Part, cached, place

ABSENT = frozenset({404, 410})
GB = 1e9
Ended = SimpleQueue[tuple["Download", Exception | None]]
"""Downloads as they end, and their faults. To wait for futures takes locks of all of them, which an
interrupt may leave held."""


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

    A file is known by its path, so each address wants a path of its own.
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
        run = _Run(sources, Budget(max_bytes), threading.Semaphore(jobs), Progress(bar))
        with ExitStack() as pools:
            try:
                ended = _start(wanted, run, min(jobs, jobs_per_host), pools)
                for _ in wanted:
                    one, fault = ended.get()
                    if isinstance(fault, TransferError):
                        failed[one.path] = fault
                    elif fault:
                        raise fault
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


def _start(wanted: list[Download], run: _Run, threads: int, pools: ExitStack) -> Ended:
    """One pool of threads a host, so that a slow host holds up no other."""
    hosts: dict[str, list[Download]] = defaultdict(list)
    for one in wanted:
        hosts[urlsplit(one.address).netloc].append(one)
    ended: Ended = SimpleQueue()
    with _undisturbed():
        for group in hosts.values():
            pool = pools.enter_context(ThreadPoolExecutor(threads))
            for one in group:
                pool.submit(run.attend, one, ended)
    return ended


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Puts off the signals that end the program.

    An exception from their handlers in the midst of a pool's own code may leave a lock of it held
    for ever. The threads that are started here leave the signals to the one that waits.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Budget:
    """Bytes that may still be brought; shared by threads."""

    def __init__(self, max_bytes: int | None) -> None:
        self._left = max_bytes
        self._max = max_bytes
        self._lock = threading.Lock()

    def take(self, count: int, address: str) -> None:
        """Raises BudgetError where there is not as much left; less than 0 gives back."""
        with self._lock:
            if self._left is None:
                return
            if count > self._left:
                raise BudgetError(
                    f"{address} would exceed the limit of {(self._max or 0) / GB:.3g} GB; "
                    "raise --max-gb (what has arrived is kept)"
                )
            self._left -= count


class Progress:
    """The bar of all files; shared by threads."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar
        self._lock = threading.Lock()

    def add(self, here: int, total: int) -> None:
        """So many bytes more, or less, are here, and so many are there in all."""
        with self._lock:
            self._bar.total = (self._bar.total or 0) + total
            self._bar.update(here)


class Share:
    """One file's share of the progress: how much of it is here, and of how much."""

    def __init__(self, progress: Progress, size: int | None) -> None:
        self._progress = progress
        self._here, self._total = 0, size or 0

    def show(self, here: int, total: int | None = None) -> None:
        """``total`` where it is known better; what is here counts in any case."""
        total = max(here, self._total if total is None else total)
        self._progress.add(here - self._here, total - self._total)
        self._here, self._total = here, total


class _Run:
    """One call of ``fetch``: what its threads share."""

    def __init__(
        self, sources: Sources, budget: Budget, slots: threading.Semaphore, progress: Progress
    ) -> None:
        self.sources = sources
        self.budget = budget
        self.slots = slots
        self.progress = progress
        self.stop = threading.Event()

    def check_stop(self) -> None:
        """Raises TransferError once the run is to end."""
        if self.stop.is_set():
            raise TransferError("stopped")

    def attend(self, download: Download, ended: Ended) -> None:
        """Obtain a file and tell how that ended."""
        try:
            self.obtain(download)
            ended.put((download, None))
        except Exception as fault:
            ended.put((download, fault))

    def obtain(self, download: Download) -> None:
        """Have one file under its final name."""
        self.check_stop()
        try:
            share = Share(self.progress, download.size)
            if not _complete(download.path, download):
                self._bring(download, share)
            length = download.path.stat().st_size
            share.show(length, length)
        except BudgetError:
            self.stop.set()
            raise
        except LstsrError:
            raise
        except OSError as error:
            raise TransferError(f"{download.address}: {_disk_fault(error)}") from None

    def _bring(self, download: Download, share: Share) -> None:
        stored = cached(download.path, download.address, download.checksum, download.size)
        if not _complete(stored, download):
            with Part(stored, download.address, self.stop) as part:
                # another process may have had it while this one waited for the part
                if not _complete(stored, download):
                    _Transfer(self, download, part, share).run()
        place(stored, download.path)


def _complete(path: Path, download: Download) -> bool:
    """Whether the file is there, as far as can be told: only whole ones get their names."""
    if not path.is_file() or download.size not in (None, path.stat().st_size):
        return False
    return download.checksum is None or checksum.matches(path, download.checksum)


def _disk_fault(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; make room and run again: it goes on where it stopped"
    return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)


class _Transfer:
    """The attempts to bring one file into its part; receives the body of each."""

    def __init__(self, run: _Run, download: Download, part: Part, share: Share) -> None:
        self._run = run
        self._download = download
        self._part = part
        self._share = share
        self._total: int | None = None  # the file's length, from the current response
        self._reserved = 0  # taken from the budget, and not brought yet
        self._renewed = False  # whether a new signature was had and has not brought a byte yet
        self._spoilt = False  # whether the checksum was wrong once

    def run(self) -> None:
        """Attempt until the file is whole and right. Raises TransferError, BudgetError, OSError."""
        self._share.show(self._part.length)
        try:
            self._reserve(self._download.size)
            self._repeat()
            self._part.finish()
        except TransferError as fault:
            raise type(fault)(f"{self._download.address}: {fault}") from None
        finally:
            self._run.budget.take(-self._reserved, self._download.address)

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
        if self._total is not None and part.length < self._total:
            raise CutError("the answer ended before the file")

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
        if response.status == 206:
            total = part.notes.total if total is None else total
            if not self._continues(start, total, tag):
                self._restart(None, None)
                raise CutError("the server sent a range that does not continue the part", 0)
        else:
            if not tells_end(response):
                total = self._length_without_end()
            self._restart(tag, total)
        self._total = total
        self._reserve(total)
        self._share.show(part.length, total)

    def _length_without_end(self) -> int | None:
        """The length by which a body is judged whose end is that of its connection."""
        if self._download.size is None and not self._download.checksum:
            raise TransferError(
                "the server does not tell where the file ends, so that a cut could not be seen; "
                "write its bytes or checksum into the manifest's .files.csv"
            )
        return self._download.size

    def _continues(self, start: int, total: int | None, tag: str | None) -> bool:
        """Whether a range is the rest of this part; a checksum makes up for what is not told."""
        part, checked = self._part, bool(self._download.checksum)
        known = part.notes.total
        if not part.length or start != part.length or (known is not None and total != known):
            return False
        if total is not None and total <= start:
            return False
        if tag != part.notes.validator and not (checked and None in (tag, part.notes.validator)):
            return False
        return total is not None or checked

    def write(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        part = self._part
        paid = min(len(chunk), self._reserved)
        self._run.budget.take(len(chunk) - paid, self._download.address)
        self._reserved -= paid
        try:
            part.write(chunk)
        finally:
            self._share.show(part.length)
        limit = self._download.size if self._total is None else self._total
        if limit is not None and part.length > limit:
            self._restart(None, None)
            raise TransferError(f"longer than the {limit} bytes announced")

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
        self._part.restart(validator, total)
        self._share.show(0)

    def _reserve(self, total: int | None) -> None:
        """Take what is missing of a file of known length from the budget, before it comes."""
        if total is not None:
            missing = max(0, total - self._part.length)
            self._run.budget.take(missing - self._reserved, self._download.address)
            self._reserved = missing
