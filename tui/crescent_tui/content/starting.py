"""What a panel says before a run is started: which run, with what, what it takes, and that it outlives the app. Pure.

Example: starting_question(snapshot, []).title -> "Resume run 3?"
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.printable import printable_line
from crescent_tui.content.words import stage_name, time_left
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot

LONGEST_CHANGES = 200
"""Most characters shown of the changed settings."""
ESTIMATING = "How long it takes is being estimated …"
MOST_DIFFERING = 3
"""Differing settings that are shown with their values."""
GIGABYTE = 1e9


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


def estimate_lines(exit_code: int, output: str, reason: str) -> list[str]:
    """What a run takes and what differs from another one, from the output of `crescent run --dry-run --json`.

    `reason`: the last line of a command that failed; it would be the reason why the run is refused.
    """
    if exit_code:
        return [printable_line(f"It would be refused: {reason}", 400)] if exit_code > 0 else []
    try:
        found = json.loads(output)
        return [_taking(found), *_differing(found)]
    except (ValueError, KeyError, TypeError):  # the output of another version
        return []


def _taking(found: Mapping[str, Any]) -> str:
    minutes = found["minutes"]
    time = "How long it takes is not known yet"
    if minutes:
        likely, low, high = (time_left(60 * float(minutes[end])) for end in ("likely", "low", "high"))
        time = f"It takes about {likely} ({low} to {high})"
    counts = ((found[name]["likely"], name) for name in ("texts", "votes", "items"))
    said = ", ".join(f"{float(f'{count:.2g}'):,.0f} {name}" for count, name in counts if count)
    memory = f"{found['memory_bytes'] / GIGABYTE:.1f} GB of memory"
    return printable_line(f"{time}: {said}; {memory}. Model: {found['model']}.", 400)


def _differing(found: Mapping[str, Any]) -> list[str]:
    """What differs from the run that is looked at; the model first. Nothing for the rest of that run itself."""
    other, differs = found["compared_with"], found["differs"]
    if other is None or other == found["run"]:
        return []
    if not differs:
        return [f"Its settings are those of run {other}."]
    ordered = sorted(differs, key=lambda each: not each["name"].startswith("model."))
    shown = [f"{each['name']} = {json.dumps(each['here'])}" for each in ordered[:MOST_DIFFERING]]
    more = f" and {len(differs) - MOST_DIFFERING} more" if len(differs) > MOST_DIFFERING else ""
    return [printable_line(f"Other than in run {other}: {', '.join(shown)}{more}.", 400)]


def stopping_question(snapshot: WorkspaceSnapshot) -> Question:
    """The question before a run is stopped, with the time that its stage still takes."""
    lines: tuple[str, ...] = (
        "All finished work is stored, and s resumes the run.",
        "p pauses it instead and keeps the model loaded.",
    )
    at_work = snapshot.throughput
    if at_work and at_work.remaining_seconds is not None:
        left = f"The stage {stage_name(at_work.stage)} has about {time_left(at_work.remaining_seconds)} left."
        lines = (left, *lines)
    return Question("Stop the run?", lines, "stop")


def controls_question(run_id: int) -> Question:
    """The question before the controls of a run are started."""
    lines = (
        f"Each control repeats run {run_id} without one part of the method, as a run of its own.",
        "Finished controls are skipped. It goes on when this app is closed; x stops it, nothing is lost.",
    )
    return Question(f"Run the controls of run {run_id}?", lines, "start")


def headroom_question() -> Question:
    """The question before it is measured what votes are worth."""
    lines = (
        "The base answers items of the benchmarks several times, to measure what voting is worth.",
        "It goes on when this app is closed; x stops it, nothing is lost.",
    )
    return Question("Measure the headroom?", lines, "start")


def another_round_question() -> Question:
    """The question before a run at work gets one more round."""
    return Question("Add a round?", ("Another round will follow the current one.",), "add")
