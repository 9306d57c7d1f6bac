"""What leaves the workspace for other tools. Reads the store, writes files; changes nothing.

Example line of the examples: {"prompt": "What is 2 + 3?", "completion": "5", "label": "n:5", "share": 0.75, ...}
"""

from __future__ import annotations

import json
from pathlib import Path

from crescent_lite.errors import StorageError
from crescent_lite.store import Store


def write_examples(store: Store, run_id: int, path: Path, *, may_replace: bool) -> int:
    """Every label of a run as a JSON line, in order; the same database gives the same bytes. Returns their number.

    The file is complete or as it was before. Raises StorageError, also where there is one and it may not be replaced.
    """
    labels = store.votes.fetch_labels_in_full(run_id)
    unfinished = path.with_name(f".{path.name[:100]}.unfinished")
    try:
        if path.exists() and not may_replace:
            raise StorageError(f"{path}: is there already; give another --output or remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            for label in labels:
                file.write(json.dumps(label, ensure_ascii=False) + "\n")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None
    return len(labels)
