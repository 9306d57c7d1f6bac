"""How many labels are right, where the right answer can be computed from the question. Reads only.

The results are shown; nothing is learnt from them, and no label is changed. Example:
    fetch_label_truth(database, run_id=1).words -> "14 of 36 labels right; 22 of the questions make sense"
"""

from __future__ import annotations

from crescent_lite.answers.arithmetic import result_of
from crescent_lite.round_facts import LabelTruth
from crescent_lite.store.database import Database

COMPUTABLE_SETS = ("arithmetic",)
"""Prompt sets that ask for calculations; other questions are not tried."""
MOST_QUESTIONS = 20_000
"""Questions that are looked at, the newest (guess: the first look takes about a second)."""


def fetch_label_truth(database: Database, *, run_id: int, number: int | None = None) -> LabelTruth | None:
    """The labels of a run, or of one round; None if their truth cannot be computed, or there are none."""
    decided = fetch_truths(database, run_id, number, labelled_only=True)
    if not decided:
        return None
    known = [(leader, truth) for leader, truth, _ in decided if truth is not None]
    return LabelTruth(len(decided), len(known), sum(leader == truth for leader, truth in known))


def fetch_truths(
    database: Database, run_id: int, number: int | None = None, *, labelled_only: bool = False
) -> list[tuple[str | None, str | None, float]]:
    """(leading answer, right answer, share of the leader) of each decided question; the right one None if unknown.

    Empty for a run whose prompts do not ask for calculations.
    """
    rows = database.rows(
        f"""SELECT q.text, c.answer_key, c.share FROM consensus c JOIN questions q USING (question_id)
        JOIN rounds d USING (round_id) JOIN runs r USING (run_id)
        WHERE d.run_id = :run AND (:number IS NULL OR d.number = :number)
            AND json_valid(r.config) AND json_extract(r.config, '$.run.prompts')
                IN ({", ".join(f"'{name}'" for name in COMPUTABLE_SETS)})
            AND (c.decision = 'labelled' OR NOT :labelled_only)
        ORDER BY q.question_id DESC LIMIT :most""",
        {"run": run_id, "number": number, "labelled_only": labelled_only, "most": MOST_QUESTIONS},
    )
    return [(row[1], result_of(row[0]), row[2]) for row in rows]
