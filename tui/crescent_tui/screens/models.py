"""The Models screen: every base and adapter with where it comes from, what it scored, and what can be done with it.

An export or a choice of a round is a `crescent` command in the background: the screen says that it is at work, and
how it ended.
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

from crescent_lite.printable import printable_line
from crescent_tui.content.model import cells, model_in_full
from crescent_tui.content.words import clock
from crescent_tui.screens.export import Export, ExportScreen
from crescent_tui.screens.keep_round import KeepRoundScreen
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.child_process import Ended
from crescent_tui.sources.follower import Sight
from crescent_tui.sources.model_facts import Key, ModelFacts, fetch_facts, fetch_tree
from crescent_tui.sources.model_tree import Node
from crescent_tui.sources.refresher import Upkeep
from crescent_tui.widgets.cached_static import SteadyText
from crescent_tui.widgets.fitted_text import Drawn
from crescent_tui.widgets.row_list import Column, RowList

COLUMNS = (Column("model", 36), Column("size", 12, right=True), Column("kept", 4), Column("scores", 0))
TICK_SECONDS = 0.5
SPINNER = "◐◓◑◒"
MOST_OUTCOMES = 2
"""Lines on what has ended."""


class ModelsScreen(WatchingScreen):
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
    #no-models { padding: 1 2; color: $foreground 60%; }
    #models-and-one { height: 1fr; layout: vertical; }
    #models { height: 1fr; padding: 0; }
    #model { height: 1fr; }
    #model-in-full { height: auto; }
    #at-work { height: auto; padding: 0 2; }
    ModelsScreen.-wide #models-and-one { layout: horizontal; }
    ModelsScreen.-wide #models { width: 3fr; height: 100%; }
    ModelsScreen.-wide #model { width: 2fr; height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, Node] = {}
        """By the number of the row."""
        self._numbers: dict[Key, int] = {}
        self._facts: dict[int, ModelFacts] = {}
        """Of rows that were in view."""
        self._at_work: dict[tuple[str, ...], tuple[str, float]] = {}
        """The arguments of a command -> what it does, and when it began."""
        self._outcomes: list[Content] = []

    def body(self) -> ComposeResult:
        words = "No model yet: a run notes its base when it begins, and an adapter after each round. s starts one."
        yield SteadyText(words, id="no-models")
        with Container(id="models-and-one"):
            yield RowList(COLUMNS, id="models", classes="panel")
            with VerticalScroll(id="model", classes="panel"):
                yield Drawn(id="model-in-full")
        yield SteadyText(id="at-work")

    def on_mount(self) -> None:
        self.query_one("#models").border_title = "Models"
        self.query_one("#model").border_title = "Model"
        self.query_one("#model").border_subtitle = "e export, b keep, B keep the best, y copy the path"
        self.query_one("#at-work").display = False
        self._tree = Upkeep(self.app.read, "models", fetch_tree, self._show_tree)
        self._ticking = self.set_interval(TICK_SECONDS, self._show_work, pause=True)

    def on_screen_resume(self) -> None:
        """A file may have gone or come although nothing was written to the database."""
        self._tree.want_again()

    def show(self, sight: Sight) -> None:
        self.query_one("#no-models").display = sight.looked and not self._rows
        self.query_one("#models-and-one").display = bool(self._rows)
        if sight.version:
            self._tree.want(self.app.workspace.exports, sight.version)

    def action_export(self) -> None:
        """Hand over the adapter under the cursor, or of a run the kept one."""
        if target := self._target():
            run_id, number = target
            self.app.push_screen(ExportScreen(run_id, number), lambda chosen: self._export(run_id, number, chosen))

    def action_keep(self) -> None:
        """Keep this round of its run."""
        facts = self._chosen()
        if facts is None or not facts.is_adapter or facts.node.run is None or facts.round is None:
            self.notify("Choose the adapter of a round; B keeps the best one of its run.")
            return
        run_id, which = facts.node.run.run_id, facts.round
        self.app.push_screen(
            KeepRoundScreen(run_id, which), lambda yes: self._keep(run_id, str(which)) if yes else None
        )

    def action_keep_best(self) -> None:
        """Keep the best round of the run again."""
        facts = self._chosen()
        if facts is None or facts.node.run is None:
            self.notify("Choose a run, or the adapter of one of its rounds.")
            return
        run_id = facts.node.run.run_id
        self.app.push_screen(KeepRoundScreen(run_id, None), lambda yes: self._keep(run_id, "best") if yes else None)

    def action_copy(self) -> None:
        """The path of the file."""
        facts = self._chosen()
        if facts and facts.path:
            self.app.copy_to_clipboard(str(facts.path))
            self.notify("The path is copied.")
        else:
            self.notify("A run has no file of its own; choose one of its adapters.")

    def _chosen(self) -> ModelFacts | None:
        number = self.query_one("#models", RowList).key
        return self._facts.get(number) if number is not None else None

    def _target(self) -> tuple[int, int] | None:
        """The run and the round that is meant; says so where there is none."""
        facts = self._chosen()
        if facts is None:
            return None
        if facts.node.run and facts.round is not None:
            return facts.node.run.run_id, facts.round
        self.notify("Choose a run, or the adapter of a round: nothing was trained here.")
        return None

    def _export(self, run_id: int, number: int, chosen: Export | None) -> None:
        if chosen is None:
            return
        what, tensor_type = chosen
        arguments = [what, "--run", str(run_id)]
        if what != "examples":
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
        if line in self._at_work:
            self.notify("That is at work already.")
            return
        self._at_work[line] = (words, time.monotonic())
        self._ticking.resume()
        self._show_work()
        self.app.command(lambda ended: self._ended(line, ended), command, *arguments)

    def _ended(self, line: tuple[str, ...], ended: Ended) -> None:
        words, began = self._at_work.pop(line)
        said = printable_line(ended.last_line, 1000)
        if ended.exit_code:
            said = said or f"it ended with exit code {ended.exit_code}"
            self._outcomes.insert(0, Content.assemble(("✗ ", "bold $text-error"), f"{words}: {said}"))
            if not self.is_current:
                self.app.complain(said)
        else:
            took = clock(time.monotonic() - began)
            self._outcomes.insert(0, Content.assemble(("✓ ", "bold $text-success"), f"{words} ({took}): {said}"))
            if not self.is_current:
                self.app.notify(said, markup=False, timeout=15)
            self._tree.want_again()
        if not self._at_work:
            self._ticking.pause()
        self._show_work()

    def _show_work(self) -> None:
        now = time.monotonic()
        sign = SPINNER[int(now / TICK_SECONDS) % len(SPINNER)]
        lines = [
            Content.assemble((f"{sign} ", "$text-accent"), f"{words} … {clock(now - began)}")
            for words, began in self._at_work.values()
        ]
        pane = self.query_one("#at-work", SteadyText)
        pane.update(Content("\n").join([*lines, *self._outcomes[:MOST_OUTCOMES]]))
        pane.display = bool(lines or self._outcomes)

    def _show_tree(self, _exports: Path, nodes: tuple[Node, ...]) -> None:
        numbers = [self._numbers.setdefault(node.key, len(self._numbers)) for node in nodes]
        self._rows = dict(zip(numbers, nodes, strict=True))
        rows = self.query_one("#models", RowList)
        rows.set_keys(array("q", numbers))
        rows.forget_cells()
        models = len({node.model.model_id for node in nodes if node.model})
        rows.border_title = f"Models: {models:,}"
        self.show(self.app.sight)

    @on(RowList.Lacking)
    def _fetch_lines(self, event: RowList.Lacking) -> None:
        nodes = [self._rows[number] for number in event.keys if number in self._rows]
        self.app.read("model lines", lambda store: fetch_facts(store, nodes), self._show_lines)

    def _show_lines(self, found: dict[Key, ModelFacts]) -> None:
        facts = {self._numbers[key]: each for key, each in found.items()}
        self._facts |= facts
        self.query_one("#models", RowList).set_cells({number: cells(each) for number, each in facts.items()})
        self._show_model()

    @on(RowList.Highlighted)
    def _look_at(self, _event: RowList.Highlighted) -> None:
        self._show_model()

    def _show_model(self) -> None:
        if facts := self._chosen():
            self.query_one("#model-in-full", Drawn).draw(lambda width: model_in_full(facts, width))


def free_name(folder: Path) -> Path:
    """This one, or where it is there already the first of `name-2`, `name-3`, ... that is not."""
    names = (folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(2, 1000)))
    return next((name for name in names if not name.exists()), folder)
