"""Checksums as catalogs write them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lstsr.errors import LstsrError

HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
MULTIHASH = {"d50110": "md5", "1114": "sha1", "1220": "sha256", "1340": "sha512"}
"""Code and length in bytes, each a varint, that begin a multihash (multicodec table)."""


def parse(text: str) -> tuple[str, str]:
    """Algorithm and lower-case hexadecimal digest of `sha256:...` or of a hexadecimal multihash.

    The latter is what the STAC file extension's `file:checksum` holds. Raises LstsrError.
    """
    lower = text.strip().lower()
    name, colon, digits = lower.partition(":")
    if not colon:
        code = next((code for code in MULTIHASH if lower.startswith(code)), "")
        name, digits = MULTIHASH.get(code, ""), lower.removeprefix(code)
    if len(digits) != HEX_DIGITS.get(name) or not set(digits) <= set("0123456789abcdef"):
        kinds = ", ".join(HEX_DIGITS)
        raise LstsrError(
            f"checksum {text[:140]!r}: write ALGORITHM:HEX (of {kinds}) or a multihash"
        )
    return name, digits


def matches(path: Path, checksum: str) -> bool:
    """Whether a file has this checksum."""
    algorithm, digits = parse(checksum)
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digits
