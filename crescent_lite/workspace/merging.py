"""Merges the runs of another workspace into this one: the rows of its database and the adapters of its runs.

Knows files; `store.merging` merges the rows. Example, where run 1 of the other workspace becomes run 4 of this one:
    merge_workspace(store, workspace, Path("other")) -> (Merged(taken={1: 4}), [])
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from crescent_lite.files import atomic_replacement
from crescent_lite.store import Store
from crescent_lite.store.merging import Merged, MergedAdapter, merge
from crescent_lite.store.runs import current_model_path
from crescent_lite.workspace import Workspace

ADAPTER_FOLDER = re.compile(r"/adapters/run-\d+/round-\d+$")
"""Pattern of the folders that adapters may be copied from, because the other database could name any file."""


def merge_workspace(store: Store, workspace: Workspace, other: Path) -> tuple[Merged, list[str]]:
    """Merge another workspace, or its database file, into this one.

    Returns what became of its runs, and the paths of adapters that were not found. An adapter that was missing in an
    earlier merge is copied now. If it raises WorkspaceError or StorageError, nothing was merged.
    """
    database = Workspace(other).database_path if other.is_dir() else other
    missing: list[str] = []

    def copy_adapters(adapters: Sequence[MergedAdapter]) -> None:
        for adapter in adapters:
            source = current_model_path("adapter", Path(adapter.path), database.parent)
            if not _copy_adapter(store, workspace, adapter, source):
                missing.append(str(source))

    return merge(store.database, database, copy_adapters), missing


def _copy_adapter(store: Store, workspace: Workspace, adapter: MergedAdapter, source: Path) -> bool:
    """Copy an adapter's folder, unless this workspace has it already; return whether this workspace has it now."""
    if not adapter.is_new and store.runs.fetch_model(adapter.model_id).path.is_file():
        return True
    here = workspace.adapters / f"run-{adapter.run_id}" / f"round-{adapter.round}"
    found = source.resolve()
    is_there = bool(ADAPTER_FOLDER.search(str(found.parent))) and found.is_file()
    if is_there:
        with atomic_replacement(here) as unfinished:
            shutil.copytree(found.parent, unfinished, ignore=_links)
    if is_there or adapter.is_new:
        store.runs.set_model_path(adapter.model_id, here / source.name)
    return is_there


def _links(folder: str, names: Sequence[str]) -> set[str]:
    return {name for name in names if Path(folder, name).is_symlink()}
