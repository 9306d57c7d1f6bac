"""The `crescent` command: the list of its commands, and how their errors become messages and exit codes.

The options of a command stand beside it, in one file for each group. Nothing heavier than argparse is imported
before a command is called, so that `crescent --help` is quick. Example:
    main(["run", "-w", "data", "--rounds", "2"]) -> 0
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from crescent_lite.cli import database, export, measure, results, runs, setup
from crescent_lite.cli.options import Command, Subparsers
from crescent_lite.cli.terminal import accept_every_character, say
from crescent_lite.config.names import VERSION
from crescent_lite.errors import CrescentError, ExitCode, Interrupted

GROUPS: tuple[tuple[str, Callable[[Subparsers], None]], ...] = (
    ("Setup", setup.add_commands),
    ("Runs", runs.add_commands),
    ("Results", results.add_commands),
    ("Measurement", measure.add_commands),
    ("Database", database.add_commands),
    ("Export", export.add_commands),
)
"""Title of each group of commands, and the function that adds its commands, in the order of `crescent --help`."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    accept_every_character()
    options = build_parser().parse_args(arguments)
    command: Command = options.command
    try:
        code = command(options)
        if sys.stdout is not None:  # a shell can close it
            sys.stdout.flush()
        return code
    except CrescentError as error:
        return _failed(options, str(error), error.exit_code)
    except (Interrupted, KeyboardInterrupt):
        starts_a_run = getattr(options, "starts_a_run", False)
        resume = (
            f"Resume with: crescent run -w {options.workspace}" if starts_a_run else "Repeat the command to continue."
        )
        say(f"crescent: stopped; all finished work is stored. {resume}")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left; there is nobody to tell
        return ExitCode.OK
    except OSError as error:
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes the rest when it exits
        return _failed(options, f"{error.filename or 'the output'}: {error.strerror or error}", ExitCode.STORAGE)


def _failed(options: argparse.Namespace, message: str, code: ExitCode) -> ExitCode:
    if options.verbose:
        import traceback

        say(traceback.format_exc())
    say(f"crescent: {message}")
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="crescent",
        usage="crescent [-h] [--version] COMMAND ...",
        description="A language model improves its own maths: it asks, votes, learns and is measured.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"crescent-lite {VERSION}")
    # argparse cannot group commands under titles, so its own list is suppressed and the epilog has one.
    subparsers = parser.add_subparsers(prog="crescent", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    lines: list[str] = []
    for title, names in _add_groups(subparsers).items():
        lines.append(f"{title}:")
        lines += [f"  {name:<10}{subparsers.choices[name].description}" for name in names]
        lines.append("")
    parser.epilog = "\n".join([*lines, "`crescent COMMAND --help` shows the options of a command."])
    return parser


def command_groups() -> dict[str, list[str]]:
    """Names of the commands in each group, by the group's title, in the order of `crescent --help`."""
    return _add_groups(argparse.ArgumentParser().add_subparsers())


def _add_groups(subparsers: Subparsers) -> dict[str, list[str]]:
    """Add every group of commands. Returns the names of each group's commands, by its title."""
    groups = {}
    for title, add_commands in GROUPS:
        known = len(subparsers.choices)
        add_commands(subparsers)
        groups[title] = list(subparsers.choices)[known:]
    return groups
