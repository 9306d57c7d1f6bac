"""The Run screen: steps of the round, speed, machine load, loss, scores, events; before any run, how to start.

Shows the app's snapshot. It measures only the load of the machine itself, while it is in front.
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, ContentSwitcher

from crescent_lite.printable import printable_line
from crescent_lite.store.watching import RunSnapshot
from crescent_tui.content import losses as loss_content
from crescent_tui.content import run as run_content
from crescent_tui.content.colours import MUTED
from crescent_tui.content.doctor import doctor_report
from crescent_tui.content.run_buttons import run_buttons
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.sources.curves import Losses, fetch_losses
from crescent_tui.sources.machine_load import LoadMonitor, MachineLoad
from crescent_tui.sources.refresher import Refresher
from crescent_tui.sources.result import Result, fetch_result
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.chart import Chart
from crescent_tui.widgets.fitted_text import FittedText
from crescent_tui.widgets.reading_pane import ReadingPane

START = (
    ("A language model improves its own maths", "bold $text-primary"),
    "\n\nIt asks itself questions, answers each one several times, and learns from the answers that the majority "
    "of its votes agrees on. The same benchmarks before and after show whether that helped.\n\n",
    ("asked  →  kept  →  voted  →  labelled  →  trained  →  scored\n\n", MUTED),
)
SCROLLBAR = 2
"""Width in cells."""
CHECK_SECONDS = 0.7
"""Delay before the machine is checked if there is no run: most workspaces have one, and show it sooner."""


class LoadMeasured(Message):
    """The load of the machine has been measured."""

    def __init__(self, load: MachineLoad) -> None:
        super().__init__()
        self.load = load


class RunScreen(TabScreen):
    """The progress of the chosen run."""

    TAB = "Run"
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall"), (48, "-high")]  # noqa: RUF012  as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "app.start_form", "Settings and start", show=False)]
    BUTTONS = frozenset(each.action for each in run_buttons(WorkspaceSnapshot(), starting=False))
    CSS = """
    RunScreen #controls { height: 1; padding: 0 1; }
    RunScreen Button { margin-right: 1; min-width: 8; padding: 0 1; }
    RunScreen #start { padding: 0 2; }
    RunScreen #start-buttons { height: 1; margin-top: 1; }
    RunScreen #machine-check { margin-top: 1; }
    RunScreen #pipeline { height: auto; }
    RunScreen #live { height: 6; }
    RunScreen #now { width: 1fr; }
    RunScreen #machine { width: 1fr; }
    RunScreen #now-words { height: 2; }
    RunScreen #tokens-curve { height: 1fr; }
    RunScreen #below { layout: grid; height: 1fr; grid-size: 2 1; }
    RunScreen #below > * { height: 100%; }
    RunScreen #loss { display: none; }
    RunScreen.-tall #below, RunScreen.-high #below { grid-size: 2 2; grid-rows: 12 1fr; }
    RunScreen.-high #below { grid-rows: 3fr 2fr; }
    RunScreen.-tall #events, RunScreen.-high #events { column-span: 2; }
    RunScreen.-tall #loss, RunScreen.-high #loss { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._monitor = LoadMonitor(lambda load: self.post_message(LoadMeasured(load)))
        self._checked = False
        """Whether the check of the machine has been started."""

    def body(self) -> ComposeResult:
        with ContentSwitcher():
            with VerticalScroll(id="start", can_focus=False):
                yield CachedStatic(id="welcome")
                with Horizontal(id="start-buttons"):
                    yield Button("s Start", id="first-start", action="app.start", compact=True, variant="success")
                    yield Button("S Settings and start", id="first-form", action="app.start_form", compact=True)
                yield CachedStatic(id="machine-check")
            with Vertical(id="run"):
                with Horizontal(id="controls"):
                    for each in run_buttons(WorkspaceSnapshot(), starting=False):
                        action, name = f"app.{each.action}", f"do-{each.action}"
                        yield Button(each.label, id=name, action=action, compact=True)
                yield CachedStatic(id="pipeline", classes="panel")
                with Horizontal(id="live"):
                    with Vertical(id="now", classes="panel"):
                        yield CachedStatic(id="now-words")
                        yield CachedStatic(id="tokens-curve")
                    yield CachedStatic(id="machine", classes="panel")
                with Vertical(id="below"):
                    yield Chart(id="loss", classes="panel")
                    with ReadingPane(id="scores", classes="panel"):
                        yield FittedText(id="result")
                        yield CachedStatic(id="score-lines")
                    with ReadingPane(id="events", classes="panel"):
                        yield CachedStatic(id="event-lines")

    def on_mount(self) -> None:
        for name, title in (
            ("now", "Now"), ("machine", "Machine"), ("loss", "Loss, nats per token"),
            ("scores", "Result and scores"), ("events", "Last events"),
        ):  # fmt: skip
            self.query_one(f"#{name}").border_title = title
        self.run_worker(self._monitor.watch, name="machine", thread=True)
        self._losses, self._result = Losses(), Result()
        self.watch(self.app, "screens_loaded", self.show_latest, init=False)
        self._curves = Refresher(
            self.app.read,
            "losses",
            lambda store, run_id: fetch_losses(store, run_id, self._losses),
            self._take_losses,
        )
        self._results = Refresher(
            self.app.read,
            "result",
            lambda store, run_id: fetch_result(store, run_id, self._result),
            self._take_result,
        )

    def on_unmount(self) -> None:
        self._monitor.end()

    def on_screen_suspend(self) -> None:
        self._monitor.set_active(False)

    def on_load_measured(self, message: LoadMeasured) -> None:
        """Show the load, and how long ago the last item was."""
        panel = self.query_one("#machine", CachedStatic)
        panel.update(run_content.meters(message.load, panel.content_size.width or 36))
        self._show_now(self.app.snapshot)

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        self.query_one(ContentSwitcher).current = page = _page(snapshot)
        self._monitor.set_active(page == "run")
        if snapshot.run:
            self._show_run(snapshot, snapshot.run)
        elif page == "start":
            self._show_start(is_starting=self.app.starting or snapshot.engine_is_busy)

    def _show_start(self, *, is_starting: bool) -> None:
        folder = printable_line(str(self.app.workspace.folder), 200)
        instruction = (
            ("The engine is starting and loads the model.", "bold $text-accent")
            if is_starting
            else Content.assemble(
                "Press ", (" s ", "reverse"), " to start a run, or ", (" S ", "reverse"), " to choose settings first."
            )
        )
        where = (f"\nResults are kept in {folder}. The run continues when this app is closed.", MUTED)
        self.query_one("#welcome", CachedStatic).update(Content.assemble(*START, instruction, where))
        for button in self.query("#start-buttons Button").results(Button):
            button.disabled = is_starting
        if not is_starting and self.focused is None:
            self.set_focus(self.query_one("#first-start"))
        if not self._checked:
            self._checked = True
            self.set_timer(CHECK_SECONDS, self._check_machine)

    def _check_machine(self) -> None:
        if self.app.snapshot.run is None:
            self.query_one("#machine-check", CachedStatic).update(Content.styled("Checking this machine …", MUTED))
            self.app.command(self._show_check, "doctor", "--json", read_only=True)

    def _show_check(self, result: CommandResult) -> None:
        pane = self.query_one("#machine-check", CachedStatic)
        found = doctor_report(result.output, (pane.content_size.width or 76) - SCROLLBAR)
        pane.update(found or Content.styled(printable_line(f"doctor: {result.last_line}", 300), "$text-warning"))

    def _show_run(self, snapshot: WorkspaceSnapshot, run: RunSnapshot) -> None:
        for each in run_buttons(snapshot, starting=self.app.starting):
            button = self.query_one(f"#do-{each.action}", Button)
            label, button.disabled = f"{each.key} {each.label}", not each.enabled
            if str(button.label) != label:
                button.label = label
                button.refresh(layout=True)  # Textual keeps the width of the old label
        panel = self.query_one("#pipeline", CachedStatic)
        line = next((each for each in snapshot.runs if each.run_id == run.run_id), None)
        panel.border_title = Content(run_content.title(run, line))
        panel.border_subtitle = Content(printable_line(run.base, 60))
        # The width is 0 before the first layout, after which the pipeline is shown again.
        width = max(40, panel.content_size.width or self.size.width - 4)
        panel.update(run_content.pipeline(run, width, snapshot.throughput))
        self._show_now(snapshot)
        self._curves.request(run.run_id, snapshot.version)
        if self.app.screens_loaded:
            self._results.request(run.run_id, snapshot.version)
        self._show_losses(run)
        self._show_result(run)
        scores = run_content.scores(snapshot.scores)
        self.query_one("#score-lines", CachedStatic).update(scores or Content.styled("not evaluated yet", MUTED))
        self.query_one("#event-lines", CachedStatic).update(run_content.events(run.events))

    def _show_now(self, snapshot: WorkspaceSnapshot) -> None:
        throughput = snapshot.throughput
        quiet = throughput.quiet_seconds(time.time(), time.monotonic()) if throughput else 0.0
        words = run_content.now(throughput, is_active=snapshot.run_is_active, quiet_seconds=quiet)
        self.query_one("#now-words", CachedStatic).update(words)
        curve = self.query_one("#tokens-curve", CachedStatic)
        curve.update(run_content.curve(throughput.history if throughput else (), curve.size.width, curve.size.height))

    def _take_losses(self, _run_id: int, losses: Losses) -> None:
        self._losses = losses
        if run := self.app.snapshot.run:
            self._show_losses(run)

    def _take_result(self, _run_id: int, result: Result) -> None:
        self._result = result
        if run := self.app.snapshot.run:
            self._show_result(run)

    def _show_losses(self, run: RunSnapshot) -> None:
        losses = self._losses if self._losses.run_id == run.run_id else Losses()
        number = max(losses.by_round, default=run.round)
        self.query_one("#loss", Chart).draw(
            loss_content.loss_curves(losses, number),
            last=loss_content.last_step(losses, number),
            note=lambda _: run_content.loss_note(run),
        )

    def _show_result(self, run: RunSnapshot) -> None:
        result = self._result if self._result.made_from[:1] == (run.run_id,) else Result()
        pane = self.query_one("#result", FittedText)
        pane.draw(lambda width: run_content.result(result, width))
        pane.display = bool(run_content.result(result, 80).plain)


def _page(snapshot: WorkspaceSnapshot) -> str | None:
    """The page to show; None until the first snapshot, and if the database cannot be read."""
    if snapshot.run:
        return "run"
    return "start" if snapshot.is_loaded and not snapshot.error else None
