"""Finds the run that an argument of a command names: by its number, by its name, or else the latest.

The only place where such an argument is resolved. Example:
    named_run(store, "high-rate").run_id -> 3
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from crescent_lite.workspace.database import open_store

if TYPE_CHECKING:
    from crescent_lite.store import Run, RunKind, Store
    from crescent_lite.workspace import Workspace


def named_run(store: Store, reference: str | None, kind: RunKind | None = None) -> Run:
    """The run with this number or name; without one the latest, or the latest of one `kind`.

    Raises NotFoundError, which names the nearest name, or UsageError for a name that several runs have.
    """
    return store.runs.fetch_run(store.run_rows.find(reference) if reference else None, kind)


def number_of_run(workspace: Workspace, reference: str | None) -> int | None:
    """The number of the run with this number or name; None for the latest. Raises what `named_run` raises."""
    if not reference:
        return None
    with closing(open_store(workspace)) as store:
        return store.run_rows.find(reference)
