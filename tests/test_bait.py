"""The bait that a model gets, and how it is steered."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from crescent_lite.config import BaitConfig
from crescent_lite.errors import ConfigError
from crescent_lite.prompts.sets import PromptSet, load_prompt_set, packaged_sets
from crescent_lite.questions.bait import attempt

PLACEHOLDER = BaitConfig(assistant_prefix="{name}")


def prompt_set(folder: Path, bait: str = "A problem about {topic} for {who}.", **lists: str) -> PromptSet:
    for name, text in {"bait": bait, "rewrite": "{question}", "solve": "{question}"}.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    for name, values in lists.items():
        (folder / f"bait.{name}.txt").write_text(values, encoding="utf-8")
    return load_prompt_set(str(folder))


def test_each_try_is_steered_by_the_seed(tmp_path: Path) -> None:
    prompts = prompt_set(tmp_path, topic="eggs\n\n a farm \ntrains\n", name="Ada\nBen\n")
    tries = [attempt(prompts, index, PLACEHOLDER, seed=1, round_number=1) for index in range(300)]

    topics = Counter(each.steering["topic"] for each in tries)
    assert set(topics) == {"eggs", "a farm", "trains"}
    assert min(topics.values()) > 60
    for each in tries:
        assert each.request.user == f"A problem about {each.steering['topic']} for {{who}}."
        assert each.request.assistant_prefix == each.steering["name"]
    assert tries[7] == attempt(prompts, 7, PLACEHOLDER, seed=1, round_number=1)
    others = [attempt(prompts, index, PLACEHOLDER, seed=1, round_number=2).steering for index in range(300)]
    assert others != [each.steering for each in tries]
    assert len({each.request.key for each in tries}) == 300


def test_a_bait_without_placeholders_is_the_same_each_time(tmp_path: Path) -> None:
    prompts = prompt_set(tmp_path, bait="A problem.", topic="eggs")

    assert {attempt(prompts, index, BaitConfig(), 1, 1).request.user for index in range(9)} == {"A problem."}
    assert attempt(prompts, 3, BaitConfig(), 1, 1).steering == {}


def test_a_list_belongs_to_what_a_run_is_made_from(tmp_path: Path) -> None:
    before = prompt_set(tmp_path, topic="eggs\ntrains").checksums()
    after = prompt_set(tmp_path, topic="eggs\nships").checksums()

    assert {name for name in before if before[name] != after[name]} == {f"{tmp_path.name}/bait.topic"}


def test_an_empty_value_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bait\.topic\.txt: is empty"):
        prompt_set(tmp_path, topic="\n \n")


@pytest.mark.parametrize("name", packaged_sets())
def test_every_list_of_the_package_is_used(name: str) -> None:
    prompts = load_prompt_set(name)
    for values in prompts.choices.values():
        assert len(set(values)) == len(values) >= 10
