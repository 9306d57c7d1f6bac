"""Commands that start and control runs: run, pause, resume, stop, rollback, distill.

What a command needs is imported when it is called. Example:
    pause_command(Namespace(workspace=Path("data"), json=False)) -> 0
"""

from __future__ import annotations

import argparse
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.cli.options import (
    Subparsers,
    add_command,
    add_estimate_options,
    add_name_options,
    add_run_option,
    add_settings_options,
    round_or_best,
    rounds_of_run,
    run_reference,
)
from crescent_lite.cli.results import show_report
from crescent_lite.cli.terminal import console, result, say
from crescent_lite.cli.which_run import named_run, number_of_run
from crescent_lite.errors import WorkspaceError
from crescent_lite.workspace.database import open_store, open_workspace

if TYPE_CHECKING:
    from crescent_lite.events import Event
    from crescent_lite.workspace import Workspace

NO_RUN = "no run is in progress here"


def add_run(subparsers: Subparsers) -> None:
    """`crescent run` and its options."""
    about, example = "start a run, or resume the unfinished one", "crescent run -w maths --rounds 3"
    parser = add_command(subparsers, "run", run_command, about, example=example)
    parser.set_defaults(resumed_by="run")
    parser.add_argument(
        "--rounds", type=rounds_of_run, metavar="N", help="rounds of the run in total (default: run.rounds)"
    )
    parser.add_argument(
        "--questions",
        metavar="SOURCE",
        help="vote on the questions in this JSONL file, or in a data set of the Hugging Face hub (hub:owner/repo); "
        "the model is not asked for questions",
    )
    parser.add_argument("--new", action="store_true", help="start another run even if one is unfinished")
    parser.add_argument(
        "--next-round",
        action="store_true",
        help="play one more round of the latest run, even after an alarm and after the planned ones",
    )
    add_estimate_options(parser)
    parser.add_argument(
        "--against",
        type=run_reference,
        metavar="RUN",
        help="with --dry-run: list the settings that differ from those of this run (default: the latest)",
    )
    add_name_options(parser)
    add_settings_options(parser)


def run_command(options: argparse.Namespace) -> int:
    """Start a run or resume the unfinished one, and show its progress and its report."""
    from crescent_lite.cli.forecasts import agree, print_forecast
    from crescent_lite.config.toml import toml_text
    from crescent_lite.engine import RunOptions, run_engine
    from crescent_lite.forecast import forecast_run
    from crescent_lite.workspace.surroundings import refuse_network_drive, refuse_second_database

    workspace = open_workspace(options.workspace)
    if options.next_round and not options.dry_run and workspace.is_busy():
        workspace.ask("round")
        return result(options, {"asked": "round"}, "the run in progress was asked for one more round")
    source = options.questions
    if source and not source.startswith("hub:"):
        source = str(Path(source).resolve())
    own = (f"bait.file={toml_text(source)}",) if source else ()
    wanted = RunOptions(
        options.rounds,
        options.new,
        options.preset,
        (*own, *options.overrides),
        next_round=options.next_round,
        name=options.name,
        note=options.note,
    )
    if not options.dry_run and workspace.is_busy():
        return follow(options, workspace, run_engine(workspace, wanted))  # which names the run that is at work
    if not options.dry_run:  # before anything is measured
        refuse_network_drive(workspace.folder)
        refuse_second_database(workspace.database_path)
    if not (options.new or options.next_round):
        refuse_finished(workspace)
    found = forecast_run(workspace, wanted, compare_with=number_of_run(workspace, options.against), tell=say)
    if options.dry_run:
        return print_forecast(options, found)
    if not agree(options, found):
        return result(options, {"started": False}, "nothing was started")
    return follow(options, workspace, run_engine(workspace, wanted))


def refuse_finished(workspace: Workspace) -> None:
    """Raise WorkspaceError if the latest run is finished: a forgotten --new must not begin hours of work."""
    if not workspace.database_path.exists():
        return
    with closing(open_store(workspace)) as store:
        latest = store.runs.fetch_latest("improvement")
    if latest and latest.state == "finished":
        raise WorkspaceError(
            f"run {latest.run_id} is finished; `crescent run --new` starts another run, `--next-round` adds a round "
            f"to it, and `crescent report` shows it"
        )


def add_pause(subparsers: Subparsers) -> None:
    """`crescent pause`."""
    about = "pause the run in progress; its model stays loaded"
    add_command(subparsers, "pause", pause_command, about, example="crescent pause -w maths")


def pause_command(options: argparse.Namespace) -> int:
    """Ask the engine to pause after the current item."""
    workspace = open_workspace(options.workspace)
    busy = workspace.is_busy()
    if busy:
        workspace.ask("pause")
    words = "the run pauses after the current item; `crescent resume` continues it" if busy else NO_RUN
    return result(options, {"paused": busy}, words)


def add_resume(subparsers: Subparsers) -> None:
    """`crescent resume`."""
    about = "continue a paused run"
    add_command(subparsers, "resume", resume_command, about, example="crescent resume -w maths")


def resume_command(options: argparse.Namespace) -> int:
    """Withdraw the request to pause."""
    resumed = open_workspace(options.workspace).take("pause")
    words = "the run continues" if resumed else "no run is paused here; `crescent run` resumes a stopped run"
    return result(options, {"resumed": resumed}, words)


def add_stop(subparsers: Subparsers) -> None:
    """`crescent stop`."""
    about = "stop the run in progress; `crescent run` resumes it"
    add_command(subparsers, "stop", stop_command, about, example="crescent stop -w maths")


def stop_command(options: argparse.Namespace) -> int:
    """Ask the engine to stop, and wait until it has."""
    stopped = open_workspace(options.workspace).stop_engine()
    words = "the run has stopped; `crescent run` resumes it" if stopped else NO_RUN
    return result(options, {"stopped": stopped}, words)


def add_rollback(subparsers: Subparsers) -> None:
    """`crescent rollback` and its options."""
    about = "choose which round of a run is kept; nothing is deleted"
    parser = add_command(subparsers, "rollback", rollback_command, about, example="crescent rollback 2")
    parser.add_argument("round", type=round_or_best, help="number of the round, or 'best' for the highest score")
    add_run_option(parser)


def rollback_command(options: argparse.Namespace) -> int:
    """Keep another round of a run."""
    from crescent_lite.engine import choose_round

    workspace = open_workspace(options.workspace)
    run_id, number = choose_round(workspace, number_of_run(workspace, options.run), options.round)
    return result(options, {"run": run_id, "round": number}, f"run {run_id}: round {number} is kept")


def add_distill(subparsers: Subparsers) -> None:
    """`crescent distill` and its options."""
    about = "fine-tune another model on the labels of a run"
    parser = add_command(
        subparsers, "distill", distill_command, about, example="crescent distill --student weaker.gguf --run 1"
    )
    parser.set_defaults(resumed_by="run")
    add_run_option(parser, "number or name of the run whose labels are used")
    parser.add_argument(
        "--student", required=True, metavar="MODEL", help="model to fine-tune: a GGUF file, or repo:file on the hub"
    )
    parser.add_argument("--new", action="store_true", help="start a distillation even if a run is unfinished")
    add_estimate_options(parser)
    add_name_options(parser)
    add_settings_options(parser)


def distill_command(options: argparse.Namespace) -> int:
    """Fine-tune a student on the labels of a run, and measure it before and after."""
    from crescent_lite.cli.forecasts import ended_before
    from crescent_lite.config.toml import toml_text
    from crescent_lite.engine import RunOptions, run_engine
    from crescent_lite.forecast import forecast_run

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        teacher_id = named_run(store, options.run, "improvement").run_id
    here = Path(options.student).expanduser()
    student = str(here.parent.resolve() / here.name) if here.is_file() else options.student
    of_the_student = (f"model.source={toml_text(student)}", 'model.chat_template=""')  # the file's is the teacher's
    overrides = (*of_the_student, *options.overrides)
    wanted = RunOptions(1, options.new, options.preset, overrides, teacher_id, name=options.name, note=options.note)
    if not workspace.is_busy() or options.dry_run:
        code = ended_before(options, lambda: forecast_run(workspace, wanted, tell=say))
        if code is not None:
            return code
    return follow(options, workspace, run_engine(workspace, wanted))


def follow(
    options: argparse.Namespace,
    workspace: Workspace,
    work: Generator[Event, None, None],
    reported_run: int | None = None,
) -> int:
    """Show the engine's progress, then the report of `reported_run`, or of the run that the events belong to."""
    run_id = watch(options, work)
    return show_report(options, workspace, reported_run or run_id, save=True)


def watch(options: argparse.Namespace, work: Generator[Event, None, None]) -> int:
    """Show the engine's progress. Returns the number of the run that the events belong to."""
    from crescent_lite.cli.progress import RunProgress

    run_id = 0
    with RunProgress(console(stderr=True), verbose=options.verbose) as progress, closing(work) as events:
        for event in events:
            run_id = getattr(event, "run_id", run_id)
            progress.show(event)
    return run_id
