"""The state that the app keeps between sessions, such as the tab, run and filters: a small file in the workspace.

A file that cannot be read or written is ignored, because no run depends on it. Example:
    saved = SavedState(Path("data/.tui.json")); saved["tab"] = "questions"; saved.save()
"""

from __future__ import annotations

import json
from collections import UserDict
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE_NAME = ".tui.json"
MAX_BYTES = 100_000
"""A larger file is ignored."""


class SavedState(UserDict[str, Any]):
    """The saved values by name: plain JSON."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        with suppress(OSError, ValueError, RecursionError):
            if path.stat().st_size <= MAX_BYTES:
                found = json.loads(path.read_text(encoding="utf-8"))
                self.data = found if isinstance(found, dict) else {}

    def text(self, name: str, fallback: str = "") -> str:
        """The value if it is a text, else `fallback`."""
        value = self.get(name)
        return value if isinstance(value, str) else fallback

    def number(self, name: str) -> int | None:
        """The value if it is a whole number within the range of SQLite, else None."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None

    def save(self) -> None:
        """Write the file, if the workspace exists and is writable."""
        if not self._path.parent.is_dir():
            return
        with suppress(OSError, TypeError, ValueError):
            unfinished = self._path.with_name(self._path.name + ".unfinished")
            unfinished.write_text(json.dumps(self.data), encoding="utf-8")
            unfinished.replace(self._path)
