"""People's notes on questions in the database; `workspace.notes` collects them during a run.

Example: notes.fetch(412) -> [Note(key="9f...", question_id=412, text="the majority is wrong", created_at="...")]
"""

from __future__ import annotations

from collections.abc import Iterable

from crescent_lite.records import Note
from crescent_lite.store.database import Database


class Notes:
    """Reads and writes of the notes table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, notes: Iterable[Note]) -> None:
        """Store notes in order; a note with an empty text deletes the earlier notes on its question.

        A note whose key is stored already, or whose question does not exist, is ignored.
        """
        with self._database.transaction():
            for note in notes:
                if note.text:
                    self._database.write(
                        """INSERT INTO notes (key, question_id, text, created_at) SELECT :key, question_id, :text, :at
                        FROM questions WHERE question_id = :question ON CONFLICT DO NOTHING""",
                        {"key": note.key, "text": note.text, "at": note.created_at, "question": note.question_id},
                    )
                else:
                    self._database.write(
                        "DELETE FROM notes WHERE question_id = ? AND created_at <= ?",
                        [note.question_id, note.created_at],
                    )

    def fetch(self, question_id: int) -> list[Note]:
        """The notes on a question, oldest first."""
        rows = self._database.rows(
            "SELECT key, question_id, text, created_at FROM notes WHERE question_id = ? ORDER BY note_id",
            [question_id],
        )
        return [Note(*row) for row in rows]
