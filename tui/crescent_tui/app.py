"""The app: one follower in a worker, two screens that show what it saw, and the keys that drive the engine.

The engine is another process, which this starts, asks to stop, and outlives or is outlived by. Example:
    run_app(Path("data"))
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive

from crescent_lite.errors import CrescentError, ExitCode
from crescent_lite.printable import printable_line
from crescent_lite.workspace import Workspace
from crescent_tui.engine_child import EngineChild, start_engine
from crescent_tui.follower import Follower, Sight, Wanted
from crescent_tui.help_screen import HelpScreen
from crescent_tui.questions_screen import QuestionsScreen
from crescent_tui.run_screen import RunScreen

DARK, LIGHT = "textual-dark", "textual-light"
CHILD_SECONDS = 0.5


class WorkspaceSeen(Message):
    """The follower saw something new."""

    def __init__(self, sight: Sight) -> None:
        super().__init__()
        self.sight = sight


class CrescentApp(App[None]):
    """Watches one workspace."""

    TITLE = "crescent"
    CSS_PATH = "crescent.tcss"
    MODES: ClassVar = {"run": RunScreen, "questions": QuestionsScreen}
    DEFAULT_MODE = "run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "switch_mode('run')", "Run"),
        Binding("2", "switch_mode('questions')", "Questions"),
        Binding("s", "start", "Start"),
        Binding("x", "stop", "Stop"),
        Binding("t", "toggle_light", "Light", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    sight: reactive[Sight] = reactive(Sight, init=False)
    """What was seen last."""
    starting: reactive[bool] = reactive(False, init=False)
    """A child was started here and has not taken the workspace yet."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.wanted = Wanted()
        self._child: EngineChild | None = None
        self._follower = Follower(workspace, lambda sight: self.post_message(WorkspaceSeen(sight)))

    def on_mount(self) -> None:
        self.theme = DARK
        self.run_worker(self._follower.follow, name="follower", thread=True)
        self.set_interval(CHILD_SECONDS, self._look_after_child)

    def on_unmount(self) -> None:
        self._follower.end()

    def on_workspace_seen(self, message: WorkspaceSeen) -> None:
        """Every screen watches `sight`."""
        if message.sight.engine_is_busy:
            self.starting = False
        self.sight = message.sight

    def want(self, wanted: Wanted) -> None:
        """The user looks at something else."""
        if wanted != self.wanted:
            self.wanted = wanted
            self._follower.want(wanted)

    def action_start(self) -> None:
        """Start the engine as a child that stays when this ends."""
        if self.starting or self.sight.engine_is_busy:
            self.notify("A run is at work already; this is it.")
            return
        try:
            self._child = start_engine(self.workspace)
        except CrescentError as error:
            self._complain(str(error))
            return
        self.starting = True

    def action_stop(self) -> None:
        """Ask the engine to stop, whoever started it."""
        if not self.sight.engine_is_busy:
            self.notify("No run is at work here.")
            return
        self.workspace.request_stop()
        self._follower.look_now()

    def action_toggle_light(self) -> None:
        """Dark or light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(HelpScreen())

    def _look_after_child(self) -> None:
        """Say so when a run that was started here ends badly."""
        exit_code = self._child.ended() if self._child else None
        if self._child is None or exit_code is None:
            return
        if exit_code not in (ExitCode.OK, ExitCode.INTERRUPTED):
            self._complain(self._child.last_line() or f"The run ended with exit code {exit_code}.")
        self._child, self.starting = None, False
        self._follower.look_now()

    def _complain(self, line: str) -> None:
        self.notify(printable_line(line, 1000), severity="error", timeout=30, markup=False)


def run_app(workspace: Path) -> int:
    """Show the app until the user leaves it. Returns an exit code."""
    app = CrescentApp(Workspace(workspace))
    app.run()
    return app.return_code or ExitCode.OK
