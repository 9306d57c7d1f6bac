"""The workspace: the folder of a series of runs, its lock and requests, its notes, and the machine it is on.

Loads nothing before a name is used, so that `crescent --help` is quick. Example:
    with Workspace(Path("data")).lock(): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crescent_lite.workspace.folder import EngineRequest, Workspace

__all__ = ["EngineRequest", "Workspace"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from crescent_lite.workspace import folder

    return getattr(folder, name)
