"""The lists of names that a user types: the command line offers exactly what the code can do."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from crescent_lite.cli.main import build_parser
from crescent_lite.config import PRESET_DIR, PRESETS, VoteConfig, load_config
from crescent_lite.config.names import (
    CONTROLS,
    EXPORT_FORMATS,
    EXPORT_KINDS,
    GGUF_TYPES,
    POLICIES,
    Control,
    Policy,
)
from crescent_lite.consensus import decide
from crescent_lite.evaluation.controls import Spent, control_config
from crescent_lite.export.examples import SHAPES
from crescent_lite.prompts.sets import BARE, PLACEHOLDERS
from crescent_lite.records import Vote
from crescent_lite.sampling.quantising import MIXTURES
from crescent_lite.training.merging import SIMPLE_TYPES
from crescent_tui.screens.export import CHOICES


def option(command: str, name: str) -> argparse.Action:
    """An option of a command, by its destination."""
    parser: argparse.ArgumentParser = build_parser()
    for word in command.split():
        parser = commands(parser)[word]
    (found,) = (action for action in parser._actions if action.dest == name)
    return found


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser, by name."""
    (subparsers,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(subparsers.choices)


@pytest.mark.parametrize(
    ("command", "name", "known"),
    [
        ("controls", "only", CONTROLS),
        ("export examples", "form", EXPORT_FORMATS),
        ("export examples", "policy", POLICIES),
        ("export gguf", "type", GGUF_TYPES),
    ],
)
def test_the_command_line_offers_every_name(command: str, name: str, known: tuple[str, ...]) -> None:
    assert option(command, name).choices == known


def test_every_kind_of_export_has_a_command() -> None:
    assert tuple(commands(commands(build_parser())["export"])) == EXPORT_KINDS


@pytest.mark.parametrize("command", ["init", "run", "distill", "controls", "eval", "config"])
def test_every_preset_is_named_in_the_help(command: str) -> None:
    assert ", ".join(PRESETS) in str(option(command, "preset").help)


def test_every_preset_is_a_file() -> None:
    assert {path.stem for path in PRESET_DIR.glob("*.toml")} - {"benchmarks"} == set(PRESETS)


def test_an_answer_is_asked_with_a_prompt_that_every_set_has() -> None:
    prompt = option("answer", "prompt")

    assert prompt.default in PLACEHOLDERS
    assert f"'{prompt.default}'" in str(prompt.help) and f"'{BARE.name}'" in str(prompt.help)


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_changes_the_settings(control: Control) -> None:
    config = load_config(preset="quick")

    assert control_config(control, config, Spent(texts=9, examples=9, samples=9)) != config


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_decides(policy: Policy) -> None:
    votes = [Vote(n, n, "5", "n:5" if n < 6 else "n:6", "whole", "stop") for n in range(8)]

    assert decide(votes, VoteConfig(policy=policy)).answer_key == "n:5"


def test_every_format_of_examples_is_written() -> None:
    assert {*SHAPES, "preference", "parquet"} == set(EXPORT_FORMATS)


def test_every_type_of_a_gguf_can_be_made() -> None:
    assert {"same", *SIMPLE_TYPES, *MIXTURES} == set(GGUF_TYPES)


def test_the_tui_offers_every_export() -> None:
    kinds: set[Any] = {kind for (kind, _), _, _ in CHOICES}
    types: set[Any] = {tensor_type for (kind, tensor_type), _, _ in CHOICES if kind == "gguf"}

    assert (kinds, types) == (set(EXPORT_KINDS), set(GGUF_TYPES))
