"""The form that starts a run: preset, rounds and every setting, each with its help, validated as it is typed.

Passes on only the changed settings; `crescent_lite.config` validates them. Example: s in the form runs
    crescent run --preset quick --rounds 2 --set vote.votes_per_question=5
"""

from __future__ import annotations

from array import array
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from crescent_lite.config import CHANGEABLE_SECTIONS
from crescent_lite.config.fields import PRESET, ROUNDS, Draft, kinds
from crescent_lite.errors import ConfigError
from crescent_lite.printable import printable_line
from crescent_lite.store import Run
from crescent_tui.content.colours import MUTED
from crescent_tui.content.settings import COLUMNS, SettingLine, cells, explained, lines, matching
from crescent_tui.content.starting import starting_question
from crescent_tui.screens.confirm import ConfirmScreen
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.filter_input import FilterInput
from crescent_tui.widgets.row_list import RowList
from crescent_tui.workspace_app import WorkspaceApp

FIRST = (PRESET, ROUNDS)
"""Settings at the top of the list, because most people change only these."""


class StartScreen(ModalScreen[None]):
    """The start form, shown over any other screen while no run is active."""

    app: WorkspaceApp
    AUTO_FOCUS = "#form-settings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,ctrl+s", "start", "Start"),
        Binding("enter", "change", "Change the setting", priority=True),
        Binding("space", "next_choice", "Next choice", show=False),
        Binding("u,delete,backspace", "undo", "Undo the change"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("w", "other_run", "New run although one is unfinished", show=False),
        Binding("escape,q", "leave", "Close"),
    ]
    CSS = """
    StartScreen { align: center middle; background: $background 60%; }
    StartScreen #form {
        width: 110; max-width: 100%; height: 40; max-height: 100%;
        border: round $accent; padding: 0 1; background: $surface;
    }
    StartScreen #form-plan { height: auto; max-height: 3; }
    StartScreen #form-new { display: none; }
    StartScreen #form-settings { height: 1fr; margin: 1 0; background: $surface; }
    StartScreen #form-help { height: auto; max-height: 8; }
    StartScreen #form-edit { height: 1; margin-top: 1; }
    StartScreen #form-edit CachedStatic { width: auto; color: $foreground 60%; }
    StartScreen #form-value { width: 1fr; height: 1; padding: 0 1; background: $panel; }
    StartScreen #form-value:focus { background: $block-cursor-blurred-background; }
    StartScreen #form-error { height: auto; max-height: 3; color: $text-error; }
    StartScreen #form-buttons { height: 1; margin-top: 1; }
    StartScreen Button { margin-right: 2; padding: 0 1; min-width: 8; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._draft = self._last_valid = Draft(None)
        """The settings as typed, and the last valid ones."""
        self._unfinished: Run | None = None
        self._lines: list[SettingLine] = []
        """The settings of the last valid draft."""
        self._shown: list[SettingLine] = []
        self._error = ""
        self._another = False
        """Whether to start a new run although one is unfinished."""

    def compose(self) -> ComposeResult:
        with Vertical(id="form") as form:
            form.border_title = "Start a run"
            form.border_subtitle = "enter changes, / filters, s starts, escape closes"
            yield CachedStatic(id="form-plan")
            yield RowList(COLUMNS, id="form-settings")
            yield FilterInput(id="form-filter")
            yield CachedStatic(id="form-help")
            with Horizontal(id="form-edit"):
                yield CachedStatic("Value ")
                yield Input(id="form-value", select_on_focus=False, compact=True)
            yield CachedStatic(id="form-error")
            with Horizontal(id="form-buttons"):
                yield Button("s Start", id="form-start", variant="success", compact=True)
                yield Button("w New run", id="form-new", compact=True)
                yield Button("Close", id="form-close", compact=True)

    def on_mount(self) -> None:
        path = self.app.workspace.config_path
        self._draft = self._last_valid = Draft(path if path.is_file() else None)
        if self.app.snapshot.run:
            self.app.read("unfinished", lambda store: store.runs.fetch_unfinished(), self._take_unfinished)
        self._list()
        self._show_value()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable enter only in the list, where it opens the input; elsewhere it belongs to the focused widget.

        It has priority, so that the input also receives what is typed right after it over a slow connection.
        """
        return action != "change" or isinstance(self.focused, RowList)

    # ── actions ───────────────────────────────────────────────────────────────────────────────────────

    def action_start(self) -> None:
        """Start with these settings, or resume the unfinished run."""
        if self._error:
            self.app.show_error(self._error)
            return
        if self.app.refuse_second_run():
            return
        new = ["--new"] if self._unfinished and self._another else []
        arguments = [*new, *self._draft.arguments()]

        def start(yes: bool | None) -> None:
            if yes:
                self.dismiss()
                self.app.start(arguments)

        self.app.push_screen(ConfirmScreen(starting_question(self.app.snapshot, arguments), arguments), start)

    def action_change(self) -> None:
        """Edit the value, or take the next of its choices."""
        line = self._line()
        if line and not self._next_choice(line):
            field = self.query_one("#form-value", Input)
            field.cursor_position = len(field.value)
            self.set_focus(field)

    def action_next_choice(self) -> None:
        """Take the next of the setting's choices."""
        line = self._line()
        if line:
            self._next_choice(line)

    def action_undo(self) -> None:
        """Undo the change of the setting."""
        if line := self._line():
            self._set(self._draft.without(line.name))
            self._show_value()

    def action_filter(self) -> None:
        """Filter by words in names, values and help."""
        self.query_one(FilterInput).open()

    def action_other_run(self) -> None:
        """Start a new run although one is unfinished, or resume that one."""
        self._another = self._unfinished is not None and not self._another
        self._show_plan()

    def action_leave(self) -> None:
        """Leave the value, or close the form."""
        if self.query_one("#form-value").has_focus:
            self._leave_value()
        else:
            self.dismiss()

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "form-start":
                self.action_start()
            case "form-new":
                self.action_other_run()
            case _:
                self.dismiss()

    @on(RowList.Chosen)
    def _choose(self) -> None:
        self.action_change()

    @on(RowList.Highlighted)
    def _select(self) -> None:
        self._show_value()

    @on(Input.Changed, "#form-filter")
    def _filter_changed(self) -> None:
        self._list()
        self._show_value()

    @on(FilterInput.Done)
    def _back_to_list(self) -> None:
        self.set_focus(self.query_one(RowList))

    @on(Input.Changed, "#form-value")
    def _value_changed(self, event: Input.Changed) -> None:
        line = self._line()
        if line and event.input.has_focus:
            self._set(self._draft.with_value(line.name, event.value))

    @on(Input.Submitted, "#form-value")
    def _leave_value(self) -> None:
        """Leave the value. An invalid value is discarded."""
        line = self._line()
        if self._error and line:
            self._set(self._draft.without(line.name))
        self.set_focus(self.query_one(RowList))
        self._show_value(overwrite=True)

    # ── display ───────────────────────────────────────────────────────────────────────────────────────

    def _take_unfinished(self, run: Run | None) -> None:
        self._unfinished = run
        self.query_one("#form-new").display = run is not None
        self._show_plan()

    def _line(self) -> SettingLine | None:
        key = self.query_one(RowList).key
        return self._shown[key] if key is not None and key < len(self._shown) else None

    def _next_choice(self, line: SettingLine) -> bool:
        kind = kinds().get(line.name)
        if kind is None or not kind.choices:
            return False
        now = kind.choices.index(line.value) if line.value in kind.choices else -1
        self._set(self._draft.with_value(line.name, kind.choices[(now + 1) % len(kind.choices)]))
        self._show_value()
        return True

    def _set(self, draft: Draft) -> None:
        self._draft = draft
        self._list()

    def _list(self) -> None:
        """List the settings as they would be. An invalid value is reported, and leaves the list unchanged."""
        try:
            found = lines(self._draft.rows())
            self._error, self._last_valid = "", self._draft
        except ConfigError as error:
            found, self._error = self._lines, str(error)
        self._lines = sorted(found, key=lambda line: line.name not in FIRST)
        marked = [self._marked(line) for line in self._lines]
        rows, before = self.query_one(RowList), self._line()
        self._shown = matching(marked, self.query_one(FilterInput).value)
        names = [line.name for line in self._shown]
        if len(rows.keys) != len(names) or (before and before.name not in names):
            rows.set_keys(array("q", range(len(names))), stay=False)
        rows.set_cells({key: cells(line) for key, line in enumerate(self._shown)})
        if before and before.name in names:
            rows.move_to(names.index(before.name))
        self.query_one("#form-error", CachedStatic).update(
            Content(printable_line(self.app.relative(self._error), 300))
        )
        self.query_one("#form-start", Button).disabled = bool(self._error)
        self._show_plan()

    def _marked(self, line: SettingLine) -> SettingLine:
        typed = self._draft.typed.get(line.name)
        if typed is None:
            return SettingLine(line.name, line.value, line.origin, line.help)
        if line.name in self._invalid_names():
            return SettingLine(line.name, typed, "invalid", line.help, mark="✗")
        return SettingLine(line.name, line.value, "typed here", line.help, mark="*")

    def _invalid_names(self) -> set[str]:
        """The names of settings typed since the settings were last valid."""
        last_valid = self._last_valid.typed
        return {name for name, typed in self._draft.typed.items() if last_valid.get(name) != typed}

    def _show_value(self, *, overwrite: bool = False) -> None:
        """Show the setting under the cursor and its value. `overwrite`: also while it is being edited."""
        line, field = self._line(), self.query_one("#form-value", Input)
        pane = self.query_one("#form-help", CachedStatic)
        self.query_one("#form-edit").display = line is not None
        if line is None:
            why = "No setting matches; press escape to show all." if self._lines else "No settings, for this reason:"
            pane.update(Content.styled(why, MUTED))
            return
        pane.update(explained(line))
        if overwrite or not field.has_focus:
            with field.prevent(Input.Changed):
                field.value = printable_line(line.value, 4000)

    def _show_plan(self) -> None:
        typed = self._last_valid.typed
        changed = f"{len(typed)} changed" if typed else "nothing changed"
        run = self._unfinished
        if run:
            words = f"w Resume run {run.run_id}" if self._another else "w New run"
            button = self.query_one("#form-new", Button)
            button.label = words
            button.refresh(layout=True)  # Textual keeps the width of the old label
        if run and not self._another:
            ignored = [name for name in typed if name != ROUNDS and name.partition(".")[0] not in CHANGEABLE_SECTIONS]
            kept = f" Not changed in a resumed run: {', '.join(ignored)}." if ignored else ""
            words = f"Run {run.run_id} is unfinished; Start resumes it ({changed}).{kept}"
        else:
            left = f" Run {run.run_id} stays unfinished." if run else ""
            words = f"Start begins a run with these settings; {changed}.{left}"
        self.query_one("#form-plan", CachedStatic).update(Content.styled(printable_line(words, 400), "$text-accent"))
