"""The command that shows the database in a browser: serve.

Datasette is a program of its own, started as a child and stopped with Ctrl-C. A plugin makes it refuse other hosts,
pages of other sites, and whatever could write. Example:
    main(["serve", "-w", "data", "--port", "8001"]) -> 0
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from crescent_lite.cli.options import Subparsers, add_command, port_number
from crescent_lite.errors import ExitCode, MissingPackageError, UsageError
from crescent_lite.workspace.database import open_store, open_workspace

LOCALHOST = "127.0.0.1"
PLUGINS = Path(__file__).with_name("datasette_plugins")
END_SECONDS = 5.0
"""Time that Datasette gets to end before it is killed."""
DATASETTE_SETTINGS = {
    "sql_time_limit_ms": "10000",
    "facet_time_limit_ms": "1000",
    "suggest_facets": "off",  # Datasette would count each column of a view at every visit
    "max_returned_rows": "5000",
    "default_cache_ttl": "0",  # a run in progress adds rows all the time
    "allow_download": "off",
    "allow_csv_stream": "off",  # a file is checked as a whole, so it must not be endless
}


def add_serve(subparsers: Subparsers) -> None:
    """`crescent serve` and its options."""
    about = "browse the database with Datasette, on this machine only"
    parser = add_command(subparsers, "serve", serve_command, about, example="crescent serve --port 8002")
    parser.add_argument(
        "--port", type=port_number, default=8001, metavar="PORT", help="port on localhost (default: 8001)"
    )


def serve_command(options: argparse.Namespace) -> int:
    """Serve the database with Datasette on localhost, until Ctrl-C. Raises UsageError if the port is taken."""
    import json
    import subprocess
    from importlib.util import find_spec

    from crescent_lite.cli.datasette_metadata import datasette_metadata
    from crescent_lite.files import scratch_folder
    from crescent_lite.workspace.interruption import interruptible

    if find_spec("datasette") is None:
        raise MissingPackageError("crescent serve needs Datasette: run `pip install 'crescent-lite[serve]'`")
    workspace = open_workspace(options.workspace)
    open_store(workspace).close()  # Datasette cannot bring an older database up to date
    _require_free(options.port)
    metadata = datasette_metadata(workspace.database_path.stem)
    with scratch_folder() as place:
        about = place / "metadata.json"
        about.write_text(json.dumps(metadata), encoding="utf-8")
        command = [sys.executable, "-m", "crescent_lite.cli.datasette_program", "serve", str(workspace.database_path)]
        command += ["--metadata", str(about), f"--plugins-dir={PLUGINS}"]
        command += [f"--host={LOCALHOST}", f"--port={options.port}"]
        command += [word for name, value in DATASETTE_SETTINGS.items() for word in ("--setting", name, value)]
        # Nothing is written to stdin: when it closes, the program knows that this process has ended.
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sys.stderr)
        try:
            with interruptible(lambda: False):
                ended = server.wait()
        except KeyboardInterrupt:
            ended = 0
        finally:
            server.terminate()
            try:
                server.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    if ended:
        raise UsageError(f"Datasette ended with exit code {ended}; see its messages above")
    return ExitCode.OK


def _require_free(port: int) -> None:
    import socket

    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOCALHOST, port))
        except OSError as error:
            raise UsageError(f"port {port}: {error.strerror}; choose another one with --port") from None
