"""Questions as they are asked, judged and rewritten.

A rewrite has a row of its own, which refers to the question it rewrites. Each row gets a verdict and a reason.
Example: questions.insert_asked(round_, attempt, completion); questions.fetch_undecided(round_id)
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from crescent_lite.errors import NotFoundError
from crescent_lite.records import Attempt, Completion, GivenAnswer, Question, QuestionVerdict
from crescent_lite.store.database import Database, now
from crescent_lite.store.json_columns import json_object
from crescent_lite.store.runs import Round

COLUMNS = "question_id, text, raw_text, finish_reason, verdict, rewritten_from, rewrites, steering, external_id"


class Questions:
    """Reads and writes of the questions table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_asked(self, asked_in: Round, attempt: Attempt, completion: Completion) -> Question:
        """Store the text that an attempt produced, without a verdict."""
        raw_text, before = attempt.request.assistant_prefix + completion.text, attempt.rewrites
        rewritten_from, rewrites = (before.question_id, before.rewrites + 1) if before else (None, 0)
        question_id = self._database.write(
            """INSERT INTO questions (round_id, ask_index, text, raw_text, rewritten_from, rewrites,
                prompt_sha256, steering, model_id, seed, tokens, finish_reason, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                asked_in.round_id,
                attempt.ask_index,
                raw_text,
                raw_text,
                rewritten_from,
                rewrites,
                attempt.prompt_sha256,
                json.dumps(dict(attempt.steering), ensure_ascii=False) if attempt.steering else None,
                asked_in.model_id,
                completion.seed,
                completion.tokens,
                completion.finish_reason,
                now(),
            ],
        )
        reason = completion.finish_reason
        return Question(question_id, raw_text, raw_text, reason, None, rewritten_from, rewrites, attempt.steering)

    def insert_external(
        self,
        asked_in: Round,
        ask_index: int,
        name: str,
        text: str,
        prompt_sha256: str,
        answer: GivenAnswer | None = None,
    ) -> Question:
        """Store a question from the user's file, without a verdict. No model wrote it, so its tokens are 0.

        `answer`: the right answer that came with it, which is stored apart from the question.
        """
        with self._database.transaction():
            question_id = self._database.write(
                """INSERT INTO questions (round_id, ask_index, text, raw_text, prompt_sha256, model_id, seed, tokens,
                    finish_reason, external_id, created_at) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 'stop', ?, ?)""",
                [asked_in.round_id, ask_index, text, text, prompt_sha256, asked_in.model_id, name, now()],
            )
            if answer:
                self._database.write(
                    "INSERT INTO own_answers (question_id, answer, answer_key) VALUES (?, ?, ?)",
                    [question_id, answer.text, answer.key],
                )
        return Question(question_id, text, text, "stop", external_id=name)

    def count_external(self, run_id: int) -> int:
        """How many questions of the run came from the user's file."""
        return int(
            self._database.value(
                """SELECT count(*) FROM questions JOIN rounds USING (round_id)
                WHERE run_id = ? AND external_id IS NOT NULL""",
                [run_id],
            )
        )

    def set_verdict(self, question_id: int, verdict: QuestionVerdict) -> None:
        """Store what diversification decided about a question."""
        self._database.write(
            """UPDATE questions SET verdict = ?, reason = ?, text = ?, duplicate_of = ?, similarity = ?,
                benchmark_item = ?, semantic_match = ?, semantic_similarity = ? WHERE question_id = ?""",
            [
                verdict.verdict,
                verdict.reason,
                verdict.text,
                verdict.duplicate_of,
                verdict.similarity,
                verdict.benchmark_item,
                *(verdict.same_meaning or (None, None)),
                question_id,
            ],
        )

    def fetch_missing_indexes(self, round_id: int, wanted: int) -> tuple[int, ...]:
        """Indexes below `wanted` for which the round has no question yet."""
        rows = self._database.rows(
            "SELECT ask_index FROM questions WHERE round_id = ? AND ask_index IS NOT NULL", [round_id]
        )
        asked = {row[0] for row in rows}
        return tuple(index for index in range(wanted) if index not in asked)

    def fetch_undecided(self, round_id: int) -> list[Question]:
        """Questions of the round without a verdict, in the order they came."""
        return self._fetch("round_id = ? AND verdict IS NULL", [round_id])

    def fetch_to_rewrite(
        self, round_id: int, max_rewrites: int, reasons: Sequence[str]
    ) -> list[tuple[Question, Question]]:
        """Questions rejected for one of `reasons` that may be rewritten and are not yet; each with the question
        that it repeats."""
        rows = self._database.rows(
            f"""SELECT q.question_id, q.duplicate_of FROM questions q
            LEFT JOIN questions rewrite ON rewrite.rewritten_from = q.question_id
            WHERE q.round_id = ? AND q.rewrites < ? AND rewrite.question_id IS NULL
                AND q.reason IN ({", ".join("?" * len(reasons))}) ORDER BY q.question_id""",
            [round_id, max_rewrites, *reasons],
        )
        return [(self.fetch(row[0]), self.fetch(row[1])) for row in rows]

    def fetch_kept_or_not(self, round_id: int, latest: int) -> list[bool]:
        """Whether each of the `latest` judged texts of the round was kept, oldest first."""
        rows = self._database.rows(
            """SELECT verdict = 'kept' FROM questions WHERE round_id = ? AND verdict IS NOT NULL
            ORDER BY question_id DESC LIMIT ?""",
            [round_id, latest],
        )
        return [bool(row[0]) for row in reversed(rows)]

    def count_decided(self, round_id: int) -> int:
        """How many texts of the round have a verdict."""
        return sum(count for (verdict, _), count in self.count_verdicts(round_id).items() if verdict)

    def fetch_kept(self, run_id: int) -> list[tuple[int, str]]:
        """(id, text) of every kept question in all rounds of the run."""
        rows = self._database.rows(
            """SELECT question_id, text FROM questions JOIN rounds USING (round_id)
            WHERE run_id = ? AND verdict = 'kept' ORDER BY question_id""",
            [run_id],
        )
        return [(row[0], row[1]) for row in rows]

    def fetch_by_outcome(self, run_id: int, outcome: str) -> dict[str, list[int]]:
        """Ids of the run's 'labelled', 'disputed' or 'rejected' questions, by reason, oldest first.

        A disputed question is a kept one whose votes gave no label. The commonest reason comes first.
        """
        wanted = {
            "labelled": "c.decision = 'labelled'",
            "disputed": "c.decision = 'rejected'",
            "rejected": "q.verdict = 'rejected'",
        }[outcome]
        rows = self._database.rows(
            f"""SELECT coalesce(c.reason, q.reason) AS why, question_id FROM questions q
            JOIN rounds d USING (round_id) LEFT JOIN consensus c USING (question_id)
            WHERE d.run_id = ? AND {wanted} ORDER BY question_id""",
            [run_id],
        )
        found: dict[str, list[int]] = {}
        for why, question_id in rows:
            found.setdefault(why, []).append(question_id)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    def fetch(self, question_id: int) -> Question:
        """One question, which must exist."""
        return self._fetch("question_id = ?", [question_id])[0]

    def count_verdicts(self, round_id: int) -> dict[tuple[str | None, str | None], int]:
        """How many texts of the round have each (verdict, reason), most first; (None, None) is not judged yet."""
        rows = self._database.rows(
            """SELECT verdict, reason, count(*) FROM questions WHERE round_id = ?
            GROUP BY verdict, reason ORDER BY count(*) DESC""",
            [round_id],
        )
        return {(row[0], row[1]): row[2] for row in rows}

    def count_asked(self, round_id: int) -> int:
        """How many questions of the round were asked for, or came from the user's file; rewrites do not count."""
        return int(self._database.value("SELECT count(ask_index) FROM questions WHERE round_id = ?", [round_id]))

    def require(self, question_id: int) -> None:
        """Raise NotFoundError unless the question exists."""
        if not self._database.value("SELECT 1 FROM questions WHERE question_id = ?", [question_id]):
            hint = "`crescent query find-questions words=...` finds questions"
            raise NotFoundError(f"question {question_id}: not in {self._database.path}; {hint}")

    def fetch_detail(self, question_id: int) -> sqlite3.Row | None:
        """Every column of a question, the text of its match, and its consensus; None for an unknown question."""
        return self._database.row(
            """SELECT q.*, r.run_id, r.number AS round,
                (SELECT match FROM v_rejections WHERE question_id = q.question_id) AS match_text,
                c.decision, c.reason AS decision_reason,
                c.answer_key, c.share, c.margin, c.entropy, c.planned, c.votes, c.stopped, c.abstentions,
                c.distinct_answers, c.chosen_vote, a.answer AS own_answer, a.answer_key AS own_answer_key
            FROM questions q JOIN rounds r USING (round_id)
            LEFT JOIN consensus c ON c.question_id = q.question_id
            LEFT JOIN own_answers a ON a.question_id = q.question_id
            WHERE q.question_id = ?""",
            [question_id],
        )

    def _fetch(self, where: str, values: Iterable[object]) -> list[Question]:
        rows = self._database.rows(
            f"SELECT {COLUMNS} FROM questions WHERE {where} ORDER BY question_id", list(values)
        )
        return [Question(**{**row, "steering": json_object(row["steering"])}) for row in map(dict, rows)]
