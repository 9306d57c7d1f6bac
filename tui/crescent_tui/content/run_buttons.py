"""What one can do with the run just now: the buttons of the Run screen. Pure; the keys do the same.

Example: run_buttons(sight, starting=False)[0] -> RunButton("start", "s", "Go on", enabled=True)
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_tui.sources.follower import Sight


@dataclass(frozen=True)
class RunButton:
    """One button."""

    action: str
    """Of the app."""
    key: str
    label: str
    enabled: bool


def run_buttons(sight: Sight, *, starting: bool) -> tuple[RunButton, ...]:
    """All of them, in the order in which they stand."""
    busy, known = sight.engine_is_busy, sight.looked and not sight.trouble
    idle = known and not busy and not starting
    latest = next((run for run in sight.runs if run.kind == "improvement"), None)
    unfinished = latest is not None and latest.state != "finished"
    stopping = sight.stop_is_requested
    another = not sight.round_is_requested if busy else idle and latest is not None and latest.teacher_id is None
    return (
        RunButton("start", "s", "Go on" if unfinished and not busy else "Start", idle),
        RunButton("start_form", "S", "Settings and start", idle),
        RunButton("pause", "p", "Go on" if sight.pause_is_requested else "Pause", busy and not stopping),
        RunButton("stop", "x", "Stop", busy and not stopping),
        RunButton("next_round", "n", "Next round", another and not stopping),
    )
