"""What is seen, in words: the state of a run, an event, a time. Pure; knows no widget.

Example: state_word(sight, starting=False) -> "running"; activity(run) -> "voting"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from crescent_lite.printable import printable_line
from crescent_lite.store.watching import EventLine, ProgressStep, RunSnapshot, StepProgress
from crescent_tui.sources.follower import Sight

ACTIVITIES: dict[ProgressStep, str] = {
    "asked": "asking",
    "kept": "sorting out",
    "voted": "voting",
    "labelled": "counting votes",
    "trained": "training",
    "scored": "measuring",
}
STATE_STYLES = {
    "running": "$text-success",
    "starting": "$text-accent",
    "pausing": "$text-warning",
    "paused": "$text-warning",
    "stopping": "$text-warning",
    "stopped": "$text-warning",
    "killed": "$text-warning",
    "failed": "$text-error",
    "unreadable": "$text-error",
}


def state_word(sight: Sight, *, starting: bool) -> str:
    """The state in one word (or two)."""
    if not sight.looked:
        return "looking"
    if sight.trouble:
        return "unreadable"
    if sight.run_is_at_work:
        return _working(sight)
    if sight.engine_is_busy and (sight.run is None or sight.run.run_id == sight.runs[0].run_id):
        return "stopping" if sight.stop_is_requested else "starting"
    if starting:
        return "starting"
    if sight.run is None:
        return "no run yet"
    # A run that is 'running' without an engine was killed: nothing is lost, and the same command goes on with it.
    return "killed" if sight.run.state == "running" else sight.run.state


def _working(sight: Sight) -> str:
    if sight.stop_is_requested:
        return "stopping"
    if sight.pause_is_requested:
        # A paused engine stores nothing, so its pause stays the last event.
        held = sight.run is not None and sight.run.events and sight.run.events[0].kind == "RunPaused"
        return "paused" if held else "pausing"
    return "running"


def state_reason(sight: Sight, state: str) -> str:
    """A sentence on the state, where there is something to say. Made printable."""
    run = sight.run
    if sight.trouble:
        return printable_line(sight.trouble)
    if state == "killed":
        return "the engine is gone; nothing stored is lost, s goes on"
    if state == "paused":
        return "it holds still, its model loaded; p lets it go on"
    if run and run.reason and state in ("stopped", "failed"):
        return printable_line(run.reason)
    return ""


def activity(run: RunSnapshot) -> str:
    """What the round is at: the first step with something left to do."""
    if run.round == 0:
        return "measuring the base"
    if run.outcome:
        return printable_line(run.outcome)
    # Votes are counted as they come, so the count is never what is waited for.
    open_steps = [s.step for s in steps_of(run) if s.step != "labelled" and (s.total == 0 or s.done < s.total)]
    return ACTIVITIES[open_steps[0]] if open_steps else ACTIVITIES["scored"]


def steps_of(run: RunSnapshot) -> tuple[StepProgress, ...]:
    """Those that such a run has: a distillation asks and votes nothing, a measurement only measures."""
    if run.kind == "evaluation" and run.round == 0:
        return tuple(step for step in run.steps if step.step == "scored")
    if run.teacher_id is not None:
        return tuple(step for step in run.steps if step.step in ("trained", "scored"))
    return run.steps


def time_left(seconds: float) -> str:
    """Roughly, as one says it: '2 h 05 min', '12 min', '40 s'."""
    if seconds >= 100 * 3600:
        return "more than 4 days"
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min" if seconds >= 90 else f"{round(seconds)} s"


def clock(seconds: float) -> str:
    """1:05 or 2:01:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def local_time(created_at: str) -> str:
    """A stored time as the user's wall clock shows it."""
    try:
        return datetime.fromisoformat(created_at).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return printable_line(created_at, 8)


def local_day(created_at: str) -> str:
    """A stored time with its day."""
    try:
        return datetime.fromisoformat(created_at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return printable_line(created_at, 16)


def plain_key(answer_key: str | None) -> str:
    """An answer key as people write it: a number without its type, a list with commas. Made printable."""
    if answer_key is None:
        return "abstained"
    kind, _, value = answer_key.partition(":")
    if kind in ("l", "s", "i"):
        value = re.sub(r"(?<![a-z])[ne]:", "", value).replace(";", ", ")
        return printable_line(f"{{{value}}}" if kind == "s" else value, 200)
    return printable_line(value if kind in ("n", "e") else answer_key, 200)


def spaced(reason: str) -> str:
    """'near_duplicate' as people write it."""
    return printable_line(reason).replace("_", " ")


def _tokens(detail: dict[str, Any]) -> str:
    return f", {detail['tokens']:,} tokens drawn" if detail["tokens"] else ""


def _step_sentence(step: dict[str, Any]) -> str:
    return f"train: step {step['step']:,} of {step['steps']:,}, loss {step['loss']:.3f}"


SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "RunStarted": lambda d: f"run {d['run_id']} {'resumed' if d['resumed'] else 'started'} with {d['model']}",
    "MachineNoted": lambda d: f"on {d['processor']}, {d['cores']} cores, {d['memory_gib']} GiB",
    "RoundStarted": lambda d: f"round {d['number']} begun" if d["number"] else "the base is to be measured",
    "StageStarted": lambda d: f"{d['stage']}: begun at {d['done']:,} of {d['total']:,}",
    "StageProgressed": lambda d: f"{d['stage']}: {d['done']:,} of {d['total']:,}, {spaced(d['note'])}".rstrip(", "),
    "TrainingStepped": lambda d: _step_sentence(d["step"]),
    "StageFinished": lambda d: f"{d['stage']}: {d['done']:,} done in {clock(d['seconds'])}{_tokens(d)}",
    "RunPaused": lambda _: "paused",
    "RunResumed": lambda d: f"goes on after {clock(d['seconds'])}",
    "RoundAdded": lambda d: f"another round is wanted: {d['rounds']} in all",
    "AlarmFired": lambda d: f"ALARM {d['name'].replace('_', ' ')}: {d['words']}",
    "AskingStopped": lambda d: f"asking was stopped: {d['reason']}",
    "RoundFinished": lambda d: f"round {d['number']} ended: {d['outcome']}",
    "RunFinished": lambda d: f"run {d['run_id']} finished" + (f": {d['reason']}" if d.get("reason") else ""),
}


def event_sentence(event: EventLine) -> str:
    """An event in words; one of a kind that is not known here, as it was stored."""
    try:
        return printable_line(SENTENCES[event.kind](event.detail))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return printable_line(f"{event.kind} {event.detail}", 500)
