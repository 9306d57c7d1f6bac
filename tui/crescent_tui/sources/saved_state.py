"""The state that the app keeps between sessions, such as the tab, run and filters: a small file in the workspace.

A file that cannot be read or written is ignored, because no run depends on it. Example:
    saved = SavedState(Path("data/.tui.json")); saved["tab"] = "questions"; saved.save()
"""

from __future__ import annotations

from collections import UserDict
from pathlib import Path
from typing import Any

from crescent_lite.files import keep_json, kept_json

FILE_NAME = ".tui.json"


class SavedState(UserDict[str, Any]):
    """The saved values by name: plain JSON."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.data = kept_json(path)

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
        if self._path.parent.is_dir():
            keep_json(self._path, self.data)
