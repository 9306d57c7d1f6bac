"""The rows of a data set, as mappings from column to value: the text of a column, and values in error messages. Pure.

Example: text_field("svamp, row 0", {"Body": "He had 3.", "Question": "How many?"}, "{Body} {Question}", ConfigError)
    -> "He had 3. How many?"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crescent_lite.errors import CrescentError

Row = tuple[str, str, Mapping[str, Any]]
"""The row's place, for error messages; the item id to use if the row has no `id`; the row's fields."""
COLUMN = re.compile(r"\{([^{}]+)\}")
"""A column in a template of columns."""


def columns_of(field: str) -> tuple[str, ...]:
    """The columns that `field` names: itself, or those of a template such as '{Body} {Question}'."""
    return tuple(COLUMN.findall(field)) or (field,)


def text_field(where: str, row: Mapping[str, Any], field: str, error: type[CrescentError]) -> str:
    """The text of the column `field`, or of a template of columns such as '{Body} {Question}'.

    Raises `error` for a column that is missing, empty or not text; the message begins with `where`.
    """
    if field not in row and COLUMN.search(field):
        texts = {column: text_field(where, row, column, error) for column in columns_of(field)}
        return COLUMN.sub(lambda found: texts[found[1]], field)
    if field not in row:
        raise error(f"{where}: no field {field!r}; its fields: {names_in(row)}")
    value = row[field]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise error(f"{where}: the field {field!r} is not text: {shortened(value)}")
    if not value.strip():
        raise error(f"{where}: the field {field!r} is empty")
    return value.strip()


def names_in(row: Mapping[str, Any]) -> str:
    """The names of a row's columns as one short line, for an error message; 'none' without any."""
    return shortened(", ".join(map(str, row)) or "none", 200)


def shortened(value: object, limit: int = 60) -> str:
    """The value as one printable line of at most `limit` characters, for an error message."""
    text = repr(value) if not isinstance(value, str) else value
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
