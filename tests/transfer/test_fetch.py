from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer import retry
from lstsr.transfer.checks import HDF5
from lstsr.transfer.fetch import BudgetError, Download, FetchError, fetch
from lstsr.transfer.sources import Sources
from tests.transfer.server import (
    Answer,
    Handler,
    Server,
    cut,
    hang_up,
    stall,
    status,
    wait_until,
    wanted,
    whole_file,
)

DATA = random.Random(1).randbytes(1_000_000)
OTHER = random.Random(2).randbytes(1_000_000)
SHA256 = "sha256:" + hashlib.sha256(DATA).hexdigest()
PAGE = b"  <!DOCTYPE html><html><form>Log in</form></html>"
PROGRAM = """
import signal
import sys
from pathlib import Path
from lstsr.transfer.fetch import Download, fetch
from lstsr.transfer.sources import Sources
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in background
fetch([Download(sys.argv[1], Path(sys.argv[2]))], Sources())
"""


@pytest.fixture(autouse=True)
def file(server: Server) -> None:
    server.files["/file.bin"] = DATA


def get(server: Server, path: Path, **known: object) -> None:
    fetch([Download(server.url("/file.bin"), path, **known)], Sources())


def run(server: Server, path: Path, **options: object) -> subprocess.Popen[str]:
    """The same in another process."""
    command = [sys.executable, "-c", PROGRAM, server.url("/file.bin"), str(path)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def part(folder: Path) -> Path:
    return folder / "file.bin.part"


def chunked(handler: Handler, pieces: list[bytes]) -> None:
    handler.send(200, Content_Length="", Transfer_Encoding="chunked")
    for piece in pieces:
        handler.write(b"%x\r\n%s\r\n" % (len(piece), piece))


def test_a_file_arrives_and_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        get(server, tmp_path / "sub" / "file.bin", size=len(DATA), checksum=SHA256)
    assert (tmp_path / "sub" / "file.bin").read_bytes() == DATA
    assert len(server.asked) == 1
    assert sorted(os.listdir(tmp_path / "sub")) == ["file.bin"]


def test_an_empty_file_is_a_file(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = b""
    get(server, tmp_path / "file.bin", size=0)
    assert (tmp_path / "file.bin").read_bytes() == b""


def test_a_file_that_does_not_fit_what_is_known_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(OTHER)
    get(server, tmp_path / "file.bin", checksum=SHA256)
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_cut_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [cut(0.3)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.headers()["range"] == "bytes=300000-"
    assert server.headers()["if-range"] == '"1"'
    assert server.body_bytes == len(DATA)


def test_progress_starts_the_count_of_attempts_anew(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [cut(0.1)] * 20
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_cut_body_of_unknown_length_is_no_file(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        chunked(handler, [DATA[:1000]])
        hang_up(handler)

    server.always["/file.bin"] = answer
    with pytest.raises(TransferError, match="connection cut"):
        get(server, tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()


def test_a_body_of_unknown_length_is_measured(server: Server, tmp_path: Path) -> None:
    server.always["/file.bin"] = lambda handler: chunked(handler, [DATA[:1000], b""])
    with pytest.raises(TransferError, match="1000 bytes long, 1000000 in the catalog"):
        get(server, tmp_path / "file.bin", size=len(DATA))
    assert os.listdir(tmp_path) == []
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA[:1000]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.faults["/file.bin"] = [cut(0.3)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.body_bytes == 1_300_000


def test_a_file_that_changed_starts_again(server: Server, tmp_path: Path) -> None:
    def change() -> None:
        server.files["/file.bin"], server.tag = OTHER, '"2"'

    server.faults["/file.bin"] = [cut(0.3, change)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == OTHER


def test_halves_of_two_files_are_never_joined(server: Server, tmp_path: Path) -> None:
    def ignore_condition(handler: Handler) -> None:
        server.files["/file.bin"], server.tag = OTHER, '"2"'
        span = f"bytes 300000-{len(OTHER) - 1}/{len(OTHER)}"
        handler.send(206, OTHER[300_000:], Content_Range=span, ETag='"2"')

    server.faults["/file.bin"] = [cut(0.3), ignore_condition]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == OTHER


def test_another_range_than_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    def another(handler: Handler) -> None:
        span = f"bytes 400000-{len(DATA) - 1}/{len(DATA)}"
        handler.send(206, DATA[400_000:], Content_Range=span, ETag='"1"')

    server.faults["/file.bin"] = [cut(0.3), another]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


@pytest.mark.parametrize(("known", "total"), [({}, 1_300_000), ({"checksum": SHA256}, 1_000_000)])
def test_without_validator_only_a_checksum_allows_to_go_on(
    server: Server, tmp_path: Path, known: dict[str, str], total: int
) -> None:
    server.tag = None
    server.faults["/file.bin"] = [cut(0.3)]
    get(server, tmp_path / "file.bin", **known)
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.body_bytes == total


def test_a_part_longer_than_the_file_starts_again(server: Server, tmp_path: Path) -> None:
    def shorten() -> None:
        server.files["/file.bin"] = DATA[:1000]

    server.faults["/file.bin"] = [cut(0.3, shorten)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA[:1000]


def test_a_part_of_another_address_is_not_used(server: Server, tmp_path: Path) -> None:
    server.files["/other.bin"] = OTHER
    server.always["/other.bin"] = cut(0.0)
    server.faults["/other.bin"] = [cut(0.3)]
    with pytest.raises(TransferError):
        fetch([Download(server.url("/other.bin"), tmp_path / "file.bin")], Sources())
    assert part(tmp_path).stat().st_size == 300_000
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["file.bin"]


def test_a_fault_of_the_server_passes(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [status(500), status(503, b"busy"), status(408), status(425)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("answer", "said", "requests"),
    [
        (status(500), "status 500; gave up after 6 attempts", 6),
        (status(404), "status 404", 1),
        (status(403), r"refused \(status 403\); lstsr reads a login for 127.0.0.1", 1),
        (status(200, b"short"), "5 bytes on the server, 1000000 in the catalog", 1),
        (
            status(200, PAGE, Content_Type="text/html; charset=utf-8"),
            "the server sent a web page",
            1,
        ),
        (status(200, PAGE), "49 bytes on the server", 1),
        (status(200, OTHER), "the checksum is not sha256:.*, twice", 2),
    ],
)
def test_a_fault_that_stays_is_one_line_and_no_file(
    server: Server, tmp_path: Path, answer: Answer, said: str, requests: int
) -> None:
    server.always["/file.bin"] = answer
    with pytest.raises(TransferError, match=f"^{server.url('/file.bin')}: {said}") as fault:
        get(server, tmp_path / "file.bin", size=len(DATA), checksum=SHA256)
    assert "\n" not in str(fault.value)
    assert isinstance(fault.value, OSError)
    assert len(server.asked) == requests
    assert os.listdir(tmp_path) == []


def test_a_checksum_wrong_once_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [status(200, OTHER)]
    get(server, tmp_path / "file.bin", checksum=SHA256)
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_page_is_known_by_its_content(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = PAGE
    with pytest.raises(TransferError, match="sent a web page"):
        get(server, tmp_path / "file.bin")
    assert os.listdir(tmp_path) == []
    get(server, tmp_path / "contents.html")
    assert (tmp_path / "contents.html").read_bytes() == PAGE


def test_a_message_is_no_netcdf_file(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = b'{"result": {"status": 403, "message": "quota"}}'
    with pytest.raises(TransferError, match="not a .nc file"):
        get(server, tmp_path / "file.nc")
    assert os.listdir(tmp_path) == []
    server.files["/file.bin"] = HDF5 + b"..."
    get(server, tmp_path / "file.nc")
    assert sorted(os.listdir(tmp_path)) == ["file.nc"]


def closed(share: float) -> Answer:
    """A body whose end is that of its connection, cut after a share of it."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.send(200, Content_Length="")
        handler.write(DATA[: int(len(DATA) * share)])

    return answer


def test_a_body_that_may_be_cut_unseen_is_no_file(server: Server, tmp_path: Path) -> None:
    server.always["/file.bin"] = closed(0.3)
    with pytest.raises(TransferError, match="not mark the end of the file.*bytes or che"):
        get(server, tmp_path / "file.bin")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("known", [{"size": len(DATA)}, {"checksum": SHA256}])
def test_but_where_the_catalog_knows_it(
    server: Server, tmp_path: Path, known: dict[str, object]
) -> None:
    server.faults["/file.bin"] = [closed(0.3), closed(1)]
    get(server, tmp_path / "file.bin", **known)
    assert (tmp_path / "file.bin").read_bytes() == DATA


@pytest.mark.parametrize("length", [len(DATA) + 1, len(DATA) - 1])
def test_a_body_is_as_long_as_announced(server: Server, tmp_path: Path, length: int) -> None:
    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.send(200, DATA, Content_Length=str(length))

    server.always["/file.bin"] = answer
    if length > len(DATA):
        with pytest.raises(TransferError, match="connection cut"):
            get(server, tmp_path / "file.bin")
        assert not (tmp_path / "file.bin").exists()
    with pytest.raises(TransferError, match=f"{length} bytes on the server, 1000000 in the"):
        get(server, tmp_path / "file.bin", size=len(DATA))
    assert not (tmp_path / "file.bin").exists()


def test_a_range_that_ends_early_is_continued(server: Server, tmp_path: Path) -> None:
    def piece(handler: Handler) -> None:
        span = f"bytes 300000-399999/{len(DATA)}"
        handler.send(206, DATA[300_000:400_000], Content_Range=span, ETag='"1"')

    server.faults["/file.bin"] = [cut(0.3), piece]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.headers()["range"] == "bytes=400000-"


@pytest.mark.parametrize(
    ("total", "tag"),
    [("1000001", '"1"'), ("2", '"1"'), ("1000000", ""), ("1000000", 'W/"1"'), ("1000000", '"2"')],
)
def test_a_range_of_perhaps_another_file_is_not_taken(
    server: Server, tmp_path: Path, total: str, tag: str
) -> None:
    def answer(handler: Handler) -> None:
        span = f"bytes 300000-999999/{total}"
        handler.send(206, OTHER[300_000:], Content_Range=span, ETag=tag)

    server.faults["/file.bin"] = [cut(0.3), answer]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_range_of_unknown_length_ends_no_file_of_unknown_length(
    server: Server, tmp_path: Path
) -> None:
    def begin(handler: Handler) -> None:
        handler.send(200, Content_Length="", Transfer_Encoding="chunked", ETag='"1"')
        handler.write(b"%x\r\n%s\r\n" % (300_000, DATA[:300_000]))
        hang_up(handler)

    def piece(handler: Handler) -> None:
        handler.send(206, DATA[300_000:400_000], Content_Range="bytes 300000-399999/*", ETag='"1"')

    server.faults["/file.bin"] = [begin, piece]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_range_that_nobody_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    span = f"bytes 0-99/{len(DATA)}"
    server.faults["/file.bin"] = [status(206, DATA[:100], Content_Range=span)]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_date_too_fresh_does_not_allow_to_go_on(server: Server, tmp_path: Path) -> None:
    def dated(handler: Handler) -> None:
        handler.send(200, Content_Length=str(len(OTHER)), Last_Modified=formatdate(usegmt=True))
        handler.write(OTHER[:300_000])
        hang_up(handler)

    server.tag = None
    server.faults["/file.bin"] = [dated]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert "range" not in server.headers()


def test_a_body_longer_than_announced_by_the_catalog_ends(server: Server, tmp_path: Path) -> None:
    def endless(handler: Handler) -> None:
        chunked(handler, [DATA] * 1000)

    server.always["/file.bin"] = endless
    with pytest.raises(TransferError, match="longer than the announced 1000 bytes"):
        get(server, tmp_path / "file.bin", size=1000)
    assert os.listdir(tmp_path) == []


def test_the_server_is_given_the_time_it_asks_for(server: Server, tmp_path: Path) -> None:
    times: list[float] = []

    def put_off(handler: Handler) -> None:
        times.append(time.monotonic())
        handler.send(429, Retry_After="1")

    def serve(handler: Handler) -> None:
        times.append(time.monotonic())
        whole_file(handler)

    server.faults["/file.bin"] = [put_off, serve]
    get(server, tmp_path / "file.bin")
    assert times[1] - times[0] >= 1
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_but_not_any_time(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "LONGEST_RETRY_AFTER_S", 0.01)
    server.faults["/file.bin"] = [status(429, Retry_After="86400")]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_full_disk_is_said_and_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    process = run(server, tmp_path / "file.bin", preexec_fn=small_files)
    _, said = process.communicate()
    assert "the disk is full" in said.splitlines()[-1]
    assert not (tmp_path / "file.bin").exists()
    assert part(tmp_path).read_bytes() == DATA[:400_000]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.headers()["range"] == "bytes=400000-"


def test_a_killed_process_loses_no_byte(server: Server, tmp_path: Path) -> None:
    server.faults["/file.bin"] = [stall]
    process = run(server, tmp_path / "file.bin")
    wait_until(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size == 500_000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "file.bin").exists()
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.body_bytes == len(DATA)
    assert sorted(os.listdir(tmp_path)) == ["file.bin"]


def test_an_interrupt_ends_the_program_and_keeps_the_part(server: Server, tmp_path: Path) -> None:
    def drip(handler: Handler) -> None:
        _, body, headers = wanted(handler)
        handler.send(200, Content_Length=str(len(body)), **headers)
        for i in range(0, len(body), 1000):
            handler.write(body[i : i + 1000])
            time.sleep(0.01)

    server.faults["/file.bin"] = [drip]
    process = run(server, tmp_path / "file.bin")
    wait_until(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size > 10_000)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert not (tmp_path / "file.bin").exists()
    assert DATA.startswith(part(tmp_path).read_bytes())


def test_two_processes_fetch_one_file_once(server: Server, tmp_path: Path) -> None:
    started = threading.Event()

    def slow(handler: Handler) -> None:
        started.wait(10)
        whole_file(handler)

    server.always["/file.bin"] = slow
    both = [run(server, tmp_path / "file.bin") for _ in range(2)]
    wait_until(lambda: part(tmp_path).exists())
    time.sleep(0.5)
    started.set()
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert server.body_bytes == len(DATA)
    assert sorted(os.listdir(tmp_path)) == ["file.bin"]


def test_runs_share_a_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTSR_CACHE", str(tmp_path / "cache"))
    paths = [tmp_path / run / "file.bin" for run in ("first", "second")]
    both = [run(server, path) for path in paths]
    assert [process.communicate()[1] for process in both] == ["", ""]
    get(server, tmp_path / "third.bin")
    assert all(path.read_bytes() == DATA for path in [*paths, tmp_path / "third.bin"])
    assert server.body_bytes == len(DATA)
    assert paths[0].samefile(paths[1])
    assert paths[0].stat().st_mode & 0o222 == 0
    assert sum(path.suffix == ".bin" for path in tmp_path.rglob("[!.]*")) == 4
    assert not list(tmp_path.rglob("*.part*"))


def test_another_size_or_checksum_is_another_file_in_the_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTSR_CACHE", str(tmp_path / "cache"))
    get(server, tmp_path / "old.bin", size=len(DATA))
    server.files["/file.bin"] = OTHER[:1000]
    get(server, tmp_path / "new.bin", size=1000)
    assert (tmp_path / "old.bin").read_bytes() == DATA
    assert (tmp_path / "new.bin").read_bytes() == OTHER[:1000]


def many(server: Server, folder: Path, count: int, size: int | None = None) -> list[Download]:
    for i in range(count):
        server.files[f"/{i}.bin"] = DATA[:1000]
    return [Download(server.url(f"/{i}.bin"), folder / f"{i}.bin", size) for i in range(count)]


@pytest.mark.parametrize(("jobs", "jobs_per_host"), [(2, 8), (8, 2)])
def test_limits_at_once(server: Server, tmp_path: Path, jobs: int, jobs_per_host: int) -> None:
    waiting: list[Handler] = []
    counts: list[int] = []

    def slow(handler: Handler) -> None:
        waiting.append(handler)
        counts.append(len(waiting))
        time.sleep(0.02)
        waiting.remove(handler)
        whole_file(handler)

    wanted = many(server, tmp_path, 12)
    server.always = {f"/{i}.bin": slow for i in range(12)}
    fetch(wanted, Sources(), jobs=jobs, jobs_per_host=jobs_per_host)
    assert max(counts) == 2
    assert len(sorted(os.listdir(tmp_path))) == 12


@pytest.mark.parametrize("size", [1000, None])
def test_the_budget_is_kept(server: Server, tmp_path: Path, size: int | None) -> None:
    wanted = many(server, tmp_path, 5, size)
    with pytest.raises(BudgetError, match=r"limit of 3.5e-06 GB; raise --max-gb"):
        fetch(wanted, Sources(), jobs=1, max_bytes=3500)
    assert len(sorted(os.listdir(tmp_path))) == 3
    assert server.body_bytes <= 4000
    fetch(wanted, Sources(), max_bytes=2000)
    assert len(sorted(os.listdir(tmp_path))) == 5


def test_what_is_here_costs_no_budget(server: Server, tmp_path: Path) -> None:
    server.always["/file.bin"] = cut(0.0)
    server.faults["/file.bin"] = [cut(0.3)]
    with pytest.raises(TransferError):
        get(server, tmp_path / "file.bin")
    del server.always["/file.bin"]
    one = Download(server.url("/file.bin"), tmp_path / "file.bin", len(DATA))
    fetch([one], Sources(), max_bytes=700_000)
    fetch([one], Sources(), max_bytes=0)
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_what_was_not_brought_costs_no_budget(server: Server, tmp_path: Path) -> None:
    wanted = many(server, tmp_path, 3, 1000)
    del server.files["/0.bin"]
    server.always["/1.bin"] = cut(0.5)
    with pytest.raises(FetchError):
        fetch(wanted, Sources(), jobs=1, max_bytes=2000)
    assert sorted(os.listdir(tmp_path)) == ["1.bin.part", "1.bin.part.json", "2.bin"]


@pytest.mark.parametrize("size", [1000, None])
def test_what_is_brought_twice_is_paid_twice(
    server: Server, tmp_path: Path, size: int | None
) -> None:
    one = many(server, tmp_path, 1, size)
    server.tag = None
    server.faults["/0.bin"] = [cut(0.5)]
    with pytest.raises(BudgetError):
        fetch(one, Sources(), max_bytes=1499)
    assert sorted(os.listdir(tmp_path)) == []
    server.faults["/0.bin"] = [cut(0.5)]
    fetch(one, Sources(), max_bytes=1500)
    assert (tmp_path / "0.bin").read_bytes() == DATA[:1000]


def test_a_spent_budget_leaves_parts(server: Server, tmp_path: Path) -> None:
    def pieces(handler: Handler) -> None:
        handler.send(200, Content_Length="", Transfer_Encoding="chunked", ETag='"1"')
        for i in range(0, len(DATA), 1000):
            handler.write(b"3e8\r\n%s\r\n" % DATA[i : i + 1000])
            time.sleep(0.0005)
        handler.write(b"0\r\n\r\n")

    server.faults["/file.bin"] = [pieces]
    one = Download(server.url("/file.bin"), tmp_path / "file.bin")
    with pytest.raises(BudgetError, match="partial files are kept"):
        fetch([one], Sources(), max_bytes=600_000)
    kept = part(tmp_path).stat().st_size
    assert 0 < kept <= 600_000
    fetch([one], Sources(), max_bytes=len(DATA) - kept)
    assert (tmp_path / "file.bin").read_bytes() == DATA


class Bar:
    """A progress bar that remembers."""

    def __init__(self, total: int, **_: object) -> None:
        self.total, self.n = total, 0

    def __enter__(self) -> Bar:
        shown.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int) -> None:
        self.n += count
        assert 0 <= self.n <= self.total


shown: list[Bar] = []


@pytest.mark.parametrize("size", [1000, None])
@pytest.mark.parametrize("cache", ["", "cache"])
def test_the_progress_ends_at_its_total(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None, cache: str
) -> None:
    monkeypatch.setattr("lstsr.transfer.fetch.tqdm", Bar)
    monkeypatch.setenv("LSTSR_CACHE", cache and str(tmp_path / cache))
    wanted = many(server, tmp_path / "first", 6, size)
    fetch(wanted[:1], Sources())
    server.faults = {"/1.bin": [cut(0.5)], "/2.bin": [cut(0.5)]}
    server.always["/3.bin"] = lambda handler: chunked(handler, [DATA[:500], DATA[500:1000], b""])
    server.ranges = False
    fetch(wanted, Sources())
    again = [Download(one.address, tmp_path / "again" / one.path.name, size) for one in wanted]
    fetch(again, Sources())
    assert [(bar.n, bar.total) for bar in shown[-3:]] == [(1000, 1000), (6000, 6000), (6000, 6000)]


def test_one_fault_does_not_keep_the_others_from_arriving(server: Server, tmp_path: Path) -> None:
    wanted = many(server, tmp_path, 6)
    del server.files["/2.bin"], server.files["/4.bin"]
    with pytest.raises(FetchError, match=r"2 of 6 files: .*/[24].bin: status 404") as fault:
        fetch(wanted, Sources())
    assert sorted(path.name for path in fault.value.failed) == ["2.bin", "4.bin"]
    assert sorted(os.listdir(tmp_path)) == ["0.bin", "1.bin", "3.bin", "5.bin"]


def test_what_cannot_be_right_stops_before_anything(server: Server, tmp_path: Path) -> None:
    path, good = tmp_path / "file.bin", server.url("/file.bin")
    for wrong in (
        [Download(good, path), Download(server.url("/other.bin"), path)],
        [Download(good, path, checksum="sha256:12")],
        [Download(good, path), Download("ftp://host/file.bin", tmp_path / "other.bin")],
    ):
        with pytest.raises(LstsrError) as fault:
            fetch(wrong, Sources())
        assert not isinstance(fault.value, OSError)
    assert not server.asked
    fetch([Download(good, path)] * 2, Sources())
    assert len(server.asked) == 1
