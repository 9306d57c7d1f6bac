"""A refresher keeps data up to date without interrupting its own reads."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from crescent_tui.sources.refresher import Refresher

Answer = Callable[[Any], object]


class RecordedReads:
    """Records the reads; the test gives the answers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.failures: list[Callable[[str], object]] = []
        self.shown: list[tuple[str, str]] = []
        self.refresher: Refresher[str, str] = Refresher(self.read, "key", lambda _, subject: subject, self.show)

    def read(self, key: str, work: object, then: Answer, failed: Callable[[str], object] | None = None) -> None:
        self.answers.append(then)
        assert failed
        self.failures.append(failed)

    def show(self, subject: str, found: str) -> None:
        self.shown.append((subject, found))


def test_a_read_in_progress_is_not_repeated_until_it_ends_out_of_date() -> None:
    reads = RecordedReads()
    for version in (1, 2, 3):
        reads.refresher.request("round 1", version)
    assert len(reads.answers) == 1
    reads.answers[0]("as of 1")
    assert reads.shown == [("round 1", "as of 1")]
    assert len(reads.answers) == 2
    reads.answers[1]("as of 3")
    reads.refresher.request("round 1", 3)
    assert len(reads.answers) == 2


def test_another_subject_is_read_at_once_and_a_late_answer_is_discarded() -> None:
    reads = RecordedReads()
    reads.refresher.request("round 1", 1)
    reads.refresher.request("round 2", 1)
    assert len(reads.answers) == 2
    reads.answers[0]("late")
    reads.answers[1]("found")
    assert reads.shown == [("round 2", "found")]


def test_a_failed_read_is_repeated_on_the_next_request() -> None:
    reads = RecordedReads()
    reads.refresher.request("round 1", 1)
    reads.failures[0]("disk full")
    reads.refresher.request("round 1", 1)
    assert len(reads.answers) == 2


def test_nothing_that_draws_or_trains_is_loaded_with_the_tui() -> None:
    heavy = "{'matplotlib', 'torch', 'scipy', 'llama_cpp'}"
    code = f"import crescent_tui.app, sys; sys.exit(', '.join(sorted({heavy} & set(sys.modules))))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.strip() == ""
    )
