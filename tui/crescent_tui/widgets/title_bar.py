"""The line on top of every screen: where one is, which run it is, and its state in a word.

The tab in front has its name, the others as many as there is room for. Example at 80 columns:
    " crescent  1 Run  2 3 4 5 6 7 8 9      run 3 · round 1 of 2 · voting · running "
"""

from __future__ import annotations

from textual.content import Content
from textual.events import Click

from crescent_tui.content.colours import MUTED
from crescent_tui.content.words import STATE_STYLES, activity, state_word
from crescent_tui.sources.follower import Sight
from crescent_tui.widgets.cached_static import SteadyText


class TitleBar(SteadyText):
    """Shows a Sight in one line."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here
        self._ends: list[tuple[int, str]] = []
        """Where each tab ends, in cells, and its mode."""

    def show(self, sight: Sight, *, starting: bool) -> None:
        """Bring the line up to date."""
        state = state_word(sight, starting=starting)
        run = sight.run
        name = f"run {run.run_id} · " if run else ""
        shorter = about = name
        if run and sight.run_is_at_work:
            where = f"round {run.round} of {run.rounds} · " if run.round else ""
            about, shorter = f"{name}{where}{activity(run)} · ", f"{name}{activity(run)} · "
        emphasis = f"bold {STATE_STYLES.get(state, '')}".strip()
        # The state is always there; what stands before it gives way.
        for named, said in ((True, about), (False, about), (False, shorter), (False, name), (False, "")):
            left, right = self._tabs(named=named), Content.assemble((said, MUTED), (f"{state} ", emphasis))
            if left.cell_length + right.cell_length < self.size.width:
                break
        gap = max(1, self.size.width - left.cell_length - right.cell_length)
        self.update(left.pad_right(gap) + right, layout=False)

    def on_click(self, event: Click) -> None:
        """A click on a tab goes there."""
        mode = next((mode for end, mode in self._ends if event.x < end), None)
        if mode and event.x >= len(" crescent "):
            self.app.switch_mode(mode)

    def _tabs(self, *, named: bool) -> Content:
        from crescent_tui.tabs import TABS

        line = Content.assemble((" crescent ", "bold $text-primary"))
        self._ends = []
        for tab in TABS:
            here = tab.name == self._here
            text = f" {tab.key} {tab.name} " if named or here else f" {tab.key} "
            line += Content.styled(text, "reverse" if here else MUTED)
            self._ends.append((line.cell_length, tab.mode))
        return line
