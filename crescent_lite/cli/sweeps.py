"""The command sweep: the same settings played over seeds and values.

What it needs is imported when it is called. Example:
    crescent sweep --seeds 5 --vary train.learning_rate=1e-4,2e-4
"""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING

from crescent_lite.cli.options import Subparsers, add_command, add_settings_options, rounds_of_run
from crescent_lite.cli.terminal import print_table, result, say
from crescent_lite.errors import ExitCode, NotFoundError, UsageError
from crescent_lite.printable import argument_text, printable_line
from crescent_lite.workspace.database import open_store, open_workspace, store_to_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crescent_lite.forecast import Forecast
    from crescent_lite.sweep import PlannedRun, Sweep
    from crescent_lite.workspace import Workspace


def add_sweep(subparsers: Subparsers) -> None:
    """`crescent sweep` and its options."""
    about = "play the same settings over seeds and values, and compare them"
    parser = add_command(
        subparsers,
        "sweep",
        sweep_command,
        about,
        example="crescent sweep --seeds 5 --vary train.learning_rate=1e-4,2e-4",
    )
    parser.set_defaults(resumed_by="sweep")
    parser.add_argument(
        "--seeds",
        metavar="N",
        help="seeds to play each variant with: how many, from run.seed on, or a list such as 1,2,7",
    )
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=VALUE,VALUE",
        help="setting with the values that it takes; several settings are combined in every way",
    )
    parser.add_argument("--name", type=argument_text, metavar="NAME", help="name of the sweep (default: 'sweep N')")
    parser.add_argument("--rounds", type=rounds_of_run, metavar="N", help="rounds of each run (default: run.rounds)")
    parser.add_argument(
        "--share-votes",
        action="store_true",
        help="ask and vote once for each seed; needs runs of one round that differ in [train] only",
    )
    parser.add_argument("--new", action="store_true", help="plan another sweep even if one is unfinished")
    parser.add_argument("--dry-run", action="store_true", help="print the queue and what it would take, and end")
    parser.add_argument("--table", action="store_true", help="print the table of the sweep so far, and end")
    parser.add_argument("--yes", action="store_true", help="do not ask before a sweep of more than 30 minutes")
    add_settings_options(parser)


def sweep_command(options: argparse.Namespace) -> int:
    """Plan a sweep or continue the unfinished one, play what is owed, and print its table."""
    from crescent_lite.cli.forecasts import agree
    from crescent_lite.cli.runs import watch
    from crescent_lite.engine import run_engine
    from crescent_lite.sweep import find_sweep, refuse_changed_settings

    workspace = open_workspace(options.workspace)
    if options.table:
        with closing(open_store(workspace)) as store:
            sweep = find_sweep(store, options.name)
        return _print_table(options, workspace, sweep)
    sweep = _plan(options, workspace) if _plans(options) else _to_continue(options, workspace)
    with closing(open_store(workspace)) as store:
        owed = sweep.owed(store)
    found = _forecast(workspace, sweep, owed)
    if options.dry_run or (found and not agree(options, found)):
        return _print_queue(options, workspace, sweep, found)
    for run in owed:
        refuse_changed_settings(workspace, sweep, run)
        with closing(open_store(workspace)) as store:
            wanted = sweep.options(store, run)
        say(printable_line(f"{sweep.name}: {run.position + 1} of {len(sweep.runs)}, {run.label}", 300))
        watch(options, run_engine(workspace, wanted))
    return _print_table(options, workspace, sweep)


def _plans(options: argparse.Namespace) -> bool:
    """Whether the command line describes a new sweep."""
    return bool(options.seeds or options.vary or options.new)


def _plan(options: argparse.Namespace, workspace: Workspace) -> Sweep:
    from crescent_lite.sweep import SweepOptions, find_sweep, parse_vary, plan_sweep

    seeds, count = _seeds(options.seeds)
    wanted = SweepOptions(
        seeds,
        count,
        tuple(map(parse_vary, options.vary)),
        options.rounds,
        options.preset,
        tuple(options.overrides),
        options.name,
        options.share_votes,
    )
    with store_to_change(workspace) as store:
        try:
            latest = find_sweep(store)
        except NotFoundError:
            latest = None
        if latest and latest.owed(store) and not options.new:
            raise UsageError(f"{latest.name} is unfinished; `crescent sweep` continues it, --new plans another sweep")
        return plan_sweep(workspace, store, wanted, keeps=not options.dry_run)


def _to_continue(options: argparse.Namespace, workspace: Workspace) -> Sweep:
    from crescent_lite.sweep import find_sweep

    with closing(open_store(workspace)) as store:
        sweep = find_sweep(store, options.name)
        if not sweep.owed(store) and not options.dry_run:
            say(printable_line(f"{sweep.name} is finished; --seeds or --vary plans another one", 300))
    return sweep


def _seeds(text: str | None) -> tuple[tuple[int, ...], int]:
    """The listed seeds, and how many to take if none are listed. Raises UsageError."""
    parts = [part.strip() for part in (text or "1").split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise UsageError(f"--seeds {text!r}: write how many, such as 5, or a list such as 1,2,7")
    numbers = tuple(map(int, parts))
    if len(numbers) == 1:
        if not numbers[0]:
            raise UsageError("--seeds 0: write at least 1")
        return (), numbers[0]
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--seeds {text!r}: a seed is named twice; remove one")
    return numbers, 0


def _forecast(workspace: Workspace, sweep: Sweep, owed: Sequence[PlannedRun]) -> Forecast | None:
    """What the owed runs take; None without any."""
    from crescent_lite.forecast import SweepRun, forecast_sweep
    from crescent_lite.preparation import RunOptions

    runs = []
    for run in owed:
        learns = run.learns_from is not None
        wanted = RunOptions(1 if learns else sweep.rounds, True, sweep.preset, run.overrides)
        runs.append(SweepRun(run.label, wanted, learns))
    return forecast_sweep(workspace, sweep.name, runs, tell=say)


def _print_queue(options: argparse.Namespace, workspace: Workspace, sweep: Sweep, found: Forecast | None) -> int:
    """Print the queue with what each of its runs takes."""
    from crescent_lite.cli.forecasts import in_a_line, lasting

    with closing(open_store(workspace)) as store:
        taken = store.sweeps.fetch_runs(sweep.key)
        states = {at: store.runs.fetch_run(run_id).state for at, run_id in taken.items()}
    rows = [
        (run.position + 1, run.label, states.get(run.position, "planned"), taken.get(run.position))
        for run in sweep.runs
    ]
    if options.json:
        names = ("position", "label", "state", "run")
        queue = [dict(zip(names, row, strict=True)) for row in rows]
        return result(
            options, {"sweep": sweep.name, "queue": queue, "estimate": found.as_dict() if found else None}, ""
        )
    parts = dict(found.parts) if found else {}
    if found and not parts:
        parts = {next(run.label for run in sweep.runs if states.get(run.position) != "finished"): found.estimate}
    times = {name: lasting(each.seconds) for name, each in parts.items() if each.has_speed}
    shown = [(*row, times.get(row[1], "")) for row in rows]
    note = printable_line(f"{found.what}: {in_a_line(found)}. Speeds: {found.based_on}.", 1000) if found else ""
    print_table(f"Queue of {sweep.name}", ("", "run", "state", "number", "time to come"), shown, note)
    return ExitCode.OK


def _print_table(options: argparse.Namespace, workspace: Workspace, sweep: Sweep) -> int:
    from crescent_lite.report.sweep_table import sweep_lines, sweep_table

    with closing(open_store(workspace)) as store:
        lines = sweep_lines(store, sweep.key, {run.position: run.variant for run in sweep.runs})
        owed = len(sweep.owed(store))
    if options.json:
        return result(
            options, {"sweep": sweep.name, "runs_owed": owed, "variants": [line.as_dict() for line in lines]}, ""
        )
    if not lines:
        return result(options, None, f"{sweep.name}: nothing is measured yet")
    table = sweep_table(sweep.name, lines)
    note = table.note + (f" {owed} runs are not finished; `crescent sweep` continues." if owed else "")
    print_table(table.title, table.columns, table.rows, note, full=options.full)
    return ExitCode.OK
