"""Parse checksums as catalogs write them, and compare files with them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from lstsr.errors import LstsrError

HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
MULTIHASH = {"d50110": "md5", "1114": "sha1", "1220": "sha256", "1340": "sha512"}
"""Code and length in bytes, each a varint, at the start of a multihash (multicodec table)."""


def parse(text: str) -> tuple[str, str]:
    """Algorithm and lower-case hexadecimal digest of `sha256:...` or of a hexadecimal multihash.

    `file:checksum` of the STAC file extension is a multihash. Raises LstsrError.
    """
    lower = text.strip().lower()
    name, colon, digits = lower.partition(":")
    if not colon:
        code = next((code for code in MULTIHASH if lower.startswith(code)), "")
        name, digits = MULTIHASH.get(code, ""), lower.removeprefix(code)
    if len(digits) != HEX_DIGITS.get(name) or not re.fullmatch("[0-9a-f]+", digits):
        raise LstsrError(
            f"checksum {text[:140]!r} cannot be read. Write ALGORITHM:HEX "
            f"({', '.join(HEX_DIGITS)}) or a multihash"
        )
    return name, digits


def matches(path: Path, checksum: str) -> bool:
    """Whether a file has this checksum."""
    algorithm, digits = parse(checksum)
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digits
