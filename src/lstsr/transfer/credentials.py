"""Keys and passwords: from the environment or ~/.netrc, nowhere else."""

from __future__ import annotations

import base64
import netrc
import os
from dataclasses import dataclass
from pathlib import Path

from lstsr.errors import LstsrError, TransferError


@dataclass(frozen=True)
class Key:
    """Where lstsr looks for a service's key, where users get one, and what works without it."""

    service: str
    variable: str
    host: str
    where: str
    without: str

    def read(self) -> str:
        """The key. Raises TransferError where there is none."""
        entry = _netrc(self.host)
        key = os.environ.get(self.variable) or (entry[1] if entry else "")
        if not key:
            raise TransferError(
                f"{self.service} needs a key: set {self.variable}, or the password of machine "
                f"{self.host} in ~/.netrc; {self.help}"
            )
        return key

    @property
    def help(self) -> str:
        """What to tell someone whose key is missing or refused."""
        return f"{self.where}; without it, {self.without}"


def basic(host: str) -> tuple[str, ...]:
    """The HTTP basic authentication header for a host in ~/.netrc; () for any other host."""
    entry = _netrc(host)
    if entry is None:
        return ()
    encoded = base64.b64encode(f"{entry[0]}:{entry[1]}".encode()).decode()
    return (f"Authorization: Basic {encoded}",)


def _netrc(host: str) -> tuple[str, str] | None:
    """Login and password of a host, in any case. `default` is left out: it would go to anyone."""
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        hosts = netrc.netrc(path).hosts
    except FileNotFoundError:
        return None
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
        # the parser's own message quotes the file
        raise LstsrError(f"{path} cannot be read as netrc; check its syntax and mode") from None
    named = {name.lower(): entry for name, entry in hosts.items() if name != "default"}
    if host.lower() not in named:
        return None
    login, _, password = named[host.lower()]
    return login or "", password or ""
