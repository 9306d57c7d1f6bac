"""Reads the rows of a benchmark from a JSONL file or a Hugging Face data set, each with its place for error messages.

Does not know what a row means. Example: list(file_rows("sums", Path("sums.jsonl"))) ->
    [("sums.jsonl, line 1", "line-1", {"question": "What is 2 + 3?", "answer": "5"})]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from crescent_lite.errors import BenchmarkError
from crescent_lite.files import json_lines
from crescent_lite.models import hub_rows as models
from crescent_lite.rows import Row


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

    `offline` searches only the cache. Raises BenchmarkError, NetworkError or MissingPackageError.
    """
    what = f"benchmark {name}: {repo}"
    return models.hub_rows(what, repo, subset, split, missing=BenchmarkError, offline=offline)
