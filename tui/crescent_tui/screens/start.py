"""The form that starts a run: a first page with what most people change, and every setting behind a key.

Each setting has its help, and is validated as it is typed; the estimate of `crescent run --dry-run` follows.

Passes on only the changed settings; `crescent_lite.config` validates them. Example: s in the form runs
    crescent run --preset quick --rounds 2 --set vote.votes_per_question=5
"""

from __future__ import annotations

import subprocess
from array import array
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from crescent_lite.config import CHANGEABLE_SECTIONS
from crescent_lite.config.fields import ROUNDS, Draft, kinds
from crescent_lite.config.text import config_rows
from crescent_lite.errors import ConfigError
from crescent_lite.printable import printable_line
from crescent_lite.store import Run
from crescent_tui.content.colours import MUTED
from crescent_tui.content.settings import SettingLine, explained, lines, matching
from crescent_tui.content.start_form import (
    BENCHMARKS,
    COLUMNS,
    DOMAINS,
    FIRST_COLUMNS,
    FormRow,
    all_settings,
    benchmark_text,
    benchmarks_line,
    first_page,
    marked,
    row_cells,
)
from crescent_tui.content.starting import ESTIMATING, estimate_lines, starting_question
from crescent_tui.screens.choice import ChoiceScreen
from crescent_tui.screens.confirm import ConfirmScreen
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.sources.local_choices import known_benchmarks, local_models
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.filter_input import FilterInput
from crescent_tui.widgets.row_list import RowList
from crescent_tui.workspace_app import WorkspaceApp

ESTIMATE_SECONDS = 1.5
"""Time without a change after which the run is estimated (guess): the estimate takes a process of its own."""


class ChoicesFound(Message):
    """What there is to choose from on this machine."""

    def __init__(self, models: tuple[str, ...], benchmarks: tuple[str, ...]) -> None:
        super().__init__()
        self.models, self.benchmarks = models, benchmarks


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
        Binding("a", "all_settings", "All settings"),
        Binding("w", "other_run", "New run although one is unfinished", show=False),
        Binding("escape,q", "leave", "Close"),
    ]
    CSS = """
    StartScreen { align: center middle; background: $background 60%; }
    StartScreen #form {
        width: 110; max-width: 100%; height: 40; max-height: 100%;
        border: round $key; padding: 0 1; background: $surface;
    }
    StartScreen #form-plan { height: auto; max-height: 3; }
    StartScreen #form-new { display: none; }
    StartScreen #form-settings { height: 1fr; margin: 1 0; background: $surface; }
    StartScreen #form-help { height: auto; max-height: 8; }
    StartScreen #form-estimate { height: 2; margin-top: 1; }
    StartScreen #form-edit { height: 1; margin-top: 1; }
    StartScreen #form-edit CachedStatic { width: auto; color: $muted; }
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
        self._benchmarks: tuple[tuple[str, ...], str] = ((), "")
        """The names of its benchmarks, and where they come from."""
        self._shown: list[FormRow] = []
        self._on_first_page = True
        self._opened: set[str] = set()
        """The sections that are unfolded."""
        self._choices: dict[str, tuple[str, ...]] = {"run.prompts": DOMAINS}
        """What there is to choose from, by setting, beside the values that its type allows."""
        self._estimated: tuple[str, ...] | None = None
        """The arguments of the run that is estimated, or was."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._error = ""
        self._another = False
        """Whether to start a new run although one is unfinished."""

    def compose(self) -> ComposeResult:
        with Vertical(id="form") as form:
            form.border_title = "Start a run"
            form.border_subtitle = "enter changes, a shows all settings, s starts, escape closes"
            yield CachedStatic(id="form-plan")
            yield RowList(FIRST_COLUMNS, id="form-settings")
            yield FilterInput(id="form-filter")
            yield CachedStatic(id="form-help")
            with Horizontal(id="form-edit"):
                yield CachedStatic("Value ")
                yield Input(id="form-value", select_on_focus=False, compact=True)
            yield CachedStatic(id="form-error")
            yield CachedStatic(id="form-estimate")
            with Horizontal(id="form-buttons"):
                yield Button("s Start", id="form-start", variant="success", compact=True)
                yield Button("a All settings", id="form-all", compact=True)
                yield Button("w New run", id="form-new", compact=True)
                yield Button("Close", id="form-close", compact=True)

    def on_mount(self) -> None:
        path = self.app.workspace.config_path
        self._draft = self._last_valid = Draft(path if path.is_file() else None)
        if self.app.snapshot.run:
            self.app.read("unfinished", lambda store: store.runs.fetch_unfinished(), self._take_unfinished)
        self._list()
        self._show_value()
        self._estimates = self.set_timer(ESTIMATE_SECONDS, self._estimate)
        self.run_worker(self._find_choices, thread=True, group="choices")

    def on_unmount(self) -> None:
        """End the estimate: it would slow down the run that it is about."""
        for process in self._processes:
            process.terminate()

    def _find_choices(self) -> None:
        """In a separate thread: look for models, and for the names of benchmarks."""
        self.post_message(ChoicesFound(local_models(self.app.workspace), known_benchmarks()))

    def on_choices_found(self, message: ChoicesFound) -> None:
        """Offer what was found."""
        self._choices |= {"model.source": message.models, BENCHMARKS: message.benchmarks}
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
        arguments = self._arguments()
        self.on_unmount()  # the panel estimates the same run

        def start(yes: bool | None) -> None:
            if yes:
                self.dismiss()
                self.app.start(arguments)

        self.app.push_screen(ConfirmScreen(starting_question(self.app.snapshot, arguments), arguments), start)

    def action_change(self) -> None:
        """Edit the value, choose it from a list, or take the next of its choices; open or fold a section."""
        row = self._row()
        if row is None or self._fold(row) or row.line is None:
            return
        line = row.line
        if choices := self._choices.get(line.name):
            screen = ChoiceScreen(line.name, choices, line.value)
            self.app.push_screen(screen, lambda chosen: self._take(line, chosen))
        elif not self._next_choice(line):
            self._edit()

    def _edit(self) -> None:
        field = self.query_one("#form-value", Input)
        field.cursor_position = len(field.value)
        self.set_focus(field)

    def _take(self, line: SettingLine, chosen: str | None) -> None:
        """Take a value from the list of choices; an empty one is to be typed."""
        if chosen == "":
            self._edit()
        elif chosen is not None:
            typed = benchmark_text(chosen) if line.name == BENCHMARKS else chosen
            self._set(self._draft.with_value(line.name, typed))
            self._show_value()

    def _fold(self, row: FormRow) -> bool:
        """Open or fold a section; False for a setting."""
        if row.line is not None:
            return False
        self._opened ^= {row.section}
        self._list()
        return True

    def action_next_choice(self) -> None:
        """Take the next of the setting's choices; open or fold a section."""
        row = self._row()
        if row and not self._fold(row) and row.line:
            self._next_choice(row.line)

    def action_undo(self) -> None:
        """Undo the change of the setting."""
        if line := self._line():
            self._set(self._draft.without(line.name))
            self._show_value()

    def action_filter(self) -> None:
        """Filter all settings by words in names, values and help."""
        if self._on_first_page:
            self.action_all_settings()
        self.query_one(FilterInput).open()

    def action_all_settings(self) -> None:
        """Show all settings, folded by section with changed ones first, or only the first page again."""
        self._on_first_page = not self._on_first_page
        self.query_one("#form-all", Button).label = "a All settings" if self._on_first_page else "a First page"
        self.query_one("#form-all", Button).refresh(layout=True)  # Textual keeps the width of the old label
        self.query_one(RowList).set_columns(FIRST_COLUMNS if self._on_first_page else COLUMNS)
        self._list()
        self._show_value()

    def action_other_run(self) -> None:
        """Start a new run although one is unfinished, or resume that one."""
        self._another = self._unfinished is not None and not self._another
        self._show_plan()
        self._estimate_soon()

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
            case "form-all":
                self.action_all_settings()
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

    def _row(self) -> FormRow | None:
        key = self.query_one(RowList).key
        return self._shown[key] if key is not None and key < len(self._shown) else None

    def _line(self) -> SettingLine | None:
        row = self._row()
        return row.line if row else None

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
        self._estimate_soon()

    def _estimate_soon(self) -> None:
        """Estimate the run when nothing has changed for a while."""
        self._estimates.stop()
        self._estimates = self.set_timer(ESTIMATE_SECONDS, self._estimate)

    def _estimate(self) -> None:
        """Estimate the run in the background, once for the same settings."""
        arguments = tuple(self._arguments())
        pane = self.query_one("#form-estimate", CachedStatic)
        if self._error or arguments == self._estimated:
            return
        self._estimated = arguments
        if not self.app.workspace.config_path.is_file():
            pane.update(Content.styled("How long it takes is estimated once the workspace is there.", MUTED))
            return
        for process in self._processes:
            process.terminate()
        pane.update(Content.styled(ESTIMATING, MUTED))
        self.app.command(
            lambda result: self._show_estimate(arguments, result),
            "run",
            "--dry-run",
            "--json",
            *arguments,
            read_only=True,
            on_start=self._processes.append,
        )

    def _show_estimate(self, arguments: tuple[str, ...], result: CommandResult) -> None:
        if self in self.app.screen_stack and arguments == self._estimated:
            found = estimate_lines(result.exit_code, result.output, result.last_line)
            self.query_one("#form-estimate", CachedStatic).update(Content("\n".join(found[:1])))

    def _arguments(self) -> list[str]:
        """The arguments of `crescent run`."""
        return [*(["--new"] if self._unfinished and self._another else []), *self._draft.arguments()]

    def _list(self) -> None:
        """List the settings as they would be. An invalid value is reported, and leaves the list unchanged."""
        try:
            config = self._draft.config()
            found = lines(row for row in config_rows(config) if row[0] in kinds())
            self._benchmarks = tuple(config.evaluate.benchmarks), config.origins.get(BENCHMARKS, "")
            self._error, self._last_valid = "", self._draft
        except ConfigError as error:
            found, self._error = self._lines, str(error)
        self._lines = found
        rows, before = self.query_one(RowList), self._row()
        self._shown = self._rows()
        keys = [row.key for row in self._shown]
        if before and before.key in keys:
            rows.set_keys(array("q", range(len(keys))))
            rows.move_to_key(keys.index(before.key))
        elif len(rows.keys) != len(keys) or before:
            rows.set_keys(array("q", range(len(keys))), stay=False)
        first = self._on_first_page
        rows.set_cells({key: row_cells(row, on_first_page=first) for key, row in enumerate(self._shown)})
        self.query_one("#form-error", CachedStatic).update(
            Content(printable_line(self.app.relative(self._error), 300))
        )
        self.query_one("#form-start", Button).disabled = bool(self._error)
        self._show_plan()

    def _rows(self) -> list[FormRow]:
        """The rows of the page, with what was typed."""
        typed, invalid = self._draft.typed, self._invalid_names()
        found = [marked(line, typed.get(line.name), is_invalid=line.name in invalid) for line in self._lines]
        if self._on_first_page:
            return first_page(found, benchmarks_line(*self._benchmarks, typed.get(BENCHMARKS))) if found else []
        if words := self.query_one(FilterInput).value:
            return [FormRow(line.name, line) for line in matching(found, words)]
        return all_settings(found, self._opened)

    def _invalid_names(self) -> set[str]:
        """The names of settings typed since the settings were last valid."""
        last_valid = self._last_valid.typed
        return {name for name, typed in self._draft.typed.items() if last_valid.get(name) != typed}

    def _show_value(self, *, overwrite: bool = False) -> None:
        """Show the setting under the cursor and its value. `overwrite`: also while it is being edited."""
        row, line, field = self._row(), self._line(), self.query_one("#form-value", Input)
        pane = self.query_one("#form-help", CachedStatic)
        self.query_one("#form-edit").display = line is not None
        if row and line is None:
            pane.update(Content.styled("Enter opens the section, or folds it again.", MUTED))
            return
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
