"""Writes files and folders completely or not at all, and reads JSON lines that other programs wrote.

Knows nothing of what is written or read. Examples:
    with atomic_replacement(path) as unfinished:
        unfinished.write_text("all of it")
    with path.open("rb") as file:
        rows = [line.value for line in json_lines(path, file, ConfigError)]
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crescent_lite.errors import CrescentError, StorageError, file_errors
from crescent_lite.printable import printable_line, unstorable

SQLITE_ENDINGS = ("-journal", "-wal", "-shm")
"""Name endings of the files that SQLite keeps beside a database; it would read or delete any file of that name."""
MAX_LINE = 200_000
"""Longest accepted line of a JSONL file, in characters (guess)."""
MAX_CHARACTER_BYTES = 4
"""Longest UTF-8 character, in bytes."""


@dataclass(frozen=True)
class JsonLine:
    """One line of a JSONL file."""

    number: int
    """The line's number in the file, from 1; blank lines count."""
    where: str
    """The line's place for messages: 'sums.jsonl, line 7'."""
    value: Any


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


def json_lines(
    path: Path, file: IO[bytes], error: type[CrescentError], *, numbers_as_text: bool = False
) -> Iterator[JsonLine]:
    """Yield the lines of a JSONL file that are not blank. Raises `error`, naming the file and the line.

    A line ends at a newline only: JSON keeps U+2028, U+2029 and U+0085, at which other readers split, in its strings.
    `path` is for messages; `file` is open to read bytes. `numbers_as_text` keeps the spelling of each number.
    """
    longest = MAX_LINE * MAX_CHARACTER_BYTES + 1
    for number, line in enumerate(iter(lambda: file.readline(longest), b""), start=1):
        where = f"{path}, line {number}"
        try:
            value = json_value(line, numbers_as_text=numbers_as_text)
        except ValueError as reason:
            raise error(f"{where}: {reason}") from None
        if value is not None or line.strip():
            yield JsonLine(number, where, value)


def json_value(line: bytes, *, numbers_as_text: bool = False) -> Any:
    """Parse a line of a JSONL file; a blank one is None.

    Raises ValueError, whose message says what is wrong, for a line that is too long, not UTF-8, not JSON, or that
    contains a character that cannot be stored.
    """
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text: {error.reason}") from None
    if len(text) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE:,} characters; shorten or split it")
    if not text.strip():
        return None
    try:
        value = json.loads(text, parse_float=str, parse_int=str) if numbers_as_text else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {printable_line(str(error), 60)}; each line is one JSON value") from None
    # UTF-8 has no surrogates and JSON no bare control characters, so both can only be written as escapes.
    if "\\u" in text and (what := _unstorable_in(value)):
        raise ValueError(f"contains {what}; write the whole character or remove it")
    return value


def _unstorable_in(value: Any) -> str | None:
    """What cannot be stored of the texts in a JSON value, in words; None if all of it can."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and (what := unstorable(each)):
            return what
    return None
