"""HTTP GET by libcurl. The guard checks every redirect before lstsr follows it."""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin, urlsplit

import certifi
import pycurl

from lstsr.errors import TransferError
from lstsr.transfer.guard import Guard
from lstsr.transfer.response import Response
from lstsr.transfer.retry import CutError

MAX_REDIRECTS = 10
HELD_CHUNKS, HOLD_S = 32, 1.0
"""A piece of a body holds this many of libcurl's chunks (16 KiB, CURL_MAX_WRITE_SIZE), or what a
slow server sends in this time. Writing each chunk would cost a switch of threads."""
STALL_S, LISTING_STALL_S = 30, 120
"""A connection that brings less than a byte a second for this long counts as cut. Services need
longer to compute a listing than to send a file."""
UNWANTED_BYTES, UNWANTED_S = 64 * 1024, 5.0
"""How much of an unwanted body (of a redirect or an error) is read, and for how long."""
LISTING_BYTES = 2**24
CUT = {5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92}
"""libcurl's codes of temporary faults (libcurl-errors(3)): no address or connection (5, 6, 7),
HTTP/2 (16, 92), TLS handshake (35), cut or stalled (18, 28, 52, 55, 56)."""


@dataclass(frozen=True)
class Request:
    """A URL and headers to send. Messages never show them, because they can contain keys.

    ``headers`` and ``aws`` (region, access key, secret key) go only to the URL's own origin, never
    to another one after a redirect. ``secret``: the URL or a header holds a key or signature.
    """

    url: str = field(repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    aws: tuple[str, str, str] | None = field(default=None, repr=False)
    secret: bool = False

    def __post_init__(self) -> None:
        """Raise TransferError, without the key, if a header cannot hold it."""
        for text in (*self.headers, *(self.aws or ())):
            if not (text.isascii() and text.isprintable()):
                raise TransferError("a key holds a line break or letters outside ASCII")


class Client:
    """Sends GET requests. Each thread keeps its connections open and reuses them."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._threads = threading.local()

    @contextmanager
    def get(
        self,
        request: Request,
        headers: tuple[str, ...] = (),
        stop: threading.Event | None = None,
        stall_s: int = STALL_S,
    ) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """Send a request and follow its redirects. Yields the response, and the body in pieces.

        Every host on the way gets ``headers``. ``stop`` ends the transfer within a second. Raises
        CutError for a temporary fault and TransferError for a permanent one, also while the body
        is read.
        """
        url, came_from = request.url, ""
        for _ in range(MAX_REDIRECTS + 1):
            secret = request.secret and url == request.url
            host = self._guard.check(url, secret=secret, came_from=came_from)
            sent = request if _origin(url) == _origin(request.url) else Request(url)
            sent = replace(sent, url=url, headers=(*sent.headers, *headers))
            with self._exchange(host, sent, stop, stall_s) as exchange:
                response, body = exchange.response, exchange.body()
                location = response.headers.get("location")
                if response.status not in (301, 302, 303, 307, 308) or not location:
                    yield response, body
                    location = ""
                # read the rest, unless it is long, so that the connection can be reused
                until_s, count = time.monotonic() + UNWANTED_S, 0
                for chunk in body:
                    count += len(chunk)
                    if count > UNWANTED_BYTES or time.monotonic() > until_s:
                        break
            if not location:
                return
            url, came_from = urljoin(url, location), url
        raise TransferError(f"more than {MAX_REDIRECTS} redirects")

    def read(self, request: Request, stop: threading.Event | None = None) -> tuple[Response, bytes]:
        """A short answer, such as a listing: the response, and the body if its status is 200."""
        text = bytearray()
        with self.get(request, stop=stop, stall_s=LISTING_STALL_S) as (response, body):
            for chunk in body if response.status == 200 else ():
                text += chunk
                if len(text) > LISTING_BYTES:
                    raise TransferError(f"the answer is longer than {LISTING_BYTES} bytes")
        return response, bytes(text)

    @contextmanager
    def _exchange(
        self, host: str, request: Request, stop: threading.Event | None, stall_s: int
    ) -> Iterator[_Exchange]:
        """Send one request. Yields the exchange when the headers of its answer have arrived."""
        if not hasattr(self._threads, "curl"):
            self._threads.curl, self._threads.multi = pycurl.Curl(), pycurl.CurlMulti()
        curl: pycurl.Curl = self._threads.curl
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, False)
        curl.setopt(pycurl.NOSIGNAL, True)
        curl.setopt(pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where())
        curl.setopt(pycurl.USERAGENT, "lstsr")
        curl.setopt(pycurl.BUFFERSIZE, 64 * 1024)  # one call reads up to ten of these
        curl.setopt(pycurl.CONNECTTIMEOUT, 30)
        curl.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        curl.setopt(pycurl.LOW_SPEED_TIME, stall_s)
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, ["Accept-Encoding: identity", *request.headers])
        if request.aws is not None:
            region, key, secret = request.aws
            curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{region}:s3")
            curl.setopt(pycurl.USERPWD, f"{key}:{secret}")
        proxy = _proxy(request.url, host)
        curl.setopt(pycurl.PROXY, proxy)
        # otherwise libcurl reads no_proxy in its own way and bypasses the proxy without our check
        curl.setopt(pycurl.NOPROXY, "")
        refused: list[TransferError] = []

        def open_socket(purpose: int, address: tuple[int, int, int, tuple[str, int]]) -> object:
            """Check the address that a name resolves to before libcurl connects to it.

            With a proxy, every socket leads to the user's own proxy, which resolves the names.
            """
            family, kind, protocol, (peer, *_) = address
            try:
                if not proxy:
                    self._guard.check_peer(host, str(peer))
            except TransferError as fault:
                refused.append(fault)
                return pycurl.SOCKET_BAD
            return socket.socket(family, kind, protocol)

        curl.setopt(pycurl.OPENSOCKETFUNCTION, open_socket)
        exchange = _Exchange(host, curl, self._threads.multi, refused, stop)
        try:
            exchange.begin()
            yield exchange
        finally:
            self._threads.multi.remove_handle(curl)
            curl.reset()  # the callbacks form a cycle that would keep a thread's connections open


@dataclass
class _Exchange:
    """One request and its answer, which libcurl's multi interface reads step by step."""

    host: str
    curl: pycurl.Curl
    multi: pycurl.CurlMulti
    refused: list[TransferError]
    stop: threading.Event | None
    response: Response = field(default_factory=Response)
    running: bool = True
    chunks: list[bytes] = field(default_factory=list)

    def begin(self) -> None:
        """Wait for the first byte of the body, or for its end."""
        self.curl.setopt(pycurl.HEADERFUNCTION, self._header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        self.multi.add_handle(self.curl)
        while self.running and not self.chunks:
            self._step()
        if not self.chunks:
            self._check_end()
        # an encoded body would be stored as the file
        encoding = self.response.headers.get("content-encoding", "")
        if self.response.status in (200, 206) and encoding.lower() not in ("", "identity"):
            raise TransferError(
                f"the server sent the file encoded as {encoding[:40]!r}, against the request"
            )

    def body(self) -> Iterator[bytes]:
        """The body in large pieces. All bytes that arrived come before the error of a cut."""
        due_s = time.monotonic() + HOLD_S
        while self.running or self.chunks:
            if self.running:
                self._step()
            full = len(self.chunks) >= HELD_CHUNKS or not self.running
            if self.chunks and (full or time.monotonic() >= due_s):
                due_s = time.monotonic() + HOLD_S
                piece = b"".join(self.chunks)
                self.chunks.clear()
                yield piece
        self._check_end()

    def _header(self, raw: bytes) -> None:
        line = raw.decode("iso-8859-1").strip()
        if line.startswith("HTTP/"):
            protocol, status, *_ = line.split()
            self.response = Response(int(status), protocol=protocol)
        elif ":" in line:
            name, value = line.split(":", 1)
            self.response.headers[name.strip().lower()] = value.strip()

    def _step(self) -> None:
        """Let libcurl work. Wait for it, up to a second, if nothing arrives at once."""
        if self.stop is not None and self.stop.is_set():
            raise TransferError("stopped")
        progress = True
        while self.running and progress and len(self.chunks) < HELD_CHUNKS:
            before = len(self.chunks)
            self.running = self.multi.perform()[1] > 0
            progress = len(self.chunks) > before
        # select returns -1 while libcurl has no socket yet
        if self.running and not progress and self.multi.select(HOLD_S) < 0:
            time.sleep(0.01)

    def _check_end(self) -> None:
        """Raise the error that ended the transfer, if any, without the URL."""
        _, _, failed = self.multi.info_read()
        if not failed:
            return
        if self.refused:
            raise self.refused[0]
        status = self.curl.getinfo(pycurl.HTTP_CONNECTCODE)
        if 400 <= status < 500:
            raise TransferError(f"the proxy refused {self.host} (status {status})")
        code = failed[0][1]
        reason = f"{self.host}: libcurl error {code}"
        if code in CUT:
            raise CutError(f"connection cut or not established ({reason})")
        if code in (60, 77):  # libcurl cannot check the certificate
            reason += (
                ": the certificate cannot be checked. Set SSL_CERT_FILE to a file of the root "
                "certificates that you trust"
            )
        raise TransferError(reason)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _proxy(url: str, host: str) -> str:
    """The proxy that the environment names for this URL; '' if none.

    ``no_proxy`` holds hosts, with or without a port, and domains. IP addresses match only in the
    form of the URL.
    """
    scheme, _, port = _origin(url)
    if any(urllib.request.proxy_bypass(name) for name in (host, f"{host}:{port}")):
        return ""
    proxies = urllib.request.getproxies()
    return proxies.get(scheme) or proxies.get("all", "")
