"""Prompt files and their placeholders."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescent_lite.errors import ConfigError
from crescent_lite.prompt_set import PROMPT_DIR, fill, load_prompt_set


@pytest.mark.parametrize("name", sorted(path.name for path in PROMPT_DIR.iterdir() if path.is_dir()))
def test_every_set_of_the_package_is_complete(name: str) -> None:
    prompts = load_prompt_set(name)

    assert prompts.bait.text
    assert "{question}" in prompts.for_evaluation("solve").text
    assert prompts.for_evaluation("bare").text == "{question}"


def test_what_is_filled_in_is_never_filled_again() -> None:
    assert fill("{question} and {similar}", question="{similar}", similar="{question}") == "{similar} and {question}"


def test_latex_braces_are_left_alone() -> None:
    assert fill(r"\boxed{} {question} {x}", question="$2$") == r"\boxed{} $2$ {x}"


def test_a_set_of_ones_own_must_hold_its_placeholders(tmp_path: Path) -> None:
    for name in ("bait", "rewrite", "solve"):
        (tmp_path / f"{name}.txt").write_text("no placeholder", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"rewrite\.txt: must hold \{question\}"):
        load_prompt_set(str(tmp_path))


def test_a_missing_set_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="arithmetic, reference, word-problems"):
        load_prompt_set("algebra")
