"""The state of a workspace at one moment, as the follower read it and the screens show it. A value.

Example: WorkspaceSnapshot(is_loaded=True, engine_is_busy=True).run_is_active -> False   # no run has been read yet
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.following.throughput import Throughput
from crescent_lite.records import Score
from crescent_lite.store.watching import RunLine, RunSnapshot, ScoreCount


@dataclass(frozen=True)
class WorkspaceSnapshot:
    """Runs, scores and pending requests. All texts are as stored, and so untrusted."""

    is_loaded: bool = False
    """Whether the workspace has been read at all; False until the first read has ended."""
    engine_is_busy: bool = False
    """Whether an engine holds the workspace's lock."""
    stop_is_requested: bool = False
    pause_is_requested: bool = False
    round_is_requested: bool = False
    runs: tuple[RunLine, ...] = ()
    """All runs, newest first."""
    engine_run_id: int | None = None
    """The run the engine works on; None while no engine is busy."""
    run: RunSnapshot | None = None
    """The chosen run, or the latest one if none was chosen; None before the first run."""
    scores: tuple[tuple[ScoreCount, Score], ...] = ()
    """The scores of `run`, each with its 95% interval."""
    throughput: Throughput | None = None
    """Speed of the current stage; None while the engine does not work on `run`."""
    version: int = 0
    """Grows with every write to the database, so that a screen knows when to read again. 0: no database yet."""
    error: str | None = None
    """Why the database cannot be read right now; None if it can."""

    @property
    def run_is_active(self) -> bool:
        """Whether the engine works on `run`."""
        return self.engine_is_busy and self.run is not None and self.run.run_id == self.engine_run_id

    @property
    def latest_run_is_finished(self) -> bool:
        """Whether the latest improvement run is finished, so that a start would begin another one."""
        latest = next((run for run in self.runs if run.kind == "improvement"), None)
        return latest is not None and latest.state == "finished"
