"""Settings that a user types: which become overrides, which are not changes, where a stored value came from."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescent_lite.config import Config, load_config
from crescent_lite.config.fields import Draft, kinds, override_of, shown_value, stored_rows
from crescent_lite.config.text import config_rows
from crescent_lite.errors import ConfigError


def test_every_setting_has_a_kind_in_words() -> None:
    names = {name for name, *_ in config_rows(Config())}
    assert names <= set(kinds())
    assert kinds()["vote.policy"].choices == ("majority", "band", "reference")
    assert kinds()["vote.votes_per_question"].words == "a whole number, 1 to 1,000"
    assert kinds()["diversify.numbers_must_agree"].choices == ("true", "false")


def test_only_what_was_changed_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "crescent.toml"
    path.write_text('preset = "quick"\n[vote]\nmax_tokens = 30\n')
    draft = Draft(path).with_value("vote.max_tokens", "31").with_value("run.rounds", "2")
    draft = draft.with_value("preset", "default").with_value("bait.assistant_prefix", "12")
    assert draft.arguments() == [
        "--set", "vote.max_tokens=31", "--rounds", "2", "--preset", "default", "--set", 'bait.assistant_prefix="12"',
    ]  # fmt: skip
    assert draft.config().bait.assistant_prefix == "12"
    assert draft.without("preset").config().preset == "quick"


@pytest.mark.parametrize("typed", ["8", " 8 ", "8 # the same"])
def test_a_value_that_the_setting_has_anyway_is_not_a_change(typed: str) -> None:
    assert Draft(None).with_value("vote.votes_per_question", typed).typed == {}


def test_zero_is_the_same_as_zero_point_zero() -> None:
    assert Draft(None).with_value("sampling.memory_gb", "0").arguments() == []


def test_without_a_file_it_is_the_quick_preset() -> None:
    draft = Draft(None)
    assert draft.config().preset == "quick"
    assert draft.arguments() == []


@pytest.mark.parametrize(
    ("name", "typed", "why"),
    [
        ("vote.votes_per_question", "many", "must be a whole number, not 'many'"),
        ("vote.votes_per_question", "", "must be a whole number, not ''"),
        ("vote.votes_per_question", "0", "0 is out of range, 1 to 1,000"),
        ("vote.policy", "unanimity", "must be one of 'majority', 'band', 'reference', not 'unanimity'"),
        ("train.epochs", "true", "must be a number, not true"),
        ("preset", "slow", "unknown preset 'slow'"),
    ],
)
def test_an_invalid_value_is_explained_with_the_name_of_its_setting(name: str, typed: str, why: str) -> None:
    with pytest.raises(ConfigError, match=name) as refused:
        Draft(None).with_value(name, typed).config()
    assert why in str(refused.value)
    assert not str(refused.value).startswith("--set")


def test_a_list_is_typed_with_commas_or_as_toml() -> None:
    for typed in ("bare, 5-shot", '["bare", "5-shot"]'):
        assert Draft(None).with_value("evaluate.prompts", typed).config().evaluate.prompts == ("bare", "5-shot")
    assert shown_value(("bare", "5-shot")) == "bare, 5-shot"
    assert shown_value(("a,b",)) == '["a,b"]'


def test_a_list_of_numbers_is_typed_with_commas_and_shown_as_typed() -> None:
    name = "evaluate.sample_temperatures"
    draft = Draft(None).with_value(name, "0.2, 1")
    assert draft.config().evaluate.sample_temperatures == (0.2, 1.0)
    assert draft.value(name) == "0.2, 1"
    assert Draft(None).with_value(name, "").typed == {}
    with pytest.raises(ConfigError, match=r"sample_temperatures\[1\]: 9.0 is out of range"):
        Draft(None).with_value(name, "0.2, 9.0").config()


@settings(max_examples=30)
@given(st.text(st.characters(exclude_characters="\0"), max_size=30))
def test_a_typed_text_is_taken_as_that_text(typed: str) -> None:
    draft = Draft(None, {"bait.assistant_prefix": typed})
    assert draft.config().bait.assistant_prefix == typed.strip()
    assert override_of("bait.assistant_prefix", typed).startswith("bait.assistant_prefix=")


def test_a_broken_file_is_an_error_and_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "crescent.toml"
    path.write_text("[vote\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        Draft(path).rows()
    assert Draft(path).value("run.rounds") is None


def test_the_origin_of_a_stored_value_is_inferred_from_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "crescent.toml"
    path.write_text('preset = "quick"\n[vote]\nmax_tokens = 30\n')
    stored = load_config(path, overrides=["vote.top_k=3"]).as_dict()
    origins = {name: origin for name, _, origin, _ in stored_rows(stored)}
    assert origins["vote.top_k"] == "--set"
    assert origins["vote.max_tokens"] == origins["preset"] == "crescent.toml"
    assert origins["vote.temperature"] == "preset quick"
    assert origins["vote.policy"] == "default"


def test_an_unknown_stored_setting_is_an_error() -> None:
    with pytest.raises(ConfigError, match="stored with the run"):
        stored_rows({"vote": {"ballots": 3}})
