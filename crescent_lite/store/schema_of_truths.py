"""The table of migration 14: the right answers that came with the user's own questions.

A table of its own, so that no query for what is asked, voted on or learnt meets an answer. Released, so never edited.
Example: for statement in TABLES: database.execute(statement)
"""

from __future__ import annotations

TABLES = (
    """CREATE TABLE own_answers (
        question_id INTEGER PRIMARY KEY REFERENCES questions (question_id),
        answer TEXT NOT NULL,
        answer_key TEXT
    ) STRICT""",
)
