"""The command line: results on stdout, messages on stderr, and JSON for every command."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.cli import build_parser, main
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode
from crescent_lite.report import build_document, write_document
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("finished"))
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    return workspace


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == ExitCode.OK
    return capsys.readouterr().out


def test_init_does_not_overwrite_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = json.loads(answer(capsys, "init", str(tmp_path / "new"), "--json"))["config"]

    assert 'preset = "quick"' in Path(path).read_text()
    assert main(["init", str(tmp_path / "new")]) == ExitCode.WORKSPACE


@pytest.mark.slow
def test_config_says_where_each_value_comes_from(finished: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(answer(capsys, "config", "-w", str(finished.folder), "--json", "--set", "run.seed=9"))
    origins = {row["name"]: row["origin"] for row in rows}

    assert origins["run.seed"] == "--set"
    assert origins["bait.questions"] == str(finished.config_path)
    assert origins["bait.assistant_prefix"] == "preset quick"
    assert origins["sampling.threads"] == "default"
    assert all(row["help"] for row in rows)


@pytest.mark.slow
def test_status_of_a_finished_run(finished: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    status = json.loads(answer(capsys, "status", "-w", str(finished.folder), "--json"))

    assert (status["state"], status["rounds"], status["questions"] >= 40) == ("finished", "1 of 1 done", True)
    assert "state: finished" in answer(capsys, "status", "-w", str(finished.folder))


@pytest.mark.slow
def test_a_question_is_shown_with_its_votes(finished: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open_read_only(finished.database_path)
    labelled = store.database.value("SELECT min(question_id) FROM v_labels")

    question = json.loads(answer(capsys, "show", "question", str(labelled), "-w", str(finished.folder), "--json"))
    text = answer(capsys, "show", "question", str(labelled), "-w", str(finished.folder))

    assert len(question["drawn_votes"]) == 4
    assert [vote["kept"] for vote in question["drawn_votes"]].count(True) == 1
    assert "(kept as the solution)" in text


@pytest.mark.slow
def test_a_round_and_a_run_are_shown(finished: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    this_round = json.loads(answer(capsys, "show", "round", "-w", str(finished.folder), "--json"))
    same = json.loads(answer(capsys, "show", "round", "1", "--run", "1", "-w", str(finished.folder), "--json"))
    report = json.loads(answer(capsys, "show", "run", "-w", str(finished.folder), "--json"))

    assert same == this_round
    assert this_round["outcome"].startswith("trained on ")
    assert Path(this_round["adapter"]).is_file()
    scores = next(table for table in report["tables"] if table["title"] == "Scores")
    assert {row["model"] for row in scores["rows"]} == {"base", "round 1"}
    assert all(row["p"] for row in scores["rows"] if row["model"] == "round 1")


@pytest.mark.slow
def test_the_report_is_saved_as_markdown(finished: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open_read_only(finished.database_path)
    write_document(build_document(store, 1), finished.exports, 1)

    text = (finished.exports / "run-1.md").read_text()
    assert "## Did the model get better?" in text
    assert "| base |" in text


@pytest.mark.slow
def test_examples_are_exported_the_same_twice(
    finished: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        answer(capsys, "export", "-w", str(finished.folder), "--output", str(tmp_path / name))

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    first = json.loads((tmp_path / "a").read_text().splitlines()[0])
    assert {"prompt", "completion", "label", "share"} <= set(first)


@pytest.mark.slow
def test_the_log_of_a_run_is_json_lines(finished: Workspace) -> None:
    events = [json.loads(line) for line in (finished.logs / "run-1.jsonl").read_text().splitlines()]

    assert events[0]["event"] == "RunStarted"
    assert events[-1]["event"] == "RunFinished"


HEAVY = (
    "crescent_lite.config.settings", "crescent_lite.records", "crescent_lite.store", "crescent_lite.workspace.folder",
    "crescent_tui", "datasette", "filelock", "gguf", "httpx", "jinja2", "llama_cpp", "matplotlib", "numpy", "psutil",
    "rapidfuzz", "rich", "scipy", "socket", "sqlite3", "sqlite_utils", "subprocess", "textual", "torch",
)  # fmt: skip


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from crescent_lite.cli import build_parser; build_parser().format_help(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == "[]"


def parsers() -> Iterator[argparse.ArgumentParser]:
    """The parser of every command, those of `crescent db` included."""
    waiting = [build_parser()]
    while waiting:
        parser = waiting.pop()
        inner = [
            each for a in parser._actions if isinstance(a, argparse._SubParsersAction) for each in a.choices.values()
        ]
        waiting += inner
        if not inner:
            yield parser


def test_the_list_of_commands_is_complete_and_fits_a_terminal() -> None:
    text = build_parser().format_help()
    (subparsers,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))

    assert [line.split()[0] for line in text.splitlines() if re.match(r"  [a-z]", line)] == list(subparsers.choices)
    assert max(map(len, text.splitlines())) <= 80


def test_every_command_and_every_option_has_a_help_text() -> None:
    for parser in parsers():
        assert parser.description
        assert all(action.help for action in parser._actions), parser.prog


@pytest.mark.slow
def test_every_example_in_a_help_text_can_be_parsed() -> None:
    examples = [parser.epilog.removeprefix("Example: crescent ") for parser in parsers() if parser.epilog]
    assert len(examples) > 8

    for example in examples:
        assert build_parser().parse_args(shlex.split(example)).command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--rounds", "many"], "'many' is not a whole number from 1 to 1000"),
        (["run", "--rounds", "0"], "'0' is not a whole number from 1 to 1000"),
        (["show", "run", "9223372036854775808"], "is too large: the largest number here is 9223372036854775807"),
        (["rollback", "last"], "'last' is not a whole number of 1 or more or 'best'"),
        (["answer", "2 + 3?", "--rounds", "kept"], "'kept' is not a whole number of 1 or more or 'base'"),
        (["answer", "2 + 3?", "--temperature", "nan"], "'nan' is not a number from 0 to 5"),
        (["serve", "--port", "99999"], "'99999' is not a whole number from 1 to 65535"),
        (["query", "SELECT 1", "--seconds", "inf"], "'inf' is not a number of seconds above 0"),
        (["export", "--min-share", "2"], "'2' is not a number from 0 to 1"),
        (["export", "gguf", "--rounds", "1=0"], "'1=0' is not ROUND=WEIGHT, with a weight other than 0"),
    ],
)
def test_a_bad_value_of_an_option_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_common_options_stand_before_or_after_the_command(tmp_path: Path) -> None:
    for line in (["-w", str(tmp_path), "--json", "status"], ["status", "-w", str(tmp_path), "--json"]):
        options = build_parser().parse(line)
        assert (options.workspace, options.json, options.full) == (tmp_path, True, False)
    inner = build_parser().parse(["-w", "here", "db", "-w", "there", "check"])
    assert inner.workspace == Path("there")


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [("train.rank", "train.rank", 1), ("rank", "train.rank", 1), ("model", "model.source", 4)],
)
def test_config_shows_a_section_or_a_setting(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, first: str, count: int
) -> None:
    rows = json.loads(answer(capsys, "config", name, "-w", str(tmp_path), "--json"))
    assert (rows[0]["name"], len(rows)) == (first, count)


def test_no_command_prints_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    assert "Hand over:" in capsys.readouterr().err


@pytest.mark.slow
def test_stop_ends_a_running_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    # A tiny real model with a great many questions to ask, which would take minutes.
    command = [
        sys.executable,
        "-m",
        "crescent_lite.cli",
        "run",
        "-w",
        str(tmp_path),
        "--set",
        "bait.questions=100000",
    ]
    engine = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 90  # the run measures its speed first
    while not (workspace.database_path.exists() and workspace.is_busy()) and time.monotonic() < until:
        time.sleep(0.1)

    stopped = json.loads(answer(capsys, "stop", "-w", str(tmp_path), "--json"))["stopped"]
    _, talk = engine.communicate(timeout=10)

    assert stopped
    assert engine.returncode == ExitCode.INTERRUPTED
    assert f"crescent run -w {tmp_path}" in talk
    assert json.loads(answer(capsys, "status", "-w", str(tmp_path), "--json"))["state"] == "stopped"
    assert not json.loads(answer(capsys, "stop", "-w", str(tmp_path), "--json"))["stopped"]


def test_plan_prints_the_items_needed_and_the_difference_they_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["-w", str(tmp_path)]
    assert main(["plan", "--points", "5", "--items", "932", "--json", *folder]) == ExitCode.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["items_needed"], round(said["points_visible"], 2), said["differ"]) == (932, 5.0, 0.2)


def test_a_plan_for_more_than_models_differ_here_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["-w", str(tmp_path)]
    assert main(["plan", "--points", "40", *folder]) == ExitCode.OK
    said = "right on 40% of items (at least, for such a difference; a guess; set it with --differ, it would be 20%)"
    assert said in capsys.readouterr().out
    assert main(["plan", "--items", "5", "--json", *folder]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["points_visible"] is None
    assert main(["plan", "--items", "5", *folder]) == ExitCode.OK
    assert "5 items show no difference: two such models are at most 20 points apart" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["--points", "0"], ["--points", "nan"], ["--points", "30", "--differ", "10"], ["--differ", "120"]],
)
def test_an_impossible_plan_fails_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["plan", *arguments, "-w", str(tmp_path)]) == ExitCode.CONFIG
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
