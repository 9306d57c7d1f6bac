"""People's notes on questions: written to a file at once, and moved into the database later. Never used as labels.

Only the process that holds the workspace's lock writes the database, and that may be a running engine. So a note goes
into a file of the workspace first, and whoever holds the lock stores it. A line of that file that is not a note, such
as one that was cut short by a full disk, is kept in `notes.unreadable` beside it. Example:
    add_note(workspace, 412, "the majority is wrong")
    pending_notes(workspace)[0].text    # "the majority is wrong"
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from crescent_lite.config.names import LARGEST_INTEGER
from crescent_lite.errors import file_errors
from crescent_lite.files import json_value
from crescent_lite.printable import storable
from crescent_lite.records import Note
from crescent_lite.store import Store
from crescent_lite.store.database import now
from crescent_lite.workspace import Workspace


def add_note(workspace: Workspace, question_id: int, text: str) -> None:
    """Append a note to the workspace's file; an empty `text` deletes the question's notes. Raises StorageError.

    NUL and lone surrogates become U+FFFD, since neither the file nor the database can hold them.
    """
    note = Note(secrets.token_hex(8), question_id, storable(text).strip(), now())
    # The newline before the note ends a line that was cut short, which would swallow the note.
    line = f"\n{json.dumps(asdict(note), ensure_ascii=False)}\n".encode()
    # Without a buffer, which would be written again while the file is closed, after the disk has refused it once.
    with file_errors(workspace.notes), workspace.notes.open("ab", buffering=0) as file:
        while line:
            line = line[file.write(line) :]


def pending_notes(workspace: Workspace) -> list[Note]:
    """Read the notes that are not in the database yet, the oldest first."""
    content = b""
    for path in (_taken(workspace), workspace.notes):
        with suppress(OSError):
            content += path.read_bytes() + b"\n"
    return _parsed(content)[0]


def pending_on(workspace: Workspace, question_id: int, stored: Collection[Note]) -> tuple[Note, ...]:
    """The notes on a question that are not in the database yet.

    `stored` are those that are. A process that was killed after it had stored a note leaves it in the file as well.
    """
    keys = {note.key for note in stored}
    return tuple(
        note for note in pending_notes(workspace) if note.question_id == question_id and note.key not in keys
    )


def store_notes(workspace: Workspace, store: Store) -> None:
    """Move the file's notes into the database. The caller must hold the workspace's lock. Raises StorageError."""
    taken = _taken(workspace)
    if workspace.notes.exists() and not taken.exists():
        with file_errors(workspace.notes):
            workspace.notes.rename(taken)
    if taken.exists():
        # If the process dies here, the notes are stored again later, which changes nothing: each note has a key.
        with file_errors(taken):
            notes, unreadable = _parsed(taken.read_bytes())
        store.notes.insert(notes)
        if unreadable:
            kept = workspace.notes.with_suffix(".unreadable")
            with file_errors(kept), kept.open("ab") as file:
                file.writelines(line + b"\n" for line in unreadable)
        with file_errors(taken):
            taken.unlink()


def _taken(workspace: Workspace) -> Path:
    """The file of the notes that are being moved into the database."""
    return workspace.notes.with_suffix(".taken")


def _parsed(content: bytes) -> tuple[list[Note], list[bytes]]:
    """The notes in the file's content, and the lines that are not notes."""
    notes, unreadable = [], []
    for line in content.split(b"\n"):
        if note := _note(line):
            notes.append(note)
        elif line.strip():
            unreadable.append(line)
    return notes, unreadable


def _note(line: bytes) -> Note | None:
    """Parse a line; None for one that is not a note, because it was cut short or edited by hand."""
    try:
        note = Note(**json_value(line))
    except (ValueError, TypeError):
        return None
    fields = (note.key, note.text, note.created_at)
    is_number = isinstance(note.question_id, int) and not isinstance(note.question_id, bool)
    if not (is_number and all(isinstance(field, str) for field in fields)):
        return None
    return note if 0 < note.question_id <= LARGEST_INTEGER else None
