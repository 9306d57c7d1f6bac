"""The app: a follower and a reader in workers, the tabs that show what they saw, and the keys that drive the engine.

The engine is another process, which this starts, asks, and outlives or is outlived by. Example:
    run_app(Path("data"))
"""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen

from crescent_lite.errors import CrescentError, ExitCode
from crescent_lite.printable import printable_line
from crescent_lite.store import Store
from crescent_lite.workspace import EngineRequest, Workspace
from crescent_tui.sources.child_process import Ended, EngineChild, run_to_its_end, start_engine
from crescent_tui.sources.follower import Follower, Sight
from crescent_tui.sources.reader import Reader
from crescent_tui.sources.saved_state import NAME, Memory
from crescent_tui.tabs import TABS
from crescent_tui.widgets.key_hints import one_of_each_action

T = TypeVar("T")
DARK, LIGHT = "textual-dark", "textual-light"
CHILD_SECONDS = 0.5


class WorkspaceSeen(Message):
    """The follower saw something new."""

    def __init__(self, sight: Sight) -> None:
        super().__init__()
        self.sight = sight


class AnswerCame(Message):
    """The reader has an answer for whoever asked."""

    def __init__(self, deliver: Callable[[], object]) -> None:
        super().__init__()
        self.deliver = deliver


class CrescentApp(App[None]):
    """Watches one workspace."""

    TITLE = "crescent"
    CSS_PATH = Path(__file__).with_name("crescent.tcss")
    MODES: ClassVar = {tab.mode: tab.make for tab in TABS}
    DEFAULT_MODE = TABS[0].mode
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(tab.key, f"switch_mode('{tab.mode}')", tab.name, show=False) for tab in TABS),
        Binding("s", "start", "Start"),
        Binding("S", "start_form", "Settings and start", show=False),
        Binding("p", "pause", "Pause"),
        Binding("x", "stop", "Stop"),
        Binding("n", "next_round", "Round"),
        Binding("r", "choose_run", "Runs"),
        Binding("t", "toggle_light", "Light", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    sight: reactive[Sight] = reactive(Sight, init=False)
    """What was seen last."""
    starting: reactive[bool] = reactive(False, init=False)
    """A child was started here and has not taken the workspace yet."""
    question_id: reactive[int | None] = reactive(None, init=False)
    """The question that is looked at, on every screen."""

    def __init__(self, workspace: Workspace, made: Callable[[], object] = lambda: None) -> None:
        """`made` is called, from any thread, when something has been made that will stay: a screen."""
        self.memory = Memory(workspace.folder / NAME)
        if (tab := self.memory.text("tab")) in self.MODES:
            self.DEFAULT_MODE = tab  # type: ignore[misc]  # so that no other screen is made before it
        super().__init__()
        self.workspace, self.made = workspace, made
        self.set_reactive(CrescentApp.question_id, self.memory.number("question"))
        self._child: EngineChild | None = None
        self._lookers: list[subprocess.Popen[bytes]] = []
        """Commands that change nothing, which nobody waits for at the end."""
        run_id = self.memory.number("run")
        self._follower = Follower(workspace, lambda sight: self.post_message(WorkspaceSeen(sight)), run_id)
        self._reader = Reader(workspace, self.deliver)

    def on_load(self) -> None:
        """Before anything is drawn: the database is read meanwhile."""
        self.run_worker(self._follower.follow, name="follower", thread=True)
        self.run_worker(self._reader.read, name="reader", thread=True)

    def on_mount(self) -> None:
        theme = self.memory.text("theme", DARK)
        self.theme = theme if theme in self.available_themes else DARK
        for number in (signal.SIGTERM, signal.SIGHUP):  # the terminal is restored, and where one was is kept
            with suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread; not on Windows
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.set_interval(CHILD_SECONDS, self._look_after_child)

    def on_unmount(self) -> None:
        self._follower.end()
        self._reader.end()
        for looker in self._lookers:
            looker.terminate()
        self.memory |= {"tab": self.current_mode, "theme": self.theme, "question": self.question_id}
        self.memory.save()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """For the command palette: every tab, every key of the screen and of the app, and Textual's own."""
        for tab in TABS:
            yield SystemCommand(f"Go to {tab.name}", f"the key {tab.key}", partial(self.switch_mode, tab.mode))
        ours = (
            each
            for each in screen.active_bindings.values()
            if type(each.node).__module__.startswith("crescent_tui") and each.enabled and each.binding.description
        )
        for node, binding, _, _ in one_of_each_action(ours):
            if "switch_mode" not in binding.action and binding.action != "quit":  # quit is one of Textual's
                press = partial(self.run_action, binding.action, node)
                yield SystemCommand(binding.description, f"the key {self.get_key_display(binding)}", press)
        yield from super().get_system_commands(screen)

    def on_workspace_seen(self, message: WorkspaceSeen) -> None:
        """Every screen watches `sight`, until the screens go."""
        if message.sight.engine_is_busy:
            self.starting = False
        if self.is_running:
            is_first, self.sight = not self.sight.looked, message.sight
            if is_first:
                self.call_after_refresh(lambda: self.run_worker(self._load_screens, name="screens", thread=True))

    def deliver(self, answer: Callable[[], object]) -> None:
        """From any thread: have this called in the app's own one."""
        self.post_message(AnswerCame(answer))

    def on_answer_came(self, message: AnswerCame) -> None:
        """Hand it over, here in the app's own thread. Who asked goes with the app."""
        if self.is_running:
            message.deliver()

    def read(
        self,
        key: str,
        work: Callable[[Store], T],
        then: Callable[[T], object],
        failed: Callable[[str], object] | None = None,
    ) -> None:
        """Have `work` read the database in the background; of several askers with one `key` only the last is told."""
        self._reader.ask(key, work, then, failed or self._reader_failed)

    def drop(self, key: str) -> None:
        """Nobody waits for this answer any more; a query at work is interrupted."""
        self._reader.drop(key)

    def command(
        self, then: Callable[[Ended], object], command: str, *arguments: str, only_looks: bool = False
    ) -> None:
        """Run a short `crescent` command in the background, and tell `then` how it ended.

        One that `only_looks` is ended with the app; the app waits for any other one.
        """

        def work() -> None:
            begun = self._lookers.append if only_looks else None
            ended = run_to_its_end(self.workspace, command, *arguments, begun=begun)
            self.deliver(lambda: then(ended))
            self._follower.look_now()

        self.run_worker(work, thread=True, group="commands", exclusive=False)

    def choose_run(self, run_id: int | None) -> None:
        """Show this run; None follows the latest one."""
        self.memory["run"] = run_id
        self.question_id = None
        self._follower.choose_run(run_id)

    def open_question(self, question_id: int, mode: str) -> None:
        """Look at a question on another screen."""
        self.question_id = question_id
        self.switch_mode(mode)

    def start(self, arguments: Sequence[str] = ()) -> None:
        """Start the engine as a child that stays when this ends; `arguments` are those of `crescent run`."""
        if self.starting or self.sight.engine_is_busy:
            self.notify("A run is at work already; this is it.")
            return
        try:
            self._child = start_engine(self.workspace, arguments)
        except CrescentError as error:
            self.complain(str(error))
            return
        self.choose_run(None)
        self.starting = True

    def action_start(self) -> None:
        """Start a run, or go on with the unfinished one."""
        self.start()

    def action_start_form(self) -> None:
        """Choose settings, then start."""
        if self.starting or self.sight.engine_is_busy:
            self.notify("A run is at work already; this is it.")
        else:
            from crescent_tui.screens.start import StartScreen

            self.push_screen(StartScreen())

    def action_pause(self) -> None:
        """Pause the engine, or let it go on."""
        if self.sight.pause_is_requested:
            self.workspace.take("pause")
            self._follower.look_now()
        else:
            self._ask_engine("pause")

    def action_stop(self) -> None:
        """Ask the engine to stop, whoever started it."""
        self._ask_engine("stop")

    def action_next_round(self) -> None:
        """One more round, after the one at hand or of the latest run."""
        if self.sight.engine_is_busy:
            self._ask_engine("round")
            self.notify("Another round will be played after this one.")
        elif self.sight.run is None:
            self.notify("There is no run yet; s starts one.")
        else:
            self.start(["--next-round"])

    def action_choose_run(self) -> None:
        """Which run the screens show."""
        from crescent_tui.screens.runs import RunsScreen

        self.push_screen(RunsScreen())

    def action_toggle_light(self) -> None:
        """Dark or light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_help(self) -> None:
        """The keys, and what the words mean."""
        from crescent_tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def complain(self, line: str) -> None:
        """Say what went wrong. The text may be anybody's."""
        self.notify(printable_line(line, 1000), severity="error", timeout=30, markup=False)

    def _ask_engine(self, request: EngineRequest) -> None:
        if not self.sight.engine_is_busy:
            self.notify("No run is at work here.")
            return
        try:
            self.workspace.ask(request)
        except CrescentError as error:
            self.complain(str(error))
        self._follower.look_now()

    def _look_after_child(self) -> None:
        """Say so when a run that was started here ends badly."""
        exit_code = self._child.ended() if self._child else None
        if self._child is None or exit_code is None:
            return
        if exit_code not in (ExitCode.OK, ExitCode.INTERRUPTED):
            self.complain(self._child.last_line() or f"The run ended with exit code {exit_code}.")
        self._child, self.starting = None, False
        self._follower.look_now()

    def _load_screens(self) -> None:
        """So that the first look at one need not wait for it."""
        for tab in TABS:
            tab.screen()
        import_module("crescent_tui.screens.help")  # which names the keys of all others
        self.made()

    def _reader_failed(self, _reason: str) -> None:
        """The follower meets the same trouble, and the title bar says it."""
        self._follower.look_now()


def _leave_out_what_stays() -> None:
    gc.freeze()
    gc.enable()


def run_app(workspace: Path) -> int:
    """Show the app until the user leaves it. Returns an exit code.

    Python's collector looks through everything there is, 0.1 s each time, and several times while the app starts. So
    it begins when the app has started, and leaves out what stays: 20 ms.
    """
    gc.disable()
    app = CrescentApp(Workspace(workspace), made=_leave_out_what_stays)
    app.run()
    return app.return_code or ExitCode.OK
