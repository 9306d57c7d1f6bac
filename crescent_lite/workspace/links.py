"""Refuses a workspace whose own files or folders are links that lead out of it: nothing is written through them.

A workspace may come from somebody else, as an archive, and a link in it may lead to any file that its new owner can
write. Links that stay inside are fine, and so are links to the whole workspace and to what is only read (settings,
models, benchmarks). Example: refuse_links_out(Path("data")) raises
    WorkspaceError: data/logs: is a link that leads out of the workspace (to /home/me); replace it by a folder
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.errors import WorkspaceError

FILES = (
    "crescent.db", "crescent.db-wal", "crescent.db-shm", "crescent.db-journal", "notes.jsonl", "notes.taken",
    "notes.unreadable", "stop-requested", "pause-requested", "round-requested",
)  # fmt: skip
"""Files that are written in a workspace; those whose name begins with a dot are written too."""
FOLDERS = {"exports": 0, "cache": 1, "logs": 2, "adapters": 2}
"""Folders that are written in, and how many levels below them are looked at. Exports are replaced as a whole, so a
link among them is never followed."""


def refuse_links_out(folder: Path) -> None:
    """Raise WorkspaceError if something that is written in the workspace is a link that leads out of it."""
    inside = folder.resolve()
    for name, levels in FOLDERS.items():
        _refuse_below(folder / name, inside, levels)
    for entry in _entries(folder):
        if entry.name in FILES or entry.name.startswith("."):
            _refuse(entry, inside)


def _refuse_below(path: Path, inside: Path, levels: int) -> None:
    _refuse(path, inside)
    if levels and path.is_dir():
        for entry in _entries(path):
            _refuse_below(entry, inside, levels - 1)


def _refuse(path: Path, inside: Path) -> None:
    try:
        leads_out = path.is_symlink() and not path.resolve().is_relative_to(inside)
    except (OSError, RuntimeError):  # Python up to 3.12 raises RuntimeError
        raise WorkspaceError(f"{path}: is a link that leads nowhere but to itself; remove it") from None
    if leads_out:
        what = "a folder" if path.is_dir() else "a file"
        raise WorkspaceError(
            f"{path}: is a link that leads out of the workspace (to {path.readlink()}); replace it by {what}"
        )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
