"""A note in each folder that is handed over, for programs: which run and rounds are in it, and in what form.

The note is read again from folders that anybody may have changed, so what is not well formed is no note. Example:
    [each.rounds for each in handed_over(Path("data/exports"))] -> [{2: 1.0}]
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescent_lite.names import ExportKind

NAME = "crescent.json"
MAX_BYTES = 100_000
MOST_FOLDERS = 500


@dataclass(frozen=True)
class HandedOver:
    """One folder that was handed over."""

    folder: Path
    run_id: int
    rounds: dict[int, float]
    """Round -> how much of its adapter is in it; 1 is all of it."""
    what: str
    """'adapter', 'gguf' or 'folder'."""
    tensor_type: str | None
    """Of a merged model, as it was asked for."""
    change_kept: float | None
    """The share of what the training changed in the weights that is in the files; None where it was not told."""
    size: int
    """Bytes of all its files."""


def write_provenance(
    folder: Path, run_id: int, rounds: dict[int, float], what: ExportKind, tensor_type: str | None, change_kept: float
) -> None:
    """Leave the note. Raises OSError."""
    said = {"run": run_id, "rounds": rounds, "what": what, "type": tensor_type, "change_kept": change_kept}
    (folder / NAME).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def handed_over(exports: Path) -> tuple[HandedOver, ...]:
    """The folders with a note in a folder of exports, by name; MOST_FOLDERS of them are looked at."""
    try:
        folders = sorted(path for path in exports.iterdir() if not path.name.startswith("."))[:MOST_FOLDERS]
    except OSError:
        return ()
    return tuple(found for folder in folders if (found := _read(folder)))


def _read(folder: Path) -> HandedOver | None:
    path = folder / NAME
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rounds = {int(number): float(part) for number, part in said["rounds"].items()}
        tensor_type, kept = said["type"], said["change_kept"]
        return HandedOver(
            folder,
            int(said["run"]),
            rounds,
            str(said["what"]),
            None if tensor_type is None else str(tensor_type),
            None if kept is None else float(kept),
            sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        )
    return None
