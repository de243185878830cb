"""What a run leaves behind, and what it says, holds no key, password or signature."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.transfer.server import Answer, Handler, Server, cut, hang_up, status, whole_file

KMA = "https://apihub.kma.go.kr/api/typ05/x/data?date=202507190534"
BLOB = "https://account.blob.core.windows.net/container/x.bin"
BUCKET = "s3://usgs-landsat/x.bin"
LOGIN = "https://secured.org/x.bin"
SECRETS = ("kma/hush+1", "sas-hush-2", "aws-hush-3", "netrc-hush-4", "pc-hush-5", "hush")
HOSTS = (
    *("apihub.kma.go.kr", "account.blob.core.windows.net"),
    *("usgs-landsat.s3.amazonaws.com", "secured.org"),
)
PROGRAM = """
import logging, sys, traceback
from pathlib import Path
from lstsr.transfer import retry
from lstsr.transfer.fetch import Download, fetch
from lstsr.transfer.sources import Sources
logging.basicConfig(level=logging.DEBUG)
retry.FIRST_WAIT_S = 0.001
sources = Sources()
for number, address in enumerate(sys.argv[2:]):
    one = Download(address, Path(sys.argv[1]) / f"{number}.bin")
    try:
        fetch([one], sources, progress=True)
    except Exception as error:
        traceback.print_exc()
        print(repr(error), vars(error), file=sys.stderr)
    print(repr(one), repr(sources), vars(sources), file=sys.stderr)
"""


def echo(handler: Handler) -> None:
    """An error page that repeats the request."""
    handler.send(400, (handler.path + str(handler.headers)).encode(), X_Echo=handler.path)


def redirect(location: str) -> Answer:
    """To another place, with the query."""
    return lambda handler: handler.send(302, Location=location + handler.path)


@pytest.mark.parametrize(
    "answer",
    [
        *(whole_file, cut(0.3), hang_up, echo, status(403), status(429), status(500), status(404)),
        *(redirect("http://localhost:1"), redirect("ftp://h"), redirect("https://127.0.0.1:1")),
        *(redirect("http://127.0.0.1:99999"), status(200, b"<html>", Content_Type="text/html")),
    ],
)
def test_no_secret_is_left_or_said(server: Server, tmp_path: Path, answer: Answer) -> None:
    netrc, folder = tmp_path / "netrc", tmp_path / "run"
    netrc.write_text("machine secured.org login me password netrc-hush-4\n")
    folder.mkdir()
    token = json.dumps({"msft:expiry": "2999-01-01T00:00:00Z", "token": "sig=sas-hush-2"})
    server.always["/token/account/container"] = status(200, token.encode())
    for path in ("/api/typ05/x/data", "/container/x.bin", "/x.bin"):
        server.files[path] = b"data" * 1000
        server.always[path] = answer
    environment = {
        **os.environ,
        "KMA_API_KEY": "kma/hush+1",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "aws-hush-3",
        "PC_SDK_SUBSCRIPTION_KEY": "pc-hush-5",
        "PC_SDK_SAS_URL": server.url("/token"),
        "NETRC": str(netrc),
        "LSTSR_ENDPOINTS": " ".join(f"{host}={server.root}" for host in HOSTS),
        "LSTSR_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, "-c", PROGRAM, str(folder), KMA, BLOB, BUCKET, LOGIN]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    # all of them were sent
    sent = str(server.asked)
    assert all(
        secret in sent for secret in (quote(SECRETS[0], safe=""), *SECRETS[1:2], "pc-hush-5")
    )
    assert base64.b64encode(b"me:netrc-hush-4").decode() in sent
    assert "AWS4-HMAC-SHA256" in sent
    # and none came out again
    outputs = [done.stdout, done.stderr]
    for name, _, files in os.walk(folder):
        outputs += [name.encode(), *(file.encode() for file in files)]
        outputs += [(Path(name) / file).read_bytes() for file in files]
    spelt = [form for secret in SECRETS for form in (secret, quote(secret, safe=""))]
    spelt += [base64.b64encode(b"me:netrc-hush-4").decode(), "AWS4-HMAC"]
    assert not [form for form in spelt if any(form.encode() in output for output in outputs)]
