from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.fetch import Download, fetch
from lstsr.transfer.retry import CutError
from lstsr.transfer.sources import Sources, check_address
from tests.transfer.server import Answer, Handler, Server, cut, serving, status, whole_file

BLOB = "https://landsateuwest.blob.core.windows.net/landsat-c2/level-2/x_ST_B10.TIF"
PATH = "/landsat-c2/level-2/x_ST_B10.TIF"
TIFF = b"II*\0" + bytes(range(256)) * 1000
KMA = "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date=202507190534"
NOSC = "https://nosc.go.kr/opendap/hyrax/GOCI-II/2025/07/19/L2/x.nc"
SEARCH = "https://nosc.go.kr/openapi/GK2BNcMedia/search.do?startDate=20250719"


class Signing:
    """Planetary Computer's token service, and a blob store that takes only its newest token."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.issued = 0
        self.lasts_s = 3600
        server.files[PATH] = TIFF
        server.always["/token/landsateuwest/landsat-c2"] = self.issue
        server.always[PATH] = self.serve
        monkeypatch.setenv("PC_SDK_SAS_URL", server.url("/token"))
        monkeypatch.setenv("LSTSR_ENDPOINTS", f"landsateuwest.blob.core.windows.net={server.root}")

    def issue(self, handler: Handler) -> None:
        self.issued += 1
        end = datetime.now(UTC) + timedelta(seconds=self.lasts_s)
        answer = {"msft:expiry": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "token": self.token}
        handler.send(200, json.dumps(answer).encode())

    @property
    def token(self) -> str:
        return f"se=2025&sig=hush{self.issued}%3D"

    def serve(self, handler: Handler) -> None:
        good = handler.path == f"{PATH}?{self.token}"
        (whole_file if good else status(403))(handler)


@pytest.fixture
def signing(server: Server, monkeypatch: pytest.MonkeyPatch) -> Signing:
    return Signing(server, monkeypatch)


def test_one_signature_serves_a_container(signing: Signing, server: Server, tmp_path: Path) -> None:
    wanted = [Download(BLOB, tmp_path / f"{i}.tif") for i in range(10)]
    fetch(wanted, Sources())
    assert all(one.path.read_bytes() == TIFF for one in wanted)
    assert signing.issued == 1


def test_a_signature_about_to_end_is_renewed(signing: Signing) -> None:
    sources = Sources()
    signing.lasts_s = 30
    urls = [sources.request(BLOB).url for _ in range(2)]
    assert [url.rpartition("sig=")[2] for url in urls] == ["hush1%3D", "hush2%3D"]


def test_an_expired_signature_is_renewed_in_mid_file(
    signing: Signing, server: Server, tmp_path: Path
) -> None:
    def expire() -> None:
        signing.issued += 1

    server.faults[PATH] = [cut(0.3, expire)]
    fetch([Download(BLOB, tmp_path / "x.tif")], Sources())
    assert (tmp_path / "x.tif").read_bytes() == TIFF
    assert server.body_bytes < len(TIFF) + 1000  # and tokens
    assert "range" in server.headers()


def test_a_refusal_that_stays_ends(signing: Signing, server: Server, tmp_path: Path) -> None:
    server.always[PATH] = status(403, b"hush")
    with pytest.raises(TransferError, match=r"refused \(status 403\); Planetary Computer needs no"):
        fetch([Download(BLOB, tmp_path / "x.tif")], Sources())
    assert signing.issued == 2


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (status(404), TransferError, "gave no signature"),
        (status(200, b"<html>"), TransferError, "gave no signature"),
        (status(408), CutError, "signature of Planetary Computer: status 408"),
    ],
)
def test_a_token_service_that_fails(
    signing: Signing, server: Server, answer: Answer, kind: type[Exception], said: str
) -> None:
    server.always["/token/landsateuwest/landsat-c2"] = answer
    with pytest.raises(kind, match=said):
        Sources().request(BLOB)


def test_a_token_service_that_is_busy_is_asked_again_when_it_says(
    signing: Signing, server: Server, tmp_path: Path
) -> None:
    server.faults["/token/landsateuwest/landsat-c2"] = [status(503, Retry_After="1")]
    begun = time.monotonic()
    fetch([Download(BLOB, tmp_path / "x.tif")], Sources())
    assert time.monotonic() - begun >= 1
    assert (tmp_path / "x.tif").read_bytes() == TIFF


def test_a_public_bucket_is_read_anonymously(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "foreign")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    request = Sources().request("s3://noaa-gk2a-pds/AMI/L1B/LA/a b+c.nc")
    assert request.url == "https://noaa-gk2a-pds.s3.amazonaws.com/AMI/L1B/LA/a%20b%2Bc.nc"
    assert not request.headers and request.aws is None
    assert Sources().request("s3://a.b/c").url == "https://s3.amazonaws.com/a.b/c"


def test_a_bucket_whose_readers_pay_is_signed_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "s3://usgs-landsat/collection02/x_ST_B10.TIF"
    with pytest.raises(TransferError, match="users pay for this bucket: set AWS_ACCESS_KEY_ID"):
        fetch([Download(address, tmp_path / "x.tif")], Sources())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    monkeypatch.setenv("LSTSR_ENDPOINTS", f"usgs-landsat.s3.amazonaws.com={server.root}")
    server.files["/collection02/x_ST_B10.TIF"] = TIFF
    fetch([Download(address, tmp_path / "x.tif")], Sources())
    sent = server.headers()
    names = sent["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"x-amz-request-payer", "x-amz-security-token"} <= set(names)
    signer = S3SigV4Auth(Credentials("AKIDEXAMPLE", "hush"), "s3", "us-west-2")
    again = AWSRequest("GET", server.url("/collection02/x_ST_B10.TIF"))
    for name in names:
        again.headers[name] = sent[name]
    again.context["timestamp"] = sent["x-amz-date"]
    signature = signer.signature(
        signer.string_to_sign(again, signer.canonical_request(again)), again
    )
    assert sent["authorization"].endswith(f"Signature={signature}")


def test_kma_asks_for_its_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TransferError, match="KMA API hub needs a key: set KMA_API_KEY"):
        Sources().request(KMA)
    monkeypatch.setenv("KMA_API_KEY", "hu sh&")
    request = Sources().request(KMA)
    assert request.url == KMA + "&authKey=hu+sh%26"
    assert request.secret


def test_nosc_is_open_but_for_its_openapi(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Sources().request(NOSC).url == NOSC
    with pytest.raises(TransferError, match="NOSC OpenAPI needs a key: .* folders are open"):
        Sources().request(SEARCH)
    monkeypatch.setenv("NOSC_API_KEY", "hush")
    assert Sources().request(SEARCH).url == SEARCH + "&ServiceKey=hush"


def test_a_login_is_for_https_and_its_own_host(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(
        "machine 127.0.0.1 login me password hush machine Secured.org login me password hush\n"
    )
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.files["/file"] = server.files["/other"] = b"here"
    fetch([Download(server.url("/file"), tmp_path / "x")], Sources())
    assert "authorization" not in server.headers()
    with serving() as mirror:
        monkeypatch.setenv("LSTSR_ENDPOINTS", f"secured.org={mirror.root}")
        mirror.always["/x"] = status(302, Location=server.url("/other"))
        fetch([Download("https://SECURED.org/x", tmp_path / "y")], Sources())
        assert "authorization" in mirror.headers()
    assert "authorization" not in server.headers()
    # nor to a mirror in plain http that the user did not allow
    monkeypatch.setenv("LSTSR_ENDPOINTS", "secured.org=http://mirror.invalid")
    with pytest.raises(TransferError, match="plain http to mirror.invalid"):
        fetch([Download("https://secured.org/x", tmp_path / "z")], Sources())


def test_landsatlook_sends_to_a_login(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTSR_ENDPOINTS", f"landsatlook.usgs.gov={server.root}")
    server.always["/data/x_ST_B10.TIF"] = status(302, Location="/login")
    server.always["/login"] = status(200, b"<html>", Content_Type="text/html")
    address = "https://landsatlook.usgs.gov/data/x_ST_B10.TIF"
    with pytest.raises(TransferError, match="a web page .* USGS asks for an ERS login"):
        fetch([Download(address, tmp_path / "x.tif")], Sources())


def test_mirrors_take_the_place_of_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrors = "nosc.go.kr=http://127.0.0.1:1/mirror noaa-gk2a-pds.s3.amazonaws.com=http://m/b/"
    monkeypatch.setenv("LSTSR_ENDPOINTS", mirrors)
    assert (
        Sources().request(NOSC + "?a=1").url
        == NOSC.replace("https://nosc.go.kr", "http://127.0.0.1:1/mirror") + "?a=1"
    )
    assert Sources().request("s3://noaa-gk2a-pds/x").url == "http://m/b/x"


@pytest.mark.parametrize(
    "address",
    [
        KMA + "&authKey=hush",
        BLOB + "?se=2025&SIG=hush",
        "https://me:hush@host.org/x",
        "https://host.org/x?X-Amz-Signature=hush",
    ],
)
def test_an_address_with_a_key_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(LstsrError, match="holds a key or signature") as fault:
        check_address(address)
    assert "hush" not in str(fault.value)


@pytest.mark.parametrize(
    "address",
    ["", "x.nc", "file:///x", "ftp://h/x", "https://h:x/", "s3:///x", "https://h/\ud55c.nc"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(LstsrError):
        check_address(address)


@pytest.mark.parametrize("root", ["", "=", "=mirror.org", "=https://me:hush@mirror.org"])
def test_a_mirror_without_a_root_is_named(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("LSTSR_ENDPOINTS", f"nosc.go.kr{root}")
    with pytest.raises(LstsrError, match="LSTSR_ENDPOINTS: nosc.go.kr needs a root") as fault:
        Sources()
    assert "hush" not in str(fault.value)
