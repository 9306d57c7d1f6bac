"""Votes, and the consensus and labels that they add up to.

Example: votes.fetch_owed(round_id) -> [(question, [vote, vote]), ...]
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from crescent_lite.records import Abstention, Answer, BenchmarkItem, Completion, Consensus, Label, Question, Vote
from crescent_lite.store.database import Database, now
from crescent_lite.store.token_ids import packed, unpacked

LABEL_COLUMNS = "d.run_id, d.number, q.question_id, q.text, v.vote_id, v.text"
"""The columns of the first fields of a `Label`, from questions q, votes v and rounds d."""


class Votes:
    """Reads and writes of the votes and consensus tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_vote(
        self,
        question_id: int,
        completion: Completion,
        answer: Answer | None,
        model_id: int,
        prompt_sha256: str,
        abstained: Abstention | None = None,
    ) -> Vote:
        """Store a vote; a vote without an answer is an abstention, for which `abstained` gives the reason."""
        raw, key, form = (answer.raw, answer.key, answer.form) if answer else (None, None, None)
        vote_id = self._database.write(
            """INSERT INTO votes (question_id, sample_index, text, finish_reason, answer_raw, answer_key,
                answer_form, mean_logprob, tokens, seed, model_id, prompt_sha256, created_at, token_ids,
                abstained)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                question_id,
                completion.sample_index,
                completion.text,
                completion.finish_reason,
                raw,
                key,
                form,
                completion.mean_logprob,
                completion.tokens,
                completion.seed,
                model_id,
                prompt_sha256,
                now(),
                None if completion.token_ids is None else packed(completion.token_ids),
                abstained,
            ],
        )
        return Vote(
            vote_id,
            completion.sample_index,
            completion.text,
            key,
            form,
            completion.finish_reason,
            completion.mean_logprob,
            abstained,
        )

    def fetch_owed(self, round_id: int) -> list[tuple[Question, list[Vote]]]:
        """Kept questions of the round without a consensus, each with the votes drawn so far."""
        rows = self._database.rows(
            """SELECT q.question_id, q.text, q.raw_text, q.finish_reason, q.verdict, q.rewritten_from, q.rewrites
            FROM questions q LEFT JOIN consensus c USING (question_id)
            WHERE q.round_id = ? AND q.verdict = 'kept' AND c.question_id IS NULL ORDER BY q.question_id""",
            [round_id],
        )
        return [(question, self.fetch_votes(question.question_id)) for question in (Question(*row) for row in rows)]

    def fetch_votes(self, question_id: int) -> list[Vote]:
        """The votes of a question, by sample index."""
        rows = self._database.rows(
            """SELECT vote_id, sample_index, text, answer_key, answer_form, finish_reason, mean_logprob, abstained
            FROM votes WHERE question_id = ? ORDER BY sample_index""",
            [question_id],
        )
        return [Vote(*row) for row in rows]

    def fetch_tokens(self, question_id: int) -> tuple[int, ...]:
        """The tokens drawn for each vote of a question, by sample index."""
        rows = self._database.rows(
            "SELECT tokens FROM votes WHERE question_id = ? ORDER BY sample_index", [question_id]
        )
        return tuple(row[0] for row in rows)

    def fetch_token_ids(self, vote_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """The ids of the tokens that these votes were drawn with, by vote id; votes without known ids are missing."""
        rows = self._database.rows(
            """SELECT vote_id, token_ids FROM json_each(?) wanted JOIN votes ON vote_id = wanted.value
            WHERE token_ids IS NOT NULL""",
            [json.dumps(list(vote_ids))],
        )
        found = {row[0]: unpacked(row[1]) for row in rows}
        return {vote_id: ids for vote_id, ids in found.items() if ids is not None}

    def insert_consensus(self, question_id: int, consensus: Consensus) -> None:
        """Store what the votes of a question add up to."""
        self._database.write(
            """INSERT INTO consensus (question_id, decision, reason, answer_key, share, votes, abstentions,
                distinct_answers, chosen_vote, planned, stopped, margin, entropy)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                question_id,
                consensus.decision,
                consensus.reason,
                consensus.answer_key,
                consensus.share,
                consensus.votes,
                consensus.abstentions,
                consensus.distinct,
                consensus.chosen_vote,
                consensus.planned,
                consensus.stopped,
                consensus.margin,
                consensus.entropy,
            ],
        )

    def fetch_labels(
        self, *, round_id: int | None = None, run_id: int | None = None, before_round: int | None = None
    ) -> list[Label]:
        """The labels of a round, or of a run: of all its rounds, or those before `before_round`. By question id."""
        rows = self._database.rows(
            f"""SELECT {LABEL_COLUMNS}, c.answer_key, c.share FROM consensus c
            JOIN questions q USING (question_id) JOIN votes v ON v.vote_id = c.chosen_vote
            JOIN rounds d USING (round_id)
            WHERE c.decision = 'labelled' AND (q.round_id = :round OR d.run_id = :run)
                AND (:before IS NULL OR d.number < :before) ORDER BY q.question_id""",
            {"round": round_id, "run": run_id, "before": before_round},
        )
        return [Label(*row) for row in rows]

    def fetch_labelled_items(self, run_id: int, number: int) -> list[BenchmarkItem]:
        """The labelled questions of a round as benchmark items, by question id: the label is the answer."""
        rows = self._database.rows(
            """SELECT q.question_id, q.text, coalesce(v.answer_raw, ''), c.answer_key FROM consensus c
            JOIN questions q USING (question_id) JOIN votes v ON v.vote_id = c.chosen_vote
            JOIN rounds d USING (round_id)
            WHERE c.decision = 'labelled' AND c.answer_key IS NOT NULL AND d.run_id = ? AND d.number = ?
            ORDER BY q.question_id""",
            [run_id, number],
        )
        return [BenchmarkItem(str(row[0]), *row[1:]) for row in rows]

    def fetch_unvoted_samples(self, run_id: int, number: int) -> list[Label]:
        """The votes of a round as if each were a label, whatever the other votes of its question say.

        The first vote of every question comes first, then the second ones, and so on. Votes that were cut off are
        left out. These are the labels of a method without voting.
        """
        rows = self._database.rows(
            f"""SELECT {LABEL_COLUMNS}, v.answer_key, NULL FROM votes v
            JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
            WHERE d.run_id = ? AND d.number = ? AND v.finish_reason = 'stop' AND trim(v.text) <> ''
            ORDER BY v.sample_index, q.question_id""",
            [run_id, number],
        )
        return [Label(*row) for row in rows]

    def fetch_counted(self, run_id: int) -> list[sqlite3.Row]:
        """(question_id, round, text) of each question of a run that has a consensus."""
        return self._database.rows(
            """SELECT question_id, d.number AS round, q.text FROM consensus JOIN questions q USING (question_id)
            JOIN rounds d USING (round_id) WHERE run_id = ? ORDER BY question_id""",
            [run_id],
        )

    def fetch_votes_in_full(self, question_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Every vote of these questions, with the question, run and round, by question id and sample index."""
        rows = self._database.rows(
            """SELECT v.run_id AS run, v.round, v.question, v.solution, v.answer_key, v.finish_reason, v.tokens,
                v.sample_index, v.question_id, v.vote_id
            FROM json_each(?) wanted JOIN v_votes v ON v.question_id = wanted.value
            ORDER BY v.question_id, v.sample_index""",
            [json.dumps(list(question_ids))],
        )
        return [dict(row) for row in rows]

    def fetch_shares(self, round_id: int) -> list[float]:
        """The share, 0-1, of the leading answer of each question of the round that has a consensus."""
        rows = self._database.rows(
            "SELECT share FROM consensus JOIN questions USING (question_id) WHERE round_id = ?", [round_id]
        )
        return [row[0] for row in rows]

    def count(self, round_id: int) -> int:
        """How many votes were drawn in the round."""
        return int(
            self._database.value(
                """SELECT count(*) FROM votes JOIN questions USING (question_id)
                WHERE round_id = ? AND verdict = 'kept'""",
                [round_id],
            )
        )

    def count_voted(self, round_id: int) -> int:
        """How many kept questions of the round have at least one vote, whether or not their votes are complete."""
        return int(
            self._database.value(
                """SELECT count(*) FROM questions q WHERE round_id = ? AND verdict = 'kept'
                AND EXISTS (SELECT 1 FROM votes v WHERE v.question_id = q.question_id)""",
                [round_id],
            )
        )

    def count_shares(self, round_id: int) -> dict[tuple[float, bool], int]:
        """How many questions with a consensus have each (share of the leader, whether it became the label)."""
        rows = self._database.rows(
            """SELECT share, decision = 'labelled', count(*) FROM consensus JOIN questions USING (question_id)
            WHERE round_id = ? GROUP BY 1, 2 ORDER BY 1, 2""",
            [round_id],
        )
        return {(row[0], bool(row[1])): row[2] for row in rows}
