"""Reads the rows of a data set on the Hugging Face hub, or in its local cache. Does not know what a row means.

Example: next(hub_rows("bait.file: owner/sums", "owner/sums", "", "train", missing=ConfigError)) ->
    ("owner/sums (train), row 0", "row-0", {"question": "What is 2 + 3?", "answer": "5"})
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from crescent_lite.errors import CrescentError, MissingPackageError
from crescent_lite.models.hub import hub_errors
from crescent_lite.printable import storable
from crescent_lite.rows import Row

HUB = "hub:"
"""What the name of a data set on the hub begins with where a path could stand too."""


def hub_rows(
    what: str,
    repo: str,
    subset: str,
    split: str,
    *,
    missing: type[CrescentError],
    columns: Collection[str] = (),
    offline: bool = False,
) -> Iterator[Row]:
    """Yield the rows of a split of a data set.

    `what` begins the error messages. `columns`: read only these and `id`; empty reads all. `offline` searches only
    the cache. A NUL in a text becomes U+FFFD. Raises `missing`, NetworkError or MissingPackageError.
    """
    try:
        import datasets
    except ImportError:
        raise MissingPackageError(f"{what}: needs the package `datasets`: pip install 'crescent-lite[hub]'") from None
    with hub_errors(what, missing=missing, offline=offline):
        rows = datasets.load_dataset(repo, subset or None, split=split)
        if columns and set(columns) <= set(rows.column_names):
            rows = rows.select_columns([name for name in rows.column_names if name in {*columns, "id"}])
    for number, row in enumerate(rows):
        yield f"{repo} ({split}), row {number}", f"row-{number}", _storable(row)


def _storable(value: Any) -> Any:
    """A value of a data set with its texts as they can be stored; nobody can correct the file on the hub."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {key: _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
