"""What the app remembers from one start to the next: the tab, the run, the filters. One small file in the workspace.

What cannot be read is forgotten, what cannot be written is not kept: nothing of a run depends on it. Example:
    memory = Memory(Path("data/.tui.json")); memory["tab"] = "questions"; memory.save()
"""

from __future__ import annotations

import json
from collections import UserDict
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = ".tui.json"
MAX_BYTES = 100_000


class Memory(UserDict[str, Any]):
    """Names and plain values."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        with suppress(OSError, ValueError, RecursionError):
            if path.stat().st_size <= MAX_BYTES:
                found = json.loads(path.read_text(encoding="utf-8"))
                self.data = found if isinstance(found, dict) else {}

    def text(self, name: str, fallback: str = "") -> str:
        """A text, whatever the file says."""
        value = self.get(name)
        return value if isinstance(value, str) else fallback

    def number(self, name: str) -> int | None:
        """A whole number that SQLite takes, or None."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None

    def save(self) -> None:
        """Write it, if the workspace is there and can be written."""
        if not self._path.parent.is_dir():
            return
        with suppress(OSError, TypeError, ValueError):
            unfinished = self._path.with_name(self._path.name + ".unfinished")
            unfinished.write_text(json.dumps(self.data), encoding="utf-8")
            unfinished.replace(self._path)
