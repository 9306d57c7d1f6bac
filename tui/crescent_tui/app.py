"""The app: its tabs, the keys that drive the engine, and the command palette.

The engine is a separate process, which the app starts or attaches to, and which outlives the app. Example:
    run_app(Path("data"))
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import TextArea

from crescent_lite.errors import CrescentError, ExitCode
from crescent_lite.workspace import EngineRequest, Workspace
from crescent_tui.content.colours import readable
from crescent_tui.content.starting import Question, another_round_question, starting_question, stopping_question
from crescent_tui.sources.hang_up import end_with_the_terminal
from crescent_tui.sources.job_control import a_shell_waits, stop_job
from crescent_tui.tabs import TABS
from crescent_tui.widgets.key_hints import first_key_of_each_action
from crescent_tui.workspace_app import WorkspaceApp

if TYPE_CHECKING:
    from textual.command import Provider

    from crescent_tui.screens.help import HelpScreen

ASKED_BY: dict[EngineRequest, tuple[str, ...]] = {
    "stop": ("stop",), "pause": ("pause",), "round": ("run", "--next-round")
}  # fmt: skip
"""The command that asks an engine for the same."""
READABLE: dict[str, dict[str, str]] = {}
"""The variables of each theme that was used: Textual asks for them again and again."""
DARK, LIGHT = "textual-dark", "textual-light"


def _question_provider() -> type[Provider]:
    from crescent_tui.screens.palette import QuestionProvider

    return QuestionProvider


class CrescentApp(WorkspaceApp):
    """The app on one workspace."""

    TITLE = "crescent"
    CSS_PATH = Path(__file__).with_name("crescent.tcss")
    TABS = TABS
    COMMANDS = WorkspaceApp.COMMANDS | {_question_provider}
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
        Binding("z", "zoom", "Zoom"),
        Binding("ctrl+l", "command_log", "Commands", show=False),
        Binding("t", "toggle_light", "Light", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("ctrl+z", "suspend", "Suspend", show=False, priority=True),
        Binding("q", "quit", "Quit"),
    ]

    def get_css_variables(self) -> dict[str, str]:
        """The variables of the theme, with every colour of text readable."""
        known = READABLE.get(self.theme)
        self.theme_variables = known or readable(super().get_css_variables())
        READABLE[self.theme] = self.theme_variables
        return self.theme_variables

    def on_mount(self) -> None:
        theme = self.saved_state.text("theme", DARK)
        self.theme = theme if theme in self.available_themes else DARK
        for number in (signal.SIGTERM, signal.SIGHUP):  # restore the terminal and save the tab before exit
            with suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread; not on Windows
                asyncio.get_running_loop().add_signal_handler(number, self.exit)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette: every tab, every key of the screen and of the app, and Textual's own commands."""
        for tab in TABS:
            yield SystemCommand(f"Go to {tab.name}", f"key {tab.key}", partial(self.switch_mode, tab.mode))
        ours = (
            each
            for each in screen.active_bindings.values()
            if type(each.node).__module__.startswith("crescent_tui") and each.enabled and each.binding.description
        )
        for node, binding, _, _ in first_key_of_each_action(ours):
            if "switch_mode" not in binding.action and binding.action != "quit":  # Textual has a command for quit
                press = partial(self.run_action, binding.action, node)
                yield SystemCommand(binding.description, f"key {self.get_key_display(binding)}", press)
        from crescent_tui.screens.palette import work_commands

        yield from work_commands(self, self.ask_to_work)
        yield from super().get_system_commands(screen)

    def first_snapshot_shown(self) -> None:
        """Load the other screens in the background."""
        self.run_worker(self._load_screens, name="screens", thread=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave ctrl+z to an editor, where it undoes."""
        return action != "suspend" or not isinstance(self.focused, TextArea)

    def action_suspend(self) -> None:
        """Return to the shell; `fg` comes back. A run goes on. (In an editor, ctrl+z undoes.)"""
        if a_shell_waits():
            # The terminal is restored first: as soon as another program of the job has stopped, the shell takes it.
            with self.suspend():
                stop_job()
        else:
            self.notify("There is no shell to return to; press q to quit. A run goes on.")

    def action_start(self) -> None:
        """Start a run, or resume the unfinished one."""
        self._ask_to_start()

    def action_start_form(self) -> None:
        """Choose settings, then start."""
        if not self.refuse_second_run():
            from crescent_tui.screens.start import StartScreen

            self.push_screen(StartScreen())

    def action_pause(self) -> None:
        """Pause the engine, or resume it."""
        if self.snapshot.pause_is_requested:
            self.workspace.take("pause")
            self.note_command("resume")
            self._follower.check_now()
        else:
            self._ask_engine("pause")

    def action_stop(self) -> None:
        """Stop the engine, whoever started it."""
        if self._require_engine():
            self._ask(stopping_question(self.snapshot), lambda: self._ask_engine("stop"))

    def action_next_round(self) -> None:
        """Add a round: after the current one, or to the latest run."""
        if self.snapshot.engine_is_busy:
            self._ask(another_round_question(), lambda: self._ask_engine("round"), ["--next-round"])
        elif self.snapshot.run is None:
            self.notify("No run yet; press s to start one.")
        else:
            self._ask_to_start(["--next-round"])

    def action_choose_run(self) -> None:
        """Choose which run the screens show."""
        from crescent_tui.screens.runs import RunsScreen

        self.push_screen(RunsScreen())

    def action_command_log(self) -> None:
        """Show what was done here as command lines."""
        from crescent_tui.screens.command_log import CommandLogScreen

        self.push_screen(CommandLogScreen())

    def action_zoom(self) -> None:
        """Give the pane with the focus the whole screen, or its place again; tab chooses another pane."""
        if zoom := getattr(self.screen, "zoom", None):  # the screens of the tabs have it
            zoom()

    def action_toggle_light(self) -> None:
        """Switch between the dark and the light theme."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_help(self) -> None:
        """Show the keys and the meaning of the words on the screens."""
        self.push_screen(_help_screen()([(tab, tab.load()) for tab in TABS]))

    def ask_to_work(self, question: Question, command: str, arguments: Sequence[str]) -> None:
        """Start an engine other than `crescent run`, if the user agrees."""
        if not self.refuse_second_run():
            self._ask(question, lambda: self.start(arguments, command))

    def _ask_to_start(self, arguments: Sequence[str] = ()) -> None:
        if not self.refuse_second_run():
            self._ask(starting_question(self.snapshot, arguments), lambda: self.start(arguments), arguments)

    def _ask(self, question: Question, go: Callable[[], object], estimated: Sequence[str] | None = None) -> None:
        """Call `go` if the user agrees. `estimated`: arguments of the `crescent run` that is estimated meanwhile."""
        from crescent_tui.screens.confirm import ConfirmScreen

        def answered(yes: bool | None) -> None:
            if yes:
                go()

        self.push_screen(ConfirmScreen(question, estimated), answered)

    def _require_engine(self) -> bool:
        """Whether an engine is at work; notifies the user if none is."""
        if not self.snapshot.engine_is_busy:
            self.notify("No run is active in this workspace.")
        return self.snapshot.engine_is_busy

    def _ask_engine(self, request: EngineRequest) -> None:
        if not self._require_engine():
            return
        try:
            self.workspace.ask(request)
            self.note_command(*ASKED_BY[request])
        except CrescentError as error:
            self.show_error(str(error))
        self._follower.check_now()

    def _load_screens(self) -> None:
        """Import all screens, so that opening one does not wait for its import."""
        for tab in TABS:
            tab.load()
        _help_screen()
        self.screen_built()
        self.deliver(self._say_loaded)

    def _say_loaded(self) -> None:
        self.screens_loaded = True


def _help_screen() -> type[HelpScreen]:
    from crescent_tui.screens.help import HelpScreen

    return HelpScreen


def _collect_garbage_of_new_objects_only() -> None:
    gc.freeze()
    gc.enable()


def run_app(workspace: Path) -> int:
    """Show the app until the user closes it. Returns an exit code.

    A full garbage collection takes 0.1 s here, and several would run while the app starts. So the collector is off
    until a screen has been built, and then skips the objects that stay, which leaves 20 ms.
    """
    gc.disable()
    app = CrescentApp(Workspace(workspace), screen_built=_collect_garbage_of_new_objects_only)
    end_with_the_terminal(sys.stdin.fileno(), partial(app.deliver, app.exit))
    app.run()
    return app.return_code or ExitCode.OK
