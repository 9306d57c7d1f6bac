"""The Run screen: the round as it flows, the loss, the scores, the last events; and, without any run, how to start.

Shows what the app's follower saw; reads nothing itself.
"""

from __future__ import annotations

import math

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, Sparkline, Static

from crescent_lite.printable import printable_line
from crescent_lite.store.watching import RunSnapshot
from crescent_tui import run_content
from crescent_tui.follower import Sight
from crescent_tui.screens.watching import WatchingScreen

START = (
    ("A language model improves its own maths", "bold $text-primary"),
    "\n\nIt asks itself questions, answers each one several times, and learns from the answers its own majority "
    "agrees on. Then the same benchmarks show whether that helped.\n\n",
    ("  asked  →  kept  →  voted  →  labelled  →  trained  →  scored\n\n", "$foreground 60%"),
)


class RunScreen(WatchingScreen):
    """How the chosen run stands."""

    TAB = "Run"

    def body(self) -> ComposeResult:
        with ContentSwitcher():
            with VerticalScroll(id="start", can_focus=False):
                yield Static(id="welcome")
            with Vertical(id="run"):
                yield Static(id="pipeline", classes="panel")
                with Horizontal(id="measures"):
                    with Vertical(id="loss", classes="panel"):
                        yield Static(id="loss-words")
                        yield Sparkline([], id="loss-curve")
                    with VerticalScroll(id="scores", classes="panel"):
                        yield Static(id="score-lines")
                with VerticalScroll(id="events", classes="panel"):
                    yield Static(id="event-lines")

    def on_mount(self) -> None:
        self.query_one("#pipeline").border_title = "Round"
        self.query_one("#loss").border_title = "Loss"
        self.query_one("#scores").border_title = "Scores, 95% interval"
        self.query_one("#events").border_title = "Last events"

    def show(self, sight: Sight) -> None:
        self.query_one(ContentSwitcher).current = _page(sight)
        if sight.run:
            self._show_run(sight, sight.run)
        else:
            self._show_start(waiting=self.app.starting or sight.engine_is_busy)

    def _show_start(self, *, waiting: bool) -> None:
        folder = printable_line(str(self.app.workspace.folder), 200)
        next_thing = (
            ("The engine is starting: it loads the model first.", "bold $text-accent")
            if waiting
            else Content.assemble("Press ", (" s ", "reverse"), " to start a run.")
        )
        where = (f"\n\nEverything it does is kept in {folder}.\nIt goes on when this is closed.", "$foreground 60%")
        self.query_one("#welcome", Static).update(Content.assemble(*START, next_thing, where))

    def _show_run(self, sight: Sight, run: RunSnapshot) -> None:
        panel = self.query_one("#pipeline", Static)
        base = printable_line(run.base, 60)
        title = f"Round {run.round} of {run.rounds}" if run.round else f"Base, then {run.rounds} round(s)"
        panel.border_title = title
        panel.border_subtitle = Content(base)
        # Before the first layout there is no width; the resize that follows shows it again.
        panel.update(run_content.pipeline(run, max(40, (panel.content_size.width or self.size.width - 4))))
        self._show_losses(run)
        scores = run_content.scores(sight.scores)
        self.query_one("#score-lines", Static).update(scores or Content.styled("not measured yet", "$foreground 60%"))
        self.query_one("#event-lines", Static).update(run_content.events(run.events))

    def _show_losses(self, run: RunSnapshot) -> None:
        losses = [loss for loss in run.losses if math.isfinite(loss)]
        curve, words = self.query_one("#loss-curve", Sparkline), self.query_one("#loss-words", Static)
        curve.display = len(losses) > 1
        curve.data = losses
        trained = next(step for step in run.steps if step.step == "trained")
        if losses:
            words.update(
                Content.assemble(
                    f"{losses[0]:.2f} → ", (f"{losses[-1]:.2f}", "bold"),
                    (f"  step {trained.done:,} of {trained.total:,}", "$foreground 60%"),
                )
            )  # fmt: skip
        else:
            words.update(Content.styled("no training yet", "$foreground 60%"))


def _page(sight: Sight) -> str | None:
    """Nothing is said of runs before anything is known of them."""
    if sight.run:
        return "run"
    return "start" if sight.looked and not sight.trouble else None
