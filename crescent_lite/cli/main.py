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

from crescent_lite.cli import (
    completion,
    database,
    export,
    log,
    measure,
    models,
    quantise,
    results,
    run_list,
    runs,
    serve,
    setup,
    status,
    sweeps,
)
from crescent_lite.cli.options import COMMON_DEFAULTS, Command, Subparsers, add_common_options
from crescent_lite.cli.parser import CommandParser
from crescent_lite.cli.terminal import accept_every_character, open_closed_streams, say, say_error
from crescent_lite.config.names import VERSION
from crescent_lite.errors import (
    CrescentError,
    ExitCode,
    Interrupted,
    OutOfMemoryError,
    StorageError,
    UsageError,
    disk_words,
    lack_in_words,
)

GROUPS: dict[str, tuple[Callable[[Subparsers], None], ...]] = {
    "Run": (
        setup.add_init,
        setup.add_config,
        runs.add_run,
        runs.add_pause,
        runs.add_resume,
        runs.add_stop,
        runs.add_rollback,
        runs.add_distill,
        sweeps.add_sweep,
    ),
    "Look": (
        status.add_status,
        run_list.add_runs,
        run_list.add_compare,
        run_list.add_why,
        results.add_tui,
        results.add_show,
        results.add_report,
        results.add_answer,
        results.add_note,
    ),
    "Measure": (
        measure.add_eval,
        measure.add_headroom,
        measure.add_controls,
        measure.add_recheck,
        measure.add_plan,
    ),
    "Hand over": (
        export.add_export,
        quantise.add_quantise,
        log.add_log,
    ),
    "Data": (
        database.add_query,
        serve.add_serve,
        database.add_db,
    ),
    "Machine": (
        setup.add_doctor,
        models.add_models,
        completion.add_completion,
    ),
}
"""Title of each group of commands, and the function that adds each command, in the order of `crescent --help`."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    # Without this, numpy starts a thread for each processor of the host, and interrupts the process where it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    open_closed_streams()
    accept_every_character()
    given = sys.argv[1:] if arguments is None else arguments
    parser = build_parser()
    if not given:
        say(parser.format_help())
        return ExitCode.USAGE
    try:
        options = parser.parse(given)
    except UsageError as error:
        say_error(error, as_json="--json" in given)
        return error.exit_code
    return reported(options.command, options)


def reported(command: Command, options: argparse.Namespace) -> int:
    """Carry out a command, and report what ends it early as one line. Returns its exit code."""
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except CrescentError as error:
        return _failed(options, error)
    except (Interrupted, KeyboardInterrupt):
        resumed_by = getattr(options, "resumed_by", "")
        resume = (
            f"Resume with: crescent {resumed_by} -w {options.workspace}"
            if resumed_by
            else "Repeat the command to continue."
        )
        say(f"crescent: stopped; all finished work is stored. {resume}")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader of our output has left; there is nobody to tell
        return ExitCode.OK
    except (MemoryError, OSError, RuntimeError, ImportError) as error:
        if lack := lack_in_words(error):
            return _failed(options, OutOfMemoryError(lack))
        if not isinstance(error, OSError):
            raise
        if error.filename is None:
            _drop_output()
        where = error.filename or "the output"
        return _failed(options, StorageError(f"{where}: {disk_words(error)}"))


def _drop_output() -> None:
    """Send the rest of the output, which Python writes when it exits, nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(options: argparse.Namespace, error: CrescentError) -> int:
    if options.verbose:
        import traceback

        say(traceback.format_exc())
    say_error(error, as_json=options.json)
    return error.exit_code


def build_parser() -> CommandParser:
    """The parser of the whole command line."""
    parser = CommandParser(
        prog="crescent",
        usage="crescent [-h] [--version] [-w DIR] COMMAND ...",
        description="A language model improves its own maths: it asks, votes, learns and is measured.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"crescent-lite {VERSION}")
    parser.set_defaults(root=parser, **COMMON_DEFAULTS)
    add_common_options(parser)
    # argparse cannot group commands under titles, so its own list is suppressed and the epilog has one.
    subparsers = parser.add_subparsers(prog="crescent", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    lines: list[str] = []
    for title, names in _add_groups(subparsers).items():
        lines.append(f"{title}:")
        lines += [f"  {name:<11}{subparsers.choices[name].description}" for name in names]
        lines.append("")
    lines += ["`crescent COMMAND --help` shows the options of a command and an example.", ""]
    parser.epilog = "\n".join([*lines, "Example: crescent run -w maths --rounds 2"])
    return parser


def command_groups() -> dict[str, list[str]]:
    """Names of the commands in each group, by the group's title, in the order of `crescent --help`."""
    return _add_groups(argparse.ArgumentParser().add_subparsers())


def _add_groups(subparsers: Subparsers) -> dict[str, list[str]]:
    """Add every group of commands. Returns the names of each group's commands, by its title."""
    groups = {}
    for title, adders in GROUPS.items():
        known = len(subparsers.choices)
        for add in adders:
            add(subparsers)
        groups[title] = list(subparsers.choices)[known:]
    return groups
