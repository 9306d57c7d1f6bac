"""The Models screen: every base and adapter with its origin and scores; adapters can be exported or kept.

Exporting or keeping a round runs a `crescent` command in the background; the screen shows its progress and its end.
"""

from __future__ import annotations

import time
from array import array
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from crescent_lite.printable import printable, printable_line
from crescent_tui.content.model import cells, columns, model_in_full
from crescent_tui.content.words import clock
from crescent_tui.screens.export import Export, ExportScreen
from crescent_tui.screens.keep_round import KeepRoundScreen
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.sources.model_facts import Key, ModelFacts, ModelTree, fetch_facts, fetch_tree
from crescent_tui.sources.model_tree import ModelNode
from crescent_tui.sources.refresher import Refresher
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.fitted_text import FittedText
from crescent_tui.widgets.row_list import RowList

TICK_SECONDS = 0.5
SPINNER = "◐◓◑◒"
MAX_OUTCOMES = 2
"""Ended commands shown at most."""


class ModelsScreen(TabScreen):
    """The models of the workspace."""

    TAB = "Models"
    AUTO_FOCUS = "RowList"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "export", "Export"),
        Binding("b", "keep", "Keep", show=False),
        Binding("B", "keep_best", "Keep best", show=False),
        Binding("y", "copy", "Copy path", show=False),
    ]
    CSS = """
    #no-models { padding: 1 2; color: $muted; }
    #models-and-one { height: 1fr; layout: vertical; }
    #models { height: 1fr; padding: 0; }
    #model { height: 1fr; }
    #model-in-full { height: auto; }
    #commands { height: auto; padding: 0 2; }
    ModelsScreen.-wide #models-and-one { layout: horizontal; }
    ModelsScreen.-wide #models { width: 3fr; height: 100%; }
    ModelsScreen.-wide #model { width: 2fr; height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, ModelNode] = {}
        """The nodes by the number of their row."""
        self._numbers: dict[Key, int] = {}
        self._measured: tuple[tuple[str, str], ...] = ()
        """(benchmark, prompt) of each column of scores."""
        self._facts: dict[int, ModelFacts] = {}
        """The facts of rows that have been in view, by the number of the row."""
        self._commands: dict[tuple[str, ...], tuple[str, float]] = {}
        """The arguments of each running command -> its description, and its start time."""
        self._outcomes: list[Content] = []

    def body(self) -> ComposeResult:
        words = (
            "No model yet. A run adds its base when it starts, and an adapter after each round; press s to start one."
        )
        yield CachedStatic(words, id="no-models")
        with Container(id="models-and-one"):
            yield RowList(columns((), 0), id="models", classes="panel")
            with VerticalScroll(id="model", classes="panel"):
                yield FittedText(id="model-in-full")
        yield CachedStatic(id="commands")

    def on_mount(self) -> None:
        self.query_one("#models").border_title = "Models"
        self.query_one("#model").border_title = "Model"
        self.query_one("#model").border_subtitle = "e export, b keep, B keep best, y copy path"
        self.query_one("#commands").display = False
        self._tree = Refresher(self.app.read, "models", fetch_tree, self._show_tree)
        self._ticks = self.set_interval(TICK_SECONDS, self._show_commands, pause=True)

    def on_screen_resume(self) -> None:
        """Read again, because files may have changed without a write to the database."""
        self._tree.refresh_now()

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        self.query_one("#no-models").display = snapshot.is_loaded and not self._rows
        self.query_one("#models-and-one").display = bool(self._rows)
        if snapshot.version:
            self._tree.request(self.app.workspace.exports, snapshot.version)

    def action_export(self) -> None:
        """Export the adapter under the cursor, or the kept one of a run."""
        if target := self._target():
            self.export_round(*target)

    def export_round(self, run_id: int, number: int) -> None:
        """Ask in which form to export a round, and export it."""
        self.app.push_screen(ExportScreen(run_id, number), lambda chosen: self._export(run_id, number, chosen))

    def action_keep(self) -> None:
        """Make this round the one that its run keeps."""
        facts = self._chosen()
        if facts is None or not facts.is_adapter or facts.node.run is None or facts.round is None:
            self.notify("Choose the adapter of a round, or press B to keep the best round of a run.")
            return
        run_id, which = facts.node.run.run_id, facts.round
        self.app.push_screen(
            KeepRoundScreen(run_id, which), lambda yes: self._keep(run_id, str(which)) if yes else None
        )

    def action_keep_best(self) -> None:
        """Let the run keep its best round again."""
        facts = self._chosen()
        if facts is None or facts.node.run is None:
            self.notify("Choose a run, or the adapter of one of its rounds.")
            return
        run_id = facts.node.run.run_id
        self.app.push_screen(KeepRoundScreen(run_id, None), lambda yes: self._keep(run_id, "best") if yes else None)

    def action_copy(self) -> None:
        """Copy the path of the file."""
        facts = self._chosen()
        if facts and facts.path:
            self.app.copy(printable(str(facts.path)), "The path")
        else:
            self.notify("A run has no file; choose one of its adapters.")

    def _chosen(self) -> ModelFacts | None:
        number = self.query_one("#models", RowList).key
        return self._facts.get(number) if number is not None else None

    def _target(self) -> tuple[int, int] | None:
        """The selected run and round; notifies the user if there is none."""
        facts = self._chosen()
        if facts is None:
            return None
        if facts.node.run and facts.round is not None:
            return facts.node.run.run_id, facts.round
        self.notify("Choose a run, or the adapter of a round; a base cannot be exported.")
        return None

    def _export(self, run_id: int, number: int, chosen: Export | None) -> None:
        if chosen is None:
            return
        what, tensor_type = chosen
        arguments = [what, "--run", str(run_id)]
        if what == "examples":
            name = f"run-{run_id}-conversational.jsonl"
            arguments += ["--output", str(free_name(self.app.workspace.exports / name))]
        else:
            name = "-".join(filter(None, (f"run-{run_id}-round-{number}", what, tensor_type)))
            arguments += ["--rounds", str(number), *(["--type", tensor_type] if tensor_type else [])]
            arguments += ["--output", str(free_name(self.app.workspace.exports / name))]
        whose = f"of run {run_id}" + (f", round {number}" if what != "examples" else "")
        self._command(f"export {whose}: {' '.join(filter(None, chosen))}", "export", *arguments)

    def _keep(self, run_id: int, which: str) -> None:
        words = "the best round" if which == "best" else f"round {which}"
        self._command(f"keep {words} of run {run_id}", "rollback", which, "--run", str(run_id))

    def _command(self, words: str, command: str, *arguments: str) -> None:
        line = (command, *arguments)
        if line in self._commands:
            self.notify("This command is already running.")
            return
        self._commands[line] = (words, time.monotonic())
        self._ticks.resume()
        self._show_commands()
        self.app.command(lambda result: self._ended(line, result), command, *arguments)

    def _ended(self, line: tuple[str, ...], result: CommandResult) -> None:
        words, began = self._commands.pop(line)
        said = printable_line(self.app.relative(result.last_line), 1000)
        if result.exit_code:
            said = said or f"exit code {result.exit_code}"
            self._outcomes.insert(0, Content.assemble(("✗ ", "bold $text-error"), f"{words}: {said}"))
            if not self.is_current:
                self.app.show_error(said)
        else:
            took = clock(time.monotonic() - began)
            self._outcomes.insert(0, Content.assemble(("✓ ", "bold $text-success"), f"{words} ({took}): {said}"))
            if not self.is_current:
                self.app.notify(said, markup=False, timeout=15)
            self._tree.refresh_now()
        if not self._commands:
            self._ticks.pause()
        self._show_commands()

    def _show_commands(self) -> None:
        now = time.monotonic()
        sign = SPINNER[int(now / TICK_SECONDS) % len(SPINNER)]
        lines = [
            Content.assemble((f"{sign} ", "$text-accent"), f"{words} … {clock(now - began)}")
            for words, began in self._commands.values()
        ]
        pane = self.query_one("#commands", CachedStatic)
        pane.update(Content("\n").join([*lines, *self._outcomes[:MAX_OUTCOMES]]))
        pane.display = bool(lines or self._outcomes)

    def _show_tree(self, _exports: Path, tree: ModelTree) -> None:
        nodes, self._measured = tree.nodes, tree.measured
        numbers = [self._numbers.setdefault(node.key, len(self._numbers)) for node in nodes]
        self._rows = dict(zip(numbers, nodes, strict=True))
        rows = self.query_one("#models", RowList)
        self._fit_columns()
        rows.set_keys(array("q", numbers))
        rows.reload_cells()
        models = len({node.model.model_id for node in nodes if node.model})
        rows.border_title = f"Models: {models:,}"
        self.show(self.app.snapshot)

    @on(RowList.CellsNeeded)
    def _fetch_lines(self, event: RowList.CellsNeeded) -> None:
        nodes = [self._rows[number] for number in event.keys if number in self._rows]
        self.app.read("model lines", lambda store: fetch_facts(store, nodes), self._show_lines)

    def _show_lines(self, found: dict[Key, ModelFacts]) -> None:
        facts = {self._numbers[key]: each for key, each in found.items()}
        self._facts |= facts
        self._set_cells(facts)
        self._show_model()

    def _set_cells(self, facts: dict[int, ModelFacts]) -> None:
        rows = self.query_one("#models", RowList)
        flat = rows.order is not None
        rows.set_cells({number: cells(each, self._measured, flat=flat) for number, each in facts.items()})

    def _fit_columns(self) -> None:
        """Show as many benchmarks as fit."""
        rows = self.query_one("#models", RowList)
        rows.set_columns(columns(self._measured, rows.size.width or self.size.width))

    def on_resize(self) -> None:
        """Show more or fewer benchmarks. (Textual calls the inherited handler too.)"""
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self._fit_columns()
        self._set_cells(self._facts)

    @on(RowList.OrderChanged)
    def _order_changed(self) -> None:
        """Show the lines of the tree only in its own order."""
        self._set_cells(self._facts)

    @on(RowList.Highlighted)
    def _select(self, _event: RowList.Highlighted) -> None:
        self._show_model()

    def _show_model(self) -> None:
        if facts := self._chosen():
            self.query_one("#model-in-full", FittedText).draw(lambda width: model_in_full(facts, width))


def free_name(folder: Path) -> Path:
    """This folder, or if it exists the first of `name-2`, `name-3`, ... that does not."""
    names = (folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(2, 1000)))
    return next((name for name in names if not name.exists()), folder)
