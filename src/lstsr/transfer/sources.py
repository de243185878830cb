"""Turn the stable address in a manifest into a signed request."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.client import Client, Request
from lstsr.transfer.credentials import KMA, NOSC, basic
from lstsr.transfer.guard import Guard
from lstsr.transfer.retry import check_temporary

ENDPOINTS = "LSTSR_ENDPOINTS"
"""Environment variable: `HOST=ROOT` pairs, separated by spaces, that replace hosts by mirrors
(`noaa-gk2a-pds.s3.amazonaws.com=http://127.0.0.1:5000/noaa-gk2a-pds`)."""
BLOBS = ".blob.core.windows.net"
TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""Token service of Planetary Computer: `/ACCOUNT/CONTAINER`. PC_SDK_SAS_URL replaces it, as in
Planetary Computer's own client."""
REQUESTER_PAYS = {"usgs-landsat": "us-west-2"}
"""Buckets whose users pay, and their regions."""
OPENAPI = "/openapi/"
"""Path of NOSC's service that needs a key."""
USGS_HELP = (
    "USGS asks for an ERS login (https://ers.cr.usgs.gov) in a browser, or for its M2M service; "
    "without one, Landsat comes from Planetary Computer, or from s3://usgs-landsat at your cost"
)
AWS_HELP = (
    "users pay for this bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of an account at "
    "https://aws.amazon.com; without one, Landsat comes from Planetary Computer"
)
SECRET_PARAMETERS = frozenset(
    ("authkey", "servicekey", "apikey", "api_key", "key", "token", "access_token", "password")
    + ("sig", "signature", "x-amz-signature", "x-amz-security-token", "x-amz-credential")
)


@dataclass
class Token:
    """A shared access signature of Planetary Computer and its end, Unix time."""

    text: str = field(repr=False)
    expires_s: float


class Sources:
    """Resolves addresses. Requests signatures when necessary and keeps them until they expire."""

    def __init__(self, allow_private: frozenset[str] = frozenset()) -> None:
        self.client = Client(Guard(allow_private))
        self._mirrors = _mirrors()
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def request(self, address: str, stop: threading.Event | None = None) -> Request:
        """The request for ``https://...`` or ``s3://BUCKET/KEY``, signed if necessary.

        The address must have passed ``check_address``, or belong to a listing, which can hold the
        token of a page. ``stop`` ends the wait for a signature. Raises TransferError (also for a
        missing key), and CutError for a temporary fault of the signature service.
        """
        parts = urlsplit(address)
        host = parts.hostname or ""
        if parts.scheme == "s3":
            return self._bucket(parts.netloc, parts.path.lstrip("/"))
        url = self._mirrored(address)
        if host.endswith(BLOBS):
            return Request(_with_query(url, self._token(_container(address), stop)), secret=True)
        if host == KMA.host:
            return Request(_with_query(url, urlencode({"authKey": KMA.read()})), secret=True)
        if host == NOSC.host and parts.path.startswith(OPENAPI):
            return Request(_with_query(url, urlencode({"ServiceKey": NOSC.read()})), secret=True)
        headers = basic(host) if parts.scheme == "https" else ()
        return Request(url, headers, secret=bool(headers))

    def renew(self, address: str, refused: Request) -> bool:
        """Forget the signature that a server refused; False if the address needs none."""
        if not (urlsplit(address).hostname or "").endswith(BLOBS):
            return False
        with self._lock:
            token = self._tokens.get(_container(address))
            if token is not None and refused.url.endswith(token.text):
                del self._tokens[_container(address)]
        return True

    def _bucket(self, bucket: str, key: str) -> Request:
        """A public bucket is read anonymously, a requester-pays bucket with the user's keys."""
        # the certificate of *.s3.amazonaws.com does not cover names with dots
        host = "s3.amazonaws.com/" + bucket if "." in bucket else f"{bucket}.s3.amazonaws.com"
        url = self._mirrored(f"https://{host}/{quote(key)}")
        if bucket not in REQUESTER_PAYS:
            return Request(url)
        identity = os.environ.get("AWS_ACCESS_KEY_ID", "")
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        if not (identity and secret):
            raise TransferError(f"s3://{bucket}: {AWS_HELP}")
        headers = ["x-amz-request-payer: requester"]
        if session := os.environ.get("AWS_SESSION_TOKEN"):
            headers.append(f"x-amz-security-token: {session}")
        aws = REQUESTER_PAYS[bucket], identity, secret
        return Request(url, tuple(headers), aws, secret=True)

    def _token(self, container: str, stop: threading.Event | None) -> str:
        """The signature of a container, a new one if it expires soon."""
        with self._lock:
            token = self._tokens.get(container)
            # a minute before the end, as in Planetary Computer's own client
            if token is None or token.expires_s - time.time() < 60:
                token = self._tokens[container] = self._new_token(container, stop)
            return token.text

    def _new_token(self, container: str, stop: threading.Event | None) -> Token:
        root = os.environ.get("PC_SDK_SAS_URL", TOKENS).rstrip("/")
        key = os.environ.get("PC_SDK_SUBSCRIPTION_KEY")
        headers = (f"Ocp-Apim-Subscription-Key: {key}",) if key else ()
        request = Request(f"{root}/{quote(container)}", headers, secret=bool(key))
        response, body = self.client.read(request, stop=stop)
        check_temporary(response, "signature of Planetary Computer")
        try:
            answer = json.loads(body)
            expires = datetime.fromisoformat(answer["msft:expiry"])
            return Token(str(answer["token"]), expires.timestamp())
        except (ValueError, KeyError, TypeError):
            raise TransferError(
                f"Planetary Computer gave no signature for {container} (status {response.status})"
            ) from None

    def _mirrored(self, url: str) -> str:
        """The URL with its host replaced if LSTSR_ENDPOINTS names a mirror."""
        parts = urlsplit(url)
        root = self._mirrors.get(parts.hostname or "")
        if root is None:
            return url
        return root.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


def _mirrors() -> dict[str, str]:
    """Root by host from LSTSR_ENDPOINTS. Raises LstsrError for a root that cannot be used."""
    pairs = [pair.partition("=") for pair in os.environ.get(ENDPOINTS, "").split()]
    for host, _, root in pairs:
        if not root.startswith(("https://", "http://")) or "@" in root:
            raise LstsrError(
                f"{ENDPOINTS}: {host} needs a root without login, such as "
                "HOST=https://mirror.org/path"
            )
    return {host.lower(): root for host, _, root in pairs}


def check_address(address: str) -> SplitResult:
    """The parts of a stable address.

    Raises LstsrError for a scheme other than https, http and s3, and for an address that holds a
    key or password, without repeating it.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        raise LstsrError("an address in the manifest is not a URL. Correct it") from None
    bare = parts._replace(netloc=parts.hostname or "", query="", fragment="").geturl()
    if parts.scheme not in ("https", "http", "s3") or not parts.hostname or parts.fragment:
        raise LstsrError(f"{bare}: addresses begin with https://, http:// or s3:// and hold no #")
    if not address.isascii():
        raise LstsrError(f"{bare}: write letters outside ASCII as %XX")
    names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if parts.username is not None or names & SECRET_PARAMETERS:
        raise LstsrError(
            f"{bare}: the address holds a key or signature. Put keys into the environment"
        )
    return parts


def help_for(address: str) -> str:
    """Advice for users whose request for this address was refused."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "s3" and host in REQUESTER_PAYS:
        return AWS_HELP
    if host.endswith(BLOBS):
        return "Planetary Computer needs no account; try later"
    if host.endswith(".usgs.gov"):
        return USGS_HELP
    if host == NOSC.host and not parts.path.startswith(OPENAPI):
        return "its OPeNDAP folders are open; try later"
    for key in (KMA, NOSC):
        if host == key.host:
            return f"check {key.variable}; {key.help}"
    return f"lstsr reads a login for {host} from ~/.netrc"


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _container(address: str) -> str:
    """`ACCOUNT/CONTAINER` of a blob's address."""
    parts = urlsplit(address)
    account = (parts.hostname or "").removesuffix(BLOBS)
    return f"{account}/{parts.path.split('/')[1]}"
