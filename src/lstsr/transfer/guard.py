"""Where a transfer may connect to."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from lstsr.errors import TransferError

ALLOW = "LSTSR_ALLOW_HOSTS"
"""Environment variable: host names, separated by spaces or commas, that may be private."""

AMBIGUOUS = frozenset("\\ \t\r\n")
"""Parsers of URLs disagree on these, and so on which host is meant."""


class Guard:
    """Refuses other schemes than http(s), from https down to http, and private addresses.

    A catalog, or a server that redirects, could otherwise make this program ask services that only
    this machine can reach. ``allow_private`` and LSTSR_ALLOW_HOSTS name the hosts that may be such.
    """

    def __init__(self, allow_private: frozenset[str] = frozenset()) -> None:
        listed = os.environ.get(ALLOW, "").replace(",", " ").split()
        self._allowed = {name.lower() for name in (*allow_private, *listed)}

    def allows(self, host: str) -> bool:
        """Whether this host was allowed by name."""
        return host.lower() in self._allowed

    def check(self, url: str, *, secret: bool, came_from: str = "") -> str:
        """The host of ``url``. Raises TransferError, without the URL, where it is refused."""
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), parts.hostname
        if "@" in parts.netloc or AMBIGUOUS & set(url):
            raise TransferError("a URL that can be read in two ways; refused")
        if scheme not in ("http", "https") or not host:
            raise TransferError(
                f"redirected to {scheme or 'no'}://; only http and https are served"
            )
        if urlsplit(came_from).scheme.lower() == "https" and scheme == "http":
            raise TransferError(f"redirected from https to plain http at {host}; refused")
        if secret and scheme == "http" and not self.allows(host):
            raise TransferError(f"a key would travel in plain http to {host}; refused")
        return host

    def reachable(self, host: str, peer: str) -> bool:
        """Whether ``host``, which resolved to the IP address ``peer``, may be connected to."""
        return self.allows(host) or _public(ipaddress.ip_address(peer.split("%")[0]))


def _public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return _public(inner)
    return ip.is_global and not ip.is_multicast
