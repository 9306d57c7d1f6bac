"""A tour of every screen of the TUI on the sample run, for the snapshots and the pictures in the docs.

Example:
    async for screen in tour(pilot): compare(picture(pilot.app, VARIES), screen)
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sample_workspace import shown, until
from snapshots import picture
from textual.pilot import Pilot
from textual.widgets import TextArea

from crescent_tui.app import CrescentApp
from crescent_tui.sources.command_lines import line_of
from crescent_tui.widgets.row_list import RowList

QUERY = "SELECT question, label, share FROM v_labels ORDER BY share DESC, question_id LIMIT 20"
VARIES = ("#machine", "#form-estimate")
"""Widgets whose content differs each time."""
REJECTED, DISPUTED = 244, 230
"""A rewrite that was rejected too; a label with half of the votes."""
READY = {
    "1": "no difference shown", "2": "Votes", "3": "Solution", "4": "against the base", "5": "round 2", "6": "base",
    "7": "20 rows", "8": "run 1 finished", "9": "run.rounds",
}  # fmt: skip
"""The key of each screen, and a text that is there when everything has been read."""
MODALS = {"question_mark": "help", "r": "runs", "ctrl+l": "command-log", "S": "start-form", "a": "all-settings"}

DONE = (("run", ("--rounds", "2")), ("pause", ()), ("show", ("question", "230")), ("query", (QUERY,)))
"""What the command log shows: commands with their arguments."""


async def tour(pilot: Pilot[None]) -> AsyncIterator[str]:
    """The name of each screen, once it is shown and no longer changes."""
    app = pilot.app
    assert isinstance(app, CrescentApp)
    app.question_id = DISPUTED
    for key, ready in READY.items():
        await pilot.press("escape", "escape", key)
        if key == "7":
            editor = app.screen.query_one(TextArea)
            editor.text, editor.cursor_blink = QUERY, False
            await pilot.press("f5")
        await until(pilot, lambda ready=ready: ready in shown(app), 120)  # type: ignore[misc]
        await still(pilot)
        yield app.current_mode
        if key == "2":
            await rejected(pilot)
            yield "questions-rejected"
            app.question_id = DISPUTED
    await pilot.press("escape", "escape", "9")  # nothing varies behind the panels there
    app.commands.clear()
    app.commands.extend(line_of("data", command, arguments, at=0.0) for command, arguments in DONE)
    for key, name in MODALS.items():
        await pilot.press(*([] if key == "a" else ["escape"]), key)
        await still(pilot)
        yield name


async def rejected(pilot: Pilot[None]) -> None:
    """List all questions, and go to one that was rejected because another one is alike."""
    await pilot.press("v")
    rows = pilot.app.screen.query_one(RowList)
    await until(pilot, lambda: rows.move_to_key(REJECTED))
    await until(pilot, lambda: "Too close to" in shown(pilot.app))
    await still(pilot)


async def still(pilot: Pilot[None]) -> None:
    """Wait until the screen no longer changes."""
    before, same = "", 0
    for _ in range(100):
        await pilot.pause(0.15)
        now = picture(pilot.app, VARIES)
        same = same + 1 if now == before else 0
        if same == 4:
            return
        before = now
