"""Where a transfer may connect to."""

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
"""Parsers of URLs disagree on these, and so on which host is meant."""
HOST = re.compile(r"[a-z0-9._:-]+")
"""No `%` (a zone, or a letter that libcurl decodes), no letters that it turns into others (IDN)."""
NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$")
"""An end that makes a host an IPv4 address, perhaps a faulty one (WHATWG URL, 3.5)."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is assigned for public use (IANA, Internet Protocol Version 6 Address Space)."""
WRAPPING = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96")
"""NAT64 (RFC 6052) and IPv4-compatible addresses: the last four bytes are an IPv4 address."""


class Guard:
    """Refuses other schemes than http(s), from https down to http, and private addresses.

    A catalog, or a server that redirects, could otherwise make this program ask services that only
    this machine can reach. ``allow_private`` and LSTSR_ALLOW_HOSTS name the hosts that may be such.
    """

    def __init__(self, allow_private: frozenset[str] = frozenset()) -> None:
        listed = os.environ.get(ALLOW, "").replace(",", " ").split()
        self._allowed = {_bare(name) for name in (*allow_private, *listed)}

    def allows(self, host: str) -> bool:
        """Whether this host was allowed by name."""
        return _bare(host) in self._allowed

    def check(self, url: str, *, secret: bool, came_from: str = "") -> str:
        """The host of ``url``. Raises TransferError, without the URL, where it is refused.

        A host that is written as a private address is refused here, for a proxy would connect to
        it; whatever else resolves to one is by ``check_peer``.
        """
        try:
            parts = urlsplit(url)
            scheme, host, _ = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError:
            raise TransferError("what cannot be understood as a URL; refused") from None
        if "@" in parts.netloc or AMBIGUOUS & set(url) or not url.isascii():
            raise TransferError("a URL that can be read in two ways; refused")
        if scheme not in ("http", "https") or not host:
            raise TransferError(
                f"redirected to {scheme or 'no'}://; only http and https are served"
            )
        address = _written(host)
        if not HOST.fullmatch(host) or (not address and NUMBER.search(host)):
            raise TransferError("a URL whose host can be read in two ways; refused")
        if urlsplit(came_from).scheme.lower() == "https" and scheme == "http":
            raise TransferError(f"redirected from https to plain http at {host}; refused")
        if secret and scheme == "http" and not self.allows(host):
            raise TransferError(f"a key would travel in plain http to {host}; refused")
        if address:
            self.check_peer(host, address)
        return host

    def check_peer(self, host: str, peer: str) -> None:
        """Raises TransferError where ``host``, which is at the IP address ``peer``, is private."""
        if not self.allows(host) and not _public(ipaddress.ip_address(peer.split("%")[0])):
            raise TransferError(
                f"{host} is the private address {peer}; refused unless {ALLOW} names it"
            )


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


def _written(host: str) -> str:
    """The address that a host name spells, in any form that a resolver takes; '' for others.

    `127.1`, `2130706433` and `0x7f.0.0.1` are 127.0.0.1 to inet_aton, localhost is by RFC 6761.
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
