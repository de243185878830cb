"""What the file at an address is called."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

KMA_LST = "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date="
"""GK2A LST of the Korean area on KMA's API hub; a time follows (YYYYMMDDHHMM, UTC)."""


def file_name(address: str) -> str:
    """The last part of the address's path; of KMA's API, whose addresses name none, KMA's own."""
    stamp = address.removeprefix(KMA_LST)
    if stamp != address and re.fullmatch(r"\d{12}", stamp):
        return f"gk2a_ami_le2_lst_ko020lc_{stamp}.nc"
    return urlsplit(address).path.rpartition("/")[2]
