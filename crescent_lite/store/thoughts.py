"""Counts the replies of a run that never left their thoughts.

Example: fetch_in_thoughts(database, run_id=1) -> (InThoughts("vote", 26, 26),)
"""

from __future__ import annotations

from crescent_lite.round_facts import InThoughts
from crescent_lite.store.database import Database


def fetch_in_thoughts(database: Database, run_id: int, number: int | None = None) -> tuple[InThoughts, ...]:
    """The stages of a run with replies that never left their thoughts, and how many; of one round if it is given."""
    this = {"run": run_id, "round": number}
    of_round = "d.run_id = :run AND (:round IS NULL OR d.number = :round)"
    asked = database.row(
        f"""SELECT count(*) FILTER (WHERE q.reason = 'in_thoughts'), count(*)
        FROM questions q JOIN rounds d USING (round_id) WHERE {of_round} AND q.external_id IS NULL""",
        this,
    )
    voted = database.row(
        f"""SELECT count(*) FILTER (WHERE v.abstained = 'in_thoughts'), count(*)
        FROM votes v JOIN questions q USING (question_id) JOIN rounds d USING (round_id) WHERE {of_round}""",
        this,
    )
    evaluated = database.row(
        """SELECT count(*) FILTER (WHERE i.abstained = 'in_thoughts'), count(*)
        FROM run_evaluations r JOIN evaluated_items i USING (evaluation_id)
        WHERE r.run_id = :run AND (:round IS NULL OR r.round_number = :round)""",
        this,
    )
    found = (InThoughts("ask", *asked or (0, 0)), InThoughts("vote", *voted or (0, 0)))
    return tuple(each for each in (*found, InThoughts("evaluate", *evaluated or (0, 0))) if each.count)
