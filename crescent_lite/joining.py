"""The runs of another workspace, taken into this one: the rows of its database, and the adapters that they trained.

Example: join(store, workspace, Path("other")) -> (Merged(taken={1: 4}), [])
"""

from __future__ import annotations

import shutil
from pathlib import Path

from crescent_lite.errors import file_errors
from crescent_lite.store import Store
from crescent_lite.store.merging import Merged, merge
from crescent_lite.store.runs import here_or_there
from crescent_lite.workspace import Workspace


def join(store: Store, workspace: Workspace, other: Path) -> tuple[Merged, list[str]]:
    """What became of the other's runs, and the adapters that are nowhere. `other`: a workspace or a database.

    Raises WorkspaceError or StorageError; runs are then not taken.
    """
    database = Workspace(other).database_path if other.is_dir() else other
    merged = merge(store.database, database)
    missing = []
    for model_id, noted in merged.adapters.items():
        there = here_or_there("adapter", Path(noted), database.parent)
        if not _bring(store, workspace, model_id, there):
            missing.append(str(there))
    return merged, missing


def _bring(store: Store, workspace: Workspace, model_id: int, there: Path) -> bool:
    """Copy an adapter, with all that lies beside it, to this workspace. Whether there is one."""
    run_id, number = store.runs.fetch_round_of(model_id)
    here = workspace.adapters / f"run-{run_id}" / f"round-{number}"
    is_there = there.is_file()
    if is_there:
        with file_errors(here):
            shutil.copytree(there.parent, here, dirs_exist_ok=True)
    store.runs.move_model(model_id, here / there.name)
    return is_there
