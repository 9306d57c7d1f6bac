"""Every command that takes a run takes its number or its name."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run
from test_names import commands

from crescent_lite.cli import main
from crescent_lite.cli.main import build_parser
from crescent_lite.cli.options import run_reference
from crescent_lite.cli.parser import CommandParser
from crescent_lite.errors import ExitCode
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = load_sample_run(tmp_path_factory.mktemp("named") / "w")
    with closing(Store.open(workspace.database_path)) as store:
        store.run_rows.set_name(1, "first try", None)
    return workspace


def leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parser and those of all its commands."""
    inner = any(isinstance(each, argparse._SubParsersAction) for each in parser._actions)
    return [parser, *(leaf for each in commands(parser).values() for leaf in leaves(each))] if inner else [parser]


def test_every_argument_that_means_a_run_is_read_in_one_way() -> None:
    taken = {
        (parser.prog, each.dest): each.type
        for parser in leaves(build_parser())
        for each in parser._actions
        if each.dest in ("run", "runs", "against") and not isinstance(each, argparse._SubParsersAction)
    }
    assert len(taken) >= 12
    assert set(taken.values()) == {run_reference}


@pytest.mark.parametrize(
    "command",
    [
        ["show", "round", "--run"],
        pytest.param(["show", "run"], marks=pytest.mark.slow),
        pytest.param(["report", "--output", "{out}", "--run"], marks=pytest.mark.slow),
        ["rollback", "1", "--run"],
        ["export", "examples", "--output", "{out}/e.jsonl", "--force", "--run"],
        ["why"],
    ],
)
def test_a_name_means_what_its_number_means(
    named: Workspace, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [word.replace("{out}", str(tmp_path)) for word in command]
    said = []
    for reference in ("1", "first try"):
        assert main([*command, reference, "--json", "-w", str(named.folder)]) == ExitCode.OK
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert main([*command, "frist try", "-w", str(named.folder)]) == ExitCode.NOT_FOUND
    assert "did you mean 'first try'?" in capsys.readouterr().err


def test_a_number_beyond_every_database_is_not_found(named: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--run", "77", "-w", str(named.folder)]) == ExitCode.NOT_FOUND
    assert "run 77: not in" in capsys.readouterr().err
    assert main(["report", "--run", "0", "-w", str(named.folder), "--json"]) == ExitCode.USAGE
    error = json.loads(capsys.readouterr().err)["error"]
    assert "'0' is not a whole number of 1 or more" in error["message"]
    assert main(["show", "question", "first try", "-w", str(named.folder)]) == ExitCode.USAGE


def test_every_command_has_an_example() -> None:
    for parser in leaves(build_parser()):
        assert isinstance(parser, CommandParser)
        assert parser.example or "Example: " in (parser.epilog or "")
