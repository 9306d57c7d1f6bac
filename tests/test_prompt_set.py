"""Prompt files, their placeholders, and the value lists that vary the bait."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescent_lite.config import PRESETS, BaitConfig, load_config
from crescent_lite.errors import ConfigError
from crescent_lite.prompts.sets import PROMPT_DIR, fill, load_prompt_set
from crescent_lite.questions.bait import check_steering


@pytest.mark.parametrize("name", sorted(path.parent.name for path in PROMPT_DIR.glob("*/bait.txt")))
def test_every_set_of_the_package_is_complete(name: str) -> None:
    prompts = load_prompt_set(name)

    assert prompts.bait.text
    assert "{question}" in prompts.for_evaluation("solve").text
    assert prompts.for_evaluation("bare").text == "{question}"


def test_what_is_filled_in_is_never_filled_again() -> None:
    assert fill("{question} and {similar}", question="{similar}", similar="{question}") == "{similar} and {question}"


def test_latex_braces_are_left_alone() -> None:
    assert fill(r"\boxed{} {question} {x}", question="$2$") == r"\boxed{} $2$ {x}"


def test_a_users_own_set_must_contain_its_placeholders(tmp_path: Path) -> None:
    for name in ("bait", "rewrite", "solve"):
        (tmp_path / f"{name}.txt").write_text("no placeholder", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"rewrite\.txt: must contain the placeholder \{question\}"):
        load_prompt_set(str(tmp_path))


@pytest.mark.parametrize(
    ("bait", "prefix", "lists", "words"),
    [
        ("About {topic}.", "", [], r"bait\.txt: placeholder \{topic\} has no value list; add bait\.topic\.txt"),
        (
            "About it.",
            "{name}",
            ["topic"],
            r"bait\.assistant_prefix: placeholder \{name\} has no value list; add bait\.name\.txt",
        ),
        (
            "About {topic}.",
            "",
            ["topic", "topcs"],
            r"bait\.topcs\.txt: value list without a placeholder; add \{topcs\}",
        ),
    ],
)
def test_a_placeholder_needs_its_list_and_a_list_its_placeholder(
    bait: str, prefix: str, lists: list[str], words: str, tmp_path: Path
) -> None:
    files = {"bait": bait, "rewrite": "{question}", "solve": "{question}"} | {
        f"bait.{name}": "eggs" for name in lists
    }
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=words):
        check_steering(load_prompt_set(str(tmp_path)), BaitConfig(assistant_prefix=prefix))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_presets_steer_with_existing_lists(preset: str) -> None:
    config = load_config(preset=preset)
    check_steering(load_prompt_set(config.run.prompts), config.bait)


def test_latex_in_a_bait_needs_no_list(tmp_path: Path) -> None:
    for name, text in {"bait": r"Use \frac{ab}{cd} and {x}.", "rewrite": "{question}", "solve": "{question}"}.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    check_steering(load_prompt_set(str(tmp_path)), BaitConfig(assistant_prefix=""))


def test_the_error_for_a_missing_set_names_the_existing_ones() -> None:
    with pytest.raises(ConfigError, match="arithmetic, reference, word-problems"):
        load_prompt_set("algebra")
