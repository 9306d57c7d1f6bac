"""The work that the command palette offers besides keys: reports, controls, exports, saved queries, and one question.

Example: ctrl+p, "question 412" opens question 412 on the Votes screen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.command import Hit, Hits, Provider

from crescent_lite.printable import printable_line
from crescent_lite.store.saved_queries import saved_queries
from crescent_tui.content.starting import Question, controls_question, headroom_question
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.workspace_app import WorkspaceApp

QUESTION = re.compile(r"(?:go to |open )?(?:question|q)?\s*#?\s*(\d{1,15})", re.IGNORECASE)

Ask = Callable[[Question, str, Sequence[str]], object]
"""Starts an engine with a command and its arguments, if the user agrees to the question."""


def work_commands(app: WorkspaceApp, ask: Ask) -> Iterator[SystemCommand]:
    """The commands that do more than a key. `ask` starts an engine if the user agrees."""
    run = app.snapshot.run
    yield SystemCommand("Headroom", "measure what voting is worth", partial(ask, headroom_question(), "headroom", ()))
    yield SystemCommand("Go to question …", "type its number: question 412", partial(app.switch_mode, "questions"))
    if run:
        name = f"run {run.run_id}"
        yield SystemCommand("Report", f"write the report of {name}", partial(_report, app, run.run_id))
        yield SystemCommand("Export the kept round", f"of {name}", partial(_export, app, run.run_id))
        if run.kind == "improvement" and run.teacher_id is None:
            work = partial(ask, controls_question(run.run_id), "controls", ("--run", str(run.run_id)))
            yield SystemCommand("Controls", f"show where the gain of {name} comes from", work)
        for query in saved_queries():
            yield SystemCommand(f"Query {query.name}", query.title, partial(_query, app, query.sql))


def _report(app: WorkspaceApp, run_id: int) -> None:
    app.notify(f"Writing the report of run {run_id} …")
    app.command(partial(_say, app), "report", "--run", str(run_id))


def _export(app: WorkspaceApp, run_id: int) -> None:
    """Open the choice of forms for the round that the run keeps, on the Models screen."""
    from crescent_tui.screens.models import ModelsScreen

    def kept_is(kept: int | None) -> None:
        if kept is None:
            app.notify(f"Run {run_id} has no trained round to export yet.")
            return
        app.switch_mode("models")
        if isinstance(app.screen, ModelsScreen):
            app.screen.export_round(run_id, kept)

    app.read("kept round", lambda store: store.fetch_standing(run_id).kept, kept_is)


def _query(app: WorkspaceApp, sql: str) -> None:
    from crescent_tui.screens.sql import SqlScreen

    app.switch_mode("sql")
    if isinstance(app.screen, SqlScreen):
        app.screen.call_after_refresh(app.screen.run_query, sql)


def _say(app: WorkspaceApp, result: CommandResult) -> None:
    if result.exit_code:
        app.show_error(result.last_line or "The command failed.")
    else:
        app.notify(printable_line(app.relative(result.last_line), 500), markup=False, timeout=15)


class QuestionProvider(Provider):
    """Opens a question by its number."""

    async def search(self, query: str) -> Hits:
        """One hit for a number, whether or not such a question exists."""
        if found := QUESTION.fullmatch(query.strip()):
            number = int(found[1])
            app: Any = self.app
            yield Hit(1.0, f"Go to question {number}", partial(app.open_question, number, "votes"))
