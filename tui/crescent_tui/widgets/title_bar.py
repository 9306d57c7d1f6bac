"""The line at the top of every screen: the tabs, the run and its state.

The names of the tabs matter more than the words about the run, which are shortened first. Example at 80 columns:
    " crescent  1 Run  2 3 4 5 6 7 8 9      run 3 · round 1 of 2 · voting · running "
"""

from __future__ import annotations

from textual.content import Content
from textual.events import Click

from crescent_tui.content.colours import MUTED
from crescent_tui.content.words import STATE_STYLES, activity, state_word
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.workspace_app import WorkspaceApp


class TitleBar(CachedStatic):
    """Shows the tabs of the app and a snapshot in one line."""

    app: WorkspaceApp

    def __init__(self, tab_name: str) -> None:
        """`tab_name` is the name of the tab that this screen belongs to."""
        super().__init__()
        self._tab_name = tab_name
        self._ends: list[tuple[int, str]] = []
        """The cell at which each tab ends, and its mode."""

    def show(self, snapshot: WorkspaceSnapshot, *, starting: bool) -> None:
        """Update the line."""
        state = state_word(snapshot, starting=starting)
        run = snapshot.run
        name = f"run {run.run_id} · " if run else ""
        shorter = about = name
        if run and snapshot.run_is_active:
            where = f"round {run.round} of {run.rounds} · " if run.round else ""
            doing = activity(run, snapshot.throughput.stage if snapshot.throughput else None)
            about, shorter = f"{name}{where}{doing} · ", f"{name}{doing} · "
        emphasis = f"bold {STATE_STYLES.get(state, '')}".strip()
        # The state is always shown; what precedes it is shortened until the line fits, and then the tabs are.
        ways = [(named, words) for named in (True, False) for words in (about, shorter, name, "")]
        for named, words in ways:
            left, right = self._tabs(named=named), Content.assemble((words, MUTED), (f"{state} ", emphasis))
            if left.cell_length + right.cell_length < self.size.width:
                break
        gap = max(1, self.size.width - left.cell_length - right.cell_length)
        self.update(left.pad_right(gap) + right, layout=False)

    def on_click(self, event: Click) -> None:
        """Open the tab that was clicked."""
        mode = next((mode for end, mode in self._ends if event.x < end), None)
        if mode and event.x >= len(" crescent "):
            self.app.switch_mode(mode)

    def _tabs(self, *, named: bool) -> Content:
        line = Content.assemble((" crescent ", "bold $text-primary"))
        self._ends = []
        for tab in self.app.TABS:
            is_current = tab.name == self._tab_name
            text = f" {tab.key} {tab.name} " if named or is_current else f" {tab.key} "
            line += Content.styled(text, "reverse" if is_current else MUTED)
            self._ends.append((line.cell_length, tab.mode))
        return line
