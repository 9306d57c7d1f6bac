"""What a panel says before a run is started: which run, with what, and that it outlives the app. Pure.

Example: starting_question(snapshot, []).title -> "Resume run 3?"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crescent_lite.printable import printable_line
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot

LONGEST_CHANGES = 200
"""Most characters shown of the changed settings."""


@dataclass(frozen=True)
class Question:
    """A question to be answered with enter or escape."""

    title: str
    lines: tuple[str, ...]
    """What will happen, as printable text."""
    verb: str
    """What enter does: 'start'."""


def starting_question(snapshot: WorkspaceSnapshot, arguments: Sequence[str]) -> Question:
    """The question before `crescent run` is called with these arguments."""
    latest = next((run for run in snapshot.runs if run.kind == "improvement"), None)
    if "--next-round" in arguments and latest:
        title, what = f"Add a round to run {latest.run_id}?", f"Run {latest.run_id} gets another round."
    elif latest and latest.state != "finished" and "--new" not in arguments:
        title, what = f"Resume run {latest.run_id}?", f"Run {latest.run_id} continues where it stopped."
    else:
        before = f"Run {latest.run_id} stays as it is; a" if latest else "A"
        title, what = "Start a new run?", f"{before} new run begins with the workspace's settings."
    changed = [each for each in arguments if each not in ("--new", "--next-round", "--set")]
    changes = (printable_line(f"Changed here: {' '.join(changed)}", LONGEST_CHANGES),) if changed else ()
    verb = "resume" if title.startswith("Resume") else "start"
    return Question(title, (what, *changes, "It goes on when this app is closed; x stops it, nothing is lost."), verb)


def stopping_question() -> Question:
    """The question before a run is stopped."""
    lines = ("All finished work is stored, and s resumes the run.", "p pauses it instead and keeps the model loaded.")
    return Question("Stop the run?", lines, "stop")


def another_round_question() -> Question:
    """The question before a run at work gets one more round."""
    return Question("Add a round?", ("Another round will follow the current one.",), "add")
