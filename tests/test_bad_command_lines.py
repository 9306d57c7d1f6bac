"""A command line that cannot be carried out ends with one line and an exit code, and replaces nothing."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.errors import ConfigError, ExitCode
from crescent_lite.questions.own import load_question_file

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
LONG = "x" * 300


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_sample_run(tmp_path_factory.mktemp("sample") / "data").folder


@pytest.fixture
def workspace(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "data"))


def started(*arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "crescent_lite.cli", *arguments]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def wait_for_the_query(process: psutil.Process) -> None:
    """Return when the process has computed for 0.3 s since it opened the database, which itself takes a hundredth."""
    while not any(file.path.endswith("crescent.db") for file in process.open_files()):
        time.sleep(0.05)
    opened = process.cpu_times().user
    while process.cpu_times().user < opened + 0.3:
        time.sleep(0.05)


@pytest.mark.parametrize("form", [[], ["--csv"]])
def test_ctrl_c_interrupts_a_long_query(sample: Path, form: list[str]) -> None:
    query = started("query", ENDLESS, *form, "-w", str(sample), stdout=subprocess.DEVNULL)
    wait_for_the_query(psutil.Process(query.pid))
    query.send_signal(signal.SIGINT)

    assert query.wait(timeout=20) == ExitCode.INTERRUPTED
    assert query.stderr is not None
    assert query.stderr.read() == "crescent: the query was interrupted\n"


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_a_full_disk_behind_the_output_fails_with_one_line(sample: Path, form: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        query = started("query", "SELECT 1", *form, "-w", str(sample), stdout=full)
        assert query.wait(timeout=30) == ExitCode.STORAGE
    assert query.stderr is not None
    said = query.stderr.read()
    assert "the output: No space left on device" in said
    assert "make room, then repeat the command" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "-w", LONG],
        ["db", "merge", LONG],
        ["db", "backup", "--output", LONG],
        ["export", "examples", "--output", LONG],
        ["run", "--new", "--questions", LONG],
        ["run", "--new", "--set", f"run.prompts={LONG}"],
        ["run", "--new", "--set", f"model.source={LONG}"],
    ],
)
@pytest.mark.slow
def test_a_name_that_is_too_long_fails_with_one_line(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    where = [] if "-w" in arguments else ["-w", str(workspace)]

    assert main([*arguments, *where]) in (ExitCode.STORAGE, ExitCode.CONFIG)

    said = capsys.readouterr().err
    assert "File name too long" in said
    assert said.count("\n") == 1


def test_a_text_that_is_not_utf_8_fails_with_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(workspace / "crescent.db")) as connection, connection:
        connection.execute(
            "UPDATE votes SET text = cast(x'0aeda08042' AS text) WHERE vote_id IN (SELECT chosen_vote FROM consensus)"
        )

    assert main(["export", "examples", "-w", str(workspace)]) == ExitCode.STORAGE

    said = capsys.readouterr().err
    assert "not UTF-8" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--rounds", "9"], ExitCode.NOT_FOUND),
        (["--min-share", "0.99", "--max-share", "0.991"], ExitCode.NOT_FOUND),
        (["--min-share", "0.9", "--max-share", "0.1"], ExitCode.CONFIG),
        (["--output", "crescent.db-journal"], ExitCode.STORAGE),
        (["--output", "crescent.db", "--force"], ExitCode.STORAGE),
        ([], ExitCode.STORAGE),
    ],
)
def test_an_export_without_examples_replaces_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: ExitCode
) -> None:
    assert main(["export", "examples", "-w", str(workspace)]) == ExitCode.OK
    path = workspace / "exports" / "run-1-conversational.jsonl"
    before = path.read_bytes()
    capsys.readouterr()

    options = [str(workspace / each) if each.startswith("crescent.db") else each for each in options]
    where = [] if "--output" in options or not options else ["--force"]
    assert main(["export", "examples", "-w", str(workspace), *options, *where]) == code

    assert capsys.readouterr().err.count("\n") == 1
    assert path.read_bytes() == before
    assert not (workspace / "crescent.db-journal").exists()


def test_a_run_named_twice_is_exported_once(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "examples", "-w", str(workspace), "--json"]) == ExitCode.OK
    once = json.loads(capsys.readouterr().out)
    assert main(["export", "examples", "-w", str(workspace), "--run", "1", "1", "--json", "--force"]) == ExitCode.OK

    assert json.loads(capsys.readouterr().out) == once


def test_a_folder_with_foreign_files_is_not_replaced(workspace: Path) -> None:
    folder = workspace / "exports" / "run-1-parquet"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")

    arguments = ["export", "examples", "--format", "parquet", "-w", str(workspace)]
    assert main(arguments) == main([*arguments, "--force"]) == ExitCode.STORAGE
    assert (folder / "mine.txt").read_text() == "mine"

    (folder / "mine.txt").unlink()
    assert main(arguments) == ExitCode.STORAGE
    assert main([*arguments, "--force"]) == main([*arguments, "--force"]) == ExitCode.OK


def test_labels_are_decided_again_with_the_settings_of_each_run(workspace: Path) -> None:
    columns = "kind, state, rounds, base_id, inputs, version, started_at"
    with closing(sqlite3.connect(workspace / "crescent.db")) as connection, connection:
        connection.execute(
            f"""INSERT INTO runs ({columns}, config)
            SELECT {columns}, json_set(config, '$.vote.min_share', 0.99) FROM runs WHERE run_id = 1"""
        )
        connection.execute("UPDATE rounds SET run_id = 2 WHERE number = 2")

    exported = ["export", "examples", "--policy", "majority", "-w", str(workspace)]
    assert main([*exported, "--run", "2"]) == ExitCode.OK
    assert main([*exported, "--run", "1", "2"]) == ExitCode.OK

    alone = (workspace / "exports" / "run-2-conversational.jsonl").read_text().splitlines()
    both = (workspace / "exports" / "run-1-2-conversational.jsonl").read_text().splitlines()
    assert [line for line in both if json.loads(line)["run"] == 2] == alone
    assert all(json.loads(line)["share"] >= 0.99 for line in alone)


@pytest.mark.parametrize("command", [["db", "backup"], ["export", "--format", "parquet"]])
def test_no_output_takes_the_name_of_a_file_of_sqlite(
    workspace: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = workspace / "crescent.db-journal"

    assert main([*command, "-w", str(workspace), "--output", str(path)]) == ExitCode.STORAGE

    assert "SQLite uses this name" in capsys.readouterr().err
    assert not path.exists()


def test_a_closed_stdout_is_not_an_error(sample: Path) -> None:
    command = shlex.join([sys.executable, "-m", "crescent_lite.cli", "status", "-w", str(sample)])
    done = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (ExitCode.OK, "")


def test_an_empty_value_is_the_same_as_no_value(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for given in ([], ["run="], ["run=1"]):
        assert main(["query", "answer-collapse", *given, "--csv", "-w", str(sample)]) == ExitCode.OK
        said.append(capsys.readouterr().out)

    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("values", [["run=abc"], ["top=1.5"], ["run=-1"], ["run=\u0661"]])
def test_a_value_that_is_not_a_number_fails_with_one_line(
    sample: Path, capsys: pytest.CaptureFixture[str], values: list[str]
) -> None:
    assert main(["query", "answer-collapse", *values, "-w", str(sample)]) == ExitCode.USAGE
    assert "must be a whole number" in capsys.readouterr().err


def test_a_query_without_rows_says_so(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "answer-collapse", "run=99", "-w", str(sample)]) == ExitCode.OK
    assert capsys.readouterr().err == "no rows\n"


def test_json_output_is_limited_in_size(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT hex(zeroblob(4000000)) FROM votes", "--json", "-w", str(sample)]) == ExitCode.OK

    said = capsys.readouterr()
    assert len(said.out) < 40_000_000
    assert json.loads(said.out)["truncated"]
    assert "too large" in said.err


@pytest.mark.parametrize("line", ['"What is 1 + 2? \\ud800"', '{"question": "What is 1 + 2?", "id": "\\udc00"}'])
def test_half_a_character_in_a_question_file_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f'"What is 2 + 2?"\n{line}\n')

    with pytest.raises(ConfigError, match="line 2: contains half a character"):
        load_question_file(path)

    path.write_bytes(b'\xef\xbb\xbf"What is 2 + 2?"\n\n"\xff"\n')
    with pytest.raises(ConfigError, match="line 3: not UTF-8"):
        load_question_file(path)


def on_a_terminal(*arguments: str) -> str:
    """The output of a command on a terminal of 80 columns."""
    here, there = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    process = started(*arguments, stdout=there, env=environment)
    os.close(there)
    said = b""
    while True:
        try:
            piece = os.read(here, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    process.wait(timeout=30)
    os.close(here)
    return said.decode()


def test_csv_on_a_terminal_has_no_escape_codes(sample: Path) -> None:
    assert "\x1b" not in on_a_terminal("query", "SELECT char(27) || '[2Jx' AS q", "--csv", "-w", str(sample))


def test_an_empty_cell_keeps_its_place(sample: Path) -> None:
    sql = f"SELECT 'x' a, '' b, '' c, '{'d' * 130}' d, 5 e, 6 f"

    lines = on_a_terminal("query", sql, "-w", str(sample)).splitlines()

    assert [line.split() for line in lines[:4]] == [["a", "x"], ["b", "-"], ["c", "-"], ["d", "d" * 130]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--rounds", "1001"], "from 1 to 1000"),
        (["run", "--rounds", str(2**63)], "from 1 to 1000"),
        (["show", "question", str(2**63)], "is too large"),
        (["show", "run", "1" * 5000], "is too large"),
    ],
)
def test_a_number_that_no_run_can_have_is_refused(
    sample: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([*arguments, "-w", str(sample)]) == ExitCode.USAGE
    assert words in capsys.readouterr().err
