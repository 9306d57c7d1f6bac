"""Opens the workspace that a command names, and its database for reading or for writing.

Everything needed is imported when a function is called, so that `crescent --help` is quick. Example:
    with closing(open_store(open_workspace(Path("data")))) as store: ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.errors import WorkspaceError

if TYPE_CHECKING:
    from crescent_lite.store import Store
    from crescent_lite.workspace import Workspace


def open_workspace(folder: Path) -> Workspace:
    """Return the workspace in a folder. Raises WorkspaceError if it is not one."""
    from crescent_lite.workspace import Workspace

    return Workspace(folder).require()


def open_store(workspace: Workspace) -> Store:
    """Open the database read-only. One of an older version is migrated first, which needs the workspace's lock.

    Raises WorkspaceError or StorageError.
    """
    from crescent_lite.store import Store

    path = workspace.database_path
    if Store.is_older(path):
        if not os.access(path.parent, os.W_OK):
            raise WorkspaceError(
                f"{path}: is of an older version and cannot be migrated in a read-only folder; "
                "copy the workspace to a writable one"
            )
        with workspace.lock():
            Store.open(path).close()
    return Store.open_read_only(path)


@contextmanager
def store_to_change(workspace: Workspace) -> Iterator[Store]:
    """Open the database for writing and hold the workspace's lock. Raises WorkspaceError while a run is at work."""
    from crescent_lite.store import Store

    with workspace.lock(), closing(Store.open(workspace.database_path)) as store:
        yield store
