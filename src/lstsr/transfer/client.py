"""HTTP GET through libcurl, redirects followed by hand so that each is judged first."""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import certifi
import pycurl

from lstsr.errors import TransferError
from lstsr.transfer.guard import Guard

MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
BUFFER_BYTES = 512 * 1024
"""What is read at once, and handed on: libcurl hands over 16 KiB at a time (CURL_MAX_WRITE_SIZE),
and to write each of them costs a switch of threads."""
CONNECT_S = 30
STALL_S = 30
"""A connection that brings less than a byte a second for so long counts as cut."""
ASIDE_BYTES = 64 * 1024
ASIDE_S = 5.0
"""How much, and for how long, of a body that nobody wants (a redirect's, an error's) is read on, so
that its connection can be used again."""
CUT = {
    pycurl.E_COULDNT_RESOLVE_PROXY,
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_HTTP2,
    pycurl.E_PARTIAL_FILE,
    pycurl.E_OPERATION_TIMEDOUT,
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_GOT_NOTHING,
    pycurl.E_SEND_ERROR,
    pycurl.E_RECV_ERROR,
    92,  # CURLE_HTTP2_STREAM, which pycurl does not name
}
"""libcurl's errors that another attempt may not meet."""
UNTRUSTED = {pycurl.E_SSL_CACERT, pycurl.E_SSL_CACERT_BADFILE}


class CutError(Exception):
    """A transfer that broke off, or that the server put off: worth another attempt."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


@dataclass(frozen=True)
class Request:
    """What is sent: a URL and headers. Both stay out of messages, because they can contain keys.

    ``headers`` and ``aws`` (region, access key, secret key) go to the URL's own origin only, never
    along with a redirect to another. ``secret``: the URL or a header holds a key or signature.
    """

    url: str = field(repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    aws: tuple[str, str, str] | None = field(default=None, repr=False)
    secret: bool = False

    def __post_init__(self) -> None:
        """Raises TransferError, without the key, for one that no header can hold."""
        for text in (*self.headers, *(self.aws or ())):
            if not (text.isascii() and text.isprintable()):
                raise TransferError("a key holds a line break or letters outside ASCII")


@dataclass
class Response:
    """Status, headers (names in lower case) and protocol of the last answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    protocol: str = "HTTP/1.1"


class Receiver(Protocol):
    """What takes the body of a successful answer; what it raises ends the transfer."""

    def idle(self) -> None:
        """Called every second at least, from the connection's beginning to its end."""

    def begin(self, response: Response) -> None:
        """Called once, before any body."""

    def write(self, chunk: bytes) -> None:
        """Called for every piece of the body."""


class Client:
    """GET requests; connections are kept open for each thread and used again."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._threads = threading.local()

    def get(self, request: Request, receiver: Receiver, headers: tuple[str, ...] = ()) -> Response:
        """Send a request, follow its redirects, and pass a body with status 200 or 206 on.

        ``headers``, unlike those of the request, go to every host on the way.
        Raises CutError where another attempt may help, TransferError where none would, and what
        the receiver raised.
        """
        url, came_from = request.url, ""
        for _ in range(MAX_REDIRECTS + 1):
            host = self._guard.check(
                url, secret=request.secret and url == request.url, came_from=came_from
            )
            sent = request if _origin(url) == _origin(request.url) else Request(url)
            sent = replace(sent, url=url, headers=(*sent.headers, *headers))
            exchange = _Exchange(receiver)
            location = self._perform(host, sent, exchange)
            if exchange.response.status not in REDIRECTS or not location:
                exchange.close()
                return exchange.response
            url, came_from = location, url
        raise TransferError(f"more than {MAX_REDIRECTS} redirects")

    def _perform(self, host: str, request: Request, exchange: _Exchange) -> str | None:
        """One exchange; where it redirects to, absolute."""
        curl = self._handle()
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, ["Accept-Encoding: identity", *request.headers])
        if request.aws is not None:
            region, key, secret = request.aws
            curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{region}:s3")
            curl.setopt(pycurl.USERPWD, f"{key}:{secret}")
        proxy = _proxy(request.url, host)
        curl.setopt(pycurl.PROXY, proxy)
        # or libcurl reads no_proxy in its own way, and goes unwatched where we thought of a proxy
        curl.setopt(pycurl.NOPROXY, "")
        refused: list[TransferError] = []
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._opener(host, bool(proxy), refused))
        curl.setopt(pycurl.HEADERFUNCTION, exchange.header)
        curl.setopt(pycurl.WRITEFUNCTION, exchange.body)
        curl.setopt(pycurl.XFERINFOFUNCTION, exchange.idle)
        try:
            curl.perform()
        except pycurl.error as error:
            exchange.hand_on()
            if exchange.fault is not None:
                raise exchange.fault from None
            if exchange.enough:
                return None
            if refused:
                raise refused[0] from None
            status = curl.getinfo(pycurl.HTTP_CONNECTCODE)
            if 400 <= status < 500:
                raise TransferError(f"{host}: refused by the proxy (status {status})") from None
            reason = f"{host}: libcurl error {error.args[0]}"
            if error.args[0] in UNTRUSTED:
                raise TransferError(
                    f"{reason}: its certificate cannot be checked; SSL_CERT_FILE names a file of "
                    "the roots that you trust"
                ) from None
            if error.args[0] in CUT:
                raise CutError(f"connection cut or not made ({reason})") from None
            raise TransferError(reason) from None
        location = curl.getinfo(pycurl.REDIRECT_URL)
        return str(location) if location else None

    def _handle(self) -> pycurl.Curl:
        """This thread's handle with the common settings; its open connections stay."""
        if not hasattr(self._threads, "curl"):
            self._threads.curl = pycurl.Curl()
        curl: pycurl.Curl = self._threads.curl
        curl.reset()
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, False)
        curl.setopt(pycurl.NOSIGNAL, True)
        curl.setopt(pycurl.NOPROGRESS, False)
        curl.setopt(pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where())
        curl.setopt(pycurl.USERAGENT, "lstsr")
        curl.setopt(pycurl.BUFFERSIZE, BUFFER_BYTES)
        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_S)
        curl.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        curl.setopt(pycurl.LOW_SPEED_TIME, STALL_S)
        return curl

    def _opener(
        self, host: str, proxied: bool, refused: list[TransferError]
    ) -> Callable[..., object]:
        """Judges the address that libcurl is about to connect to: no name can resolve past it.

        With a proxy every socket is one to the proxy, which is the user's own and resolves the
        names itself.
        """

        def open_socket(purpose: int, address: tuple[int, int, int, tuple[str, int]]) -> object:
            family, kind, protocol, (peer, *_) = address
            try:
                if not proxied:
                    self._guard.check_peer(host, str(peer))
            except TransferError as fault:
                refused.append(fault)
                return pycurl.SOCKET_BAD
            return socket.socket(family, kind, protocol)

        return open_socket


class _Exchange:
    """Takes one answer from libcurl's callbacks, where an exception must not escape.

    ``enough``: it was left before the end of a body that nobody wants.
    """

    def __init__(self, receiver: Receiver) -> None:
        self.response = Response()
        self.fault: BaseException | None = None
        self.enough = False
        self._receiver = receiver
        self._begun = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._aside_bytes = 0
        self._aside_since_s: float | None = None

    def header(self, raw: bytes) -> None:
        line = raw.decode("iso-8859-1").strip()
        if line.startswith("HTTP/"):
            protocol, status, *_ = line.split()
            self.response = Response(int(status), protocol=protocol)
        elif ":" in line:
            name, value = line.split(":", 1)
            self.response.headers[name.strip().lower()] = value.strip()

    def body(self, chunk: bytes) -> int:
        if not self._wanted:
            self._aside_bytes += len(chunk)
            self.enough = self._aside_bytes > ASIDE_BYTES
            return -1 if self.enough else len(chunk)
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes >= BUFFER_BYTES:
            self.hand_on()
        return len(chunk) if self.fault is None else -1

    def hand_on(self) -> None:
        """Give the receiver what is held, unless it has refused more."""
        if self.fault is not None or not self._held:
            return
        held, self._held, self._held_bytes = b"".join(self._held), [], 0
        try:
            self._begin()
            self._receiver.write(held)
        except BaseException as fault:
            self.fault = fault

    def idle(self, *_: int) -> bool:
        """Whether to leave. What a slow server sent is not held any longer."""
        self.hand_on()
        try:
            if self.fault is None:
                self._receiver.idle()
        except BaseException as fault:
            self.fault = fault
        if self.response.status and not self._wanted:
            now = time.monotonic()
            self._aside_since_s = self._aside_since_s or now
            self.enough |= now - self._aside_since_s > ASIDE_S
        return self.enough or self.fault is not None

    def close(self) -> None:
        """Hand on the end of the body; an empty one begins, too."""
        self.hand_on()
        if self.fault is not None:
            raise self.fault
        if self._wanted:
            self._begin()

    @property
    def _wanted(self) -> bool:
        return self.response.status in (200, 206)

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        # what libcurl leaves encoded would be stored as the file
        encoding = self.response.headers.get("content-encoding", "")
        if encoding.lower() not in ("", "identity"):
            raise TransferError(f"sent as {encoding[:40]!r}, though asked for unencoded")
        self._receiver.begin(self.response)


class _Text:
    """Keeps a short body in memory."""

    def __init__(self, limit: int, stop: threading.Event | None) -> None:
        self.body = bytearray()
        self._limit = limit
        self._stop = stop

    def idle(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise TransferError("stopped")

    def begin(self, response: Response) -> None:
        pass

    def write(self, chunk: bytes) -> None:
        self.body += chunk
        if len(self.body) > self._limit:
            raise TransferError(f"the answer is longer than {self._limit} bytes")


def read(
    client: Client, request: Request, *, limit: int = 2**24, stop: threading.Event | None = None
) -> tuple[Response, bytes]:
    """A short answer, such as a listing: status and headers, and the body of a status 200."""
    text = _Text(limit, stop)
    response = client.get(request, text)
    return response, bytes(text.body)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _proxy(url: str, host: str) -> str:
    """The proxy that the environment names for this URL; '' for none.

    ``no_proxy`` names hosts, with or without a port, and domains; addresses only as they are
    written in the URL.
    """
    scheme, _, port = _origin(url)
    if any(urllib.request.proxy_bypass(name) for name in (host, f"{host}:{port}")):
        return ""
    proxies = urllib.request.getproxies()
    return proxies.get(scheme) or proxies.get("all", "")
