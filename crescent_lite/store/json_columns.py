"""Reads the JSON of a column: a database from somebody else, or a damaged one, may hold anything there.

Example: json_object('{"name": "Leonie"}') -> {"name": "Leonie"}
"""

from __future__ import annotations

import json
from typing import Any

from crescent_lite.errors import StorageError
from crescent_lite.printable import printable_line


def json_object(text: str | bytes | None) -> dict[str, Any]:
    """The object in a JSON text; empty for NULL or an empty text. Raises StorageError for anything else."""
    found = json_value(text or "{}")
    if not isinstance(found, dict):
        raise _damaged(text, "an object")
    return found


def json_value(text: str | bytes | None) -> Any:
    """The value in a JSON text. Raises StorageError."""
    try:
        return json.loads(text if text is not None else "")
    except (ValueError, RecursionError):
        raise _damaged(text, "a value") from None


def _damaged(text: str | bytes | None, what: str) -> StorageError:
    shown = printable_line(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text), 60)
    return StorageError(f"the database holds {shown!r} where {what} in JSON should be; restore a backup")
