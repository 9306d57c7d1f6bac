"""Reads the rows of a benchmark from a JSONL file or a Hugging Face data set, each with its place for error messages.

Does not know what a row means. Example: list(file_rows("sums", Path("sums.jsonl"))) ->
    [("sums.jsonl, line 1", "line-1", {"question": "What is 2 + 3?", "answer": "5"})]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crescent_lite.errors import BenchmarkError, MissingPackageError
from crescent_lite.files import json_lines
from crescent_lite.models.hub import hub_errors
from crescent_lite.printable import storable

Row = tuple[str, str, Mapping[str, Any]]
"""The row's place, for error messages; the item id to use if the row has no `id`; the row's fields."""


def file_rows(name: str, path: Path) -> Iterator[Row]:
    """Yield the rows of a JSONL file; blank lines are skipped. Raises BenchmarkError."""
    try:
        with path.open("rb") as file:
            # a number keeps its spelling: 0.10 as a float would be 0.1000000000000000055
            for line in json_lines(path, file, BenchmarkError, numbers_as_text=True):
                if not isinstance(line.value, dict):
                    raise BenchmarkError(f"{line.where}: not a JSON object; write one with a question and an answer")
                yield line.where, f"line-{line.number}", line.value
    except FileNotFoundError:
        raise BenchmarkError(
            f"benchmark {name}: no file {path}; a relative path starts in the workspace, else in the current folder"
        ) from None
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be read: {error.strerror}") from None


def hub_rows(name: str, repo: str, subset: str, split: str, *, offline: bool = False) -> Iterator[Row]:
    """Yield the rows of a split of a data set on the Hugging Face hub, or in its local cache.

    `offline` searches only the cache. A NUL in a text becomes U+FFFD. Raises BenchmarkError, NetworkError or
    MissingPackageError.
    """
    try:
        import datasets
    except ImportError:
        raise MissingPackageError(
            f"benchmark {name}: hub:{repo} needs the package `datasets`: pip install 'crescent-lite[hub]'"
        ) from None
    with hub_errors(f"benchmark {name}: {repo}", missing=BenchmarkError, offline=offline):
        rows = datasets.load_dataset(repo, subset or None, split=split)
    for number, row in enumerate(rows):
        yield f"{repo} ({split}), row {number}", f"row-{number}", _storable(row)


def _storable(value: Any) -> Any:
    """A value of a data set with its texts as they can be stored; nobody can correct the file on the hub."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {key: _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value


def shortened(value: object, limit: int = 60) -> str:
    """The value as one printable line of at most `limit` characters, for an error message."""
    text = repr(value) if not isinstance(value, str) else value
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
