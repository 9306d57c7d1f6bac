"""Read-only SQL that users write: one statement at a time, with a time limit, and cells short enough to show.

Owns what such a statement may do; knows no table. A connection that has answered one can only read from then on,
because SQLite asks `_is_reading` before it compiles each part of a statement. Example:
    querying = Querying(Database.open_read_only(path))
    querying.run("SELECT label, share FROM v_labels", limit=5).rows     # (("n:5", 0.75), ...)
"""

from __future__ import annotations

import csv
import math
import re
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crescent_lite.errors import UsageError
from crescent_lite.files import atomic_replacement
from crescent_lite.printable import printable_line, spreadsheet_text, unstorable
from crescent_lite.store.database import Database, QueryInterrupted, storage_errors

ROWS = 1000
"""Default row limit."""
SECONDS = 60.0
"""Default time limit."""
CELL_CHARACTERS = 20_000
"""Characters of a cell that are kept, as many as `printable` shows."""
RESULT_CHARACTERS = 20_000_000
"""Characters of all cells together; a result that exceeds it is truncated (guess)."""
VALUE_BYTES = 16_000_000
"""Largest value that a statement may produce (guess)."""
INSTRUCTIONS = 10_000
"""Instructions of SQLite's virtual machine between two checks of the time limit: about a millisecond."""
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
READING_PRAGMAS = {
    "data_version", "foreign_key_list", "index_info", "index_list", "index_xinfo", "table_info", "table_list",
    "table_xinfo",
}  # fmt: skip
"""Pragmas that change nothing, whatever their argument. SQLite itself uses data_version for a full-text index."""
FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer"}
USERS_FAULTS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
"""SQLite's error codes for a statement at fault; all other codes are about the file or the disk."""

LINE_END = "\r\n"

Cell = int | float | str | None
Parameters = Mapping[str, str | None]
NO_VALUES: Parameters = {}


class Writable(Protocol):
    """Anything that text can be written to."""

    def write(self, text: str, /) -> int: ...


@dataclass(frozen=True)
class QueryResult:
    """The result of a statement. Column names and cells are untrusted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """Blobs as hexadecimal digits; long texts are cut and end with an ellipsis."""
    truncated: bool
    """Whether there are more rows than `rows`."""
    seconds: float
    """How long the statement took."""


@dataclass(frozen=True)
class CsvSummary:
    """The size of a result that was written as CSV."""

    rows: int
    """Rows written, without the header."""
    truncated: bool
    """Whether there are more rows than were written."""
    seconds: float
    """How long the statement took."""


@dataclass(frozen=True)
class Relation:
    """A table or a view."""

    name: str
    kind: str
    """'view', 'table', or 'virtual' for a full-text index."""
    columns: tuple[tuple[str, str], ...]
    """Name and type of each column; computed columns of a view have an empty type."""

    @property
    def query(self) -> str:
        """SQL for the first hundred rows."""
        return f"SELECT * FROM {quoted(self.name)} LIMIT 100"


class Querying:
    """Answers users' statements on a connection that was opened to read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(
        self,
        sql: str,
        *,
        limit: int = ROWS,
        seconds: float | None = SECONDS,
        cell_characters: int | None = CELL_CHARACTERS,
        values: Parameters = NO_VALUES,
    ) -> QueryResult:
        """The first `limit` rows. `seconds` None sets no time limit. Raises UsageError, or QueryInterrupted."""
        began, room, rows, truncated = time.perf_counter(), RESULT_CHARACTERS, list[tuple[Cell, ...]](), False
        with self._answered(sql, seconds, values) as cursor:
            columns = tuple(column[0] for column in cursor.description)
            for row in cursor:
                if len(rows) >= limit or room < 0:
                    truncated = True
                    break
                cells = tuple(_cell(value, cell_characters) for value in row)
                room -= sum(len(cell) for cell in cells if isinstance(cell, str))
                rows.append(cells)
        return QueryResult(columns, tuple(rows), truncated, time.perf_counter() - began)

    def write_csv(
        self,
        sql: str,
        file: Writable,
        *,
        limit: int | None = None,
        seconds: float | None = None,
        values: Parameters = NO_VALUES,
    ) -> CsvSummary:
        """Write all rows, or the first `limit`, with uncut cells. Raises as `run` does.

        A text that a spreadsheet would take for a formula begins with an apostrophe.
        """
        began, rows, truncated = time.perf_counter(), 0, False
        with self._answered(sql, seconds, values) as cursor:
            table = csv_writer(file)
            table.writerow(spreadsheet_text(column[0]) for column in cursor.description)
            for row in cursor:
                if rows == limit:
                    truncated = True
                    break
                table.writerow(_csv_cell(value) for value in row)
                rows += 1
        return CsvSummary(rows, truncated, time.perf_counter() - began)

    def fetch_all(self, sql: str) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Names of the columns, and every row with its cells as stored. No limits. Raises as `run` does."""
        with self._answered(sql, None, NO_VALUES) as cursor:
            return tuple(column[0] for column in cursor.description), cursor.fetchall()

    def save_csv(
        self, sql: str, path: Path, *, seconds: float | None = None, values: Parameters = NO_VALUES
    ) -> CsvSummary:
        """Write all rows with uncut cells to a file, complete or not at all. Raises as `run`, or StorageError."""
        with atomic_replacement(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
            return self.write_csv(sql, file, seconds=seconds, values=values)

    def fetch_catalogue(self) -> tuple[Relation, ...]:
        """The views, then the tables, by name, with their columns. SQLite's internal tables are left out."""
        rows = self._database.rows(
            """SELECT t.name AS name, t.type AS kind, c.name AS field, c.type AS type
            FROM pragma_table_list t JOIN pragma_table_info(t.name) c
            WHERE t.schema = 'main' AND t.type IN ('view', 'table', 'virtual')
                AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE '\\_sqlite\\_%' ESCAPE '\\'
            ORDER BY t.type != 'view', t.name, c.cid"""
        )
        columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for row in rows:
            columns.setdefault((row["name"], row["kind"]), []).append((row["field"], row["type"]))
        return tuple(Relation(name, kind, tuple(fields)) for (name, kind), fields in columns.items())

    def fetch_definitions(self) -> dict[str, str]:
        """The CREATE statement of each table, by name. SQLite's internal tables are left out."""
        rows = self._database.rows(
            r"""SELECT s.name, s.sql FROM sqlite_master s JOIN pragma_table_list t ON t.name = s.name
            WHERE s.type = 'table' AND t.type IN ('table', 'virtual') AND s.name NOT LIKE '\_sqlite\_%' ESCAPE '\'
                AND s.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY t.type DESC, s.rowid"""
        )
        return {row["name"]: row["sql"] for row in rows}

    @contextmanager
    def _answered(self, sql: str, seconds: float | None, values: Parameters) -> Iterator[sqlite3.Cursor]:
        """A cursor over the rows of one statement, within the time limit."""
        connection, end = self._database.connection, time.monotonic() + seconds if seconds is not None else None
        make_harmless(connection)
        _refuse_unspeakable(sql)
        # SQLite reports the time limit and an interrupt from another thread in the same way.
        connection.set_progress_handler(lambda: end is not None and time.monotonic() > end, INSTRUCTIONS)
        cursor = connection.cursor()
        cursor.row_factory = None
        try:
            with storage_errors(self._database.path), _faults():
                cursor.execute(sql, values)
                if cursor.description is None:
                    raise UsageError("the query is empty; write one SQL statement")
                yield cursor
        except QueryInterrupted:
            if end is not None and time.monotonic() > end:
                raise UsageError(f"the query was stopped after {seconds:g} s; ask for less at once") from None
            raise
        finally:
            cursor.close()
            connection.set_progress_handler(None, 0)


def quoted(name: str) -> str:
    """A name as SQL writes it: in double quotes unless it is a plain identifier."""
    simple = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    return name if simple else '"' + name.replace('"', '""') + '"'


def make_harmless(connection: sqlite3.Connection, pragmas: Collection[str] = ()) -> None:
    """Make this connection unable to do anything but read, for the rest of its life.

    `pragmas`: more pragmas that may be read. They cannot be set.
    """

    def judge(action: int, first: str | None, second: str | None, _database: str | None, _via: str | None) -> int:
        reads_pragma = action == sqlite3.SQLITE_PRAGMA and first in pragmas and second is None
        return sqlite3.SQLITE_OK if reads_pragma or _is_reading(action, first, second) else sqlite3.SQLITE_DENY

    connection.set_authorizer(None)
    connection.execute("PRAGMA query_only = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.set_authorizer(judge)


def _is_reading(action: int, first: str | None, second: str | None) -> bool:
    """Whether a part of a statement only reads. Actions not known to be read-only do not."""
    if action == sqlite3.SQLITE_PRAGMA:
        return first in READING_PRAGMAS
    if action == sqlite3.SQLITE_UPDATE:
        # SQLite asks this to open json_each or a full-text index; a user's UPDATE is refused as not read-only.
        return first == "sqlite_master"
    if action == sqlite3.SQLITE_FUNCTION:
        return second not in FORBIDDEN_FUNCTIONS
    return action in READING


def _refuse_unspeakable(sql: str) -> None:
    if what := unstorable(sql):
        raise UsageError(f"the query contains {what}, which SQL cannot contain; remove it")


ONE_STATEMENT = "one statement at a time; run the others after it"


@contextmanager
def _faults() -> Iterator[None]:
    """Turn errors about the statement, from SQLite or from Python's sqlite3, into UsageError of one line."""
    try:
        yield
    except sqlite3.Warning:  # Python 3.11 raises this for two statements
        raise UsageError(ONE_STATEMENT) from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in USERS_FAULTS:
            raise
        raise UsageError(_in_words(error, code)) from None


def _in_words(error: sqlite3.Error, code: int | None) -> str:
    said = printable_line(str(error), 500)
    if code == sqlite3.SQLITE_AUTH or "not authorized" in said or "prohibited" in said:
        return f"a query may only read: {said}; use SELECT"
    if code == sqlite3.SQLITE_TOOBIG:
        return f"a value would be larger than {VALUE_BYTES // 1_000_000} MB; select less of it"
    if "one statement" in said:
        return ONE_STATEMENT
    if "binding" in said.casefold():
        return "this query has parameters; write their values into it"
    return f"{said}; `crescent db schema` lists the views, tables and columns"


def csv_writer(file: Writable) -> Any:
    """A `csv.writer` whose lines end with a newline, and that quotes every cell with a line end of any kind in it."""

    class Lines:
        def write(self, row: str) -> int:
            return file.write(f"{row.removesuffix(LINE_END)}\n")

    return csv.writer(Lines(), lineterminator=LINE_END)  # it quotes the characters of its own line end only


def _csv_cell(value: object) -> Cell:
    cell = _cell(value, None)
    return spreadsheet_text(cell) if isinstance(value, str) and isinstance(cell, str) else cell


def _cell(value: object, characters: int | None) -> Cell:
    """A value as it is shown or written; texts longer than `characters` are cut."""
    if isinstance(value, bytes):
        text = (value if characters is None else value[:characters]).hex().upper()
    elif isinstance(value, str):
        text = value
    else:
        assert value is None or isinstance(value, int | float)
        return str(value) if isinstance(value, float) and math.isinf(value) else value
    return text if characters is None or len(text) <= characters else text[: characters - 1] + "…"
