"""The README is short, and what it promises is there."""

from __future__ import annotations

import re

import pytest
from generated_docs import COMMAND_GROUPS, ROOT, subcommands

from crescent_lite.cli.main import build_parser
from crescent_lite.config import PRESETS
from crescent_lite.errors import ExitCode
from crescent_lite.prompts.sets import PROMPT_DIR

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
QUESTIONS = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
MOST_LINES = 150
QUICK_RUNS = 6


def commands() -> list[str]:
    return list(subcommands(build_parser()))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("command", commands())
def test_every_command_is_named_and_explained(command: str) -> None:
    assert f"`{command}`" in README
    assert f"### crescent {command}\n" in COMMANDS


def test_every_command_is_in_one_group() -> None:
    grouped = [name for group in COMMAND_GROUPS.values() for name in group]

    assert sorted(grouped) == sorted(commands())


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    assert re.search(rf"\| {int(code)} \| `{code.name}` \| \w", COMMANDS)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_named(preset: str) -> None:
    assert f"`{preset}`" in README


@pytest.mark.parametrize("name", [path.name for path in PROMPT_DIR.iterdir() if (path / "bait.txt").is_file()])
def test_every_prompt_set_is_named(name: str) -> None:
    assert f"`{name}`" in QUESTIONS


def test_the_readme_tells_the_gain_of_every_quick_run_and_not_the_best_one_alone() -> None:
    section = RESULTS.split("## The quick preset")[1].split("\n## ")[0]
    gains = re.findall(r"\| \+(\d+\.\d) \|", section)

    assert len(gains) == QUICK_RUNS
    assert all(re.search(rf"\b{re.escape(gain)}\b", README) for gain in gains)
