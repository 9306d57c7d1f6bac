"""A file or a folder that is there complete, or as it was before.

Example: with atomic_replacement(path) as unfinished: unfinished.write_text("all of it")
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crescent_lite.errors import StorageError, file_errors

SQLITES_ENDINGS = ("-journal", "-wal", "-shm")
"""Of the files that SQLite lays beside a database, and takes for its own whoever made them."""


@contextmanager
def atomic_replacement(path: Path) -> Iterator[Path]:
    """A path beside it, which takes its place at the end, or is taken away. Raises StorageError.

    A file does not take the place of a folder, nor of what SQLite lays beside a database.
    """
    refuse_sqlites_own(path)
    unfinished = path.with_name(f".{path.name[:100]}.unfinished")
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _remove(unfinished)
            yield unfinished
            if unfinished.is_dir():
                _remove(path)
            unfinished.replace(path)
        finally:
            _remove(unfinished)


def refuse_sqlites_own(path: Path) -> None:
    """Raise StorageError where this is the name of a file of SQLite's, beside a database that is there."""
    for ending in SQLITES_ENDINGS:
        database = Path(str(path).removesuffix(ending))
        if database != path and database.is_file():
            raise StorageError(f"{path}: SQLite would take it for its own; give another --output")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
