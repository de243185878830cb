"""Manifests of addresses: known without network; a file that is gone costs its scene."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstsr.acquire.download import download, faults, read_remote
from lstsr.cli import main
from lstsr.config.reading import resolved
from lstsr.errors import LstsrError, TransferError
from lstsr.files import read_csv, sha256
from tests.transfer.server import Handler, Server, serving, stall, status, wait_until, whole_file
from tests.triplets import config_of

HEAD = "scene,input,reference,target,dem\n"
PRODUCT = "LC08_L2SP_115034_20230512_20230601_02_T1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "127.0.0.1")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("LSTSR_CACHE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as state:
        yield state


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "scenes.csv"
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


def test_scenes_and_files_are_known_from_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").touch()
    target = " ".join(f"https://h/t/{PRODUCT}_{end}" for end in ("MTL.json", "ST_B10.TIF"))
    kma = "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date=202305120210"
    path = manifest(tmp_path, f"s1,{kma},s3://b/r/r.nc,{target},dem.tif")
    path.with_suffix(".files.csv").write_text(
        f"address,bytes,checksum\ns3://b/r/r.nc,12,sha256:{'0' * 64}\n{kma},,\n"
    )
    (one,) = read_remote(path, tmp_path / "down")
    home = tmp_path / "down" / "s1"
    assert one.scene.input == home / "gk2a_ami_le2_lst_ko020lc_202305120210.nc"
    assert one.scene.reference == home / "r.nc"
    assert one.scene.target == home / f"{PRODUCT}_MTL.json"
    assert one.scene.dem == tmp_path / "dem.tif"
    assert [wanted.path.name for wanted in one.downloads] == [
        "gk2a_ami_le2_lst_ko020lc_202305120210.nc",
        "r.nc",
        f"{PRODUCT}_MTL.json",
        f"{PRODUCT}_ST_B10.TIF",
    ]
    assert [wanted.size for wanted in one.downloads] == [None, 12, None, None]
    assert one.downloads[1].checksum == f"sha256:{'0' * 64}"
    assert not (tmp_path / "down").exists()


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("https://h/a/..", "refused"),
        ("https://h/a/", "refused"),
        ("https://h/a.nc?sig=secret", "holds a key or signature"),
        ("ftp://h/a.nc", "begin with https"),
        ("https://h/a.nc lost.tif", "s1: lost.tif: addresses begin with https"),
        ("https://h/a/x.nc https://h/b/x.nc", "two files named x.nc"),
        ("lost.tif", "input of scene s1 is missing"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path: Path, cell: str, words: str) -> None:
    path = manifest(tmp_path, f"s1,{cell},https://h/r.nc,https://h/t.tif,")
    with pytest.raises(LstsrError, match=words) as caught:
        read_remote(path, tmp_path / "down")
    message = str(caught.value)
    assert "scenes.csv: input of scene s1" in message
    assert "\n" not in message
    assert "secret" not in message


def test_a_table_of_files_at_fault_is_named(tmp_path: Path) -> None:
    path = manifest(tmp_path, "s1,https://h/i.nc,https://h/r.nc,https://h/t.tif,")
    path.with_suffix(".files.csv").write_text("address,bytes,checksum\nhttps://h/i.nc,many,\n")
    with pytest.raises(LstsrError, match=r"scenes.files.csv: not a table of address, bytes"):
        read_remote(path, tmp_path / "down")


def two_scenes(server: Server, folder: Path) -> Path:
    for name in ("i", "r", "t"):
        server.files[f"/{name}.bin"] = name.encode() * 100
    cells = [server.url(f"/{name}.bin") for name in ("i", "r", "t")]
    gone = [server.url("/gone.bin"), *cells[1:]]
    return manifest(folder, f"here,{','.join(cells)},", f"lost,{','.join(gone)},")


def test_a_file_that_is_gone_costs_its_scene(server: Server, tmp_path: Path) -> None:
    remotes = read_remote(two_scenes(server, tmp_path), tmp_path / "down")
    index = tmp_path / "down" / "0-of-1.csv"
    download(remotes, tmp_path / "down", index)
    rows = read_csv(index)
    assert [row["scene"] for row in rows] == ["here"] * 3 + ["lost"] * 3
    for row in rows:
        path = Path(row["file"])
        if row["fault"]:
            assert not path.exists()
        else:
            assert row["sha256"] == sha256(path)
            assert int(row["bytes"]) == 100
    assert faults(index) == {"lost": f"{server.url('/gone.bin')}: status 404"}


def test_a_file_that_was_deleted_is_named(server: Server, tmp_path: Path) -> None:
    remotes = read_remote(two_scenes(server, tmp_path), tmp_path / "down")
    index = tmp_path / "down" / "0-of-1.csv"
    download(remotes, tmp_path / "down", index)
    remotes[0].downloads[1].path.unlink()
    with pytest.raises(LstsrError, match=r"File not found: .*here/r\.bin\. Delete .*/0-of-1\.csv"):
        faults(index)


def test_a_server_that_refuses_fails_the_job_and_a_rerun_goes_on(
    server: Server, tmp_path: Path
) -> None:
    remotes = read_remote(two_scenes(server, tmp_path), tmp_path / "down")[:1]
    server.always["/r.bin"] = status(403)
    index = tmp_path / "index.csv"
    with pytest.raises(TransferError, match="r.bin: refused"):
        download(remotes, tmp_path / "down", index)
    assert not index.exists()
    del server.always["/r.bin"]
    server.asked.clear()
    download(remotes, tmp_path / "down", index)
    assert [path for path, _ in server.asked] == ["/r.bin"]
    assert not faults(index)


def test_the_error_names_the_fault_of_the_job_and_not_an_absent_file(
    server: Server, tmp_path: Path
) -> None:
    remotes = read_remote(two_scenes(server, tmp_path), tmp_path / "down")

    def refuse_late(handler: Handler) -> None:
        time.sleep(0.3)
        handler.send(403)

    server.always["/r.bin"] = refuse_late
    with pytest.raises(TransferError, match=r"^1 of 4 files: .*/r.bin: refused"):
        download(remotes, tmp_path / "down", tmp_path / "index.csv")


def shared(server: Server, folder: Path, scenes: int) -> Path:
    """Scenes that differ in their targets alone."""
    for name in ("i", "r", *(f"t{index}" for index in range(scenes))):
        server.files[f"/{name}.bin"] = name.encode() * 5_000
    guide = [server.url(f"/{name}.bin") for name in ("i", "r")]
    rows = [",".join([f"s{n}", *guide, server.url(f"/t{n}.bin")]) for n in range(scenes)]
    return manifest(folder, *(f"{row}," for row in rows))


def test_a_file_of_several_scenes_is_fetched_once(server: Server, tmp_path: Path) -> None:
    remotes = read_remote(shared(server, tmp_path, 3), tmp_path / "down")
    once = sum(map(len, server.files.values()))
    download(remotes[:2], tmp_path / "down", tmp_path / "0.csv", max_bytes=once)
    download(remotes[2:], tmp_path / "down", tmp_path / "1.csv")  # another job
    assert server.body_bytes == once
    for remote in remotes:
        for one in remote.downloads:
            assert one.path.parent == tmp_path / "down" / remote.scene.scene
            assert one.path.read_bytes() == server.files["/" + one.path.name]
    assert remotes[0].downloads[0].path.samefile(remotes[2].downloads[0].path)
    assert len(read_csv(tmp_path / "0.csv")) == 6


def test_jobs_at_once_fetch_a_shared_file_once(server: Server, tmp_path: Path) -> None:
    remotes = read_remote(shared(server, tmp_path, 4), tmp_path / "down")

    def slow(handler: Handler) -> None:
        time.sleep(0.3)
        whole_file(handler)

    server.always["/i.bin"] = server.always["/r.bin"] = slow
    with ThreadPoolExecutor() as jobs:
        for index, one in enumerate(remotes):
            jobs.submit(download, [one], tmp_path / "down", tmp_path / f"{index}.csv")
    assert server.body_bytes == sum(map(len, server.files.values()))
    assert all((tmp_path / f"{index}.csv").exists() for index in range(4))


def test_a_cache_may_come_and_go_between_calls(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared(server, tmp_path, 2)
    once = sum(map(len, server.files.values()))
    for folder, caches, fetched in (("a", (None, "cache"), 1), ("b", ("cache", None), 2)):
        remotes = read_remote(path, tmp_path / folder)
        for cache in caches:
            monkeypatch.setenv("LSTSR_CACHE", str(tmp_path / cache) if cache else "")
            download(remotes, tmp_path / folder, tmp_path / "index.csv")
            assert server.body_bytes == once * fetched
    monkeypatch.setenv("LSTSR_CACHE", str(tmp_path / "cache"))
    download(read_remote(path, tmp_path / "c"), tmp_path / "c", tmp_path / "index.csv")
    assert server.body_bytes == once * 2
    for remote in read_remote(path, tmp_path / "c"):
        for one in remote.downloads:
            assert one.path.read_bytes() == server.files["/" + one.path.name]


def test_a_cell_that_names_another_address_brings_its_file(server: Server, tmp_path: Path) -> None:
    for place in ("a", "b"):
        server.files[f"/{place}/i.bin"] = place.encode()
        server.files[f"/{place}.bin"] = place.encode()
    rest = ",".join(server.url(f"/{place}.bin") for place in ("a", "b"))
    for place in ("a", "b"):
        path = manifest(tmp_path, f"s,{server.url(f'/{place}/i.bin')},{rest},")
        (one,) = read_remote(path, tmp_path / "down")
        download([one], tmp_path / "down", tmp_path / "index.csv")
        assert one.scene.input is not None
        assert one.scene.input.read_text() == place


def test_a_name_that_cannot_be_given_is_one_line(server: Server, tmp_path: Path) -> None:
    remotes = read_remote(shared(server, tmp_path, 1), tmp_path / "down")
    taken = remotes[0].downloads[0].path
    taken.mkdir(parents=True)
    with pytest.raises(
        TransferError, match=r"s0/i\.bin: Is a directory\. Free disk space"
    ) as caught:
        download(remotes, tmp_path / "down", tmp_path / "index.csv")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "index.csv").exists()
    taken.rmdir()
    download(remotes, tmp_path / "down", tmp_path / "index.csv")
    assert server.body_bytes == sum(map(len, server.files.values()))


PROGRAM = """
import signal
import sys
from lstsr.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in background
sys.exit(main(sys.argv[1:]))
"""


def command_for(folder: Path) -> list[str]:
    config = config_of(acquire={"provider": "download"}, data=str(folder))
    (folder / "run.yaml").write_text(resolved(config))
    command = ["download", "--config", str(folder / "run.yaml"), "--shard", "0-of-1"]
    return [*command, "--folder", str(folder / "down"), "--output", str(folder / "index.csv")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_soon_and_keeps_the_parts(
    server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    # many more files than transfers at once; each costs the second run an fsync
    paths = [f"/{i}.bin" for i in range(40)]
    server.files = {path: path.encode() * 1000 for path in paths}
    server.faults = {path: [stall] for path in paths}
    cells = [[server.url(path) for path in paths[i::3]] for i in range(3)]
    manifest(tmp_path, "here," + ",".join(" ".join(cell) for cell in cells) + ",")
    program = [sys.executable, "-c", PROGRAM, *command_for(tmp_path)]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    files = tmp_path / "down" / ".files"
    wait_until(lambda: sum(part.stat().st_size > 0 for part in files.glob("*/*.part")) == 4)
    process.send_signal(number)
    begun = time.monotonic()
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - begun < 10  # a stalled connection counts as cut after 30 s
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert "lstsr: interrupted" in said or "lstsr: terminated" in said
    assert len(list(files.glob("*/*.part"))) == 4
    server.faults.clear()
    server.asked.clear()
    assert main(command_for(tmp_path)) == 0
    assert sum("range" in headers for _, headers in server.asked) == 4
    scene = tmp_path / "down" / "here"
    assert all((scene / path[1:]).read_bytes() == path.encode() * 1000 for path in paths)


def test_the_command_stops_before_the_limit(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_scenes(server, tmp_path)
    command = command_for(tmp_path)
    assert main([*command, "--max-gb", "1e-7"]) == 1
    assert "raise --max-gb" in capsys.readouterr().err
    assert main(command) == 0
    assert set(faults(tmp_path / "index.csv")) == {"lost"}


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "much"])
def test_a_limit_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    with pytest.raises(SystemExit):
        main([*command_for(tmp_path), f"--max-gb={limit}"])
    assert f"--max-gb: {limit} is not a number of GB above 0" in capsys.readouterr().err
