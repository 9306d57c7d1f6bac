"""The part of the app that the screens know: the latest snapshot, background reads, short commands, and the engine.

It owns the follower, the reader and the engine's child process. It does not know which screens exist: `app.py` adds
the tabs and the keys. Example, in a screen:
    self.app.read("question", lambda store: store.watching.fetch_question(7), self._show_question)
"""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual.app import App
from textual.message import Message
from textual.reactive import reactive

from crescent_lite.errors import CrescentError, ExitCode
from crescent_lite.printable import printable_line
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.sources.child_process import CommandResult, EngineChild, run_command, start_engine
from crescent_tui.sources.command_lines import CommandLine, line_of
from crescent_tui.sources.desktop import notify_desktop
from crescent_tui.sources.follower import Follower, relative_paths
from crescent_tui.sources.reader import Reader
from crescent_tui.sources.saved_state import FILE_NAME, SavedState
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot

T = TypeVar("T")
MOST_COMMANDS = 500
"""Command lines that are remembered."""
CHILD_SECONDS = 0.5
"""Time between two checks whether the engine's process has ended."""


@dataclass(frozen=True)
class TabLabel:
    """A tab as the title bar and the help name it."""

    key: str
    """The key that opens it."""
    name: str
    """The name in the title bar."""
    mode: str
    """Textual's name for its stack of screens; also how the last tab is remembered."""


class SnapshotChanged(Message):
    """The follower read something new."""

    def __init__(self, snapshot: WorkspaceSnapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class AnswerReady(Message):
    """The reader has an answer for the screen that asked."""

    def __init__(self, deliver: Callable[[], object]) -> None:
        super().__init__()
        self.deliver = deliver


class WorkspaceApp(App[None]):
    """Watches one workspace and drives its engine."""

    TABS: ClassVar[Sequence[TabLabel]] = ()

    snapshot: reactive[WorkspaceSnapshot] = reactive(WorkspaceSnapshot, init=False)
    """The workspace as it was last read."""
    starting: reactive[bool] = reactive(False, init=False)
    """Whether an engine started here has not locked the workspace yet."""
    screens_loaded: reactive[bool] = reactive(False, init=False)
    """Whether all screens have been imported. Until then no other thread imports what they need: two threads that
    import packages in another order may see one half made."""
    question_id: reactive[int | None] = reactive(None, init=False)
    """The selected question, shared by all screens; None before one is selected."""

    def __init__(self, workspace: Workspace, screen_built: Callable[[], object] = lambda: None) -> None:
        """`screen_built` is called, from any thread, whenever a screen has been built and will stay in memory."""
        self.saved_state = SavedState(workspace.folder / FILE_NAME)
        if (mode := self.saved_state.text("tab")) in self.MODES:
            self.DEFAULT_MODE = mode  # type: ignore[misc]  # before App.__init__, so that no other screen is built first
        super().__init__()
        self.workspace, self.screen_built = workspace, screen_built
        self.set_reactive(WorkspaceApp.question_id, self.saved_state.number("question"))
        self.commands: deque[CommandLine] = deque(maxlen=MOST_COMMANDS)
        """What was done here, as command lines, oldest first."""
        self._child: EngineChild | None = None
        self._read_only_commands: list[subprocess.Popen[bytes]] = []
        """Commands that change nothing; they are terminated with the app."""
        run_id = self.saved_state.number("run")
        self._follower = Follower(workspace, lambda snapshot: self.post_message(SnapshotChanged(snapshot)), run_id)
        self._reader = Reader(workspace, self.deliver)

    def on_load(self) -> None:
        """Start to read the database before the first frame is drawn."""
        self.run_worker(self._follower.follow, name="follower", thread=True)
        self.run_worker(self._reader.read, name="reader", thread=True)

    def on_mount(self) -> None:
        self.set_interval(CHILD_SECONDS, self._check_child)

    def on_unmount(self) -> None:
        self._follower.end()
        self._reader.end()
        for process in self._read_only_commands:
            process.terminate()
        self.saved_state |= {"tab": self.current_mode, "theme": self.theme, "question": self.question_id}
        self.saved_state.save()

    def on_snapshot_changed(self, message: SnapshotChanged) -> None:
        """Pass the snapshot on to the screens, which watch `snapshot`; not while the app is closing."""
        if message.snapshot.engine_is_busy:
            self.starting = False
        if self.is_running:
            before, self.snapshot = self.snapshot, message.snapshot
            is_first = not before.is_loaded
            if before.engine_run_id is not None and before.engine_run_id != message.snapshot.engine_run_id:
                self._tell_the_end(before.engine_run_id)
            if is_first:
                self.call_after_refresh(self.first_snapshot_shown)

    def _tell_the_end(self, run_id: int) -> None:
        """Say that the engine's run has ended: on the screen, with the bell, and on the desktop."""
        state = next((run.state for run in self.snapshot.runs if run.run_id == run_id), "")
        words = {"finished": "has finished", "failed": "has failed", "stopped": "was stopped"}.get(state, "has ended")
        text = f"Run {run_id} {words}."
        self.bell()
        self.notify(text, severity="error" if state == "failed" else "information", timeout=15)
        notify_desktop(self.TITLE or "crescent", text)

    def first_snapshot_shown(self) -> None:
        """The first frame with data has been drawn. Does nothing here."""

    def deliver(self, answer: Callable[[], object]) -> None:
        """From any thread: call `answer` in the app's own thread."""
        self.post_message(AnswerReady(answer))

    def on_answer_ready(self, message: AnswerReady) -> None:
        """Deliver an answer, unless the app is closing and its screens are being removed."""
        if self.is_running:
            message.deliver()

    def read(
        self,
        key: str,
        work: Callable[[Store], T],
        then: Callable[[T], object],
        failed: Callable[[str], object] | None = None,
    ) -> None:
        """Read the database with `work` in the background; then call `then` with the result, or `failed`.

        Of several reads with the same `key`, only the last one is answered.
        """
        self._reader.ask(key, work, then, failed or self._read_failed)

    def drop(self, key: str) -> None:
        """Cancel the read with this key; a query that is already running is interrupted."""
        self._reader.drop(key)

    def command(
        self,
        then: Callable[[CommandResult], object],
        command: str,
        *arguments: str,
        read_only: bool = False,
        on_start: Callable[[subprocess.Popen[bytes]], object] = lambda _process: None,
    ) -> None:
        """Run a short `crescent` command in the background, then call `then` with its result.

        A `read_only` command is terminated when the app closes; the app waits for any other one. `on_start` receives
        its process, in another thread, to terminate it earlier.
        """

        if not read_only:
            self.note_command(command, *arguments)

        def started(process: subprocess.Popen[bytes]) -> None:
            if read_only:
                self._read_only_commands.append(process)
            on_start(process)

        def work() -> None:
            result = run_command(self.workspace, command, *arguments, on_start=started)
            self.deliver(lambda: then(result))
            self._follower.check_now()

        self.run_worker(work, thread=True, group="commands", exclusive=False)

    def note_command(self, command: str, *arguments: str) -> None:
        """Note the `crescent` command that does what was just done."""
        self.commands.append(line_of(str(self.workspace.folder), command, arguments))

    def choose_run(self, run_id: int | None) -> None:
        """Show this run; None follows the latest one."""
        self.saved_state["run"] = run_id
        self.question_id = None
        self._follower.choose_run(run_id)

    def open_question(self, question_id: int, mode: str) -> None:
        """Show a question on another screen."""
        self.note_command("show", "question", str(question_id))
        self.question_id = question_id
        self.switch_mode(mode)

    def start(self, arguments: Sequence[str] = (), command: str = "run") -> None:
        """Start the engine with these arguments of `crescent run`, or of another command that is an engine.

        It keeps running when the app closes.
        """
        if self.refuse_second_run():
            return
        if self.snapshot.latest_run_is_finished and not {"--new", "--next-round"} & set(arguments):
            arguments = ["--new", *arguments]  # the user has agreed to a new run in the panel
        try:
            self._child = start_engine(self.workspace, arguments, command)
        except CrescentError as error:
            self.show_error(str(error))
            return
        self.note_command(command, *arguments)
        self.choose_run(None)
        self.starting = True

    def copy(self, text: str, what: str) -> None:
        """Send a text to the terminal for its clipboard, and say so: no terminal answers whether it took it."""
        self.copy_to_clipboard(text)
        self.notify(
            f"{what} was sent to the terminal's clipboard. If it is not there, the terminal does not allow it "
            "(tmux: `set -g set-clipboard on`); select the text with shift and the mouse."
        )

    def refuse_second_run(self) -> bool:
        """Notify the user, and return True, if a run is already active or starting."""
        if refused := self.starting or self.snapshot.engine_is_busy:
            self.notify("A run is already active in this workspace.")
        return refused

    def relative(self, text: str) -> str:
        """A text with paths relative to the workspace."""
        return relative_paths(text, self.workspace.folder)

    def show_error(self, line: str) -> None:
        """Notify the user of an error. The text is untrusted."""
        self.notify(printable_line(self.relative(line), 1000), severity="error", timeout=30, markup=False)

    def _check_child(self) -> None:
        """Report an engine that was started here and has failed."""
        exit_code = self._child.exit_code() if self._child else None
        if self._child is None or exit_code is None:
            return
        if exit_code not in (ExitCode.OK, ExitCode.INTERRUPTED):
            self.show_error(self._child.last_line() or f"The run ended with exit code {exit_code}.")
        self._child, self.starting = None, False
        self._follower.check_now()

    def _read_failed(self, _reason: str) -> None:
        """Let the follower read now: it fails for the same reason and shows it under the title bar."""
        self._follower.check_now()
