from __future__ import annotations

import gzip
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstsr.errors import TransferError
from lstsr.transfer import client as transfer_client
from lstsr.transfer.client import Client, Request
from lstsr.transfer.guard import Guard
from lstsr.transfer.retry import CutError
from tests.transfer.server import Answer, Handler, Server, serving, status

SECRET = "Authorization: Basic c2VjcmV0"


@pytest.fixture
def other() -> Iterator[Server]:
    """A second origin."""
    with serving() as state:
        yield state


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with a certificate that is trusted."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=t"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(context=context) as state:
        yield state


def get(url: str, *headers: str) -> tuple[int, bytes]:
    response, body = Client(Guard()).read(Request(url, headers))
    return response.status, body


def test_redirects_are_followed(server: Server) -> None:
    server.files["/file"] = b"here"
    server.always["/a/moved"] = status(302, b"not here", Location="../file")
    server.always["/again"] = status(308, Location=server.url("/a/moved"))
    assert get(server.url("/again")) == (200, b"here")


def test_but_not_for_ever(server: Server) -> None:
    server.always["/moved"] = status(301, Location="/moved")
    with pytest.raises(TransferError, match="more than 10 redirects"):
        get(server.url("/moved"))
    assert len(server.asked) == 11


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://a/x"])
def test_other_schemes_are_refused(server: Server, location: str) -> None:
    server.always["/moved"] = status(302, Location=location)
    with pytest.raises(TransferError, match="only http and https"):
        get(server.url("/moved"))


def test_a_name_that_resolves_to_a_private_address_is_refused(server: Server) -> None:
    private = server.url("/file").replace("127.0.0.1", "localhost")
    server.files["/file"] = b"private"
    server.always["/moved"] = status(302, Location=private)
    for url in (private, server.url("/moved")):
        with pytest.raises(TransferError, match="localhost is the private address"):
            get(url)
    assert [path for path, _ in server.asked] == ["/moved"]


@pytest.mark.parametrize("host", ["[::1]", "2130706433", "0x7f000001", "127.1", "[::ffff:7f00:1]"])
def test_no_spelling_of_an_address_passes(server: Server, host: str) -> None:
    with pytest.raises(TransferError, match="is the private address"):
        get(server.url("/file").replace("127.0.0.1", host))
    assert not server.asked


def test_credentials_stay_with_their_origin(server: Server, other: Server) -> None:
    server.files["/file"] = other.files["/file"] = b"here"
    server.always["/same"] = status(302, Location="/file")
    server.always["/other"] = status(302, Location=other.url("/file"))
    for path in ("/same", "/other"):
        assert get(server.url(path), SECRET) == (200, b"here")
    assert [headers["authorization"] for _, headers in server.asked] == ["Basic c2VjcmV0"] * 3
    assert "c2VjcmV0" not in str(other.asked)
    assert "referer" not in other.headers()


def test_https_is_verified_and_never_left(
    secure: Server, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure.files["/file"] = server.files["/file"] = b"here"
    secure.always["/down"] = status(302, Location=server.url("/file"))
    server.always["/up"] = status(302, Location=secure.url("/file"))
    assert get(secure.url("/file")) == get(server.url("/up")) == (200, b"here")
    with pytest.raises(TransferError, match="from https to plain http"):
        get(secure.url("/down"))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TransferError, match=r"127.0.0.1: libcurl error 60: .* SSL_CERT_FILE"):
        get(secure.url("/file"))
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    with pytest.raises(TransferError, match=r"127.0.0.1: libcurl error 77: .* SSL_CERT_FILE"):
        get(secure.url("/file"))


def test_a_proxy_is_used_where_the_environment_names_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "direct.invalid")
    server.files["/file"] = b"by proxy"
    assert get("http://example.invalid/file") == (200, b"by proxy")
    assert server.asked[0][0] == "http://example.invalid/file"
    with pytest.raises(CutError):
        get("http://direct.invalid/file")


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "[::1]", "0xa.1", "169.254.169.254"])
def test_a_proxy_is_not_asked_for_private_addresses(
    server: Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "")
    server.always["/moved"] = status(302, Location=f"http://{host}/file")
    for url in (f"http://{host}/file", "http://example.invalid/moved"):
        with pytest.raises(TransferError, match="is the private address"):
            get(url)
    assert [path for path, _ in server.asked] == ["http://example.invalid/moved"]


@pytest.mark.parametrize("no_proxy", ["localhost:{port}", "LOCALHOST", "other.org, localhost", "*"])
def test_what_goes_past_the_proxy_is_watched(
    server: Server, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    server.files["/file"] = b"here"
    port = server.root.rpartition(":")[2]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", no_proxy.format(port=port))
    with pytest.raises(TransferError, match="localhost is the private address"):
        get(f"http://localhost:{port}/file")
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "localhost")
    assert get(f"http://localhost:{port}/file") == (200, b"here")


def test_libcurl_does_not_go_past_the_proxy_by_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a range of addresses is a form that libcurl alone would understand
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "192.0.0.0/2")
    server.files["/file"] = b"by proxy"
    assert get("http://193.0.0.1/file") == (200, b"by proxy")


def test_a_server_that_is_not_there_is_a_cut(server: Server) -> None:
    with serving() as gone:
        url = gone.url("/file")
    with pytest.raises(CutError, match=r"127.0.0.1: libcurl error 7"):
        get(url)


def test_connections_are_used_again(server: Server) -> None:
    server.files["/file"] = b"here"
    client = Client(Guard())
    for _ in range(3):
        client.read(Request(server.url("/file")))
    assert server.connections == 1


def test_a_listing_has_a_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_client, "LISTING_BYTES", 999)
    server.files["/list"] = b"x" * 1000
    with pytest.raises(TransferError, match="longer than 999 bytes"):
        get(server.url("/list"))


def test_a_request_does_not_show_what_it_holds() -> None:
    request = Request("https://h/?key=hush", (SECRET,), ("region", "hush", "hush"), True)
    assert "hush" not in repr(request) and "c2VjcmV0" not in repr(request)


@pytest.mark.parametrize(("code", "status"), [(302, 404), (404, 404), (503, 503)])
def test_an_endless_page_of_an_error_is_left(server: Server, code: int, status: int) -> None:
    server.always["/file"] = endless(code, b"x" * 10_000, 0)
    assert get(server.url("/file"))[0] == status  # the redirect leads to a file that is not there
    assert server.body_bytes < 50e6


def test_and_one_that_drips(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_client, "UNWANTED_S", 0.1)
    server.always["/file"] = endless(404, b"x", 0.05)
    begun = time.monotonic()
    assert get(server.url("/file"))[0] == 404
    assert time.monotonic() - begun < 5


def endless(code: int, chunk: bytes, pause_s: float) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send(code, Content_Length=str(10**12), Location="/other")
        while True:
            handler.write(chunk)
            time.sleep(pause_s)

    return answer


@pytest.mark.parametrize("encoding", ["gzip", "br", "x" * 1000 + "\x7f"])
def test_an_encoded_answer_is_refused(server: Server, encoding: str) -> None:
    server.always["/file"] = status(200, gzip.compress(b"here"), Content_Encoding=encoding)
    with pytest.raises(TransferError, match="encoded as '.*', against the request") as fault:
        get(server.url("/file"))
    assert len(str(fault.value)) < 200
    assert server.headers()["accept-encoding"] == "identity"
    server.always["/file"] = status(200, b"here", Content_Encoding="identity")
    assert get(server.url("/file")) == (200, b"here")


def test_a_wait_for_an_answer_can_be_stopped(server: Server) -> None:
    stop = threading.Event()

    def answer(handler: Handler) -> None:
        stop.wait(20)

    server.always["/file"] = answer
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(TransferError, match="stopped"):
        Client(Guard()).read(Request(server.url("/file")), stop=stop)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("key", ["hush\n", "hush\r\nX-Other: 1", "h\u00fcsh"])
def test_a_key_that_no_header_can_hold_is_not_shown(key: str) -> None:
    for parts in ({"headers": (f"X-Key: {key}",)}, {"aws": ("region", "id", key)}):
        with pytest.raises(TransferError, match="a key holds a line break or letters") as fault:
            Request("https://host/", **parts)
        assert "sh" not in str(fault.value)


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Proxy(Handler):
        def do_CONNECT(self) -> None:  # noqa: N802
            self.send_error(407)

    with serving(handler=Proxy) as proxy:
        monkeypatch.setenv("https_proxy", proxy.root)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(TransferError, match=r"the proxy refused example.org .status 407"):
            get("https://example.org/file")
