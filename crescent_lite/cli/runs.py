"""What each subcommand of `crescent` does: one small function for each, which returns the exit code.

The work is done elsewhere, and imported when a command is called: --help is quick. Example:
    status_command(Namespace(workspace=Path("data"), json=False))
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescent_lite.cli.terminal import console, print_report, print_table, result, say
from crescent_lite.errors import ConfigError, ExitCode, UsageError, WorkspaceError
from crescent_lite.workspace.database import open_store, open_workspace, store_to_change

if TYPE_CHECKING:
    from crescent_lite.events import Event
    from crescent_lite.inquiry import Piece
    from crescent_lite.names import ExportFormat
    from crescent_lite.store import Store
    from crescent_lite.workspace import Workspace


def init_command(options: argparse.Namespace) -> int:
    """crescent init"""
    from crescent_lite.config.text import starter_toml
    from crescent_lite.workspace import Workspace

    workspace = Workspace(options.folder or options.workspace)
    path = workspace.create(starter_toml(options.preset))
    return result(options, {"config": str(path)}, f"{path}: edit it, then `crescent run -w {workspace.folder}`")


def run_command(options: argparse.Namespace) -> int:
    """crescent run"""
    from crescent_lite.config.text import toml_text
    from crescent_lite.engine import RunOptions, run_engine

    workspace = open_workspace(options.workspace)
    if options.next_round and workspace.is_busy():
        workspace.ask("round")
        return result(options, {"asked": "round"}, "the run at work here plays another round after the one at hand")
    own = (f"bait.file={toml_text(str(options.questions.resolve()))}",) if options.questions else ()
    wanted = RunOptions(
        options.rounds, options.new, options.preset, (*own, *options.overrides), next_round=options.next_round
    )
    return _follow(options, workspace, run_engine(workspace, wanted))


def distill_command(options: argparse.Namespace) -> int:
    """crescent distill"""
    from crescent_lite.config.text import toml_text
    from crescent_lite.engine import RunOptions, run_engine

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        teacher_id = store.runs.fetch_run(options.run, "improvement").run_id
    here = Path(options.student).expanduser()
    student = str(here.resolve()) if here.is_file() else options.student
    overrides = (f"model.source={toml_text(student)}", *options.overrides)
    wanted = RunOptions(1, options.new, options.preset, overrides, teacher_id)
    return _follow(options, workspace, run_engine(workspace, wanted))


def controls_command(options: argparse.Namespace) -> int:
    """crescent controls"""
    from crescent_lite.engine import RunOptions, run_controls

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
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
    if options.points and options.differ and options.differ < options.points:
        raise ConfigError(f"--differ: models that differ by {options.points:g} points differ on as many items of 100")
    differ, whence = _differing(options)
    differ = max(differ, (options.points or 0) / 100)
    found: dict[str, Any] = {"differ": differ, "power": 0.8, "significance": 0.05}
    lines = [f"Models that answer {100 * differ:.0f} of 100 items differently ({whence}), 80% power, p < 0.05:"]
    if options.points is not None:
        found["items_needed"] = items_needed(options.points / 100, differ)
        lines.append(f"to see {options.points:g} points, {found['items_needed']:,} items are needed")
    if options.items is not None:
        found["points_visible"] = 100 * smallest_visible(options.items, differ)
        lines.append(f"{options.items:,} items can show {found['points_visible']:.1f} points and more")
    return result(options, found, "\n".join(lines))


def _differing(options: argparse.Namespace) -> tuple[float, str]:
    """The share of items that two models answer differently, and where that number is from."""
    from crescent_lite.workspace import Workspace

    if options.differ is not None:
        return options.differ / 100, "--differ"
    workspace = Workspace(options.workspace)
    if workspace.database_path.exists():
        with closing(open_store(workspace)) as store:
            if (seen := store.evaluations.fetch_differing()) is not None:
                return seen, "as in the runs of this workspace"
    return 0.2, "a guess; --differ sets it"


def rollback_command(options: argparse.Namespace) -> int:
    """crescent rollback"""
    from crescent_lite.engine import choose_round

    run_id, number = choose_round(open_workspace(options.workspace), options.run, options.round)
    return result(options, {"run": run_id, "round": number}, f"run {run_id}: round {number} is kept")


def status_command(options: argparse.Namespace) -> int:
    """crescent status"""
    from crescent_lite.cli.detail import plain_text, run_status

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        status = run_status(store, engine_is_running=workspace.is_busy())
    return result(options, status, plain_text(status))


def stop_command(options: argparse.Namespace) -> int:
    """crescent stop"""
    workspace = open_workspace(options.workspace)
    stopped = workspace.stop_engine()
    words = "the run has stopped; `crescent run` goes on with it" if stopped else "no run is at work here"
    return result(options, {"stopped": stopped}, words)


def pause_command(options: argparse.Namespace) -> int:
    """crescent pause"""
    workspace = open_workspace(options.workspace)
    busy = workspace.is_busy()
    if busy:
        workspace.ask("pause")
    words = "it holds still after the item at hand, until `crescent resume`" if busy else "no run is at work here"
    return result(options, {"paused": busy}, words)


def resume_command(options: argparse.Namespace) -> int:
    """crescent resume"""
    resumed = open_workspace(options.workspace).take("pause")
    words = "it goes on" if resumed else "nothing is paused here; `crescent run` goes on with a stopped run"
    return result(options, {"resumed": resumed}, words)


def note_command(options: argparse.Namespace) -> int:
    """crescent note"""
    from crescent_lite.workspace.notes import add_note, store_notes

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        store.questions.require(options.number)
    add_note(workspace, options.number, options.text)
    busy = workspace.is_busy()
    if not busy:
        with store_to_change(workspace) as store:
            store_notes(workspace, store)
    words = "noted; the run at work stores it with its next stage" if busy else "noted"
    return result(options, {"question": options.number, "stored": not busy}, words)


def eval_command(options: argparse.Namespace) -> int:
    """crescent eval"""
    from crescent_lite.engine import RunOptions, run_evaluation

    workspace = open_workspace(options.workspace)
    wanted = RunOptions(preset=options.preset, overrides=tuple(options.overrides))
    return _follow(options, workspace, run_evaluation(workspace, wanted, options.adapter))


def show_command(options: argparse.Namespace) -> int:
    """crescent show"""
    from crescent_lite.cli import detail as inspection

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        if options.what == "question":
            question = inspection.question_detail(store, options.number)
            return result(options, question, inspection.question_text(question))
        run = store.runs.fetch_run(options.number if options.what == "run" else None)
        if options.what == "round":
            detail = inspection.round_detail(store, run.run_id, options.number)
            return result(options, detail, inspection.plain_text(detail))
    return _show_report(options, workspace, run.run_id, save=False)


def answer_command(options: argparse.Namespace) -> int:
    """crescent answer"""
    from crescent_lite.inquiry import Inquiry, answer

    question = sys.stdin.buffer.read().decode("utf-8", "replace") if options.question == "-" else options.question
    rounds = tuple(options.rounds) if options.rounds else None
    inquiry = Inquiry(question, options.run, rounds, options.prompt, options.temperature, options.max_tokens)
    workspace = open_workspace(options.workspace)
    try:
        with closing(open_store(workspace)) as store:
            answer(workspace, store, inquiry, _stream_as_json if options.json else _AnswerOnScreen())
    except KeyboardInterrupt:
        say("crescent: stopped; nothing was stored")
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _stream_as_json(piece: Piece) -> None:
    """One JSON line for each piece; the last one of each model has its answer."""
    from crescent_lite.cli.terminal import stream_json

    value: dict[str, Any] = {"model": piece.model, "text": piece.text, "done": piece.end is not None}
    if end := piece.end:
        value |= {
            "answer": end.answer.raw if end.answer else None,
            "answer_key": end.answer.key if end.answer else None,
            "finish_reason": end.finish_reason,
            "tokens": end.tokens,
            "seconds": round(end.seconds, 3),
        }
    stream_json(value)


class _AnswerOnScreen:
    """Each model's name, its text as it grows, and what was found in it."""

    def __init__(self) -> None:
        self._model = ""

    def __call__(self, piece: Piece) -> None:
        from crescent_lite.cli.terminal import stream_text
        from crescent_lite.printable import printable_line

        if piece.model != self._model:
            self._model = piece.model
            stream_text(f"── {piece.model}\n")
        stream_text(piece.text)
        if end := piece.end:
            found = f"answer: {printable_line(end.answer.raw)}" if end.answer else "no answer found"
            stream_text(f"\n── {piece.model}: {found} ({end.tokens:,} tokens, {end.seconds:.1f} s)\n\n")


def report_command(options: argparse.Namespace) -> int:
    """crescent report"""
    from crescent_lite.report import build_document, write_document

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        run_id = store.runs.fetch_run(options.run).run_id
        document = build_document(store, run_id)
    paths = write_document(document, options.output or workspace.exports, run_id)
    files = {"html": str(paths.html), "markdown": str(paths.markdown)}
    return result(
        options, {**document.as_dict(), "files": files}, f"{document.headline}\n{paths.html}\n{paths.markdown}"
    )


def export_command(options: argparse.Namespace) -> int:
    """crescent export"""
    from crescent_lite.workspace.interruption import stop_requests

    workspace = open_workspace(options.workspace)
    if options.type and options.what != "gguf":
        raise ConfigError("--type is of a GGUF's weights: `crescent export gguf`")
    if options.what == "examples":
        return _export_examples(options, workspace)
    if options.form or options.policy or (options.min_share, options.max_share) != (0, 1):
        raise ConfigError("--format, --policy and the shares are of examples: `crescent export examples`")
    if options.run and len(options.run) > 1:
        raise ConfigError("--run: a model is of one run; the examples of several can be exported together")
    with closing(open_store(workspace)) as store, stop_requests(lambda: False):
        run_id = store.runs.fetch_run(options.run[0] if options.run else None, "improvement").run_id
        return _export_model(options, workspace, store, run_id)


def _export_examples(options: argparse.Namespace, workspace: Workspace) -> int:
    from crescent_lite.export.examples import Choice, write_examples

    form: ExportFormat = options.form or "prompt-completion"
    if any(weight != 1 for _, weight in options.rounds or ()):
        raise ConfigError("--rounds: a weight is of an adapter; examples have none")
    if options.min_share > options.max_share:
        raise ConfigError("--min-share is above --max-share: no label has such a share")
    with closing(open_store(workspace)) as store:
        runs = [store.runs.fetch_run(run_id, "improvement") for run_id in options.run or [None]]
        rounds = tuple(number for number, _ in options.rounds or ())
        run_ids = tuple(dict.fromkeys(run.run_id for run in runs))
        choice = Choice(run_ids, rounds, options.min_share, options.max_share, options.policy)
        name = f"run-{'-'.join(map(str, run_ids))}" + ("-parquet" if form == "parquet" else ".jsonl")
        path = options.output or workspace.exports / name
        count = write_examples(store, choice, form, path, may_replace=options.output is None)
    return result(options, {"path": str(path), "examples": count}, f"{path}: {count} examples")


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
    return result(options, said, words)


def config_command(options: argparse.Namespace) -> int:
    """crescent config"""
    from crescent_lite.config import load_config
    from crescent_lite.config.text import config_rows, toml_text

    path = options.workspace / "crescent.toml"
    config = load_config(path if path.exists() else None, preset=options.preset, overrides=options.overrides)
    rows = config_rows(config)
    if options.json:
        return result(options, [{"name": n, "value": v, "origin": o, "help": h} for n, v, o, h in rows], "")
    shown = [(name, toml_text(value), origin, text) for name, value, origin, text in rows]
    print_table("", ("setting", "value", "from", "what it is"), shown)
    return ExitCode.OK


def doctor_command(options: argparse.Namespace) -> int:
    """crescent doctor"""
    import dataclasses

    from crescent_lite.cli.doctor import examine

    findings = examine(options.workspace)
    if options.json:
        return result(options, [dataclasses.asdict(finding) for finding in findings], "")
    rows = [(f.name, f.state, f.value, f.advice) for f in findings]
    print_table("", ("what", "state", "found", "what to do"), rows)
    return ExitCode.OK


def tui_command(options: argparse.Namespace) -> int:
    """crescent tui"""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("crescent tui needs a terminal to draw on and to read keys from; crescent status needs none")
    if options.workspace.exists() and not options.workspace.is_dir():
        raise WorkspaceError(f"{options.workspace}: is no folder; -w names the folder of a workspace")
    from crescent_tui.app import run_app

    return int(run_app(options.workspace))


def _follow(
    options: argparse.Namespace, workspace: Workspace, work: Generator[Event, None, None], shown: int | None = None
) -> int:
    """Show what the engine does, and at its end the report: of the run that was at work, or of the run `shown`."""
    from crescent_lite.cli.progress import RunProgress

    run_id = 0
    with RunProgress(console(stderr=True), verbose=options.verbose) as progress, closing(work) as events:
        for event in events:
            run_id = getattr(event, "run_id", run_id)
            progress.show(event)
    return _show_report(options, workspace, shown or run_id)


def _show_report(options: argparse.Namespace, workspace: Workspace, run_id: int, *, save: bool = True) -> int:
    from crescent_lite.report import build_document, build_report, write_document

    with closing(open_store(workspace)) as store:
        report = build_report(store, run_id)
        if options.json:
            result(options, report.as_dict(), "")
        else:
            print_report(report)
        if save:
            paths = write_document(build_document(store, run_id), workspace.exports, run_id)
            say(f"The whole report: {paths.html} (as Markdown: {paths.markdown})")
    return ExitCode.OK
