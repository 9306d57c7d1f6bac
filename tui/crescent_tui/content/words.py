"""Values in words: the state of a run, an event, a duration, an answer. Pure; knows no widget.

Example: state_word(snapshot, starting=False) -> "running"; activity(run) -> "voting"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from crescent_lite.events import Stage
from crescent_lite.printable import printable_line
from crescent_lite.store.watching import EventLine, ProgressStep, RunSnapshot, StepProgress
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot

STAGE_NAMES = {"second_opinion": "second opinions"}
"""Names of stages that differ from the stored ones."""
ACTIVITIES: dict[ProgressStep, str] = {
    "asked": "asking",
    "kept": "checking questions",
    "voted": "voting",
    "labelled": "counting votes",
    "trained": "training",
    "scored": "evaluating",
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


def state_word(snapshot: WorkspaceSnapshot, *, starting: bool) -> str:
    """The state of the run shown, in one or two words."""
    if not snapshot.is_loaded:
        return "reading"
    if snapshot.error:
        return "unreadable"
    if snapshot.run_is_active:
        return _working(snapshot)
    if snapshot.engine_is_busy and (snapshot.run is None or snapshot.run.run_id == snapshot.runs[0].run_id):
        return "stopping" if snapshot.stop_is_requested else "starting"
    if starting:
        return "starting"
    if snapshot.run is None:
        return "no run yet"
    # A run in state 'running' without an engine was killed. Nothing is lost, and `crescent run` resumes it.
    return "killed" if snapshot.run.state == "running" else snapshot.run.state


def _working(snapshot: WorkspaceSnapshot) -> str:
    if snapshot.stop_is_requested:
        return "stopping"
    if snapshot.pause_is_requested:
        # A paused engine stores nothing, so RunPaused stays the last event.
        is_paused = snapshot.run is not None and snapshot.run.events and snapshot.run.events[0].kind == "RunPaused"
        return "paused" if is_paused else "pausing"
    return "running"


def state_reason(snapshot: WorkspaceSnapshot, state: str) -> str:
    """A sentence about the state, or ''. Made printable."""
    run = snapshot.run
    if snapshot.error:
        return printable_line(snapshot.error)
    if state == "killed":
        return "The engine has died. Nothing stored is lost; press s to resume."
    if state == "paused":
        return "The model stays loaded; press p to resume."
    if run and run.reason and state in ("stopped", "failed"):
        return printable_line(run.reason)
    return ""


def activity(run: RunSnapshot, stage: Stage | None = None) -> str:
    """The current work of the engine: the first step with work left, or the second opinions, which are not a step."""
    if stage == "second_opinion":
        return STAGE_NAMES[stage]
    if run.round == 0:
        return "evaluating the base"
    if run.outcome:
        return printable_line(run.outcome)
    # Votes are counted as they arrive, so nothing waits for counting.
    open_steps = [s.step for s in steps_of(run) if s.step != "labelled" and (s.total == 0 or s.done < s.total)]
    return ACTIVITIES[open_steps[0]] if open_steps else ACTIVITIES["scored"]


def steps_of(run: RunSnapshot) -> tuple[StepProgress, ...]:
    """The steps of a run. A distillation neither asks nor votes, and an evaluation only scores."""
    if run.kind == "evaluation" and run.round == 0:
        return tuple(step for step in run.steps if step.step == "scored")
    if run.teacher_id is not None:
        return tuple(step for step in run.steps if step.step in ("trained", "scored"))
    return run.steps


def time_left(seconds: float) -> str:
    """A rough duration, like '2 h 05 min', '12 min' or '40 s'."""
    if seconds >= 100 * 3600:
        return "more than 4 days"
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min" if seconds >= 90 else f"{round(seconds)} s"


def clock(seconds: float) -> str:
    """A duration, like '1:05' or '2:01:05'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def local_time(created_at: str) -> str:
    """A stored time in the user's time zone, without the date."""
    try:
        return datetime.fromisoformat(created_at).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return printable_line(created_at, 8)


def local_date_time(created_at: str, *, seconds: bool = False) -> str:
    """A stored time in the user's time zone, with the date."""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    try:
        return datetime.fromisoformat(created_at).astimezone().strftime(form)
    except ValueError:
        return printable_line(created_at, 16)


def readable_answer(answer_key: str | None) -> str:
    """An answer key as people write it: a number without its type, a list with commas. Made printable.

    Example: readable_answer("n:5") -> "5"
    """
    if answer_key is None:
        return "abstained"
    kind, _, value = answer_key.partition(":")
    if kind in ("l", "s", "i"):
        value = re.sub(r"(?<![a-z])[ne]:", "", value).replace(";", ", ")
        return printable_line(f"{{{value}}}" if kind == "s" else value, 200)
    return printable_line(value if kind in ("n", "e") else answer_key, 200)


def spaced(reason: str) -> str:
    """A stored name as people write it: 'near duplicate' for 'near_duplicate'."""
    return printable_line(reason).replace("_", " ")


def plural(number: int, noun: str) -> str:
    """A count with its noun: '1 vote', '2 votes'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def stage_name(stage: str) -> str:
    """A stage as people write it."""
    return STAGE_NAMES.get(stage, spaced(stage))


def _tokens(detail: dict[str, Any]) -> str:
    return f", {detail['tokens']:,} tokens" if detail["tokens"] else ""


def _step_sentence(step: dict[str, Any]) -> str:
    return f"train: step {step['step']:,} of {step['steps']:,}, loss {step['loss']:.3f}"


def _beginning(done: int, total: int) -> str:
    """How a stage began: with nothing known yet, with everything still to do, or in the middle."""
    if not total:
        return "started"
    return f"resumed at {done:,} of {total:,}" if done else f"started, {total:,} to do"


SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "RunStarted": lambda d: f"run {d['run_id']} {'resumed' if d['resumed'] else 'started'} with {d['model']}",
    "MachineNoted": lambda d: f"machine: {d['processor']}, {d['cores']} cores, {d['memory_gib']} GiB",
    "RoundStarted": lambda d: f"round {d['number']} started" if d["number"] else "evaluating the base",
    "StageStarted": lambda d: f"{stage_name(d['stage'])}: {_beginning(d['done'], d['total'])}",
    "StageProgressed": lambda d: (
        f"{stage_name(d['stage'])}: {d['done']:,} of {d['total']:,}, {spaced(d['note'])}".rstrip(", ")
    ),
    "TrainingStepped": lambda d: _step_sentence(d["step"]),
    "StageFinished": lambda d: f"{stage_name(d['stage'])}: {d['done']:,} done in {clock(d['seconds'])}{_tokens(d)}",
    "RunPaused": lambda _: "paused",
    "RunResumed": lambda d: f"resumed after {clock(d['seconds'])}",
    "RoundAdded": lambda d: f"round added: {plural(d['rounds'], 'round')} in all",
    "ControlLeftOut": lambda d: f"control {d['control']} left out: {d['reason']}",
    "RunWarned": lambda d: str(d["words"]),
    "SamplingWarned": lambda d: str(d["words"]),
    "AlarmFired": lambda d: f"ALARM {d['name'].replace('_', ' ')}: {d['words']}",
    "ThoughtsUnfinished": lambda d: f"{stage_name(d['stage'])}: {d['words']}",
    "AskingStopped": lambda d: f"asking stopped early: {d['reason']}",
    "RoundFinished": lambda d: f"round {d['number']} finished: {d['outcome']}",
    "RunFinished": lambda d: f"run {d['run_id']} finished" + (f": {d['reason']}" if d.get("reason") else ""),
}


def event_sentence(event: EventLine) -> str:
    """An event in words; an event of an unknown kind, or with invalid fields, is shown as stored."""
    try:
        return printable_line(SENTENCES[event.kind](event.detail))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return printable_line(f"{event.kind} {event.detail}", 500)
