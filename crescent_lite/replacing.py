"""A file or a folder that is there complete, or as it was before.

Example: with replacing(path) as unfinished: unfinished.write_text("all of it")
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crescent_lite.errors import file_errors


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside it, which takes its place at the end, or is taken away. Raises StorageError.

    A file does not take the place of a folder.
    """
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


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
