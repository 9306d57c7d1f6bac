"""The Run screen: the round as it flows, its pace, the machine, the loss, the scores, the last events; and, without
any run, how to start.

Shows what the app's follower saw; only the machine's load it looks at itself, while it is in front.
"""

from __future__ import annotations

import math
import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, ContentSwitcher, Sparkline

from crescent_lite.printable import printable_line
from crescent_lite.store.watching import RunSnapshot
from crescent_tui.content import run as run_content
from crescent_tui.content.colours import MUTED
from crescent_tui.content.doctor import machine_check
from crescent_tui.content.run_buttons import run_buttons
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.child_process import Ended
from crescent_tui.sources.follower import Sight
from crescent_tui.sources.machine_load import Load, MachineWatch
from crescent_tui.widgets.cached_static import SteadyText

START = (
    ("A language model improves its own maths", "bold $text-primary"),
    "\n\nIt asks itself questions, answers each one several times, and learns from the answers its own majority "
    "agrees on. Then the same benchmarks show whether that helped.\n\n",
    ("asked  →  kept  →  voted  →  labelled  →  trained  →  scored\n\n", MUTED),
)
SCROLLBAR = 2
CHECK_SECONDS = 0.7
"""Without a run for so long, the machine is looked at: most workspaces show a run before."""


class LoadSeen(Message):
    """How busy the machine is."""

    def __init__(self, load: Load) -> None:
        super().__init__()
        self.load = load


class RunScreen(WatchingScreen):
    """How the chosen run stands."""

    TAB = "Run"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "app.start_form", "Settings and start", show=False)]
    CSS = """
    RunScreen #controls { height: 1; padding: 0 1; }
    RunScreen Button { margin-right: 2; min-width: 8; padding: 0 1; }
    RunScreen #start { padding: 0 2; }
    RunScreen #start-buttons { height: 1; margin-top: 1; }
    RunScreen #machine-check { margin-top: 1; }
    RunScreen #pipeline { height: auto; }
    RunScreen #live { height: 6; }
    RunScreen #now { width: 1fr; }
    RunScreen #machine { width: 1fr; }
    RunScreen #now-words { height: 2; }
    RunScreen #tokens-curve { height: 1fr; }
    RunScreen #loss-curve { height: 1fr; }
    RunScreen #loss-curve > .sparkline--min-color { color: $success; }
    RunScreen #loss-curve > .sparkline--max-color { color: $warning; }
    RunScreen #below { layout: grid; height: 1fr; grid-size: 2 1; }
    RunScreen #below > * { height: 100%; }
    RunScreen #loss { display: none; }
    RunScreen.-tall #below { grid-size: 2 2; grid-rows: 12 1fr; }
    RunScreen.-tall #events { column-span: 2; }
    RunScreen.-tall #loss { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._watch = MachineWatch(lambda load: self.post_message(LoadSeen(load)))
        self._checked = False
        """The machine has been looked at, or is just now."""

    def body(self) -> ComposeResult:
        with ContentSwitcher():
            with VerticalScroll(id="start", can_focus=False):
                yield SteadyText(id="welcome")
                with Horizontal(id="start-buttons"):
                    yield Button("Start", id="first-start", action="app.start", compact=True, variant="success")
                    yield Button("Settings and start", id="first-form", action="app.start_form", compact=True)
                yield SteadyText(id="machine-check")
            with Vertical(id="run"):
                with Horizontal(id="controls"):
                    for control in run_buttons(Sight(), starting=False):
                        action, name = f"app.{control.action}", f"do-{control.action}"
                        yield Button(control.label, id=name, action=action, compact=True)
                yield SteadyText(id="pipeline", classes="panel")
                with Horizontal(id="live"):
                    with Vertical(id="now", classes="panel"):
                        yield SteadyText(id="now-words")
                        yield SteadyText(id="tokens-curve")
                    yield SteadyText(id="machine", classes="panel")
                with Vertical(id="below"):
                    with Vertical(id="loss", classes="panel"):
                        yield SteadyText(id="loss-words")
                        yield Sparkline([], id="loss-curve")
                    with VerticalScroll(id="scores", classes="panel"):
                        yield SteadyText(id="score-lines")
                    with VerticalScroll(id="events", classes="panel"):
                        yield SteadyText(id="event-lines")

    def on_mount(self) -> None:
        for name, title in (
            ("now", "Now"), ("machine", "Machine"), ("loss", "Loss"),
            ("scores", "Scores, 95% interval"), ("events", "Last events"),
        ):  # fmt: skip
            self.query_one(f"#{name}").border_title = title
        self.run_worker(self._watch.watch, name="machine", thread=True)

    def on_unmount(self) -> None:
        self._watch.end()

    def on_screen_suspend(self) -> None:
        self._watch.want(False)

    def on_load_seen(self, message: LoadSeen) -> None:
        """The machine's meters, and how long ago the last item was."""
        panel = self.query_one("#machine", SteadyText)
        panel.update(run_content.meters(message.load, panel.content_size.width or 36))
        self._show_now(self.app.sight)

    def show(self, sight: Sight) -> None:
        self.query_one(ContentSwitcher).current = page = _page(sight)
        self._watch.want(page == "run")
        if sight.run:
            self._show_run(sight, sight.run)
        elif page == "start":
            self._show_start(waiting=self.app.starting or sight.engine_is_busy)

    def _show_start(self, *, waiting: bool) -> None:
        folder = printable_line(str(self.app.workspace.folder), 200)
        next_thing = (
            ("The engine is starting: it loads the model first.", "bold $text-accent")
            if waiting
            else Content.assemble(
                "Press ", (" s ", "reverse"), " to start a run, ", (" S ", "reverse"), " to choose settings first."
            )
        )
        where = (f"\nEverything is kept in {folder}; the run goes on when this is closed.", MUTED)
        self.query_one("#welcome", SteadyText).update(Content.assemble(*START, next_thing, where))
        for button in self.query("#start-buttons Button").results(Button):
            button.disabled = waiting
        if not waiting and self.focused is None:
            self.set_focus(self.query_one("#first-start"))
        if not self._checked:
            self._checked = True
            self.set_timer(CHECK_SECONDS, self._check_machine)

    def _check_machine(self) -> None:
        if self.app.sight.run is None:
            self.query_one("#machine-check", SteadyText).update(Content.styled("Looking at this machine …", MUTED))
            self.app.command(self._show_check, "doctor", "--json", only_looks=True)

    def _show_check(self, ended: Ended) -> None:
        pane = self.query_one("#machine-check", SteadyText)
        found = machine_check(ended.output, (pane.content_size.width or 76) - SCROLLBAR)
        pane.update(found or Content.styled(printable_line(f"doctor: {ended.last_line}", 300), "$text-warning"))

    def _show_run(self, sight: Sight, run: RunSnapshot) -> None:
        for control in run_buttons(sight, starting=self.app.starting):
            button = self.query_one(f"#do-{control.action}", Button)
            button.label, button.disabled = f"{control.key} {control.label}", not control.enabled
        panel = self.query_one("#pipeline", SteadyText)
        line = next((each for each in sight.runs if each.run_id == run.run_id), None)
        panel.border_title = Content(run_content.title(run, line))
        panel.border_subtitle = Content(printable_line(run.base, 60))
        # Before the first layout there is no width; the resize that follows shows it again.
        width = max(40, panel.content_size.width or self.size.width - 4)
        panel.update(run_content.pipeline(run, width, sight.pulse))
        self._show_now(sight)
        self._show_losses(run)
        scores = run_content.scores(sight.scores)
        self.query_one("#score-lines", SteadyText).update(scores or Content.styled("not measured yet", MUTED))
        self.query_one("#event-lines", SteadyText).update(run_content.events(run.events))

    def _show_now(self, sight: Sight) -> None:
        pulse = sight.pulse
        quiet = time.time() - pulse.last_at if pulse else 0.0
        words = run_content.now(pulse, at_work=sight.run_is_at_work, quiet_seconds=quiet)
        self.query_one("#now-words", SteadyText).update(words)
        curve = self.query_one("#tokens-curve", SteadyText)
        curve.update(run_content.curve(pulse.history if pulse else (), curve.size.width, curve.size.height))

    def _show_losses(self, run: RunSnapshot) -> None:
        losses = [loss for loss in run.losses if math.isfinite(loss)]
        curve, words = self.query_one("#loss-curve", Sparkline), self.query_one("#loss-words", SteadyText)
        curve.display = len(losses) > 1
        curve.data = losses
        trained = next(step for step in run.steps if step.step == "trained")
        if losses:
            words.update(
                Content.assemble(
                    f"{losses[0]:.2f} → ", (f"{losses[-1]:.2f}", "bold"),
                    (f"  step {trained.done:,} of {trained.total:,}", MUTED),
                )
            )  # fmt: skip
        else:
            words.update(Content.styled("no training yet", MUTED))


def _page(sight: Sight) -> str | None:
    """Nothing is said of runs before anything is known of them."""
    if sight.run:
        return "run"
    return "start" if sight.looked and not sight.trouble else None
