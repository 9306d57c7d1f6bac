"""A workspace: the folder of one series of runs, its lock, its notes, and the machine it is on.

Example: with Workspace(Path("data")).lock(): ...
"""

from crescent_lite.workspace.folder import EngineRequest, Workspace

__all__ = ["EngineRequest", "Workspace"]
