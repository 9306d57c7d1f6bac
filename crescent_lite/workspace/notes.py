"""People's notes on questions: written to a file at once, and moved into the database later. Never used as labels.

Only the process that holds the workspace's lock writes the database, and that may be a running engine. So a note goes
into a file of the workspace first, and whoever holds the lock stores it. Example:
    add_note(workspace, 412, "the majority is wrong")
    pending_notes(workspace)[0].text    # "the majority is wrong"
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict

from crescent_lite.errors import file_errors
from crescent_lite.records import Note
from crescent_lite.store import Store
from crescent_lite.store.database import now
from crescent_lite.workspace import Workspace


def add_note(workspace: Workspace, question_id: int, text: str) -> None:
    """Append a note to the workspace's file; an empty `text` deletes the question's notes. Raises StorageError."""
    note = Note(secrets.token_hex(8), question_id, text.strip(), now())
    with file_errors(workspace.notes), workspace.notes.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(note), ensure_ascii=False) + "\n")


def pending_notes(workspace: Workspace) -> list[Note]:
    """Read the notes that are not in the database yet, the oldest first."""
    try:
        lines = workspace.notes.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [note for line in lines if (note := _parsed(line))]


def store_notes(workspace: Workspace, store: Store) -> None:
    """Move the file's notes into the database. The caller must hold the workspace's lock. Raises StorageError."""
    taken = workspace.notes.with_suffix(".taken")
    if workspace.notes.exists() and not taken.exists():
        with file_errors(workspace.notes):
            workspace.notes.rename(taken)
    if taken.exists():
        # If the process dies here, the notes are stored again later, which changes nothing: each note has a key.
        with file_errors(taken):
            lines = taken.read_text(encoding="utf-8").splitlines()
        store.notes.insert([note for line in lines if (note := _parsed(line))])
        taken.unlink()


def _parsed(line: str) -> Note | None:
    """Parse a line; None for one that is not a note, because it was cut short or edited by hand."""
    try:
        note = Note(**json.loads(line))
    except (ValueError, TypeError):
        return None
    fields = (note.key, note.text, note.created_at)
    return note if isinstance(note.question_id, int) and all(isinstance(field, str) for field in fields) else None
