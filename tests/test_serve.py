"""`crescent serve` shows the database in a browser, read-only and on this machine only."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.cli.datasette_metadata import datasette_metadata
from crescent_lite.errors import ExitCode
from crescent_lite.store.saved_queries import saved_queries
from crescent_lite.store.views import VIEWS
from crescent_lite.workspace import Workspace


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return load_sample_run(tmp_path_factory.mktemp("serve") / "data")


@pytest.fixture(scope="module")
def pages(workspace: Workspace) -> Iterator[httpx.Client]:
    port = free_port()
    command = [sys.executable, "-m", "crescent_lite.cli", "serve", "-w", str(workspace.folder), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until = time.monotonic() + 60
            while time.monotonic() < until and server.poll() is None:
                try:
                    client.get("/")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) in (ExitCode.OK, ExitCode.INTERRUPTED)


@pytest.mark.slow
def test_every_view_has_a_page_with_its_description(pages: httpx.Client) -> None:
    for name, view in VIEWS.items():
        page = pages.get(f"/crescent/{name}")

        assert page.status_code == 200, name
        assert view.about.split("'")[0] in page.text


def test_every_table_and_every_saved_query_has_a_page(pages: httpx.Client) -> None:
    tables = [each["name"] for each in pages.get("/crescent.json").json()["tables"] if not each["hidden"]]
    queries = [query.name for query in saved_queries()]
    assert len(tables) > 15 and len(queries) == 17

    answers = {name: pages.get(f"/crescent/{name}").status_code for name in (*tables, *queries)}

    assert {name: code for name, code in answers.items() if code != 200} == {}


def test_a_saved_query_takes_its_values_from_the_url(pages: httpx.Client) -> None:
    rows = pages.get("/crescent/answer-collapse.json", params={"run": "1", "top": "1", "_shape": "array"}).json()

    assert [row["rank"] for row in rows] == [1, 1]
    empty = {"run": "", "top": "", "_shape": "array"}  # as an empty form sends it
    assert len(pages.get("/crescent/answer-collapse.json", params=empty).json()) == 20


@pytest.mark.parametrize(
    "sql", ["delete from votes", "insert into prompts values (1, 2, 3)", "pragma query_only = 0"]
)
def test_no_page_can_write(pages: httpx.Client, workspace: Workspace, sql: str) -> None:
    before = workspace.database_path.read_bytes()

    assert pages.get("/crescent.json", params={"sql": sql}).status_code == 400
    assert workspace.database_path.read_bytes() == before


def test_a_port_in_use_fails_with_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])

        assert main(["serve", "-w", str(workspace.folder), "--port", port]) == ExitCode.USAGE

    assert "choose another one with --port" in capsys.readouterr().err


def test_every_facet_is_a_column_of_its_view() -> None:
    tables = datasette_metadata("crescent")["databases"]["crescent"]["tables"]

    for name, view in VIEWS.items():
        assert set(tables[name]["facets"]) <= set(view.columns)
