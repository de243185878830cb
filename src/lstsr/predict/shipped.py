"""Pretrained networks: checkpoints that come with the package, found by name."""

from __future__ import annotations

import logging
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from lstsr.errors import LstsrError

logger = logging.getLogger(__name__)
FOLDER = Path(__file__).parents[1] / "networks"
SUFFIX = ".safetensors"


def names() -> list[str]:
    """Names of the pretrained networks."""
    return sorted(file.stem for file in FOLDER.glob(f"*{SUFFIX}"))


def checkpoint_path(model: str, option: str, methods: Collection[str] = ()) -> Path:
    """The checkpoint that ``model`` names: a pretrained network, otherwise a file.

    Raises LstsrError if there is neither, naming ``option`` and the ``methods`` that it accepts.
    """
    path = Path(model)
    if model in names():
        if path.exists():
            logger.warning(
                "%s %s: using the pretrained network, not the file of this name. Write ./%s to use "
                "the file",
                *(option, model, model),
            )
        return FOLDER / f"{model}{SUFFIX}"
    if path.is_file():
        return path
    known = sorted({*methods, *names()})
    near = get_close_matches(path.name.removesuffix(SUFFIX), known, n=1)
    raise LstsrError(
        f"{option} {model}: not a checkpoint file and not one of {', '.join(known)}"
        + (f". Did you mean {near[0]}?" if near else "")
    )
