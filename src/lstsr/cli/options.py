"""Options of the commands, and the types of their values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

LEAST_TILE = 128
Run = Callable[[argparse.Namespace], None]


@dataclass(frozen=True)
class Option:
    """One option or argument of a command. ``group`` is TITLE or TITLE: DESCRIPTION in the help."""

    name: str
    more: dict[str, Any]
    group: str = ""


def option(name: str, text: str, *, group: str = "", **more: Any) -> Option:
    """An option with its help text; ``more`` are those of argparse."""
    return Option(name, {"help": text, **more}, group)


def path(name: str, text: str) -> Option:
    """A required option with a file or folder."""
    return option(f"--{name}", text, type=Path, required=True)


def paths(name: str, text: str) -> Option:
    """A required option with one file or more."""
    return option(f"--{name}", text, type=Path, required=True, nargs="+")


def command(commands: dict[Run, tuple[Option, ...]], *options: Option) -> Callable[[Run], Run]:
    """Decorate the function of a command: its name and docstring are those of the command."""

    def register(run: Run) -> Run:
        commands[run] = options
        return run

    return register


CONFIG = path("config", "configuration file of the run")


def day(text: str) -> date:
    """A date, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is not a valid date. Expected YYYY-MM-DD"
        ) from None


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a number. Use a decimal point, as in 0.01")
    return value


def gigabytes(text: str) -> float:
    """A size above 0 GB."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of GB above 0")
    return size


def scale(text: str) -> int:
    """A scale that `predict` accepts."""
    from lstsr.predict.pair import MOST_SCALE

    if not text.isdigit() or not 2 <= int(text) <= MOST_SCALE:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number between 2 and {MOST_SCALE}")
    return int(text)


def tile(text: str) -> int:
    """The side of a tile, pixels."""
    if not text.isdigit() or int(text) < LEAST_TILE:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {LEAST_TILE}")
    return int(text)


def band(text: str) -> int | str:
    """The number of a band, or its name."""
    return int(text) if text.isdigit() else text
