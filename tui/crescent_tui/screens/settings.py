"""The Settings screen: the settings of the chosen run, or of the workspace's crescent.toml as it is now.

Shows and compares settings; they are changed in the start form or in crescent.toml.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from crescent_lite.config.fields import Draft, stored_rows
from crescent_lite.errors import ConfigError
from crescent_lite.printable import printable_line
from crescent_lite.store import Store
from crescent_tui.content.colours import MUTED
from crescent_tui.content.settings import COLUMNS, SettingLine, cells, compared, in_full, lines, matching
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.filter_input import FilterInput
from crescent_tui.widgets.row_list import RowList

RUN, FILE = "run", "crescent.toml"


class FileRead(Message):
    """crescent.toml has been read."""

    def __init__(self, found: list[SettingLine] | str) -> None:
        """`found` are the settings, or why there are none."""
        super().__init__()
        self.found = found


class SettingsScreen(TabScreen):
    """The settings of the run or of crescent.toml."""

    TAB = "Settings"
    AUTO_FOCUS = "RowList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "other_source", "Run or file"),
        Binding("d", "differences", "Differences"),
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
    ]
    CSS = """
    SettingsScreen #settings-split { height: 1fr; layout: vertical; }
    SettingsScreen #settings { height: 1fr; }
    SettingsScreen #setting { height: 8; }
    SettingsScreen.-wide #settings-split { layout: horizontal; }
    SettingsScreen.-wide #settings { width: 3fr; min-width: 76; height: 100%; }
    SettingsScreen.-wide #setting { width: 2fr; height: 100%; }
    SettingsScreen #settings-wrong { padding: 0 2; height: auto; max-height: 4; display: none; color: $text-error; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run_id = 0
        self._found: dict[str, list[SettingLine] | str] = {}
        """The settings of the run and of the file, or why there are none."""
        self._source: str | None = None
        """RUN or FILE; None for the run if there is one, else the file."""
        self._only_differences = False
        self._shown: list[SettingLine] = []
        self._file_seen: tuple[float, int] | None = None

    def body(self) -> ComposeResult:
        yield CachedStatic(id="settings-wrong")
        with Container(id="settings-split"):
            yield RowList(COLUMNS, id="settings", classes="panel")
            with VerticalScroll(id="setting", classes="panel") as pane:
                pane.border_title = "Setting"
                yield CachedStatic(id="setting-in-full")
        yield FilterInput(id="settings-filter")

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        run_id = snapshot.run.run_id if snapshot.run else 0
        if run_id != self._run_id:
            self._run_id = run_id
            self._found.pop(RUN, None)
            if run_id:
                self.app.read(
                    "settings", lambda store: _settings_of(store, run_id), lambda found: self._take_run(run_id, found)
                )
        self._read_file()
        self._list()

    def action_other_source(self) -> None:
        """Show the settings of the run, or those of crescent.toml."""
        self._source = FILE if self._here() == RUN else RUN
        self._list()

    def action_differences(self) -> None:
        """Show only settings that differ between the run and crescent.toml, or all."""
        self._only_differences = not self._only_differences
        self._list()

    def action_filter(self) -> None:
        """Filter by words in names, values and help."""
        self.query_one(FilterInput).open()

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        self._list()

    @on(FilterInput.Done)
    def _back_to_list(self) -> None:
        self.set_focus(self.query_one(RowList))

    def _here(self) -> str:
        return self._source or (RUN if self._run_id else FILE)

    def _take_run(self, run_id: int, found: list[SettingLine] | str) -> None:
        if run_id == self._run_id:
            self._found[RUN] = found
            self._list()

    def _read_file(self) -> None:
        """Read the file in the background, if it has changed."""
        path = self.app.workspace.config_path
        try:
            found = path.stat()
            seen = (found.st_mtime, found.st_size)
        except OSError:
            seen = (0.0, 0)
        if seen != self._file_seen:
            self._file_seen = seen
            there = path if path.is_file() else None
            self.run_worker(lambda: self._parse_file(Draft(there)), thread=True, group="file", exclusive=True)

    def _parse_file(self, draft: Draft) -> None:
        try:
            self.post_message(FileRead(lines(draft.all_rows())))
        except ConfigError as error:
            self.post_message(FileRead(str(error)))

    def on_file_read(self, message: FileRead) -> None:
        """Show the file, or its error."""
        self._found[FILE] = message.found
        self._list()

    def _list(self) -> None:
        here = self._here()
        these, others = self._found.get(here), self._found.get(FILE if here == RUN else RUN)
        wrong = [why for why in (these, others) if isinstance(why, str)]
        note = self.query_one("#settings-wrong", CachedStatic)
        note.display = bool(wrong)
        note.update(Content("\n").join([Content(printable_line(self.app.relative(why), 500)) for why in wrong]))
        found = these if isinstance(these, list) else []
        if isinstance(others, list) and isinstance(these, list):
            found = compared(these, others)
        if self._only_differences:
            found = [line for line in found if line.mark]
        rows = self.query_one(RowList)
        name = f"run {self._run_id}" if here == RUN else FILE
        only = ", differences only" if self._only_differences else ""
        shown = matching(found, self.query_one(FilterInput).value)
        rows.border_title = Content(f"Settings of {name}{only}: {len(shown)}")
        if shown != self._shown:
            self._fill(rows, shown)
        self._show_one(rows.key)

    def _fill(self, rows: RowList, shown: list[SettingLine]) -> None:
        """List other settings; the cursor stays on its setting."""
        before = self._shown[rows.key].name if rows.key is not None else ""
        self._shown = shown
        rows.set_keys(array("q", range(len(shown))), stay=False)
        rows.set_cells({key: cells(line) for key, line in enumerate(shown)})
        rows.move_to_key(next((key for key, line in enumerate(shown) if line.name == before), 0))

    @on(RowList.Highlighted)
    def _select(self, event: RowList.Highlighted) -> None:
        self._show_one(event.key)

    def _show_one(self, key: int | None) -> None:
        pane = self.query_one("#setting-in-full", CachedStatic)
        if key is None or key >= len(self._shown):
            pane.update(Content.styled(self._empty(), MUTED))
            return
        elsewhere = f"in {FILE} now" if self._here() == RUN else f"in run {self._run_id}"
        line = replace(self._shown[key], origin=self.app.relative(self._shown[key].origin))
        pane.update(in_full(line, elsewhere=elsewhere))

    def _empty(self) -> str:
        if self.query_one(FilterInput).value:
            return "No setting matches; press escape to show all."
        if self._only_differences:
            return "The run and crescent.toml have the same settings."
        if self._here() == RUN and not self._run_id:
            return "No run yet; press f to show crescent.toml."
        return "No settings to show." if self._here() in self._found else "Reading settings …"


def _settings_of(store: Store, run_id: int) -> list[SettingLine] | str:
    """The settings of a run, or why there are none."""
    try:
        return lines(stored_rows(store.runs.fetch_run(run_id).config))
    except ConfigError as error:
        return str(error)
