"""Options that several commands share, the types of arguments, and how a command is added.

Knows argparse, and no command. Example:
    parser = add_command(subparsers, "report", report_command, "write the report of a run")
    parser.add_argument("--questions", type=positive_integer, metavar="N", help="number of questions")
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from crescent_lite.cli.parser import CommandParser
from crescent_lite.config.names import LARGEST_INTEGER, MOST_ROUNDS, PRESETS
from crescent_lite.printable import argument_text

DEFAULT_WORKSPACE = "data"
Command = Callable[[argparse.Namespace], int]
"""Performs a command with its parsed options, and returns the exit code."""
Subparsers: TypeAlias = "argparse._SubParsersAction[Any]"
"""What `ArgumentParser.add_subparsers` returns."""


def add_command(
    subparsers: Subparsers, name: str, command: Command, about: str, *, example: str
) -> argparse.ArgumentParser:
    """Add a command with the options that every command has. Returns its parser, for further options.

    `about`: one line for the list of commands. `example`: a command line, shown at the end of the command's help.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"Example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # a wrapped example could not be copied
    )
    parser.set_defaults(command=command, parser=parser)
    add_common_options(parser)
    return parser


def add_command_family(
    subparsers: Subparsers, name: str, about: str, *, example: str, default: str = ""
) -> Subparsers:
    """Add a command that has commands of its own, such as `crescent db check`. Returns where those are added.

    `default`: the one of its commands that is meant where none is named; '' if one must be named.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"Example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(parser=parser)
    if isinstance(parser, CommandParser):
        parser.default_command = default
    add_common_options(parser)
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that may stand before and after a command. Their defaults are COMMON_DEFAULTS."""
    common = parser.add_argument_group("options of every command")
    # Without SUPPRESS, the default of a command would replace what was given before the command.
    common.add_argument(
        "-w",
        "--workspace",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help=f"folder that holds the runs (default: {DEFAULT_WORKSPACE})",
    )
    for name, about in (
        ("--json", "print the result as JSON, and an error as one line of JSON on stderr"),
        ("--full", "show long texts of tables whole instead of shortening them to '...'"),
        ("--verbose", "report every item on stderr, and print the traceback of an error"),
    ):
        common.add_argument(name, action="store_true", default=argparse.SUPPRESS, help=about)


COMMON_DEFAULTS = {"workspace": Path(DEFAULT_WORKSPACE), "json": False, "full": False, "verbose": False}
"""The values of the options of every command where they are not given."""


def add_run_option(parser: argparse.ArgumentParser, about: str = "number or name of the run") -> None:
    """Add `--run RUN`. The text is resolved by `which_run`."""
    parser.add_argument("--run", type=run_reference, metavar="RUN", help=f"{about} (default: the latest)")


def run_reference(text: str) -> str:
    """The number or name of a run, for argparse. Whether there is such a run, the database tells."""
    if text.lstrip("+-").isdecimal():
        return str(positive_integer(text))
    if not text.strip():
        raise argparse.ArgumentTypeError("give the number or the name of a run; `crescent runs` lists them")
    return argument_text(text)


def add_estimate_options(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run` and `--yes`, of commands that say what they take before they start."""
    parser.add_argument("--dry-run", action="store_true", help="print what this would take, and end")
    parser.add_argument("--yes", action="store_true", help="do not ask, even if this takes more than 30 minutes")


def add_name_options(parser: argparse.ArgumentParser) -> None:
    """Add `--name` and `--note`, by which a run is told apart from others."""
    parser.add_argument(
        "--name", type=argument_text, metavar="NAME", help="name of the run, by which other commands find it"
    )
    parser.add_argument("--note", type=argument_text, metavar="TEXT", help="note on the run, for people")


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Add `--preset` and `--set`, which override settings of the workspace."""
    parser.add_argument(
        "--preset", metavar="NAME", help=f"preset to use ({', '.join(PRESETS)}) instead of the one in crescent.toml"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override one setting; may be given several times",
    )


def count(text: str) -> int:
    """A whole number of 0 or more, for argparse."""
    return _integer(text, 0, LARGEST_INTEGER)


def positive_integer(text: str) -> int:
    """A whole number, at least 1."""
    return _integer(text, 1, None)


def rounds_of_run(text: str) -> int:
    """A number of rounds, as the setting run.rounds accepts it."""
    return _integer(text, 1, MOST_ROUNDS)


def port_number(text: str) -> int:
    """A TCP port, 1 to 65535."""
    return _integer(text, 1, 65535)


def seconds(text: str) -> float:
    """A finite number of seconds, above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def number(text: str) -> float:
    """Any number."""
    return _number(text)


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def temperature(text: str) -> float:
    """A sampling temperature, 0 to 5."""
    number = _number(text)
    if not 0 <= number <= 5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 5")
    return number


def round_or_best(text: str) -> int | None:
    """A round's number, or None for 'best'."""
    return None if text == "best" else _integer(text, 1, None, or_else="'best'")


def round_or_base(text: str) -> int:
    """A round's number, or 0 for 'base'."""
    return 0 if text == "base" else _integer(text, 1, None, or_else="'base'")


def weighted_round(text: str) -> tuple[int, float]:
    """A round's number and its weight. '2=0.5' -> (2, 0.5); '2' -> (2, 1.0)."""
    number, _, weight_text = text.partition("=")
    weight = _number(weight_text or "1")
    if not math.isfinite(weight) or weight == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROUND=WEIGHT, with a weight other than 0")
    return _integer(number, 1, None), weight


def _integer(text: str, low: int, high: int | None, *, or_else: str = "") -> int:
    try:
        number = int(text)
    except ValueError:  # Python converts at most 4,300 digits
        number = LARGEST_INTEGER + 1 if text.isdecimal() else low - 1
    if high is None and number > LARGEST_INTEGER:
        raise argparse.ArgumentTypeError(f"{text!r} is too large: the largest number here is {LARGEST_INTEGER}")
    if number < low or (high is not None and number > high):
        bounds = f"from {low} to {high}" if high is not None else f"of {low} or more"
        allowed = f" or {or_else}" if or_else else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {bounds}{allowed}")
    return number


def _number(text: str) -> float:
    """The number that a text means; NaN if it means none, because every comparison with NaN is false."""
    try:
        return float(text)
    except ValueError:
        return math.nan
