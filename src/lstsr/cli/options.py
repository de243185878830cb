"""Options of the commands, and the types of their values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

Run = Callable[[argparse.Namespace], None]
Values = TypeVar("Values", bound=Any)


@dataclass(frozen=True)
class Option:
    """One option or argument of a command. ``group`` is TITLE or TITLE: DESCRIPTION in the help."""

    name: str
    more: dict[str, Any]
    group: str = ""


def option(name: str, text: str, *, group: str = "", **more: Any) -> Option:
    """An option with its help text; ``more`` are keyword arguments of argparse.

    The help also states the default, unless it is empty.
    """
    if more.get("default"):
        text += " (default: %(default)s)"
    return Option(name, {"help": text, **more}, group)


def path(name: str, text: str, **more: Any) -> Option:
    """A required option with a file or folder; with ``nargs`` several."""
    return option(f"--{name}", text, type=Path, required=True, **more)


def command(*options: Option) -> Callable[[Run], Run]:
    """Make a function a command of its name; its docstring is the help."""

    def register(run: Run) -> Run:
        COMMANDS[run] = options
        return run

    return register


COMMANDS: dict[Run, tuple[Option, ...]] = {}
CONFIG = path("config", "configuration file of the run")


def values_of(kind: type[Values], options: argparse.Namespace, /, **more: Any) -> Values:
    """A dataclass from the options that have the names of its fields, and from ``more``."""
    names = [item.name for item in fields(kind) if item.name in options and item.name not in more]
    return kind(**{name: getattr(options, name) for name in names}, **more)


def day(text: str) -> date:
    """A date, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is not a valid date. Expected YYYY-MM-DD"
        ) from None


def _finite(text: str) -> float:
    """A number; NaN for any other text and for infinity."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def number(text: str) -> float:
    """A finite number."""
    if math.isnan(value := _finite(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a number. Use a decimal point, as in 0.01")
    return value


def gigabytes(text: str) -> float:
    """A size above 0 GB."""
    if not (size := _finite(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of GB above 0")
    return size


def scale(text: str) -> int:
    """A scale that `predict` accepts."""
    from lstsr.predict.pair import MOST_SCALE

    if not text.isdigit() or not 2 <= int(text) <= MOST_SCALE:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number between 2 and {MOST_SCALE}")
    return int(text)


def tile(text: str) -> int:
    """The side of a tile, pixels, at least 128."""
    if not text.isdigit() or int(text) < 128:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 128")
    return int(text)


def band(text: str) -> int | str:
    """The number of a band, or its name."""
    return int(text) if text.isdigit() else text
