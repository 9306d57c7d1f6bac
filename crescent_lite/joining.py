"""The runs of another workspace, taken into this one: the rows of its database, and the adapters that they trained.

Example: join(store, workspace, Path("other")) -> (Merged(taken={1: 4}), [])
"""

from __future__ import annotations

import shutil
from pathlib import Path

from crescent_lite.errors import file_errors
from crescent_lite.store import Store
from crescent_lite.store.merging import Merged, merge
from crescent_lite.workspace import Workspace


def join(store: Store, workspace: Workspace, other: Path) -> tuple[Merged, list[str]]:
    """What became of the other's runs, and the adapters that are nowhere. `other`: a workspace or a database.

    Raises WorkspaceError or StorageError; runs are then not taken.
    """
    database = Workspace(other).database_path if other.is_dir() else other
    merged = merge(store.database, database)
    missing = [path for model_id in merged.adapters if (path := _bring(store, workspace, model_id, database.parent))]
    return merged, missing


def _bring(store: Store, workspace: Workspace, model_id: int, folder: Path) -> str | None:
    """Copy an adapter, with all that lies beside it, to this workspace. Its path there, if it is nowhere."""
    there = store.runs.fetch_adapter_path(model_id, folder)
    run_id, number = store.runs.fetch_round_of(model_id)
    here = workspace.adapters / f"run-{run_id}" / f"round-{number}"
    is_there = there.is_file()
    if is_there:
        with file_errors(here):
            shutil.copytree(there.parent, here, dirs_exist_ok=True)
    store.runs.move_model(model_id, here / there.name)
    return None if is_there else str(there)
