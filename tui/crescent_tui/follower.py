"""Follows a workspace from a thread of its own: opens the database read-only, looks every second, says what it saw.

Owns the reading connection; knows no widget. Nothing is read while nothing has been written, and nothing is said
while nothing has changed, so a burst of writes is one message. Example:
    Follower(workspace, lambda sight: app.post_message(WorkspaceSeen(sight))).follow()
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from crescent_lite.errors import CrescentError
from crescent_lite.evaluation import wilson
from crescent_lite.records import Score, Verdict
from crescent_lite.store import Store
from crescent_lite.store.watching import QuestionLine, RunSnapshot, ScoreCount, WatchedQuestion, Watching
from crescent_lite.workspace import Workspace

POLL_SECONDS = 1.0
PAGE = 500
"""Questions listed at most."""


@dataclass(frozen=True)
class Wanted:
    """What the user is looking at."""

    verdict: Verdict | None = None
    """Questions of this verdict only."""
    question_id: int | None = None
    """The question shown in full."""


@dataclass(frozen=True)
class Sight:
    """Everything the screens show, as seen at one moment. All texts are as stored: untrusted."""

    looked: bool = False
    """False before the first look is over."""
    engine_is_busy: bool = False
    stop_is_requested: bool = False
    run: RunSnapshot | None = None
    """None: there is no run yet."""
    scores: tuple[tuple[ScoreCount, Score], ...] = ()
    questions: tuple[QuestionLine, ...] = ()
    """The newest first, PAGE at most."""
    question: WatchedQuestion | None = None
    trouble: str | None = None
    """Why the database cannot be read just now."""


class Follower:
    """Looks at one workspace until it is told to end."""

    def __init__(self, workspace: Workspace, tell: Callable[[Sight], object]) -> None:
        self._workspace = workspace
        self._tell = tell
        self._wanted = Wanted()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._store: Store | None = None
        self._read_at: tuple[int, Wanted] | None = None
        self._sight = Sight()

    def want(self, wanted: Wanted) -> None:
        """From any thread: look for this, at once. Only the latest wish counts."""
        self._wanted = wanted
        self._wake.set()

    def look_now(self) -> None:
        """From any thread: do not wait for the next second."""
        self._wake.set()

    def end(self) -> None:
        """From any thread: `follow` returns soon."""
        self._ended.set()
        self._wake.set()

    def follow(self) -> None:
        """Look, tell what changed, wait; until `end`."""
        try:
            while not self._ended.is_set():
                sight = self._look()
                if sight != self._sight:
                    self._sight = sight
                    self._tell(sight)
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()
        finally:
            self._close()

    def _look(self) -> Sight:
        busy = self._workspace.folder.is_dir() and self._workspace.is_busy()
        stopping = busy and self._workspace.stop_requested()
        seen = replace(self._sight, looked=True, engine_is_busy=busy, stop_is_requested=stopping, trouble=None)
        try:
            if not self._workspace.database_path.is_file():
                self._close()
                return Sight(looked=True, engine_is_busy=busy)
            self._store = self._store or Store.open_read_only(self._workspace.database_path)
            return self._read(seen, Watching(self._store.database))
        except CrescentError as error:
            self._close()
            return replace(seen, trouble=str(error))

    def _read(self, seen: Sight, watching: Watching) -> Sight:
        """Only what can have changed since the last read."""
        wanted, version = self._wanted, watching.version()
        version_before, wanted_before = self._read_at or (None, None)
        written = version != version_before
        if written:
            run = watching.fetch_snapshot()
            scores = tuple((count, wilson(count.right, count.items)) for count in (run.scores if run else ()))
            seen = replace(seen, run=run, scores=scores)
        if written or wanted_before is None or wanted.verdict != wanted_before.verdict:
            seen = replace(seen, questions=watching.fetch_questions(wanted.verdict, PAGE))
        if written or wanted != wanted_before:
            question = watching.fetch_question(wanted.question_id) if wanted.question_id else None
            seen = replace(seen, question=question)
        self._read_at = (version, wanted)
        return seen

    def _close(self) -> None:
        if self._store:
            self._store.close()
        self._store = self._read_at = None
