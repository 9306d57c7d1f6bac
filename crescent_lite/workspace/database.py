"""The workspace that a command names, and its database opened to read or to change.

What they need is imported when they are called: --help is quick. Example:
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
    """The workspace in this folder. Raises WorkspaceError where there is none."""
    from crescent_lite.workspace import Workspace

    return Workspace(folder).require()


def open_store(workspace: Workspace) -> Store:
    """The database for reading; one of an older version is brought up to date first, while no run is at work."""
    from crescent_lite.store import Store

    path = workspace.database_path
    if Store.is_older(path):
        if not os.access(path.parent, os.W_OK):
            raise WorkspaceError(
                f"{path}: is of an older version and cannot be brought up to date in a read-only folder; copy it"
            )
        with workspace.lock():
            Store.open(path).close()
    return Store.open_read_only(path)


@contextmanager
def store_to_change(workspace: Workspace) -> Iterator[Store]:
    """The database for writing, while no run is at work. Raises WorkspaceError where one is."""
    from crescent_lite.store import Store

    with workspace.lock(), closing(Store.open(workspace.database_path)) as store:
        yield store
