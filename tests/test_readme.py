"""What the README promises is there."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from crescent_lite.cli import build_parser
from crescent_lite.config import PRESETS
from crescent_lite.errors import ExitCode
from crescent_lite.prompts.sets import PROMPT_DIR

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    (subparsers,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return list(subparsers.choices)


@pytest.mark.parametrize("command", commands())
def test_every_command_is_explained(command: str) -> None:
    named = f"crescent {command}" in README or f"`{command} " in README
    assert named


def test_no_command_is_invented() -> None:
    mentioned = set(re.findall(r"`crescent ([a-z]+)", README))

    assert mentioned <= set(commands())


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    assert re.search(rf"\| {int(code)} \|", README)


@pytest.mark.parametrize("name", [*PRESETS, *(path.name for path in PROMPT_DIR.iterdir() if path.is_dir())])
def test_every_preset_and_prompt_set_is_named(name: str) -> None:
    assert f"`{name}`" in README
