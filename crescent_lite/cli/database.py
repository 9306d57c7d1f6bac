"""Commands about the database: query, and `db` with check, backup, vacuum, merge and schema.

What a command needs is imported when it is called. Example:
    check_command(Namespace(workspace=Path("data"), json=False)) -> 0
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescent_lite.cli.options import Subparsers, add_command, add_command_family, positive_integer, seconds
from crescent_lite.cli.terminal import PrintableOutput, print_table, result, say, stream_json
from crescent_lite.errors import ExitCode, StorageError, UsageError, WorkspaceError
from crescent_lite.printable import argument_text, printable_line
from crescent_lite.workspace.database import open_store, open_workspace, store_to_change

if TYPE_CHECKING:
    from crescent_lite.cli.tables import Cell
    from crescent_lite.store import Store
    from crescent_lite.store.querying import Parameters

CELL_CHARACTERS = 2000
"""Longest text of one cell in a table of `crescent query`, in characters; the rest is cut off."""
CSV_BYTES_IN_MEMORY = 20_000_000
"""Size from which the CSV of a result is kept in a temporary file until it is printed (guess)."""


def add_query(subparsers: Subparsers) -> None:
    """`crescent query` and its options."""
    about, example = "query the database in SQL, read-only", "crescent query what-is-rejected round=1"
    parser = add_command(subparsers, "query", query_command, about, example=example)
    parser.add_argument(
        "sql", type=argument_text, nargs="?", help="one SQL statement in quotes, or the name of a saved query"
    )
    parser.add_argument(
        "values", type=argument_text, nargs="*", metavar="NAME=VALUE", help="parameters of the saved query"
    )
    parser.add_argument("--list", action="store_true", help="list the saved queries and their parameters")
    parser.add_argument("--csv", action="store_true", help="print the rows as CSV")
    parser.add_argument(
        "--plot", nargs=2, type=argument_text, metavar=("X", "Y"), help="draw column Y against column X into a file"
    )
    parser.add_argument(
        "--by", type=argument_text, metavar="COLUMN", help="with --plot: a line or bar for each value of this column"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="with --plot: the picture, .svg, .png or .pdf (default: an SVG in the workspace's exports)",
    )
    parser.add_argument(
        "--limit", type=positive_integer, default=1000, metavar="N", help="most rows to print (default: 1000)"
    )
    parser.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="S", help="time limit of the query in seconds (default: 60)"
    )


def query_command(options: argparse.Namespace) -> int:
    """Print the rows of a query. Ctrl-C and the time limit interrupt it."""
    from crescent_lite.store.database import QueryInterrupted

    if options.csv and options.json:
        raise UsageError("crescent query: give --csv or --json, not both")
    if (options.by or options.output) and not options.plot:
        raise UsageError("crescent query: --by and --output belong to a picture; add --plot X Y")
    if options.list:
        return _list_queries(options)
    sql, values = _statement(options)
    if options.plot:
        return _plot(options, sql, values)
    with closing(open_store(open_workspace(options.workspace))) as store:
        try:
            rows, truncated = _print_rows(options, store, sql, values)
        except (QueryInterrupted, KeyboardInterrupt):
            say("crescent: the query was interrupted")
            return ExitCode.INTERRUPTED
    if truncated:
        more = "raise --limit" if rows == options.limit else "too large to show; use --csv"
        say(f"only the first {rows:,} rows; for all of them: {more}")
    elif not rows:
        say("no rows")
    return ExitCode.OK


def _print_rows(options: argparse.Namespace, store: Store, sql: str, values: Parameters) -> tuple[int, bool]:
    """Print the rows. Returns their number, and whether there are more."""
    limits = {"limit": options.limit, "seconds": options.seconds}
    if options.csv:
        # A pager that waits for a key must not keep the query, and with it a transaction, open.
        with tempfile.SpooledTemporaryFile(CSV_BYTES_IN_MEMORY, "w+", encoding="utf-8", newline="") as rows:
            written = store.querying.write_csv(sql, rows, **limits, values=values)
            rows.seek(0)
            shutil.copyfileobj(rows, PrintableOutput())
        return written.rows, written.truncated
    cell_characters = None if options.json else CELL_CHARACTERS
    found = store.querying.run(sql, **limits, cell_characters=cell_characters, values=values)
    if options.json:
        stream_json({"columns": found.columns, "rows": found.rows, "truncated": found.truncated})
    else:
        shown = [["NULL" if cell is None else _shown(cell) for cell in row] for row in found.rows]
        print_table("", found.columns, shown, full=options.full)
    return len(found.rows), found.truncated


def _plot(options: argparse.Namespace, sql: str, values: Parameters) -> int:
    """Draw the rows of a query into a file, and print its path."""
    from crescent_lite.report.query_plot import Plot, draw_rows
    from crescent_lite.store.saved_queries import is_a_name, named

    workspace = open_workspace(options.workspace)
    saved = named(options.sql) if is_a_name(options.sql) else None
    path = options.output or workspace.exports / f"{saved.name if saved else 'query'}.svg"
    if options.output and options.output.exists():
        raise WorkspaceError(f"{path}: already exists; give another --output or remove the file")
    with closing(open_store(workspace)) as store:
        found = store.querying.run(sql, limit=options.limit, seconds=options.seconds, values=values)
    title = saved.title if saved else f"{options.plot[1]} by {options.plot[0]}"
    draw_rows(found.columns, found.rows, Plot(options.plot[0], options.plot[1], options.by), title, path)
    if found.truncated:
        say(f"only the first {len(found.rows):,} rows are drawn; raise --limit")
    value = {"path": str(path), "rows": len(found.rows)}
    return result(options, value, printable_line(str(path)))


def _list_queries(options: argparse.Namespace) -> int:
    from crescent_lite.store.saved_queries import saved_queries

    found = saved_queries()
    if options.json:
        listed = [{"name": q.name, "about": q.about, "parameters": dict(q.parameters), "sql": q.sql} for q in found]
        return result(options, listed, "")
    rows = [(q.name, " ".join(f"{name}=" for name in q.parameters), q.about) for q in found]
    print_table("", ("name", "parameters", "rows"), rows, full=options.full)
    return ExitCode.OK


def _statement(options: argparse.Namespace) -> tuple[str, Parameters]:
    """The SQL of the statement or of the saved query, and the values of its parameters. Raises UsageError."""
    from crescent_lite.store.saved_queries import is_a_name, named

    if not options.sql:
        raise UsageError("crescent query: give SQL in quotes, the name of a saved query, or --list")
    if is_a_name(options.sql):
        saved = named(options.sql)
        return saved.sql, saved.values(options.values)
    if options.values:
        raise UsageError(f"{options.values[0]!r}: only a saved query takes values; write this one into the SQL")
    return options.sql, {}


def add_db(subparsers: Subparsers) -> None:
    """`crescent db`, its commands and their options."""
    about = "check, back up, shrink or merge databases; print the schema"
    commands = add_command_family(subparsers, "db", about, example="crescent db backup -w maths")
    add_command(
        commands, "check", check_command, "check whether the database is intact", example="crescent db check -w maths"
    )
    backup = add_command(
        commands, "backup", backup_command, "copy the database, even while a run is in progress",
        example="crescent db backup --output /mnt/backups",
    )  # fmt: skip
    backup.add_argument(
        "--output", type=Path, metavar="FILE", help="file or folder for the copy (default: the workspace's backups)"
    )
    add_command(
        commands, "vacuum", vacuum_command, "shrink the database and rebuild its indexes",
        example="crescent db vacuum -w maths",
    )  # fmt: skip
    merge = add_command(
        commands, "merge", merge_command, "copy the runs of another database into this one",
        example="crescent db merge ~/other/data",
    )  # fmt: skip
    merge.add_argument("other", type=Path, help="another workspace or database; it is not changed")
    add_command(
        commands, "schema", schema_command, "print the views and tables, and what the columns mean",
        example="crescent db schema -w maths",
    )  # fmt: skip


def check_command(options: argparse.Namespace) -> int:
    """Print what is wrong with the database. Raises StorageError if anything is."""
    from crescent_lite.store.checking import faults_of

    with closing(open_store(open_workspace(options.workspace))) as store:
        faults = faults_of(store.database)
    if faults:
        result(options, {"whole": False, "faults": faults}, "\n".join(faults))
        raise StorageError(f"{store.database.path}: is damaged; restore a backup, or export what can still be read")
    return result(options, {"whole": True, "faults": []}, f"{store.database.path}: is intact")


def backup_command(options: argparse.Namespace) -> int:
    """Copy the database to a new file. Raises WorkspaceError if the file exists."""
    from crescent_lite.store.database import now

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        path = options.output or workspace.folder / "backups"
        if options.output is None or path.is_dir():
            path = _free_name(path, now()[:19].replace("-", "").replace(":", "").replace("T", "-"))
        if path.exists():
            raise WorkspaceError(f"{path}: already exists; give another --output or remove the file")
        store.database.copy_to(path)
    words = printable_line(f"{path}: {_size(path.stat().st_size)}")
    return result(options, {"path": str(path), "bytes": path.stat().st_size}, words)


def _free_name(folder: Path, time: str) -> Path:
    """A file in the folder that does not exist yet, for a copy that is made at this time."""
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    return next(path for ending in endings if not (path := folder / f"crescent-{time}{ending}.db").exists())


def vacuum_command(options: argparse.Namespace) -> int:
    """Shrink the database and rebuild its indexes, while no run is in progress."""
    from crescent_lite.store.upkeep import vacuum

    with store_to_change(open_workspace(options.workspace)) as store:
        before, after = vacuum(store.database)
    words = f"{store.database.path}: {_size(before)} before, {_size(after)} now"
    return result(options, {"bytes_before": before, "bytes": after}, words)


def merge_command(options: argparse.Namespace) -> int:
    """Copy the runs of another database into this one, and their adapters, while no run is in progress."""
    from crescent_lite.workspace.merging import merge_workspace

    workspace, other = open_workspace(options.workspace), options.other
    with store_to_change(workspace) as store:
        merged, missing = merge_workspace(store, workspace, other)
    lines = [f"copied run {there} of {other} as run {here}" for there, here in merged.taken.items()]
    lines += [f"run {there} of {other} was already here, as run {here}" for there, here in merged.same.items()]
    for there, here in merged.unlike.items():
        lines.append(
            f"run {there} of {other} and run {here} here are one run, continued in one of the two; left unchanged"
        )
    for there, teacher in merged.refused.items():
        lines.append(
            f"run {there} of {other} not copied: it learns from run {teacher}, and the copy of that run here differs"
        )
    lines += [f"{path}: the adapter is missing; its round can be read but not used" for path in missing]
    said: dict[str, Any] = {
        "taken": merged.taken, "same": merged.same, "unlike": merged.unlike, "refused": merged.refused,
        "missing_adapters": missing,
    }  # fmt: skip
    return result(options, said, "\n".join(map(printable_line, lines)) or f"{other}: has no runs")


def schema_command(options: argparse.Namespace) -> int:
    """Print the views with what their columns mean, and the SQL of the tables."""
    from crescent_lite.store.views import VIEWS

    with closing(open_store(open_workspace(options.workspace))) as store:
        tables = store.querying.fetch_definitions()
    views = [
        {"name": name, "about": view.about, "columns": dict(view.columns), "example": view.example}
        for name, view in VIEWS.items()
    ]
    if options.json:
        return result(options, {"views": views, "tables": tables}, "")
    parts = []
    for name, view in VIEWS.items():
        columns = "\n".join(f"    {column:<20}  {meaning}" for column, meaning in view.columns.items())
        parts.append(f"{name}\n  {view.about}\n{columns}\n    e.g. {view.example}")
    parts += [f"{sql};" for sql in tables.values()]
    return result(options, {}, "\n\n".join(parts))


def _shown(cell: object) -> Cell:
    """A value of SQLite as a cell: numbers as they are, everything else as text."""
    return cell if isinstance(cell, int | float) else str(cell)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
