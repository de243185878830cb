"""Commands of lstsr: one for each rule of the workflow, and tools for people."""

from __future__ import annotations

import argparse
import logging
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from lstsr.cli import rules, tools  # noqa: F401, they register their commands
from lstsr.cli.options import COMMANDS
from lstsr.errors import LstsrError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. A fault is one line on stderr and exit status 1; Ctrl-C is status 130."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.captureWarnings(True)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("lstsr: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        if options.debug:
            raise
        print(f"lstsr: {_one_line(error)}", file=sys.stderr)
        return 1
    return 0


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, LstsrError):
        return text
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    if isinstance(error, MemoryError):
        return "not enough memory. Use smaller images or a machine with more memory"
    return (
        f"unexpected error ({type(error).__name__}: {text}). Run the command again with --debug "
        "and report what it prints"
    )


class _Parser(argparse.ArgumentParser):
    """Reports an error on the command line in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # argparse reads -9999 as a number, but -3.4e38 and -10,35,-5,40 as options
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where to find help. Exit."""
        self.exit(2, f"lstsr: {message}. `{self.prog} --help` shows all options\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lstsr", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run, options in COMMANDS.items():
        name = run.__name__.replace("_", "-")
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        groups: dict[str, Any] = {"": command}
        for option in options:
            if option.group not in groups:
                groups[option.group] = command.add_argument_group(*option.group.split(": ", 1))
            groups[option.group].add_argument(option.name, **option.more)
    return parser
