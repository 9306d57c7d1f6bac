"""What leaves the workspace for other tools. Reads the store, writes files; changes nothing.

Example line of the examples: {"prompt": "What is 2 + 3?", "completion": "5", "label": "n:5", "share": 0.75, ...}
"""

from __future__ import annotations

import json
from pathlib import Path

from crescent_lite.errors import StorageError
from crescent_lite.store import Store


def write_examples(store: Store, run_id: int, path: Path) -> tuple[Path, int]:
    """Every label of a run as a JSON line, in order; the same database gives the same bytes. Raises StorageError."""
    labels = store.votes.fetch_labels_in_full(run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for label in labels:
                file.write(json.dumps(label, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None
    return path, len(labels)
