"""The `crescent` command: one small function for each subcommand. stdout is results, stderr is talk.

Parsing and printing only. The work is done elsewhere, and imported when its command is called: --help is quick.
Example: crescent run -w data --rounds 2
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescent_lite import __version__
from crescent_lite.errors import ConfigError, CrescentError, ExitCode, Interrupted

if TYPE_CHECKING:
    from rich.console import Console

    from crescent_lite.events import Event
    from crescent_lite.report import Report
    from crescent_lite.store import Store
    from crescent_lite.workspace import Workspace

DEFAULT_WORKSPACE = "data"
MANY_COLUMNS = 6
TOO_NARROW = 1.5
"""A table of more columns than that, and so many times as wide as the terminal, is not folded (guess)."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except CrescentError as error:
        if options.verbose:
            _say(traceback.format_exc())
        _say(f"crescent: {error}")
        return error.exit_code
    except (Interrupted, KeyboardInterrupt):
        _say(f"crescent: stopped; everything finished is stored. Go on: crescent run -w {options.workspace}")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left; there is nobody to tell
        return ExitCode.OK


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "-w",
        "--workspace",
        type=Path,
        default=Path(DEFAULT_WORKSPACE),
        help="the folder of your runs (default: data)",
    )
    common.add_argument("--json", action="store_true", help="results as JSON")
    common.add_argument("--verbose", action="store_true", help="every item on stderr, and where an error arose")
    parser = argparse.ArgumentParser(
        prog="crescent", description="A language model improves its own maths: it asks, votes, learns, is measured."
    )
    parser.add_argument("--version", action="version", version=f"crescent-lite {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(command=command)
        return sub

    init = add("init", init_command, "make a workspace")
    init.add_argument("folder", type=Path, nargs="?", help="where (default: the --workspace folder)")
    init.add_argument("--preset", default="quick", help="quick, default or reference")
    run = add("run", run_command, "start a run, or finish the unfinished one")
    run.add_argument("--rounds", type=_count, help="rounds the run is to have")
    run.add_argument("--new", action="store_true", help="start another run although one is unfinished")
    _config_options(run)
    distill = add("distill", distill_command, "fine-tune another, weaker model on the labels of a run")
    distill.add_argument("--run", type=_count, help="the run whose labels are taken (default: the latest)")
    distill.add_argument("--student", required=True, metavar="MODEL", help="a GGUF file, or repo:file on the hub")
    distill.add_argument("--new", action="store_true", help="start another one although a run is unfinished")
    _config_options(distill)
    rollback = add("rollback", rollback_command, "choose which round of a run is kept; nothing is deleted")
    rollback.add_argument("round", type=_round_or_best, help="its number, or 'best'")
    rollback.add_argument("--run", type=_count, help="the run (default: the latest)")
    controls = add(
        "controls", controls_command, "the base without one part of the method each: what a gain is made of"
    )
    controls.add_argument("--run", type=_count, help="the run they stand beside (default: the latest)")
    controls.add_argument(
        "--only",
        nargs="+",
        choices=("step-by-step", "majority", "unvoted", "undiversified"),
        help="these (default: all)",
    )
    controls.add_argument(
        "--samples", type=_count, help="of the majority (default: as many as the tokens of the run would pay for)"
    )
    _config_options(controls)
    plan = add(
        "plan", plan_command, "how many items are needed to see a difference, and what a number of items can show"
    )
    plan.add_argument("--points", type=float, help="the difference, in points of the score (0-100)")
    plan.add_argument("--items", type=_count, help="the items there are")
    plan.add_argument(
        "--differ",
        type=float,
        help="of 100 items those that the two models answer differently (default: as in the latest run, else 20)",
    )
    add("status", status_command, "how the latest run stands")
    add("stop", stop_command, "ask the running engine to stop")
    evaluate = add("eval", eval_command, "measure a model on the configured benchmarks, without training")
    evaluate.add_argument("--adapter", type=Path, help="a GGUF adapter to put on the model")
    _config_options(evaluate)
    show = add("show", show_command, "a question with its votes, a round or a run")
    show.add_argument("what", choices=("question", "round", "run"))
    show.add_argument("number", type=_count, nargs="?", help="its number; of runs and rounds the latest by default")
    report = add("report", report_command, "what a run did and what came of it, as one HTML page and as Markdown")
    report.add_argument("--run", type=_count, help="the run (default: the latest)")
    report.add_argument("--output", type=Path, help="the folder (default: the workspace's exports)")
    export = add("export", export_command, "hand over what a run made: examples, an adapter, or a whole model")
    export.add_argument(
        "what",
        nargs="?",
        default="examples",
        choices=("examples", "adapter", "gguf", "folder"),
        help="training examples as JSONL; the adapter; one GGUF; a Hugging Face folder",
    )
    export.add_argument("--run", type=_count, help="the run (default: the latest)")
    export.add_argument(
        "--rounds",
        nargs="+",
        type=_weighted_round,
        metavar="ROUND[=WEIGHT]",
        help="the rounds whose adapters go in, and how much of each (default: all of the kept one's)",
    )
    export.add_argument(
        "--type",
        choices=("same", "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"),
        help="of a GGUF's weights, 'same' as in the base (default: f16; fewer bits keep less of the adapter)",
    )
    export.add_argument("--output", type=Path, help="the file or folder (default: in the workspace's exports)")
    _config_options(add("config", config_command, "every setting, its value, and where that came from"))
    add("doctor", doctor_command, "what was found on this machine, and what to do about each gap")
    add("tui", tui_command, "watch and drive runs in the terminal")
    return parser


def _config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="use this preset in place of the one in crescent.toml")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one setting"
    )


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────


def init_command(options: argparse.Namespace) -> int:
    """crescent init"""
    from crescent_lite.config_text import starter_toml
    from crescent_lite.workspace import Workspace

    workspace = Workspace(options.folder or options.workspace)
    path = workspace.create(starter_toml(options.preset))
    return _result(options, {"config": str(path)}, f"{path}: edit it, then `crescent run -w {workspace.folder}`")


def run_command(options: argparse.Namespace) -> int:
    """crescent run"""
    from crescent_lite.engine import RunOptions, run_engine

    workspace = _workspace(options)
    wanted = RunOptions(options.rounds, options.new, options.preset, tuple(options.overrides))
    return _follow(options, workspace, run_engine(workspace, wanted))


def distill_command(options: argparse.Namespace) -> int:
    """crescent distill"""
    from crescent_lite.config_text import toml_text
    from crescent_lite.engine import RunOptions, run_engine

    workspace = _workspace(options)
    with closing(_open_store(workspace)) as store:
        teacher_id = store.runs.fetch_run(options.run, "improvement").run_id
    here = Path(options.student).expanduser()
    student = str(here.resolve()) if here.is_file() else options.student
    overrides = (f"model.source={toml_text(student)}", *options.overrides)
    wanted = RunOptions(1, options.new, options.preset, overrides, teacher_id)
    return _follow(options, workspace, run_engine(workspace, wanted))


def controls_command(options: argparse.Namespace) -> int:
    """crescent controls"""
    from crescent_lite.engine import RunOptions, run_controls

    workspace = _workspace(options)
    with closing(_open_store(workspace)) as store:
        run_id = store.runs.fetch_run(options.run, "improvement").run_id
    wanted = RunOptions(preset=options.preset, overrides=tuple(options.overrides))
    controls = run_controls(workspace, wanted, run_id, options.only, options.samples)
    return _follow(options, workspace, controls, run_id)


def plan_command(options: argparse.Namespace) -> int:
    """crescent plan"""
    from crescent_lite.evaluation.planning import items_needed, smallest_visible

    if options.points is None and options.items is None:
        raise ConfigError("crescent plan: say --points, --items or both")
    for name, value in (("--points", options.points), ("--differ", options.differ)):
        if value is not None and not 0 < value <= 100:
            raise ConfigError(f"{name}: a number above 0 and up to 100 is needed, not {value}")
    differ, whence = _differing(options)
    found: dict[str, Any] = {"differ": differ, "power": 0.8, "significance": 0.05}
    lines = [f"Models that answer {100 * differ:.0f} of 100 items differently ({whence}), 80% power, p < 0.05:"]
    if options.points is not None:
        found["items_needed"] = items_needed(options.points / 100, max(differ, options.points / 100))
        lines.append(f"to see {options.points:g} points, {found['items_needed']:,} items are needed")
    if options.items is not None:
        found["points_visible"] = 100 * smallest_visible(options.items, differ)
        lines.append(f"{options.items:,} items can show {found['points_visible']:.1f} points and more")
    return _result(options, found, "\n".join(lines))


def _differing(options: argparse.Namespace) -> tuple[float, str]:
    """The share of items that two models answer differently, and where that number is from."""
    from crescent_lite.workspace import Workspace

    if options.differ is not None:
        return options.differ / 100, "--differ"
    workspace = Workspace(options.workspace)
    if workspace.database_path.exists():
        with closing(_open_store(workspace)) as store:
            if (seen := store.evaluations.fetch_differing()) is not None:
                return seen, "as in the runs of this workspace"
    return 0.2, "a guess; --differ sets it"


def rollback_command(options: argparse.Namespace) -> int:
    """crescent rollback"""
    from crescent_lite.engine import choose_round

    run_id, number = choose_round(_workspace(options), options.run, options.round)
    return _result(options, {"run": run_id, "round": number}, f"run {run_id}: round {number} is kept")


def status_command(options: argparse.Namespace) -> int:
    """crescent status"""
    from crescent_lite.inspection import plain_text, run_status

    workspace = _workspace(options)
    with closing(_open_store(workspace)) as store:
        status = run_status(store, engine_is_running=workspace.is_busy())
    return _result(options, status, plain_text(status))


def stop_command(options: argparse.Namespace) -> int:
    """crescent stop"""
    workspace = _workspace(options)
    stopped = workspace.stop_engine()
    words = "the run has stopped; `crescent run` goes on with it" if stopped else "no run is at work here"
    return _result(options, {"stopped": stopped}, words)


def eval_command(options: argparse.Namespace) -> int:
    """crescent eval"""
    from crescent_lite.engine import RunOptions, run_evaluation

    workspace = _workspace(options)
    wanted = RunOptions(preset=options.preset, overrides=tuple(options.overrides))
    return _follow(options, workspace, run_evaluation(workspace, wanted, options.adapter))


def show_command(options: argparse.Namespace) -> int:
    """crescent show"""
    from crescent_lite import inspection

    workspace = _workspace(options)
    with closing(_open_store(workspace)) as store:
        if options.what == "question":
            question = inspection.question_detail(store, options.number)
            return _result(options, question, inspection.question_text(question))
        run = store.runs.fetch_run(options.number if options.what == "run" else None)
        if options.what == "round":
            detail = inspection.round_detail(store, run.run_id, options.number)
            return _result(options, detail, inspection.plain_text(detail))
    return _show_report(options, workspace, run.run_id, save=False)


def report_command(options: argparse.Namespace) -> int:
    """crescent report"""
    from crescent_lite.report import build_document, write_document

    workspace = _workspace(options)
    with closing(_open_store(workspace)) as store:
        run_id = store.runs.fetch_run(options.run).run_id
        document = build_document(store, run_id)
    paths = write_document(document, options.output or workspace.exports, run_id)
    files = {"html": str(paths.html), "markdown": str(paths.markdown)}
    return _result(
        options, {**document.as_dict(), "files": files}, f"{document.headline}\n{paths.html}\n{paths.markdown}"
    )


def export_command(options: argparse.Namespace) -> int:
    """crescent export"""
    from crescent_lite.interruption import stop_requests

    workspace = _workspace(options)
    if options.type and options.what != "gguf":
        raise ConfigError("--type is of a GGUF's weights: `crescent export gguf`")
    if options.rounds and options.what == "examples":
        raise ConfigError("--rounds is of adapters; the examples of a run are exported all together")
    with closing(_open_store(workspace)) as store, stop_requests(lambda: False):
        run_id = store.runs.fetch_run(options.run, "improvement").run_id
        if options.what == "examples":
            return _export_examples(options, workspace, store, run_id)
        return _export_model(options, workspace, store, run_id)


def _export_examples(options: argparse.Namespace, workspace: Workspace, store: Store, run_id: int) -> int:
    from crescent_lite.export.examples import write_examples

    path = options.output or workspace.exports / f"run-{run_id}.jsonl"
    count = write_examples(store, run_id, path, may_replace=options.output is None)
    return _result(options, {"path": str(path), "examples": count}, f"{path}: {count} examples")


def _export_model(options: argparse.Namespace, workspace: Workspace, store: Store, run_id: int) -> int:
    from crescent_lite.training import require_packages

    require_packages("peft")
    from crescent_lite.export import handover

    given = options.rounds or []
    if len(dict(given)) < len(given):
        raise ConfigError("--rounds: a round is named twice; give it once, with its weight")
    chosen = handover.choose(store, run_id, dict(given))
    numbers = "-".join(map(str, chosen.rounds))
    out = options.output or workspace.exports / f"run-{run_id}-round-{numbers}-{options.what}"
    if options.what == "adapter":
        rounded = handover.hand_over_adapter(store, chosen, out)
    elif options.what == "gguf":
        rounded = handover.hand_over_gguf(store, chosen, out, options.type or "f16")
    else:
        rounded = handover.hand_over_folder(store, chosen, out)
    said = {"path": str(out), "rounds": chosen.rounds, "change_kept": rounded.kept, "rounding_noise": rounded.noise}
    words = "; ".join(filter(None, (f"{out}: see its README.md", handover.rounding_in_words(rounded))))
    return _result(options, said, words)


def config_command(options: argparse.Namespace) -> int:
    """crescent config"""
    from crescent_lite.config import load_config
    from crescent_lite.config_text import config_rows, toml_text

    path = options.workspace / "crescent.toml"
    config = load_config(path if path.exists() else None, preset=options.preset, overrides=options.overrides)
    rows = config_rows(config)
    if options.json:
        return _result(options, [{"name": n, "value": v, "origin": o, "help": h} for n, v, o, h in rows], "")
    shown = [(name, toml_text(value), origin, text) for name, value, origin, text in rows]
    _print_table("", ("setting", "value", "from", "what it is"), shown)
    return ExitCode.OK


def doctor_command(options: argparse.Namespace) -> int:
    """crescent doctor"""
    import dataclasses

    from crescent_lite.doctor import examine

    findings = examine(options.workspace)
    if options.json:
        return _result(options, [dataclasses.asdict(finding) for finding in findings], "")
    rows = [(f.name, f.state, f.value, f.advice) for f in findings]
    _print_table("", ("what", "state", "found", "what to do"), rows)
    return ExitCode.OK


def tui_command(options: argparse.Namespace) -> int:
    """crescent tui"""
    from crescent_tui.app import run_app

    return int(run_app(options.workspace))


# ── printing ─────────────────────────────────────────────────────────────────────────────────────────────────


def _workspace(options: argparse.Namespace) -> Workspace:
    from crescent_lite.workspace import Workspace

    return Workspace(options.workspace).require()


def _follow(
    options: argparse.Namespace, workspace: Workspace, work: Generator[Event, None, None], shown: int | None = None
) -> int:
    """Show what the engine does, and at its end the report: of the run that was at work, or of the run `shown`."""
    from crescent_lite.progress import RunProgress

    run_id = 0
    with RunProgress(_console(stderr=True), verbose=options.verbose) as progress, closing(work) as events:
        for event in events:
            run_id = getattr(event, "run_id", run_id)
            progress.show(event)
    return _show_report(options, workspace, shown or run_id)


def _open_store(workspace: Workspace) -> Store:
    """The database for reading; one of an older version is brought up to date first, while no run is at work."""
    from crescent_lite.store import Store

    path = workspace.database_path
    if Store.is_older(path):
        with workspace.lock():
            Store.open(path).close()
    return Store.open_read_only(path)


def _show_report(options: argparse.Namespace, workspace: Workspace, run_id: int, *, save: bool = True) -> int:
    from crescent_lite.report import build_document, build_report, write_document

    with closing(_open_store(workspace)) as store:
        report = build_report(store, run_id)
        if options.json:
            _result(options, report.as_dict(), "")
        else:
            _print_report(report)
        if save:
            paths = write_document(build_document(store, run_id), workspace.exports, run_id)
            _say(f"The whole report: {paths.html} (as Markdown: {paths.markdown})")
    return ExitCode.OK


def _print_report(report: Report) -> None:
    from crescent_lite.printable import printable

    console = _console()
    lines = [printable(line) for line in (report.title, *report.lines)]
    console.print(*lines, sep="\n", markup=False, highlight=False)
    for table in report.tables:
        _print_table(table.title, table.columns, table.rows, table.note)


def _print_table(title: str, columns: tuple[str, ...], rows: Any, note: str = "") -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crescent_lite.printable import printable

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = _console()
    wide = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    if console.is_terminal and len(columns) > MANY_COLUMNS and wide > TOO_NARROW * console.width:
        # Folded so often, a table cannot be read: each row becomes a sentence.
        lines = [", ".join(columns), *(", ".join(filter(None, map(printable, row))) for row in rows)]
        console.print(Text(title, style="bold"), *map(Text, lines), "", sep="\n")
    else:
        console.print(table)
    if note:
        console.print(note, markup=False, highlight=False)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width of its own: a table is then as wide as it needs to be, up to 200 columns.
    return Console(stderr=stderr, width=None if stream.isatty() else 200)


def _result(options: argparse.Namespace, value: Any, text: str) -> int:
    """The result on stdout: as JSON where asked, else as text."""
    print(json.dumps(value, indent=1, default=str) if options.json else text)
    return ExitCode.OK


def _say(line: str) -> None:
    from crescent_lite.printable import printable

    print(printable(line), file=sys.stderr)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 up is needed")
    return number


def _round_or_best(text: str) -> int | None:
    return None if text == "best" else _count(text)


def _weighted_round(text: str) -> tuple[int, float]:
    number, _, part = text.partition("=")
    weight = float(part or 1)
    if not math.isfinite(weight) or weight == 0:
        raise argparse.ArgumentTypeError("ROUND=WEIGHT: a weight is a number other than 0")
    return _count(number), weight


if __name__ == "__main__":
    sys.exit(main())
