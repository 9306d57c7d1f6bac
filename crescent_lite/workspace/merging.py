"""The runs of another workspace, taken into this one: the rows of its database, and the adapters that they trained.

Example: join(store, workspace, Path("other")) -> (Merged(taken={1: 4}), [])
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from crescent_lite.files import atomic_replacement
from crescent_lite.store import Store
from crescent_lite.store.merging import Merged, MergedAdapter, merge
from crescent_lite.store.runs import here_or_there
from crescent_lite.workspace import Workspace

ADAPTER_FOLDER = re.compile(r"/adapters/run-\d+/round-\d+$")
"""Where a run keeps an adapter. Another database may name any file; from nowhere else anything is copied."""


def join(store: Store, workspace: Workspace, other: Path) -> tuple[Merged, list[str]]:
    """What became of the other's runs, and the adapters that are nowhere. `other`: a workspace or a database.

    An adapter that was missing the last time is brought too. Raises WorkspaceError or StorageError; nothing is taken
    then.
    """
    database = Workspace(other).database_path if other.is_dir() else other
    missing: list[str] = []

    def bring(adapters: Sequence[MergedAdapter]) -> None:
        for adapter in adapters:
            there = here_or_there("adapter", Path(adapter.path), database.parent)
            if not _bring(store, workspace, adapter, there):
                missing.append(str(there))

    return merge(store.database, database, bring), missing


def _bring(store: Store, workspace: Workspace, adapter: MergedAdapter, there: Path) -> bool:
    """Copy an adapter, with all that lies beside it, where it is not here yet. Whether it is here then."""
    if not adapter.is_new and store.runs.fetch_model(adapter.model_id).path.is_file():
        return True
    here = workspace.adapters / f"run-{adapter.run_id}" / f"round-{adapter.round}"
    found = there.resolve()
    is_there = bool(ADAPTER_FOLDER.search(str(found.parent))) and found.is_file()
    if is_there:
        with atomic_replacement(here) as unfinished:
            shutil.copytree(found.parent, unfinished, ignore=_links)
    if is_there or adapter.is_new:
        store.runs.set_model_path(adapter.model_id, here / there.name)
    return is_there


def _links(folder: str, names: Sequence[str]) -> set[str]:
    return {name for name in names if Path(folder, name).is_symlink()}
