"""A local HTTP server whose files misbehave on request."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = Callable[["Handler"], None]


@dataclass
class Server:
    """Files by path, and answers that come before them: one is used up by each request."""

    root: str
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    always: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    body_bytes: int = 0
    ranges: bool = True
    tag: str | None = '"1"'
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str) -> str:
        return self.root + path

    def headers(self, number: int = -1) -> dict[str, str]:
        """Of a request, names in lower case."""
        return self.asked[number][1]


class Handler(BaseHTTPRequestHandler):
    """Serves files with ranges, as object stores do."""

    protocol_version = "HTTP/1.1"
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.state.connections += 1

    def do_GET(self) -> None:  # noqa: N802
        state = self.server.state
        with state.lock:
            state.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            path = urlsplit(self.path).path  # a proxy is sent the whole URL
            waiting = state.faults.get(path, [])
            answer = waiting.pop(0) if waiting else state.always.get(path, whole_file)
        answer(self)

    def do_HEAD(self) -> None:  # noqa: N802
        self.send_error(403)

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.write(body)

    def write(self, body: bytes) -> None:
        with self.server.state.lock:
            self.server.state.body_bytes += len(body)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    state: Server

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no fault of the server's."""


def wanted(handler: Handler) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers for a file, or for the part of it that is asked for."""
    state = handler.server.state
    data = state.files.get(urlsplit(handler.path).path)
    if data is None:
        return 404, b"", {}
    tag = {"ETag": state.tag} if state.tag else {}
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    valid = handler.headers.get("If-Range", state.tag) == state.tag
    if not (asked and state.ranges and valid):
        return 200, data, tag
    start = int(asked[1])
    if start >= len(data):
        return 416, b"", {"Content_Range": f"bytes */{len(data)}"}
    span = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return 206, data[start:], {**tag, **span}


def whole_file(handler: Handler) -> None:
    status, body, headers = wanted(handler)
    handler.send(status, body, **headers)


def cut(share: float, then: Callable[[], None] = lambda: None) -> Answer:
    """Announce all and hang up after a share of it; ``then`` happens just before."""

    def answer(handler: Handler) -> None:
        status, body, headers = wanted(handler)
        handler.send(status, Content_Length=str(len(body)), **headers)
        handler.write(body[: int(len(body) * share)])
        then()
        hang_up(handler)

    return answer


def hang_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def stall(handler: Handler) -> None:
    """Half of a file, and then nothing until the client hangs up."""
    _, body, headers = wanted(handler)
    handler.send(200, Content_Length=str(len(body)), **headers)
    handler.write(body[: len(body) // 2])
    handler.connection.recv(1)


def wait_until(true: Callable[[], object], longest_s: float = 60) -> None:
    """Poll a state that another process reaches. Its imports can take long on a busy machine."""
    end = time.monotonic() + longest_s
    while not true():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.01)


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    return lambda handler: handler.send(code, body, **headers)


@contextmanager
def serving(
    context: ssl.SSLContext | None = None, handler: type[Handler] = Handler
) -> Iterator[Server]:
    """A server on a free port of the loopback interface, with TLS if there is a context for it."""
    server = HttpServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    server.state = Server(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
