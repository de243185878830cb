"""From the stable address in a manifest to the request that fetches it now."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.client import Client, Request, read
from lstsr.transfer.credentials import Key, basic
from lstsr.transfer.guard import Guard
from lstsr.transfer.patience import check_put_off

ENDPOINTS = "LSTSR_ENDPOINTS"
"""Environment variable: `HOST=ROOT` pairs, separated by spaces, that put mirrors in place of hosts
(`noaa-gk2a-pds.s3.amazonaws.com=http://127.0.0.1:5000/noaa-gk2a-pds`)."""
BLOBS = ".blob.core.windows.net"
TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""Token service of Planetary Computer: `/ACCOUNT/CONTAINER`; PC_SDK_SAS_URL, as in its own client,
puts another in its place."""
TOKEN_MARGIN_S = 60.0
"""A token that expires sooner is not used any more, as in Planetary Computer's own client."""
PAID = {"usgs-landsat": "us-west-2"}
"""Buckets whose readers pay, and their regions."""
KMA = Key(
    service="KMA API hub",
    variable="KMA_API_KEY",
    host="apihub.kma.go.kr",
    where="register and apply for the satellite data at https://apihub.kma.go.kr",
    without="GK2A Level 1B comes from the public bucket",
)
NOSC = Key(
    service="NOSC OpenAPI",
    variable="NOSC_API_KEY",
    host="nosc.go.kr",
    where="register at https://nosc.go.kr",
    without="its OPeNDAP folders are open",
)
OPENAPI = "/openapi/"
"""Path of NOSC's service that asks for a key."""
USGS_HELP = (
    "USGS asks for an ERS login (https://ers.cr.usgs.gov) in a browser, or for its M2M service; "
    "without one, Landsat comes from Planetary Computer, or from s3://usgs-landsat at your cost"
)
PLANETARY_COMPUTER = "Planetary Computer needs no account; try later"
AWS_HELP = (
    "its readers pay: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of an account at "
    "https://aws.amazon.com; without one, Landsat comes from Planetary Computer"
)
SECRET_PARAMETERS = frozenset(
    ("authkey", "servicekey", "apikey", "api_key", "key", "token", "access_token", "password")
    + ("sig", "signature", "x-amz-signature", "x-amz-security-token", "x-amz-credential")
)


@dataclass
class Token:
    """A signature of Planetary Computer (shared access signature) and when it ends, Unix time."""

    text: str = field(repr=False)
    expires_s: float


class Sources:
    """Resolves addresses; signatures are asked for when needed and kept until they expire."""

    def __init__(self, allow_private: frozenset[str] = frozenset()) -> None:
        self.client = Client(Guard(allow_private))
        self._endpoints = _endpoints()
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def resolve(self, address: str, stop: threading.Event | None = None) -> Request:
        """The request for ``https://...`` or ``s3://BUCKET/KEY``, signed if need be.

        ``stop`` ends the wait for a signature.
        Raises TransferError (also for a key that is missing), CutError where a signature may be had
        later, and LstsrError for an address that holds a key or is none.
        """
        parts = check_address(address)
        host = parts.hostname or ""
        if parts.scheme == "s3":
            return self._bucket(parts.netloc, parts.path.lstrip("/"))
        if host.endswith(BLOBS):
            token = self._token(_container(address), stop)
            return Request(_with_query(self._mirrored(address), token.text), secret=True)
        if host == KMA.host:
            return self._keyed(address, "authKey", KMA)
        if host == NOSC.host and parts.path.startswith(OPENAPI):
            return self._keyed(address, "ServiceKey", NOSC)
        headers = basic(host) if parts.scheme == "https" else ()
        return Request(self._mirrored(address), headers, secret=bool(headers))

    def renew(self, address: str, refused: Request) -> bool:
        """Forget the signature that a server refused; False where there was none to renew."""
        if not (urlsplit(address).hostname or "").endswith(BLOBS):
            return False
        with self._lock:
            token = self._tokens.get(_container(address))
            if token is not None and refused.url.endswith(token.text):
                del self._tokens[_container(address)]
        return True

    def _bucket(self, bucket: str, key: str) -> Request:
        """Public buckets anonymously; those whose readers pay signed with the reader's keys."""
        # a name with dots fits no certificate of *.s3.amazonaws.com
        dotted = "." in bucket
        root = (
            "https://s3.amazonaws.com/" + bucket if dotted else f"https://{bucket}.s3.amazonaws.com"
        )
        url = self._mirrored(f"{root}/{quote(key)}")
        if bucket not in PAID:
            return Request(url)
        keys = [
            os.environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
        ]
        if not all(keys):
            raise TransferError(f"s3://{bucket}: {AWS_HELP}")
        headers = ["x-amz-request-payer: requester"]
        if session := os.environ.get("AWS_SESSION_TOKEN"):
            headers.append(f"x-amz-security-token: {session}")
        return Request(url, tuple(headers), (PAID[bucket], keys[0], keys[1]), secret=True)

    def _keyed(self, address: str, parameter: str, key: Key) -> Request:
        query = urlencode({parameter: key.read()})
        return Request(_with_query(self._mirrored(address), query), secret=True)

    def _token(self, container: str, stop: threading.Event | None) -> Token:
        with self._lock:
            token = self._tokens.get(container)
            if token is None or token.expires_s - time.time() < TOKEN_MARGIN_S:
                token = self._tokens[container] = self._ask_token(container, stop)
            return token

    def _ask_token(self, container: str, stop: threading.Event | None) -> Token:
        root = os.environ.get("PC_SDK_SAS_URL", TOKENS).rstrip("/")
        key = os.environ.get("PC_SDK_SUBSCRIPTION_KEY")
        headers = (f"Ocp-Apim-Subscription-Key: {key}",) if key else ()
        request = Request(f"{root}/{quote(container)}", headers, secret=bool(key))
        response, body = read(self.client, request, stop=stop)
        check_put_off(response, "signature of Planetary Computer")
        try:
            answer = json.loads(body)
            expires = datetime.fromisoformat(answer["msft:expiry"])
            return Token(str(answer["token"]), expires.timestamp())
        except (ValueError, KeyError, TypeError):
            raise TransferError(
                f"Planetary Computer gave no signature for {container} (status {response.status})"
            ) from None

    def _mirrored(self, url: str) -> str:
        """The URL with its host replaced where LSTSR_ENDPOINTS says so."""
        parts = urlsplit(url)
        root = self._endpoints.get(parts.hostname or "")
        if root is None:
            return url
        return root.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


def endpoint(host: str) -> str:
    """The root to use for a host: `https://HOST`, or the mirror that LSTSR_ENDPOINTS names."""
    return _endpoints().get(host, f"https://{host}")


def _endpoints() -> dict[str, str]:
    pairs = [pair.partition("=") for pair in os.environ.get(ENDPOINTS, "").split()]
    for host, _, root in pairs:
        if not root.startswith(("https://", "http://")) or "@" in root:
            raise LstsrError(
                f"{ENDPOINTS}: {host} needs a root without login, as in "
                "HOST=https://mirror.org/path"
            )
    return {host.lower(): root for host, _, root in pairs}


def check_address(address: str) -> SplitResult:
    """The parts of a stable address.

    Raises LstsrError for another scheme than https, http and s3, and for an address that holds a
    key or password, which it does not repeat.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises, where it is no number
    except ValueError:
        raise LstsrError("an address in the manifest cannot be understood as a URL") from None
    bare = parts._replace(netloc=parts.hostname or "", query="", fragment="").geturl()
    if parts.scheme not in ("https", "http", "s3") or not parts.hostname or parts.fragment:
        raise LstsrError(f"{bare}: addresses begin with https://, http:// or s3:// and hold no #")
    if not address.isascii():
        raise LstsrError(f"{bare}: write letters outside ASCII as %XX")
    names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if parts.username is not None or names & SECRET_PARAMETERS:
        raise LstsrError(
            f"{bare}: the address holds a key or signature; keys go into the environment"
        )
    return parts


def help_for(address: str) -> str:
    """What may mend a refusal of this address."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "s3" and host in PAID:
        return AWS_HELP
    if host.endswith(BLOBS):
        return PLANETARY_COMPUTER
    if host.endswith(".usgs.gov"):
        return USGS_HELP
    if host == NOSC.host and not parts.path.startswith(OPENAPI):
        return "its OPeNDAP folders are open; try later"
    for key in (KMA, NOSC):
        if host == key.host:
            return f"check {key.variable}; {key.help}"
    return f"a login for {host} is read from ~/.netrc"


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _container(address: str) -> str:
    """`ACCOUNT/CONTAINER` of a blob's address."""
    parts = urlsplit(address)
    account = (parts.hostname or "").removesuffix(BLOBS)
    return f"{account}/{parts.path.split('/')[1]}"
