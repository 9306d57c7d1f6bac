"""A panel that asks before work is started or stopped: what will happen, enter to go on, escape to change nothing.

Before a run it says what the run will take, as `crescent run --dry-run` estimates it in the background. A key that is
neither enter nor escape closes it as escape does, so that a word typed into a list by mistake cannot start a run.
Example:
    app.push_screen(ConfirmScreen(stopping_question(snapshot)), then)    # then(True) after enter
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from crescent_tui.content.starting import ESTIMATING, Question, estimate_lines
from crescent_tui.sources.child_process import CommandResult

if TYPE_CHECKING:
    from crescent_tui.workspace_app import WorkspaceApp

TYPED_ON_SECONDS = 0.3
"""An enter that was pressed this soon after the panel was drawn belongs to a word that was typed, such as `ls`, and
is no answer (guess: nobody reads the panel in this time)."""


class ConfirmScreen(ModalScreen[bool | None]):
    """The panel. Returns True for enter or a click on it, False otherwise."""

    app: WorkspaceApp

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer(True)", "Yes"),
        Binding("escape", "answer(False)", "No"),
    ]
    CSS = """
    ConfirmScreen { align: center middle; background: $background 60%; }
    #confirm { width: 72; max-width: 100%; height: auto; max-height: 100%; border: round $key; padding: 0 2;
               background: $surface; }
    """

    def __init__(self, question: Question, estimated: Sequence[str] | None = None) -> None:
        """`estimated`: arguments of the `crescent run` whose estimate is shown; None for no estimate."""
        super().__init__()
        self._question = question
        self._estimated = estimated
        self._enter_answers = False
        self._shown_at: float | None = None
        """When the panel was first drawn, on the clock of events; None before."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm") as box:
            box.border_title = Content(self._question.title)
            box.border_subtitle = Content(f"enter: {self._question.verb} · escape: no")
            lines = self._question.lines
            yield Static(Content("\n".join([*lines, ESTIMATING] if self._estimated is not None else lines)))

    def on_mount(self) -> None:
        self.call_after_refresh(self._note_shown)
        if self._estimated is not None:
            self.set_timer(TYPED_ON_SECONDS, self._estimate)  # not for a word that is typed

    def on_unmount(self) -> None:
        """End the estimate: it would slow down the run that it is about."""
        self._closed = True
        for process in self._processes:
            process.terminate()

    def _estimate(self) -> None:
        if not self.app.workspace.config_path.is_file():
            self._show([])  # the workspace is made when the run starts
            return
        run = self.app.snapshot.run
        against = ["--against", str(run.run_id)] if run and run.kind == "improvement" else []
        arguments = ["--dry-run", "--json", *(self._estimated or ()), *against]
        self.app.command(self._show_estimate, "run", *arguments, read_only=True, on_start=self._take)

    def _take(self, process: subprocess.Popen[bytes]) -> None:
        """Remember the estimate's process. Called in another thread."""
        self._processes.append(process)
        if self._closed:
            process.terminate()

    def _show_estimate(self, result: CommandResult) -> None:
        self._show(estimate_lines(result.exit_code, result.output, result.last_line))

    def _show(self, estimate: Sequence[str]) -> None:
        if not self._closed:
            self.query_one(Static).update(Content("\n".join([*self._question.lines, *estimate])))

    def on_click(self, event: events.Click) -> None:
        """Go on with a click into the panel; a click beside it changes nothing."""
        self.dismiss(event.widget is not self)

    def _note_shown(self) -> None:
        self._shown_at = events.Event().time

    def on_key(self, event: events.Key) -> None:
        """Close with any other key that is a character; drop an enter that was pressed before the panel was seen.

        A busy program handles keys late, so an enter is judged by the time at which it was pressed.
        """
        if event.is_printable:
            event.stop()
            self.dismiss(False)
        elif event.key == "enter":
            self._enter_answers = self._answers(event.time)

    def _answers(self, pressed_at: float) -> bool:
        return self._shown_at is not None and pressed_at - self._shown_at > TYPED_ON_SECONDS

    def action_answer(self, yes: bool) -> None:
        """Answer with enter or escape. An enter that this panel never got was pressed for the screen before it."""
        if self._enter_answers or not yes:
            self.dismiss(yes)
