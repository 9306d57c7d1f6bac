"""Decides whether an export may be written where something is already. Only an earlier export is ever replaced.

Example: require_free(Path("data/exports/run-1-adapter"), force=False) raises
    StorageError: data/exports/run-1-adapter: exists already; --force replaces it, --output names another place
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.errors import StorageError, file_errors
from crescent_lite.export.provenance import NAME

PARQUET_FILES = frozenset({"labels.parquet", "votes.parquet", "README.md"})
"""The files of a data set that was exported as Parquet."""


def require_free(path: Path, *, force: bool) -> None:
    """Raise StorageError if `path` exists, unless `force` is given and it is an earlier export."""
    with file_errors(path):
        if not path.exists():
            return
        if not force:
            raise StorageError(f"{path}: exists already; --force replaces it, --output names another place")
        if not _is_an_export(path):
            raise StorageError(f"{path}: exists already, and is not an export; remove it or give another --output")


def _is_an_export(path: Path) -> bool:
    """Whether replacing `path` would delete only what an export wrote: JSON lines, or a folder with our files."""
    if path.is_dir():
        names = {each.name for each in path.iterdir()}
        return NAME in names or names <= PARQUET_FILES
    with path.open("rb") as file:
        return file.read(1) in (b"", b"{")
