"""Read keys and passwords from the environment or ~/.netrc, and from nowhere else."""

from __future__ import annotations

import base64
import netrc
import os
from dataclasses import dataclass
from pathlib import Path

from lstsr.errors import LstsrError, TransferError


@dataclass(frozen=True)
class Key:
    """The key of a service.

    lstsr looks for ``variable`` in the environment, and for ``host`` in ~/.netrc. ``where`` says
    how users get a key, ``without`` what works without one.
    """

    service: str
    variable: str
    host: str
    where: str
    without: str

    def read(self) -> str:
        """The key. Raises TransferError if it is missing."""
        login = _netrc(self.host)
        key = os.environ.get(self.variable) or (login[1] if login else "")
        if not key:
            raise TransferError(
                f"{self.service} needs a key: set {self.variable}, or the password of machine "
                f"{self.host} in ~/.netrc; {self.help}"
            )
        return key

    @property
    def help(self) -> str:
        """Advice for users whose key is missing or refused."""
        return f"{self.where}; without it, {self.without}"


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


def basic(host: str) -> tuple[str, ...]:
    """The header of HTTP basic authentication for a host in ~/.netrc; () for any other host."""
    login = _netrc(host)
    if login is None:
        return ()
    encoded = base64.b64encode(":".join(login).encode()).decode()
    return (f"Authorization: Basic {encoded}",)


def _netrc(host: str) -> tuple[str, str] | None:
    """Login and password of a host, in any case. `default` is ignored: it matches every host."""
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        hosts = netrc.netrc(path).hosts
    except FileNotFoundError:
        return None
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
        # the parser's own message quotes the file
        raise LstsrError(f"{path} cannot be read as netrc. Check its syntax and mode") from None
    named = {name.lower(): entry for name, entry in hosts.items() if name != "default"}
    if host.lower() not in named:
        return None
    login, _, password = named[host.lower()]
    return login or "", password or ""
