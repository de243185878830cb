"""The guard: which URLs and IP addresses a transfer may connect to."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from urllib.parse import urlsplit

from lstsr.errors import TransferError

ALLOW = "LSTSR_ALLOW_HOSTS"
"""Environment variable: host names, separated by spaces or commas, that may be private."""
AMBIGUOUS = frozenset("\\ \t\r\n")
"""URL parsers disagree about these characters, and therefore about the host."""
HOST = re.compile(r"[a-z0-9._:-]+")
"""Without `%` (a zone, or a letter that libcurl decodes) and letters that it converts (IDN)."""
NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$")
"""An end that makes a host an IPv4 address, perhaps a malformed one (WHATWG URL, 3.5)."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All addresses for public use (IANA, Internet Protocol Version 6 Address Space)."""
WRAPPING = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96")
"""NAT64 (RFC 6052) and IPv4-compatible addresses: the last four bytes are an IPv4 address."""


class Guard:
    """Refuses schemes other than http(s), redirects from https to http, and private addresses.

    Otherwise, a catalog or a redirect could make lstsr send requests to services that only this
    machine can reach. ``allow_private`` and LSTSR_ALLOW_HOSTS name the hosts that may be private.
    """

    def __init__(self, allow_private: frozenset[str] = frozenset()) -> None:
        listed = os.environ.get(ALLOW, "").replace(",", " ").split()
        self._allowed = {_bare(name) for name in (*allow_private, *listed)}

    def check(self, url: str, *, secret: bool, came_from: str = "") -> str:
        """The host of ``url``. Raises TransferError, without the URL, if it is refused.

        A host that is written as a private address is refused here, because a proxy would connect
        to it. ``check_peer`` refuses hosts that resolve to one.
        """
        try:
            parts = urlsplit(url)
            scheme, host, _ = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError:
            raise TransferError("refused a malformed URL") from None
        if "@" in parts.netloc or AMBIGUOUS & set(url) or not url.isascii():
            raise TransferError("refused an ambiguous URL")
        if scheme not in ("http", "https") or not host:
            raise TransferError(
                f"refused a redirect to {scheme or 'no'}://; lstsr reads only http and https"
            )
        address = _written(host)
        if not HOST.fullmatch(host) or (not address and NUMBER.search(host)):
            raise TransferError("refused a URL with an ambiguous host")
        if urlsplit(came_from).scheme.lower() == "https" and scheme == "http":
            raise TransferError(f"refused a redirect from https to plain http at {host}")
        if secret and scheme == "http" and _bare(host) not in self._allowed:
            raise TransferError(f"refused to send a key in plain http to {host}")
        if address:
            self.check_peer(host, address)
        return host

    def check_peer(self, host: str, peer: str) -> None:
        """Raise TransferError if ``host``, at the IP address ``peer``, is private."""
        if _bare(host) in self._allowed or _public(ipaddress.ip_address(peer.split("%")[0])):
            return
        raise TransferError(
            f"{host} is the private address {peer}. lstsr connects to it only if {ALLOW} names it"
        )


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


def _written(host: str) -> str:
    """The IP address that a host name spells, in any form that a resolver reads; '' for others.

    `127.1`, `2130706433` and `0x7f.0.0.1` are 127.0.0.1 to inet_aton; localhost is by RFC 6761.
    """
    name = _bare(host)
    if ":" in name:
        return name
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return ""


def _public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    inner = ip.ipv4_mapped or ip.sixtofour
    if any(ip in network for network in WRAPPING):
        inner = ipaddress.IPv4Address(ip.packed[-4:])
    return _public(inner) if inner is not None else ip in UNICAST and ip.is_global
