"""The buttons of the Run screen, and which of them can be pressed. Pure; the keys do the same as the buttons.

Example: run_buttons(snapshot, starting=False)[0] -> RunButton("start", "s", "Resume", enabled=True)
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot


@dataclass(frozen=True)
class RunButton:
    """A button of the Run screen."""

    action: str
    """The action of the app that it runs."""
    key: str
    label: str
    enabled: bool


def run_buttons(snapshot: WorkspaceSnapshot, *, starting: bool) -> tuple[RunButton, ...]:
    """All buttons, from left to right."""
    busy, known = snapshot.engine_is_busy, snapshot.is_loaded and not snapshot.error
    idle = known and not busy and not starting
    latest = next((run for run in snapshot.runs if run.kind == "improvement"), None)
    unfinished = latest is not None and latest.state != "finished"
    stopping = snapshot.stop_is_requested
    another = not snapshot.round_is_requested if busy else idle and latest is not None and latest.teacher_id is None
    return (
        RunButton("start", "s", "Resume" if unfinished and not busy else "Start", idle),
        RunButton("start_form", "S", "Settings and start", idle),
        RunButton("pause", "p", "Resume" if snapshot.pause_is_requested else "Pause", busy and not stopping),
        RunButton("stop", "x", "Stop", busy and not stopping),
        RunButton("next_round", "n", "Next round", another and not stopping),
    )
