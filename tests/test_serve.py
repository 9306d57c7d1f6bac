"""`crescent serve` shows the database in a browser, read-only and on this machine only."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

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


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "delete from votes",
        "insert into prompts values (1, 2, 3)",
        "pragma query_only = 0",
        "attach 'other.db' as other",
        "vacuum into 'copy.db'",
        "with x as (select 1) delete from votes",
        "with x as (select 1) insert into prompts select 1, 2, 3 from x",
        "explain with x as (select 1) delete from votes",
        "select load_extension('x')",
        "select readfile('/etc/passwd')",
        "select writefile('x', 'y')",
        "select fts3_tokenizer('simple', x'00')",
        "select * from pragma_database_list, pragma_query_only(0)",
        "select 1; delete from votes",
        "/* select */ delete from votes",
        "select edit('x')",
    ],
)
def test_no_page_can_write_attach_or_read_files(pages: httpx.Client, workspace: Workspace, sql: str) -> None:
    before, files = workspace.database_path.read_bytes(), set(workspace.folder.iterdir())

    assert pages.get("/crescent.json", params={"sql": sql}).status_code == 400
    assert workspace.database_path.read_bytes() == before
    assert set(workspace.folder.iterdir()) == files


@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ({}, True),
        ({"Host": "localhost:9000"}, True),  # through a tunnel
        ({"Host": "[::1]:8001"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "evil.example:8001"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "localhost.evil.example:8001"}, False),
        ({"Host": "localhost@evil.example"}, False),
        ({"Host": "2130706433"}, False),
        ({"Host": ""}, False),
        ({"Origin": "http://127.0.0.1:8001"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, True),
    ],
)
def test_only_pages_of_this_machine_are_answered(
    pages: httpx.Client, headers: dict[str, str], is_answered: bool
) -> None:
    answer = pages.get("/crescent/runs.json", headers=headers)

    assert answer.status_code == (200 if is_answered else 403)
    assert ("rows" in answer.text) == is_answered
    assert "access-control-allow-origin" not in answer.headers
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/crescent", "/crescent/answer-collapse", "/-/create", "/-/logout"])
def test_nothing_but_reading_is_answered(pages: httpx.Client, method: str, path: str) -> None:
    assert pages.request(method, path).status_code == 405


def test_what_a_model_wrote_is_text_in_a_page_and_in_a_file_for_spreadsheets(
    pages: httpx.Client, workspace: Workspace
) -> None:
    with closing(sqlite3.connect(workspace.database_path)) as database, database:
        database.execute("UPDATE questions SET text = ? WHERE question_id = 1", ["<script>alert(1)</script>"])
        database.execute("UPDATE questions SET text = ? WHERE question_id = 2", ["=HYPERLINK(1)"])

    page = pages.get("/crescent/questions", params={"question_id__lt": 3}).text
    file = pages.get("/crescent/questions.csv", params={"question_id__lt": 3}).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert ",'=HYPERLINK(1)," in file
    assert not re.search(r"(?m)(^|,)\"?[=@]", file)


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
