"""Writes files and folders completely or not at all, and reads JSON that other programs or a full disk left.

Knows nothing of what is written or read. Examples:
    with atomic_replacement(path) as unfinished:
        unfinished.write_text("all of it")
    with path.open("rb") as file:
        rows = [line.value for line in json_lines(path, file, ConfigError)]
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crescent_lite.errors import CrescentError, StorageError, file_errors
from crescent_lite.printable import printable_line, unstorable

SQLITE_ENDINGS = ("-journal", "-wal", "-shm")
"""Name endings of the files that SQLite keeps beside a database; it would read or delete any file of that name."""
MAX_LINE = 200_000
"""Longest accepted line of a JSONL file, in characters (guess)."""
UNFINISHED, REPLACED = "unfinished", "replaced"
"""Name endings of what is being written, and of a folder that is being replaced."""
NAME_CHARACTERS = 100
"""Part of a path's name that its temporary name begins with; a file name has at most 255 bytes."""
_MACHINE = re.sub(r"[^A-Za-z0-9]", "", platform.node())[:20] or "here"
_MARKED = re.compile(
    r"\.(?P<name>.+)\.(?P<machine>[A-Za-z0-9]+)-(?P<process>\d+)\.(?P<mark>unfinished|replaced)(?:-\w+)?"
)
MAX_KEPT_BYTES = 10_000_000
"""A larger file is not read by `kept_json` (guess)."""
TAIL_BYTES = 65_536
"""Bytes that are read at a time to find the end of a file's last whole line."""
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

    A folder replaces a folder, a file a file; what is there stays until then. What killed processes left beside it is
    deleted. Raises StorageError when writing fails, when a file would replace a folder, or when SQLite keeps `path`
    beside a database.
    """
    refuse_sqlite_name(path)
    unfinished = _marked(path, UNFINISHED)
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(path.parent)
        try:
            _remove(unfinished)
            yield unfinished
            _put_in_place(unfinished, path)
        finally:
            for ending in ("", *SQLITE_ENDINGS):  # a database that is copied has a journal for a moment
                with suppress(OSError):  # what failed before it is what the user must know
                    _remove(Path(f"{unfinished}{ending}"))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder for temporary files, which is deleted at the end, or after a kill by the next one of these.

    Raises OSError.
    """
    parent = Path(tempfile.gettempdir())
    remove_left_over(parent)
    place = Path(tempfile.mkdtemp(prefix=f"{_marked(parent / 'crescent', UNFINISHED).name}-", dir=parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def remove_left_over(folder: Path) -> None:
    """Delete what processes of this machine that have ended were writing in a folder.

    A folder that one of them was replacing is put back, if the new one is not in its place. What cannot be deleted
    stays.
    """
    for path in folder.glob(f".*.{_MACHINE}-*.*"):
        found = _MARKED.fullmatch(path.name)
        if found is None or found["machine"] != _MACHINE or _is_alive(int(found["process"])):
            continue
        before = folder / found["name"]
        with suppress(OSError):
            if found["mark"] == REPLACED and not before.exists():
                path.rename(before)
            else:
                _remove(path)


def _put_in_place(finished: Path, path: Path) -> None:
    """Rename a finished file or folder to `path`, once its content is on the disk. Raises OSError; then nothing is
    changed."""
    for file in [*finished.rglob("*")] if finished.is_dir() else [finished]:
        if file.is_file() and not file.is_symlink():
            flush_to_disk(file)
    if not (finished.is_dir() and path.is_dir()):
        finished.replace(path)
        return
    before = _marked(path, REPLACED)
    path.rename(before)
    try:
        finished.rename(path)
    except OSError:
        before.rename(path)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _marked(path: Path, mark: str) -> Path:
    """A hidden path beside `path` that names this process."""
    return path.with_name(f".{path.name[:NAME_CHARACTERS]}.{_MACHINE}-{os.getpid()}.{mark}")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def write_whole(path: Path, text: str) -> None:
    """Write a text file completely or not at all. Raises StorageError."""
    with atomic_replacement(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def keep_json(path: Path, value: Any) -> None:
    """Keep a value that only saves time or trouble: a file that cannot be written is left out."""
    with suppress(StorageError, TypeError, ValueError):
        write_whole(path, json.dumps(value, indent=1))


def kept_json(path: Path) -> dict[str, Any]:
    """The object that `keep_json` kept; an empty one if the file is missing, damaged, or something else."""
    with suppress(OSError, ValueError, RecursionError):
        if path.stat().st_size <= MAX_KEPT_BYTES:
            found = json.loads(path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
    return {}


@contextmanager
def appended_lines(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of lines to append whole ones with `write_line`. A last line that was cut short is removed.

    Raises StorageError.
    """
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        with file_errors(path):
            _remove_cut_line(file)
        yield file


def write_line(file: IO[bytes], line: str) -> None:
    """Append a line. Raises OSError; the line is then removed again, unless that fails as well."""
    left = memoryview(f"{line}\n".encode("utf-8", "replace"))
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        with suppress(OSError):
            _remove_cut_line(file)
        raise


def _remove_cut_line(file: IO[bytes]) -> None:
    """Shorten a file that is open to append to the end of its last whole line."""
    end = size = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - TAIL_BYTES)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        end = begin if newline < 0 else begin + newline + 1
        if newline >= 0:
            break
    if end < size:
        file.truncate(end)


def flush_to_disk(path: Path) -> None:
    """Flush a file or folder to the disk, where a full one may show only now. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
