"""One SQLite file: opening, migrating and writing it in small transactions, and errors that say what to do.

Owns connections and pragmas; knows no table. Exactly one process writes, the engine; all others read.
Example: database = Database.open_to_write(path); database.write("UPDATE runs SET state = ? ...", ["stopped"])
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescent_lite.errors import OutOfMemoryError, StorageError, WorkspaceError
from crescent_lite.files import atomic_replacement
from crescent_lite.printable import printable_line
from crescent_lite.store import own_schema
from crescent_lite.store.schema_versions import MIGRATIONS, applied_to, pending_for

if TYPE_CHECKING:
    import sqlite_utils

BUSY_SECONDS = 30.0
LOG_LIMIT_BYTES = 64 << 20
"""Size to which SQLite shortens the write-ahead log once its content is in the database (guess)."""
LOCAL_DISK = "the file system lacks what SQLite needs, as many network drives do; move the workspace to a local disk"
Values = Sequence[Any] | dict[str, Any]


class QueryInterrupted(Exception):  # noqa: N818  not an error: somebody asked for it
    """A statement was ended by `interrupt()` before it was answered."""


class Database:
    """A connection to the database with this project's settings."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        own_schema.protect(connection)
        connection.row_factory = sqlite3.Row
        self.path = path
        self._connection = connection
        self._files: dict[Path, tuple[int, int] | None] = {}
        """Device and inode of the database and its log as this connection opened them; empty for a reader."""

    @classmethod
    def open_to_write(cls, path: Path) -> Database:
        """Open or create the file and migrate it. Views that are not this version's are made again.

        Raises StorageError, or WorkspaceError for a newer file, or one with somebody else's triggers.
        """
        with storage_errors(path):
            database = cls(sqlite3.connect(path, timeout=BUSY_SECONDS), path)
            database._check_version()
            database._refuse_strange_schema()
            use_write_ahead_log(database._connection, path)
            database._connection.execute("PRAGMA synchronous = FULL")
            database._connection.execute("PRAGMA mmap_size = 0")
            if pending := pending_for(database._connection):
                database._bring_up_to_date(pending)
            if own_schema.strange_view(database._connection):
                database._recreate_views()
            database._connection.execute("PRAGMA foreign_keys = ON")
            database._note_files()
        return database

    @classmethod
    def open_read_only(cls, path: Path) -> Database:
        """Open to read. Raises WorkspaceError if the file does not exist or is of another version."""
        if not path.is_file():
            raise WorkspaceError(f"{path}: no database yet; `crescent run` creates it")
        with storage_errors(path):
            database = cls(connected_to_read(path), path)
            database._check_version()
            if pending_for(database._connection):
                raise WorkspaceError(f"{path}: of an older version; `crescent status` brings it up to date")
            if view := own_schema.strange_view(database._connection):
                raise WorkspaceError(
                    f"{path}: its view {printable_line(view, 60)} is not this version's; `crescent db vacuum` makes "
                    "the views again"
                )
        return database

    @classmethod
    def is_older(cls, path: Path) -> bool:
        """Whether the file exists and must be migrated before it can be read.

        So must one whose last writer was killed before the file had its write-ahead log: a reader cannot take back
        what was written in part.
        """
        if not path.is_file():
            return False
        with storage_errors(path), closing(connected_to_read(path)) as found:
            try:
                return bool(pending_for(found))
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                    raise
                return True

    def write(self, sql: str, values: Values = ()) -> int:
        """Execute one statement, in its own transaction or the enclosing one. Returns the id of an inserted row."""
        with self.transaction():
            return self._connection.execute(sql, values).lastrowid or 0

    def write_many(self, sql: str, rows: Sequence[Values]) -> None:
        """Execute one statement for each row, all or none."""
        with self.transaction():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or nothing if an exception leaves the block."""
        is_outermost = not self._connection.in_transaction
        with self._errors(), self._utils.atomic():
            yield
        if is_outermost:
            self._refuse_replaced_files()

    def rows(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._errors():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._errors():
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def value(self, sql: str, values: Values = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.row(sql, values)
        return row[0] if row else None

    @property
    def connection(self) -> sqlite3.Connection:
        """The SQLite connection, for modules of this package that need more than rows."""
        return self._connection

    def interrupt(self) -> None:
        """End the running statement from another thread; it then raises QueryInterrupted."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the connection. The last one to close also checkpoints the write-ahead log."""
        self._connection.close()

    def shrink_log(self) -> None:
        """Bring the write-ahead log into the database and empty it, unless a reader with an open query needs it."""
        with suppress(StorageError), storage_errors(self.path):
            self._connection.execute("PRAGMA busy_timeout = 0")  # a reader may stay for hours
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def copy_to(self, path: Path) -> None:
        """Write a copy of all that is committed, even while another process writes; complete or not at all."""
        with (
            atomic_replacement(path) as unfinished,
            storage_errors(path),
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # a single file, without a log beside it

    def _note_files(self) -> None:
        if self.path != Path(":memory:"):
            self._files = {path: _identity(path) for path in (self.path, log_of(self.path))}

    def _refuse_replaced_files(self) -> None:
        """Raise StorageError if another program replaced or deleted a file: what was written is then in none."""
        for path, noted in self._files.items():
            if noted is not None and _identity(path) != noted:
                raise StorageError(
                    f"{path}: another program replaced or deleted it while it was written; keep synchronisers away "
                    "from the workspace, then run the same command again"
                )

    def _bring_up_to_date(self, pending: Sequence[str]) -> None:
        """Apply all pending migrations, or none; leave a copy of the older database beside it."""
        if self._connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            _empty_database().connection.backup(self._connection)
            return
        if applied_to(self._connection):
            self.copy_to(self.path.with_name(f"{self.path.name}.before-{pending[0].partition('_')[0]}"))
        self._migrate()

    def _migrate(self) -> None:
        from crescent_lite.store.schema import migrations

        try:
            with self._utils.atomic():
                migrations.apply(self._utils)
        except sqlite3.DatabaseError as error:
            if _advice(str(error).lower()):
                raise
            reason = printable_line(str(error), 200)
            raise WorkspaceError(
                f"{self.path}: is no whole database of an older version and cannot be brought up to date: {reason}; "
                "restore a backup"
            ) from None

    @cached_property
    def _utils(self) -> sqlite_utils.Database:
        """sqlite-utils, loaded only to write: it imports pandas if that is installed, which takes long."""
        import sqlite_utils

        # Plugins of sqlite-utils are third-party code, which the engine does not run.
        return sqlite_utils.Database(self._connection, execute_plugins=False)

    def missing_parts(self) -> list[tuple[str, str]]:
        """Kind and name of each table, column, view, index and trigger of a new database that this one lacks."""
        with storage_errors(self.path):
            return sorted(own_schema.parts(_empty_database().connection) - own_schema.parts(self._connection))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """As `storage_errors`; what a query needs and the database lacks is its fault too, if a new one has it."""
        try:
            with storage_errors(self.path):
                yield
        except sqlite3.OperationalError as error:
            if not str(error).startswith("no such "):
                raise
            missing = self.missing_parts()
            if not missing:
                raise
            kind, name = missing[0]
            raise StorageError(f"{self.path}: {kind} {name} is missing; restore a backup") from None

    def _recreate_views(self) -> None:
        from crescent_lite.store.views import statements_to_recreate

        with self._utils.atomic():
            for statement in statements_to_recreate():
                self._connection.execute(statement)

    def _refuse_strange_schema(self) -> None:
        """Raise WorkspaceError for a trigger that is not this project's: it could change whatever is stored."""
        if trigger := own_schema.strange_trigger(self._connection):
            raise WorkspaceError(
                f"{self.path}: has a trigger that crescent-lite did not make, {printable_line(trigger, 60)!r}, which "
                "could change what is stored; remove it with DROP TRIGGER"
            )

    def _check_version(self) -> None:
        if view := own_schema.view_as_table(self._connection):
            raise WorkspaceError(f"{self.path}: {view} is a view there, not a table; use another file")
        unknown = [name for name in applied_to(self._connection) if name not in MIGRATIONS]
        if unknown:
            raise WorkspaceError(
                f"{self.path}: was written by a newer crescent-lite (migration {unknown[0]!r}); upgrade this one"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@cache
def _empty_database() -> Database:
    """A database in memory with all tables and no rows. A new database is a copy of it.

    Migrating takes 40 ms of processor time, and a copy of the result 4 ms (measured).
    """
    database = Database(sqlite3.connect(":memory:", check_same_thread=False), Path(":memory:"))
    database._migrate()
    return database


def log_of(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def connected_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection, also on a read-only disk, where SQLite cannot create its files beside the database."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    if not os.access(path.parent, os.W_OK) and not log_of(path).exists():
        uri += "&immutable=1"  # nobody can write here, so the file cannot change
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)


def use_write_ahead_log(connection: sqlite3.Connection, path: Path) -> None:
    """Let readers read while one process writes. Raises StorageError where the file system does not support that."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode not in ("wal", "memory"):  # a database in memory has one reader, and nothing to lose
        raise StorageError(f"{path}: has no write-ahead log (journal mode {mode}): {LOCAL_DISK}")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")


def now() -> str:
    """The current time as it is stored: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors about the disk, the file or a value that SQLite cannot hold into StorageError.

    A lack of memory becomes OutOfMemoryError. Other errors are bugs and pass through.
    """
    try:
        yield
    except OverflowError:
        raise StorageError(f"{path}: a whole number beyond 64 bits cannot be stored or looked up") from None
    except UnicodeEncodeError as error:
        text = printable_line(str(error.object), 200)
        raise StorageError(f"{path}: the text or path {text!r} is not valid Unicode and cannot be stored") from None
    except UnicodeDecodeError:  # Python decodes SQLite's messages, which quote the damaged part
        raise StorageError(f"{path}: the database is damaged; restore a backup or move it away") from None
    except MemoryError:  # so Python reports SQLite's lack of memory
        raise OutOfMemoryError(f"{path}: memory ran out in the database; close other programs") from None
    except sqlite3.DatabaseError as error:
        if str(error) == "interrupted":
            raise QueryInterrupted from None
        advice = _advice(str(error).lower())
        if advice is None:
            raise
        raise StorageError(f"{path}: {printable_line(str(error), 500)}; {advice}") from None


def _advice(message: str) -> str | None:
    """What to do about a message of SQLite; None if the message is not about the disk or the file."""
    known = {
        "disk is full": "free some space, then run the same command again: nothing stored is lost",
        "readonly database": "the file or its folder is read-only; make both writable or use another workspace",
        "unable to open": "its folder is missing or not writable; create it or change its permissions",
        "disk i/o error": "the disk failed or its quota is used up; check both, then run the same command again",
        "not a database": "the file is not a crescent-lite database; move it away",
        "malformed": "the database is damaged; restore a backup or move it away",
        "could not decode": "it contains a text that is not UTF-8; `crescent query` can still show it",
        "database is locked": "another program has locked it; close that program and try again",
        "table is locked": "another program has locked it; close that program and try again",
        "locking protocol": LOCAL_DISK,
        "large file support": LOCAL_DISK,
        "permission denied": "make the file and its folder readable and writable",
        "out of memory": "SQLite got no memory; close other programs, and use a local disk, not a network drive",
    }
    return next((advice for sign, advice in known.items() if sign in message), None)
