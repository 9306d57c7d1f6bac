"""The line on top of every screen: where one is, which run it is, and its state in a word.

Example: " crescent  1 Run  2 Questions          run 3 · round 1 of 2 · voting · running "
"""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from crescent_tui.follower import Sight
from crescent_tui.words import STATE_STYLES, activity, state_word


class TitleBar(Static):
    """Shows a Sight in one line."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here

    def show(self, sight: Sight, *, starting: bool) -> None:
        """Bring the line up to date."""
        state = state_word(sight, starting=starting)
        run = sight.run
        about = f"run {run.run_id} · " if run else ""
        if run and state in ("running", "stopping"):
            where = f"round {run.round} of {run.rounds} · " if run.round else ""
            about += f"{where}{activity(run)} · "
        left = Content.assemble((" crescent ", "bold $text-primary"), *self._tabs())
        emphasis = f"bold {STATE_STYLES.get(state, '')}".strip()
        right = Content.assemble((about, "$foreground 60%"), (f"{state} ", emphasis))
        gap = max(1, self.size.width - left.cell_length - right.cell_length)
        self.update(left.pad_right(gap) + right)

    def _tabs(self) -> list[tuple[str, str]]:
        return [
            (f" {key} {name} ", "reverse" if name == self._here else "$foreground 60%")
            for key, name in (("1", "Run"), ("2", "Questions"))
        ]
