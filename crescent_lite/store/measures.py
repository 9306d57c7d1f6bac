"""The facts of a round from which its measures and alarms are computed, and the stored measures and alarms.

Example: measures.fetch_facts(run_id, 1).reasons -> {"new": 310, "near_duplicate": 52, "no_question": 38}
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from crescent_lite.round_facts import Alarm, BenchmarkCounts, ReplyCounts, RoundFacts
from crescent_lite.store.database import Database


class Measures:
    """Reads of a round's facts; reads and writes of the measures and alarms tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_facts(self, run_id: int, number: int) -> RoundFacts:
        """Counts and texts of a round. Round 0, and a round that asked nothing, have only evaluations."""
        rows = self._database.rows
        key = [run_id, number]
        of_round = "FROM questions q JOIN rounds d USING (round_id) WHERE d.run_id = ? AND d.number = ?"
        decided = """FROM consensus c JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
            WHERE d.run_id = ? AND d.number = ?"""
        reasons = rows(f"SELECT q.reason, count(*) {of_round} AND q.reason IS NOT NULL GROUP BY q.reason", key)
        repeated = rows(
            f"""SELECT substr(q.benchmark_item, 1, instr(q.benchmark_item, '/') - 1), count(*) {of_round}
            AND q.benchmark_item IS NOT NULL GROUP BY 1""",
            key,
        )
        raw = """FROM questions q JOIN rounds d USING (round_id)
            WHERE d.run_id = ? AND d.number = ? AND q.rewritten_from IS NULL AND q.reason IS NOT NULL"""
        asked = rows(
            f"SELECT q.text {raw} AND q.reason IN ('new', 'near_duplicate', 'same_template', 'contaminated')", key
        )
        votes = rows(
            """SELECT v.tokens, v.finish_reason = 'stop', v.answer_key IS NOT NULL, count(*)
            FROM votes v JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
            WHERE d.run_id = ? AND d.number = ? GROUP BY 1, 2, 3""",
            key,
        )
        evaluated = rows(
            """SELECT i.tokens, i.finish_reason = 'stop', i.answer_key IS NOT NULL, count(*)
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id)
            JOIN evaluated_items i USING (evaluation_id)
            WHERE r.run_id = ? AND r.round_number = ? AND r.role <> 'agreement' AND e.samples = 1 GROUP BY 1, 2, 3""",
            key,
        )
        return RoundFacts(
            number=number,
            reasons=dict(map(tuple, reasons)),
            contaminated=dict(map(tuple, repeated)),
            raw_texts=self._database.value(f"SELECT count(*) {raw}", key),
            questions=tuple(row[0] for row in asked),
            shares=tuple(row[0] for row in rows(f"SELECT c.share {decided}", key)),
            labels=tuple(row[0] for row in rows(f"SELECT c.answer_key {decided} AND c.decision = 'labelled'", key)),
            votes=_replies(votes),
            evaluated=_replies(evaluated),
            evaluations=tuple(self._measured(run_id, number)),
        )

    def _measured(self, run_id: int, number: int) -> Iterable[BenchmarkCounts]:
        found = self._database.rows(
            """SELECT evaluation_id, benchmark_id, b.name, e.prompt, r.role, e.samples
            FROM run_evaluations r JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
            WHERE r.run_id = ? AND r.round_number = ? AND r.role <> 'agreement' AND e.finished_at IS NOT NULL
            ORDER BY b.name, e.prompt, e.samples""",
            [run_id, number],
        )
        for row in found:
            right: dict[str, tuple[int, int]] = {}
            whole: Counter[str] = Counter()
            answers: Counter[str] = Counter()
            for item in self._database.rows(
                """SELECT item_id, strict, flexible, answer_key, finish_reason = 'stop' AS ended FROM evaluated_items
                WHERE evaluation_id = ?""",
                [row["evaluation_id"]],
            ):
                before = right.get(item["item_id"], (0, 0))
                right[item["item_id"]] = before[0] + item["strict"], before[1] + item["flexible"]
                whole[item["item_id"]] += item["ended"] and item["answer_key"] is not None
                if item["answer_key"] is not None:
                    answers[item["answer_key"]] += 1
            gold = self._database.rows(
                "SELECT answer_key, count(*) FROM benchmark_items WHERE benchmark_id = ? GROUP BY 1",
                [row["benchmark_id"]],
            )
            yield BenchmarkCounts(
                row["name"], row["prompt"], row["role"], row["samples"], right, whole, answers, dict(map(tuple, gold))
            )

    def replace_measures_and_alarms(
        self, run_id: int, number: int, measures: Mapping[str, float], alarms: Iterable[Alarm]
    ) -> None:
        """Store the measures and alarms of a round, deleting those it had before."""
        with self._database.transaction():
            for table in ("measures", "alarms"):
                self._database.write(f"DELETE FROM {table} WHERE run_id = ? AND round_number = ?", [run_id, number])
            self._database.write_many(
                "INSERT INTO measures (run_id, round_number, name, value) VALUES (?, ?, ?, ?)",
                [(run_id, number, name, value) for name, value in measures.items()],
            )
            self._database.write_many(
                "INSERT INTO alarms (run_id, round_number, name, fired, words) VALUES (?, ?, ?, ?, ?)",
                [(run_id, number, alarm.name, alarm.fired, alarm.words) for alarm in alarms],
            )

    def fetch_measures(self, run_id: int) -> dict[int, dict[str, float]]:
        """The measures of each round of a run, by name. Round 0 is the base."""
        found: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for row in self._database.rows(
            "SELECT round_number, name, value FROM measures WHERE run_id = ? ORDER BY round_number", [run_id]
        ):
            found[row[0]][row[1]] = row[2]
        return dict(found)

    def fetch_alarms(self, run_id: int) -> dict[int, list[Alarm]]:
        """The alarms of each round of a run, in the order they were judged, whether or not they fired."""
        found: defaultdict[int, list[Alarm]] = defaultdict(list)
        for row in self._database.rows(
            "SELECT round_number, name, fired, words FROM alarms WHERE run_id = ? ORDER BY round_number, rowid",
            [run_id],
        ):
            found[row[0]].append(Alarm(row[1], bool(row[2]), row[3]))
        return dict(found)


def _replies(rows: Iterable[Any]) -> ReplyCounts:
    tokens: Counter[int] = Counter()
    ended = parsed = 0
    for length, did_end, has_answer, count in rows:
        tokens[length] += count
        ended += count * did_end
        parsed += count * has_answer
    return ReplyCounts(tokens, ended, parsed)
