"""The scored replies of an evaluation with the items they answer, for comparisons item by item.

Texts are untrusted. Example: items.fetch_first(evaluation_id)[0].right -> True
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.records import Role
from crescent_lite.store.database import Database


@dataclass(frozen=True)
class ItemReply:
    """The first reply to one item."""

    item_id: str
    question: str
    gold: str
    """The right answer as a typed key."""
    reply: str
    answer: str | None
    """Its answer as a typed key; None if none was found."""
    right: bool
    """By the flexible scoring."""
    ended: bool
    """Whether the model ended it; False for a reply that was cut off."""
    tokens: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same item in another version of the benchmark: its id and its question."""
        return self.item_id, self.question


@dataclass(frozen=True)
class Measured:
    """A finished greedy evaluation of a run."""

    evaluation_id: int
    round: int
    """Number of the round; 0 is the base."""
    benchmark: str
    prompt: str
    """Name of the prompt, `set/file`."""
    role: Role


class Items:
    """Reads evaluated items together with their questions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_measured(self, run_id: int, number: int, *, own: bool = False) -> list[Measured]:
        """The greedy evaluations of a round, or of the base as round 0, by role, benchmark and prompt.

        `own`: those on the run's own questions, whose answers are labels, instead of those on benchmarks.
        """
        rows = self._database.rows(
            """SELECT e.evaluation_id, r.round_number, b.name, e.prompt, r.role
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
            WHERE r.run_id = ? AND r.round_number = ? AND e.samples = 1 AND e.finished_at IS NOT NULL
                AND (r.role = 'agreement') = ?
            ORDER BY instr('score final general canary', r.role), b.name, e.evaluation_id""",
            [run_id, number, own],
        )
        return [Measured(*row) for row in rows]

    def fetch_first(self, evaluation_id: int) -> list[ItemReply]:
        """The first reply to each item, in the benchmark's order."""
        rows = self._database.rows(
            """SELECT i.item_id, g.question, g.answer_key, i.text, i.answer_key, i.flexible,
                i.finish_reason = 'stop', i.tokens
            FROM evaluated_items i JOIN evaluations e USING (evaluation_id)
            JOIN benchmark_items g ON g.benchmark_id = e.benchmark_id AND g.item_id = i.item_id
            WHERE i.evaluation_id = ? AND i.sample_index = 0 ORDER BY g.position""",
            [evaluation_id],
        )
        return [ItemReply(row[0], row[1], row[2], row[3], row[4], bool(row[5]), bool(row[6]), row[7]) for row in rows]
