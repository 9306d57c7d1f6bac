"""The file in each exported model's folder that tells programs which run and rounds the model has, in what form.

The file is read again from folders that anybody may have changed, so a malformed one is ignored. Knows no store.
Example, for one folder that was exported from round 2:
    [each.rounds for each in handed_over(Path("data/exports"))] -> [{2: 1.0}]
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescent_lite.config.names import ExportKind

NAME = "crescent.json"
MAX_BYTES = 100_000
"""Largest file that is read (guess)."""
MOST_FOLDERS = 500
"""Most folders that are looked into (guess)."""


@dataclass(frozen=True)
class HandedOver:
    """An exported model."""

    folder: Path
    run_id: int
    rounds: dict[int, float]
    """Round -> weight of its adapter in the model; 1 is the adapter as trained."""
    what: str
    """'adapter', 'gguf' or 'folder'."""
    tensor_type: str | None
    """Type of a merged model's weights, as requested; None for an adapter."""
    change_kept: float | None
    """Share of the change made by training that is in the files; None if it is not known."""
    size: int
    """Size of all files together, in bytes."""


def write_provenance(
    folder: Path, run_id: int, rounds: dict[int, float], what: ExportKind, tensor_type: str | None, change_kept: float
) -> None:
    """Write the file into an exported model's folder. Raises OSError."""
    said = {"run": run_id, "rounds": rounds, "what": what, "type": tensor_type, "change_kept": change_kept}
    (folder / NAME).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def handed_over(exports: Path) -> tuple[HandedOver, ...]:
    """Return the exported models in a folder of exports, sorted by name; at most MOST_FOLDERS folders are read."""
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
