"""What the subcommands that are about the database do: `query`, and those of `db`. Each returns the exit code.

The work is done elsewhere, and imported when a command is called. Example:
    check_command(Namespace(workspace=Path("data"), json=False))
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescent_lite.cli.terminal import PrintableOutput, print_table, result, say, stream_json
from crescent_lite.errors import ExitCode, MissingPackageError, StorageError, UsageError, WorkspaceError
from crescent_lite.printable import printable_line
from crescent_lite.workspace.database import open_store, open_workspace, store_to_change

if TYPE_CHECKING:
    from crescent_lite.store import Store
    from crescent_lite.store.querying import Parameters

LOCALHOST = "127.0.0.1"
DATASETTE_SETTINGS = {
    "sql_time_limit_ms": "10000",
    "facet_time_limit_ms": "1000",
    "suggest_facets": "off",  # each column of a view would be counted at each look
    "max_returned_rows": "5000",
    "default_cache_ttl": "0",  # a run may be at work
    "allow_download": "off",
}
CELL_CHARACTERS = 2000
"""Of a cell in a table on a terminal."""


def query_command(options: argparse.Namespace) -> int:
    """crescent query"""
    from crescent_lite.store.database import QueryInterrupted

    if options.csv and options.json:
        raise UsageError("--csv or --json, not both")
    if options.list:
        return _list_queries(options)
    sql, values = _query(options)
    with closing(open_store(open_workspace(options.workspace))) as store:
        try:
            rows, truncated = _answer(options, store, sql, values)
        except (QueryInterrupted, KeyboardInterrupt):
            say("crescent: the query was ended")
            return ExitCode.INTERRUPTED
    if truncated:
        say(f"the first {rows:,} rows; there are more ({'--limit' if rows == options.limit else 'too large; --csv'})")
    elif not rows:
        say("no rows")
    return ExitCode.OK


def _answer(options: argparse.Namespace, store: Store, sql: str, values: Parameters) -> tuple[int, bool]:
    """Print the rows; how many there were, and whether there are more."""
    limits = {"limit": options.limit, "seconds": options.seconds}
    if options.csv:
        written = store.querying.write_csv(sql, PrintableOutput(), **limits, values=values)
        return written.rows, written.truncated
    cell_characters = None if options.json else CELL_CHARACTERS
    found = store.querying.run(sql, **limits, cell_characters=cell_characters, values=values)
    if options.json:
        stream_json({"columns": found.columns, "rows": found.rows, "truncated": found.truncated})
    else:
        shown = [["NULL" if cell is None else str(cell) for cell in row] for row in found.rows]
        print_table("", found.columns, shown)
    return len(found.rows), found.truncated


def _list_queries(options: argparse.Namespace) -> int:
    from crescent_lite.store.saved_queries import saved_queries

    found = saved_queries()
    if options.json:
        listed = [{"name": q.name, "about": q.about, "parameters": dict(q.parameters), "sql": q.sql} for q in found]
        return result(options, listed, "")
    rows = [(q.name, " ".join(f"{name}=" for name in q.parameters), q.about) for q in found]
    print_table("", ("name", "takes", "its rows"), rows)
    return ExitCode.OK


def _query(options: argparse.Namespace) -> tuple[str, Parameters]:
    """The SQL, and the values of its parameters."""
    from crescent_lite.store.saved_queries import is_a_name, named

    if not options.sql:
        raise UsageError("crescent query: give SQL in quotes, the name of a saved query, or --list")
    if is_a_name(options.sql):
        saved = named(options.sql)
        return saved.sql, saved.values(options.values)
    if options.values:
        raise UsageError(f"{options.values[0]!r}: only a saved query takes values; write them into the SQL")
    return options.sql, {}


def check_command(options: argparse.Namespace) -> int:
    """crescent db check"""
    from crescent_lite.store.checking import faults_of

    with closing(open_store(open_workspace(options.workspace))) as store:
        faults = faults_of(store.database)
    if faults:
        result(options, {"whole": False, "faults": faults}, "\n".join(faults))
        raise StorageError(f"{store.database.path}: is not whole; restore a backup, or keep what can still be read")
    return result(options, {"whole": True, "faults": []}, f"{store.database.path}: whole")


def backup_command(options: argparse.Namespace) -> int:
    """crescent db backup"""
    from crescent_lite.store.database import now

    workspace = open_workspace(options.workspace)
    with closing(open_store(workspace)) as store:
        name = now()[:19].replace("-", "").replace(":", "").replace("T", "-")
        path = options.output or workspace.folder / "backups"
        if options.output is None or path.is_dir():
            path /= f"crescent-{name}.db"
        if path.exists():
            raise WorkspaceError(f"{path}: is there already; give another --output or remove it")
        store.database.copy_to(path)
    words = printable_line(f"{path}: {_size(path.stat().st_size)}")
    return result(options, {"path": str(path), "bytes": path.stat().st_size}, words)


def vacuum_command(options: argparse.Namespace) -> int:
    """crescent db vacuum"""
    from crescent_lite.store.upkeep import vacuum

    with store_to_change(open_workspace(options.workspace)) as store:
        before, after = vacuum(store.database)
    words = f"{store.database.path}: {_size(before)} before, {_size(after)} now"
    return result(options, {"bytes_before": before, "bytes": after}, words)


def merge_command(options: argparse.Namespace) -> int:
    """crescent db merge"""
    from crescent_lite.workspace.merging import join

    workspace, other = open_workspace(options.workspace), options.other
    with store_to_change(workspace) as store:
        merged, missing = join(store, workspace, other)
    lines = [f"run {there} of {other} is run {here} here" for there, here in merged.taken.items()]
    lines += [f"run {there} of {other} was here already, as run {here}" for there, here in merged.same.items()]
    for there, here in merged.unlike.items():
        lines.append(
            f"run {there} of {other} is run {here} here, and has gone on in one of the two: left as it is here"
        )
    for there, teacher in merged.refused.items():
        lines.append(f"run {there} of {other} learns from run {teacher}, which is not the same here: not taken")
    lines += [f"{path}: the adapter is not there; without it its round can be read, not used" for path in missing]
    said: dict[str, Any] = {
        "taken": merged.taken, "same": merged.same, "unlike": merged.unlike, "refused": merged.refused,
        "missing_adapters": missing,
    }  # fmt: skip
    return result(options, said, "\n".join(map(printable_line, lines)) or f"{other}: has no run")


def schema_command(options: argparse.Namespace) -> int:
    """crescent db schema"""
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


def serve_command(options: argparse.Namespace) -> int:
    """crescent serve"""
    from importlib.util import find_spec

    from crescent_lite.cli.datasette_metadata import datasette_metadata
    from crescent_lite.workspace.interruption import stop_requests

    if find_spec("datasette") is None:
        raise MissingPackageError("crescent serve needs datasette: run `pip install 'crescent-lite[serve]'`")
    workspace = open_workspace(options.workspace)
    open_store(workspace).close()  # of this version, and there
    _require_free(options.port)
    metadata = datasette_metadata(workspace.database_path.stem)
    with tempfile.TemporaryDirectory(prefix="crescent-") as place:
        about = Path(place) / "metadata.json"
        about.write_text(json.dumps(metadata), encoding="utf-8")
        command = [sys.executable, "-m", "datasette", "serve", str(workspace.database_path), "--metadata", str(about)]
        command += [f"--host={LOCALHOST}", f"--port={options.port}"]
        command += [word for name, value in DATASETTE_SETTINGS.items() for word in ("--setting", name, value)]
        server = subprocess.Popen(command, stdout=sys.stderr)
        try:
            with stop_requests(lambda: False):
                ended = server.wait()
        except KeyboardInterrupt:
            ended = 0
        finally:
            server.terminate()
            server.wait()
    if ended:
        raise UsageError(f"datasette ended with exit code {ended}; what it said stands above")
    return ExitCode.OK


def _require_free(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOCALHOST, port))
        except OSError as error:
            raise UsageError(f"port {port}: {error.strerror}; --port gives another one") from None


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
