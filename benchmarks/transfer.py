"""Throughput of downloads from this machine to itself, against curl.

    python benchmarks/transfer.py [--files 200] [--megabytes 5] [--folder FOLDER]

A server of several processes hands the same file out under every name, by sendfile. `lstsr`'s
fetch and `curl --parallel` get all of them in turn, with as many transfers at once, three times
each. Prints the best of each in MB/s and their ratio; curl is the peer (aim: 0.8 of it or more).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lstsr.transfer.fetch import Download, fetch
from lstsr.transfer.sources import Sources

AT_ONCE = 8
REPEATS = 3


@contextmanager
def serving(file: Path) -> Iterator[str]:
    """A server for ``file``; its root."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    servers = [
        multiprocessing.Process(target=serve, args=(listener, file), daemon=True)
        for _ in range(AT_ONCE)
    ]
    for server in servers:
        server.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for server in servers:
            server.terminate()
            server.join()
        listener.close()


def serve(listener: socket.socket, file: Path) -> None:
    """Answer every request of every connection with the file."""
    size = file.stat().st_size
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: "1"\r\n\r\n'.encode()
    with file.open("rb") as body:
        while True:
            connection, _ = listener.accept()
            with connection:
                while request(connection):
                    connection.sendall(head)
                    connection.sendfile(body, 0)


def request(connection: socket.socket) -> bool:
    """Read one request; False if the client has hung up."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return False
        received += piece
    return True


def by_lstsr(pairs: list[tuple[str, Path]]) -> None:
    """Ours."""
    wanted = [Download(url, path) for url, path in pairs]
    fetch(wanted, Sources(frozenset({"127.0.0.1"})), jobs=AT_ONCE, jobs_per_host=AT_ONCE)


def by_curl(pairs: list[tuple[str, Path]]) -> None:
    """The peer's."""
    config = "".join(f'url = "{url}"\noutput = "{path}"\n' for url, path in pairs)
    subprocess.run(
        ["curl", "--no-progress-meter", "--fail", "--parallel", "--parallel-max", str(AT_ONCE)]
        + ["--config", "-"],
        input=config.encode(),
        check=True,
    )


def mb_per_s(
    get: Callable[[list[tuple[str, Path]]], None], root: str, folder: Path, files: int, size: int
) -> float:
    """Throughput of one turn, whose files must all have arrived."""
    target = folder / "arrived"
    target.mkdir()
    pairs = [(f"{root}/{i}.bin", target / f"{i}.bin") for i in range(files)]
    started = time.perf_counter()
    get(pairs)
    took_s = time.perf_counter() - started
    if any(path.stat().st_size != size for _, path in pairs):
        raise SystemExit("a file is not whole")
    shutil.rmtree(target)
    return files * size / took_s / 1e6


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--megabytes", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where files are written; default: temporary")
    options = parser.parse_args()
    if shutil.which("curl") is None:
        raise SystemExit("no curl here to compare with")
    size = options.megabytes * 1_000_000
    best = {"lstsr": 0.0, "curl": 0.0}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "file").write_bytes(os.urandom(size))
        with serving(folder / "file") as root:
            for _ in range(REPEATS):
                for who, get in (("lstsr", by_lstsr), ("curl", by_curl)):
                    rate = mb_per_s(get, root, folder, options.files, size)
                    print(f"{who:6} {rate:8.0f} MB/s")
                    best[who] = max(best[who], rate)
    print(f"lstsr / curl, best of {REPEATS}: {best['lstsr'] / best['curl']:.2f}")


if __name__ == "__main__":
    main()
