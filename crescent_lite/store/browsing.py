"""Paging, filtering and searching the questions of a run: ids first, then the rows that are in view.

Ids come newest first. A page starts below the last id of the page before it, without OFFSET, so the hundredth page
costs as much as the first. Reads only; texts are as they were stored, so untrusted. Example:
    browsing.fetch_ids(QuestionFilter(run_id=3, verdict="rejected", search="train sta"), before=None, limit=5000)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.records import Verdict
from crescent_lite.store.database import Database
from crescent_lite.store.views import CLOSE_MARGIN

LINE_CHARACTERS = 400
"""Characters of a question's text that a list shows."""
IDS_AT_ONCE = 500
"""Ids in one statement; SQLite limits the values that a statement may have."""


SORTED_BY = {
    "id": "q.question_id", "round": "q.round_id", "verdict": "q.verdict", "reason": "coalesce(s.reason, q.reason)",
    "share": "s.share", "text": "q.text COLLATE NOCASE",
}  # fmt: skip
"""The columns that a list of questions is sorted by, as SQL."""


@dataclass(frozen=True)
class QuestionFilter:
    """Which questions to list. A field at its default does not filter."""

    run_id: int
    verdict: Verdict | None = None
    reason: str | None = None
    """Reason of the label decision if the votes are complete, else of the verdict."""
    round: int | None = None
    """Number of the round, from 1."""
    shares: tuple[float, float] | None = None
    """Range of the leading answer's share, 0-1, ends included; only questions whose votes are complete match."""
    disputed: bool = False
    """Only questions whose two leading answers are within CLOSE_MARGIN of each other."""
    noted: bool = False
    """Only questions that have a note."""
    voted: bool = False
    """Only questions with at least one vote, whether or not their votes are complete."""
    search: str = ""
    """Words that the text contains; the last one may be unfinished. Empty does not search."""


@dataclass(frozen=True)
class QuestionLine:
    """One question as a list shows it."""

    question_id: int
    round: int
    verdict: Verdict | None
    reason: str | None
    """Reason of the label decision if the votes are complete ('agreed', 'tie', ...), else of the verdict."""
    share: float | None
    """Share of the leading answer, 0-1; None until the votes are complete."""
    text: str
    """The first LINE_CHARACTERS of the question."""


@dataclass(frozen=True)
class Link:
    """One text of a chain of rewrites."""

    question_id: int
    verdict: Verdict | None
    reason: str | None
    text: str


class Browsing:
    """Bounded reads over all questions of a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_ids(
        self, wanted: QuestionFilter, *, before: int | None = None, after: int | None = None, limit: int = 5000
    ) -> list[int]:
        """Up to `limit` ids of matching questions, newest first, that are below `before` and above `after`."""
        return self._ids(wanted, "DESC", before=before, after=after, limit=limit)

    def fetch_sorted(self, wanted: QuestionFilter, column: str, *, descending: bool = False) -> list[int]:
        """The ids of all matching questions, sorted by one of SORTED_BY; questions without a value come last."""
        tables, conditions, values = _conditions(wanted)
        if not (rounds := self._round_ids(wanted)):
            return []
        conditions.append(f"q.round_id IN ({', '.join(map(str, rounds))})")
        value = SORTED_BY[column]
        rows = self._database.rows(
            f"""SELECT q.question_id FROM {tables} LEFT JOIN consensus s ON s.question_id = q.question_id
            WHERE {" AND ".join(conditions)}
            ORDER BY {value} IS NULL, {value} {"DESC" if descending else "ASC"}, q.question_id DESC""",
            values,
        )
        return [row[0] for row in rows]

    def fetch_next(
        self, wanted: QuestionFilter, *, before: int | None = None, after: int | None = None
    ) -> int | None:
        """The matching id closest below `before` or above `after`, by default the newest; None without a match."""
        found = self._ids(wanted, "DESC" if after is None else "ASC", before=before, after=after, limit=1)
        return found[0] if found else None

    def fetch_lines(self, ids: Sequence[int]) -> dict[int, QuestionLine]:
        """The lines of these questions, by id."""
        found: dict[int, QuestionLine] = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            rows = self._database.rows(
                f"""SELECT q.question_id, d.number, q.verdict, coalesce(c.reason, q.reason), c.share,
                    substr(q.text, 1, {LINE_CHARACTERS})
                FROM questions q JOIN rounds d USING (round_id) LEFT JOIN consensus c USING (question_id)
                WHERE q.question_id IN ({_marks(some)})""",
                list(some),
            )
            found |= {row[0]: QuestionLine(*row) for row in rows}
        return found

    def fetch_reasons(self, run_id: int) -> list[str]:
        """Every reason of a verdict or a label decision in the run, by name."""
        rows = self._database.rows(
            """SELECT DISTINCT reason FROM questions JOIN rounds USING (round_id)
                WHERE run_id = :run AND reason IS NOT NULL
            UNION SELECT DISTINCT c.reason FROM consensus c JOIN questions USING (question_id)
                JOIN rounds USING (round_id) WHERE run_id = :run ORDER BY 1""",
            {"run": run_id},
        )
        return [row[0] for row in rows]

    def fetch_chain(self, question_id: int) -> list[Link]:
        """The question with all texts it was rewritten from and into, the oldest first."""
        rows = self._database.rows(
            """WITH RECURSIVE
                up (id) AS (SELECT :id UNION SELECT rewritten_from FROM questions JOIN up ON question_id = id
                    WHERE rewritten_from IS NOT NULL),
                down (id) AS (SELECT :id UNION SELECT question_id FROM questions JOIN down ON rewritten_from = id)
            SELECT question_id, verdict, reason, text FROM questions
            WHERE question_id IN (SELECT id FROM up UNION SELECT id FROM down) ORDER BY rewrites, question_id""",
            {"id": question_id},
        )
        return [Link(*row) for row in rows]

    def _ids(
        self, wanted: QuestionFilter, order: str, *, before: int | None, after: int | None, limit: int
    ) -> list[int]:
        tables, conditions, values = _conditions(wanted)
        column = "f.rowid" if wanted.search else "q.question_id"
        if before is not None:
            conditions.append(f"{column} < :before")
        if after is not None:
            conditions.append(f"{column} > :after")
        rounds = self._round_ids(wanted)
        if not rounds:
            return []
        # The + keeps SQLite from using the index by round, whose rows it would then have to sort.
        conditions.append(f"+q.round_id IN ({', '.join(map(str, rounds))})")
        rows = self._database.rows(
            f"""SELECT q.question_id FROM {tables} WHERE {" AND ".join(conditions)}
            ORDER BY {column} {order} LIMIT :limit""",
            {**values, "before": before, "after": after, "limit": limit},
        )
        return [row[0] for row in rows]

    def _round_ids(self, wanted: QuestionFilter) -> list[int]:
        rows = self._database.rows(
            "SELECT round_id FROM rounds WHERE run_id = ? AND (? IS NULL OR number = ?)",
            [wanted.run_id, wanted.round, wanted.round],
        )
        return [row[0] for row in rows]


def search_words(typed: str) -> str | None:
    """A full-text query for what somebody typed: all words, the last one as a prefix. None if no word was typed.

    Example: search_words('train "sta') -> '"train" "sta" *'
    """
    words = re.findall(r"\w+", typed)
    if not words:
        return None
    whole = typed[-1:].isspace()
    return " ".join(f'"{word}"' for word in words) + ("" if whole else " *")


def _conditions(wanted: QuestionFilter) -> tuple[str, list[str], dict[str, Any]]:
    """The FROM clause, the WHERE conditions, and the values of their placeholders."""
    tables, conditions = "questions q", []
    values: dict[str, Any] = {}
    counted = wanted.shares or wanted.disputed
    if words := search_words(wanted.search):
        tables = "questions_fts f JOIN questions q ON q.question_id = f.rowid"
        conditions.append("questions_fts MATCH :words")
        values["words"] = words
    elif wanted.search:
        tables, conditions = "questions_fts f JOIN questions q ON q.question_id = f.rowid", ["0"]
    if counted or wanted.reason:
        tables += f" {'' if counted else 'LEFT '}JOIN consensus c ON c.question_id = q.question_id"
    if wanted.verdict:
        conditions.append("q.verdict = :verdict")
        values["verdict"] = wanted.verdict
    if wanted.reason:
        conditions.append("coalesce(c.reason, q.reason) = :reason")
        values["reason"] = wanted.reason
    if wanted.shares:
        conditions.append("c.share BETWEEN :low AND :high")
        values |= {"low": wanted.shares[0], "high": wanted.shares[1]}
    if wanted.disputed:
        conditions.append(f"c.distinct_answers > 1 AND c.margin <= {CLOSE_MARGIN}")
    if wanted.noted:
        conditions.append("q.question_id IN (SELECT question_id FROM notes)")
    if wanted.voted:
        conditions.append("EXISTS (SELECT 1 FROM votes v WHERE v.question_id = q.question_id)")
    return tables, conditions, values


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
