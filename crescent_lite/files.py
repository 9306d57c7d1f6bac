"""Writes a file or folder completely or not at all: it is made under another name, then renamed.

Knows nothing of what is written. Example:
    with atomic_replacement(path) as unfinished:
        unfinished.write_text("all of it")
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crescent_lite.errors import StorageError, file_errors

SQLITE_ENDINGS = ("-journal", "-wal", "-shm")
"""Name endings of the files that SQLite keeps beside a database; it would read or delete any file of that name."""


@contextmanager
def atomic_replacement(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` at the end and is deleted after an error.

    Raises StorageError when writing fails, when a file would replace a folder, or when SQLite keeps `path` beside a
    database.
    """
    refuse_sqlite_name(path)
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


def refuse_sqlite_name(path: Path) -> None:
    """Raise StorageError if SQLite keeps a file of this name beside an existing database."""
    for ending in SQLITE_ENDINGS:
        database = Path(str(path).removesuffix(ending))
        if database != path and database.is_file():
            raise StorageError(f"{path}: SQLite uses this name beside {database.name}; give another --output")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
