"""The command status: where the latest run is, how long it will take, and what it has reached.

The time left of the stage is measured from its log; that of the other stages is what `forecast` estimates. Example:
    status_of(workspace, store, follower)["stage"]["seconds_left"] -> 723.0
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from crescent_lite.cli.options import Subparsers, add_command
from crescent_lite.cli.terminal import result, stream_json
from crescent_lite.errors import CrescentError, ExitCode, UsageError
from crescent_lite.files import keep_json, kept_json
from crescent_lite.printable import duration, printable_line
from crescent_lite.workspace.database import open_store, open_workspace

if TYPE_CHECKING:
    from crescent_lite.events import Stage
    from crescent_lite.following.log_tail import LogTail
    from crescent_lite.following.throughput import Throughput, ThroughputMeter
    from crescent_lite.store import Run, Store
    from crescent_lite.workspace import Workspace

WATCH_SECONDS = 2.0
"""Time between two looks on a terminal."""
PLAIN_SECONDS = 10.0
"""Time between two looks where lines are only added."""
ESTIMATE_NAME = ".estimate.json"
"""The file in a workspace with the estimated seconds of each stage of the run at work."""


def add_status(subparsers: Subparsers) -> None:
    """`crescent status` and its options."""
    about = "show the state of the latest run: stage, speed, time left, scores"
    parser = add_command(subparsers, "status", status_command, about, example="crescent status --watch")
    parser.add_argument(
        "--watch", action="store_true", help="show it again and again until the run ends; Ctrl-C leaves the run alone"
    )


def status_command(options: argparse.Namespace) -> int:
    """Print the state of the latest run, once or until it ends."""
    workspace = open_workspace(options.workspace)
    follower = StatusFollower(workspace)
    if not options.watch:
        status = follower.look()
        return result(options, status, status_text(status))
    if options.full:
        raise UsageError("crescent status: --full has no effect with --watch; remove it")
    try:
        _watch(options, follower)
    except KeyboardInterrupt:
        return ExitCode.OK
    return ExitCode.OK


def _watch(options: argparse.Namespace, follower: StatusFollower) -> None:
    """Show the state until no engine is running: in place on a terminal, elsewhere block after block."""
    if options.json:
        for status in _looks(follower, PLAIN_SECONDS):
            stream_json(status)
    elif sys.stdout.isatty():
        from rich.live import Live
        from rich.text import Text

        from crescent_lite.cli.terminal import console

        with Live(console=console(), auto_refresh=False, vertical_overflow="crop") as live:
            for status in _looks(follower, WATCH_SECONDS):
                live.update(Text(status_text(status)), refresh=True)
    else:
        for status in _looks(follower, PLAIN_SECONDS):
            result(options, status, f"{status_text(status)}\n")
            sys.stdout.flush()


def _looks(follower: StatusFollower, seconds: float) -> Iterator[dict[str, Any]]:
    while True:
        status = follower.look()
        yield status
        if status["state"] != "running" and status["state"] != "paused":
            return
        time.sleep(seconds)


class StatusFollower:
    """Looks at the latest run of a workspace, as often as it is asked."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._followed: tuple[int, LogTail, ThroughputMeter] | None = None
        """The run whose log is read, and its speed so far."""

    def look(self) -> dict[str, Any]:
        """The state of the latest run as plain values. Raises NotFoundError."""
        from crescent_lite.cli.detail import run_status

        busy = self._workspace.is_busy()
        with closing(open_store(self._workspace)) as store:
            run = store.runs.fetch_run()
            status = run_status(store, engine_is_running=busy)
            (row,) = store.run_rows.fetch([run.run_id])
            status = {"run": run.run_id, "name": run.name, "note": run.note, **status}
            speed = self._speed(run) if busy and run.state == "running" else None
            if speed:
                if speed.paused:
                    status["state"] = "paused"
                status |= self._progress(store, run, speed)
            status["scores"] = [
                {
                    "benchmark": score.benchmark,
                    "prompt": score.prompt,
                    "round": row.round,
                    "base": score.base,
                    "score": score.score,
                    "difference": score.difference,
                }
                for score in row.scores
            ]
        return status

    def _speed(self, run: Run) -> Throughput | None:
        """The speed of the stage at work, from the run's log; None between two stages."""
        from crescent_lite.following.log_tail import LogTail, parse_event
        from crescent_lite.following.throughput import ThroughputMeter

        if self._followed is None or self._followed[0] != run.run_id:
            self._followed = run.run_id, LogTail(self._workspace.log_of(run.run_id)), ThroughputMeter()
        _, tail, meter = self._followed
        for event in filter(None, map(parse_event, tail.read_new().lines)):
            meter.feed(event)
        return meter.throughput()

    def _progress(self, store: Store, run: Run, speed: Throughput) -> dict[str, Any]:
        rounds = store.runs.fetch_rounds(run.run_id)
        number = next((each.number for each in rounds if not each.finished_at), 0)
        left = speed.remaining_seconds
        stage = {
            "name": speed.stage,
            "round": number,
            "done": speed.done,
            "total": speed.total,
            "items_per_minute": speed.items_per_minute,
            "tokens_per_second": speed.tokens_per_second,
            "loss": speed.loss,
        }
        from crescent_lite.events import STAGES

        others = _estimated(self._workspace, run)
        known = left is not None and others is not None
        place = number, STAGES.index(speed.stage)
        later = {key: seconds for key, seconds in (others or {}).items() if (key[0], STAGES.index(key[1])) > place}
        of_round = sum(seconds for (each, _), seconds in later.items() if each == number)
        return {
            "stage": stage,
            "seconds_left": {
                "stage": left,
                "round": left + of_round if known and left is not None else None,
                "run": left + sum(later.values()) if known and left is not None else None,
            },
        }


def _estimated(workspace: Workspace, run: Run) -> dict[tuple[int, Stage], float] | None:
    """Seconds of each stage that the run still owed when it was first asked about; None if that cannot be said.

    A forecast reads all inputs of a run, which takes seconds, so it is made once for each run and kept in a file.
    """
    from crescent_lite.events import STAGES

    path = workspace.folder / ESTIMATE_NAME
    known = kept_json(path)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        if (known["run"], known["rounds"]) == (run.run_id, run.rounds):
            return {(int(n), stage): float(seconds) for n, stage, seconds in known["seconds"] if stage in STAGES}
    if run.kind != "improvement" or run.control or run.teacher_id:
        return None
    from crescent_lite.forecast import forecast_run
    from crescent_lite.preparation import RunOptions

    try:
        found = forecast_run(workspace, RunOptions())
    except CrescentError:
        return None  # such as a model that is no longer there: the run itself has it in memory
    if found.run_id != run.run_id or not found.estimate.has_speed:
        return None
    seconds = {(each.round, each.stage): each.seconds.value for each in found.estimate.stages}
    kept = {"run": run.run_id, "rounds": run.rounds, "seconds": [[*key, value] for key, value in seconds.items()]}
    keep_json(path, kept)
    return seconds


def status_text(status: dict[str, Any]) -> str:
    """The state as lines of text; what is not known is left out."""
    from crescent_lite.cli.detail import plain_text
    from crescent_lite.cli.stage_titles import TITLES

    stage, left, scores = status.get("stage"), status.get("seconds_left") or {}, status["scores"]
    values = {
        name: value for name, value in status.items() if name not in ("stage", "seconds_left", "scores", "name")
    }
    if status["name"]:
        values["run"] = f"{status['run']} ({status['name']})"
    lines = [plain_text(values)]
    if stage:
        of = f"{stage['done']:,}/{stage['total']:,}" if stage["total"] else f"{stage['done']:,}"
        which = f"round {stage['round']}" if stage["round"] else "base"
        parts = [f"{TITLES[stage['name']]} ({which}): {of}"]
        parts += [f"{stage['tokens_per_second']:,.0f} tok/s"] if stage["tokens_per_second"] else []
        parts += [f"loss {stage['loss']:.3f}"] if stage["loss"] is not None else []
        lines.append(f"stage: {', '.join(parts)}")
        known = [f"{what} {duration(seconds)}" for what, seconds in left.items() if seconds is not None]
        lines.append(f"time left: {', '.join(known)}" if known else "time left: not known before the second item")
    lines += [_score_line(score) for score in scores]
    return "\n".join(lines)


def _score_line(score: dict[str, Any]) -> str:
    where = printable_line(f"{score['benchmark']}, {score['prompt']}", 100)
    if score["difference"] is None:
        return f"score: {where}: base {score['base']:.1%}"
    change = f"{100 * score['difference']:+.1f} points"
    kept = f" in round {score['round']}" if score["round"] else ""
    return f"score: {where}: {score['base']:.1%} to {score['score']:.1%} ({change}){kept}"
