"""Commands that look at results: tui, show, report, answer, note.

What a command needs is imported when it is called. Example:
    show_command(Namespace(workspace=Path("data"), what="question", number=17, json=False)) -> 0
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.cli.options import (
    Subparsers,
    add_command,
    add_run_option,
    positive_integer,
    round_or_base,
    run_reference,
    temperature,
)
from crescent_lite.cli.terminal import print_report, result, say, terminal_fault
from crescent_lite.cli.which_run import named_run, number_of_run
from crescent_lite.errors import ExitCode, StorageError, UsageError, WorkspaceError
from crescent_lite.printable import REPLACEMENT, argument_text
from crescent_lite.workspace.database import open_store, open_workspace, store_to_change

if TYPE_CHECKING:
    from crescent_lite.workspace import Workspace


def add_tui(subparsers: Subparsers) -> None:
    """`crescent tui`."""
    about = "watch and control runs in the terminal"
    add_command(subparsers, "tui", tui_command, about, example="crescent tui -w maths")


def tui_command(options: argparse.Namespace) -> int:
    """Open the TUI."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("crescent tui needs a terminal; use `crescent status` without one")
    if fault := terminal_fault(os.environ.get("TERM", "")):
        raise UsageError(f"crescent tui: {fault}; use `TERM=xterm-256color crescent tui` or `crescent status`")
    if options.workspace.exists() and not options.workspace.is_dir():
        raise WorkspaceError(f"{options.workspace}: is not a folder; give the folder of a workspace with -w")
    from crescent_tui.app import run_app

    return int(run_app(options.workspace))


def add_show(subparsers: Subparsers) -> None:
    """`crescent show` and its options."""
    about = "show one question with its votes, one round or one run"
    parser = add_command(subparsers, "show", show_command, about, example="crescent show question 17")
    parser.add_argument("what", choices=tuple(SHOWN), help="what to show")
    parser.add_argument(
        "number",
        type=run_reference,
        nargs="?",
        help="number of the question or round, number or name of the run (default for a round or a run: the latest)",
    )
    add_run_option(parser, "for a round: number or name of its run")


def show_command(options: argparse.Namespace) -> int:
    """Print one question, round or run in full."""
    if options.run is not None and options.what != "round":
        raise UsageError(
            f"crescent show {options.what}: --run is for a round; "
            + (f"write `crescent show run {options.run}`" if options.what == "run" else "a question needs none")
        )
    if options.what != "run" and options.number is not None:
        try:
            options.number = positive_integer(options.number)
        except argparse.ArgumentTypeError as error:
            example = f"e.g. `crescent show {options.what} 17`"
            raise UsageError(f"crescent show {options.what}: NUMBER: {error}; {example}") from None
    workspace = open_workspace(options.workspace)
    return SHOWN[options.what](options, workspace)


def _show_question(options: argparse.Namespace, workspace: Workspace) -> int:
    from crescent_lite.cli.detail import question_detail, question_text

    with closing(open_store(workspace)) as store:
        question = question_detail(store, options.number)
    return result(options, question, question_text(question))


def _show_round(options: argparse.Namespace, workspace: Workspace) -> int:
    from crescent_lite.cli.detail import plain_text, round_detail

    with closing(open_store(workspace)) as store:
        detail = round_detail(store, named_run(store, options.run).run_id, options.number)
    return result(options, detail, plain_text(detail))


def _show_run(options: argparse.Namespace, workspace: Workspace) -> int:
    with closing(open_store(workspace)) as store:
        run_id = named_run(store, options.number).run_id
    return show_report(options, workspace, run_id, save=False)


SHOWN = {"question": _show_question, "round": _show_round, "run": _show_run}
"""Kinds of things that `crescent show` prints, each with its function."""


def add_report(subparsers: Subparsers) -> None:
    """`crescent report` and its options."""
    about = "write the report of a run, as HTML and as Markdown"
    parser = add_command(subparsers, "report", report_command, about, example="crescent report --run 2 --output .")
    add_run_option(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the files (default: the workspace's exports)"
    )


def report_command(options: argparse.Namespace) -> int:
    """Write the whole report of a run, and print its headline."""
    from crescent_lite.report import build_document, write_document

    workspace = open_workspace(options.workspace)
    if options.output and options.output.exists() and not options.output.is_dir():
        raise StorageError(f"--output {options.output}: is a file; give a folder")
    with closing(open_store(workspace)) as store:
        run_id = named_run(store, options.run).run_id
        document = build_document(store, run_id)
    paths = write_document(document, options.output or workspace.exports, run_id)
    files = {"html": str(paths.html), "markdown": str(paths.markdown)}
    return result(
        options, {**document.as_dict(), "files": files}, f"{document.headline}\n{paths.html}\n{paths.markdown}"
    )


def show_report(options: argparse.Namespace, workspace: Workspace, run_id: int, *, save: bool) -> int:
    """Print the report of a run. With `save`, also write it in full to exports/ in the workspace."""
    from crescent_lite.report import build_document, build_report, write_document

    with closing(open_store(workspace)) as store:
        report = build_report(store, run_id)
        if options.json:
            result(options, report.as_dict(), "")
        else:
            print_report(report, full=options.full)
        if save:
            paths = write_document(build_document(store, run_id), workspace.exports, run_id)
            say(f"Full report: {paths.html} (Markdown: {paths.markdown})")
    return ExitCode.OK


def add_answer(subparsers: Subparsers) -> None:
    """`crescent answer` and its options."""
    about = "let models of a run answer a question; nothing is stored"
    example = 'crescent answer "What is 17 + 25?" --rounds base 1 --votes 8'
    parser = add_command(subparsers, "answer", answer_command, about, example=example)
    parser.add_argument(
        "question", type=argument_text, help="text of the question, or - to read it from standard input"
    )
    add_run_option(parser)
    parser.add_argument(
        "--rounds",
        nargs="+",
        type=round_or_base,
        metavar="ROUND",
        help="models that answer: 'base' or the number of a round (default: the base and the kept round)",
    )
    parser.add_argument(
        "--prompt",
        type=argument_text,
        default="solve",
        metavar="NAME",
        help="'solve' (default), 'bare', or another prompt of the run's set",
    )
    parser.add_argument(
        "--votes",
        type=positive_integer,
        default=1,
        metavar="N",
        help="samples of each model, of which the majority is the answer (default: 1, no vote)",
    )
    parser.add_argument(
        "--temperature",
        type=temperature,
        metavar="T",
        help="0 is greedy (default: 0; with several votes the run's vote.temperature)",
    )
    parser.add_argument(
        "--max-tokens", type=positive_integer, metavar="N", help="longest answer (default: evaluate.max_tokens)"
    )


def answer_command(options: argparse.Namespace) -> int:
    """Print each model's answer while it is written, or each vote as it ends and then what the votes add up to."""
    from crescent_lite.cli.answers import AnswerOnScreen, stream_as_json, stream_vote, stream_vote_as_json
    from crescent_lite.inquiry import Inquiry, answer, answer_by_vote

    question = sys.stdin.buffer.read().decode("utf-8", "replace") if options.question == "-" else options.question
    rounds = tuple(options.rounds) if options.rounds else None
    workspace = open_workspace(options.workspace)
    inquiry = Inquiry(
        question,
        number_of_run(workspace, options.run),
        rounds,
        options.prompt,
        options.temperature,
        options.max_tokens,
        options.votes,
    )
    try:
        with closing(open_store(workspace)) as store:
            if options.votes > 1:
                answer_by_vote(workspace, store, inquiry, stream_vote_as_json if options.json else stream_vote)
            else:
                answer(workspace, store, inquiry, stream_as_json if options.json else AnswerOnScreen())
    except KeyboardInterrupt:
        say("crescent: stopped; nothing was stored")
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def add_note(subparsers: Subparsers) -> None:
    """`crescent note` and its options."""
    about, example = "attach a note to a question; notes are never used as labels", 'crescent note 17 "has no answer"'
    parser = add_command(subparsers, "note", note_command, about, example=example)
    parser.add_argument("number", type=positive_integer, help="number of the question")
    parser.add_argument("text", help="text of the note; '' removes all notes of the question")


def note_command(options: argparse.Namespace) -> int:
    """Attach a note to a question. During a run the engine stores the note, since only one process may write."""
    from crescent_lite.workspace.notes import add_note, store_notes

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        store.questions.require(options.number)
    text = argument_text(options.text)
    add_note(workspace, options.number, text)
    noted = "noted" if text.strip() else f"the notes on question {options.number} are deleted"
    stored, words = False, f"{noted}; the run in progress stores that at its next stage"
    if not workspace.is_busy():
        try:
            with store_to_change(workspace) as store:
                store_notes(workspace, store)
            stored, words = True, noted
        except (StorageError, WorkspaceError) as error:  # repeating the command would add the note twice
            words = f"{noted}; the next note or run stores it in the database, which is not possible now: {error}"
    if REPLACEMENT in text and text != options.text:
        words += f"; bytes that are not UTF-8 text became {REPLACEMENT}"
    return result(options, {"question": options.number, "stored": stored}, words)
