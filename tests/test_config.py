"""Settings: layers and their origins, checks that name the file and the key, and settings as text."""

import json
import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.config import (
    PRESETS,
    BenchmarkConfig,
    Config,
    config_from_dict,
    load_config,
)
from crescent_lite.config.help import field_help
from crescent_lite.config.text import STARTER_KEYS, config_rows, starter_toml
from crescent_lite.config.toml import toml_text
from crescent_lite.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "crescent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    """The error message for a crescent.toml with this text, without the file name that it begins with."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# ── layers ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads(preset: str) -> None:
    assert load_config(preset=preset).preset == preset


def test_a_later_layer_wins_and_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, 'preset = "quick"\n[vote]\nmin_share = 0.6\nmax_tokens = 30\n')
    config = load_config(path, overrides=["vote.max_tokens=31"])
    assert (config.vote.votes_per_question, config.origins["vote.votes_per_question"]) == (8, "preset quick")
    assert (config.vote.min_share, config.origins["vote.min_share"]) == (0.6, str(path))
    assert (config.vote.max_tokens, config.origins["vote.max_tokens"]) == (31, "--set")
    assert (config.vote.top_k, config.origins["vote.top_k"]) == (64, "default")


def test_every_setting_has_an_origin() -> None:
    config = load_config()
    settings = {
        f"{s.name}.{k.name}"
        for s in fields(config)
        if is_dataclass(s.default_factory)
        for k in fields(s.default_factory)
    }
    assert settings
    assert set(config.origins) == {"preset"} | settings


def test_the_preset_of_the_command_line_overrides_the_files_own(tmp_path: Path) -> None:
    path = written(tmp_path, 'preset = "quick"\n')
    assert load_config(path).preset == "quick"
    assert load_config(path).origins["preset"] == str(path)
    assert load_config(path, preset="reference").preset == "reference"


def test_without_a_file_and_a_preset_it_is_the_default_preset() -> None:
    assert load_config() == load_config(preset="default")


def test_a_file_replaces_the_presets_benchmarks(tmp_path: Path) -> None:
    path = written(tmp_path, 'preset = "quick"\n[evaluate.benchmarks.mine]\nsource = "mine.jsonl"\n')
    config = load_config(path)
    assert config.evaluate.benchmarks == {"mine": BenchmarkConfig(source="mine.jsonl")}
    assert config.evaluate.max_tokens == 48  # the rest of the section stays
    assert config.origins["evaluate.benchmarks"] == str(path)


def test_a_file_changes_a_benchmark_of_the_preset_and_keeps_its_other_keys(tmp_path: Path) -> None:
    path = written(tmp_path, 'preset = "quick"\n[evaluate.benchmarks.arithmetic]\nitems = 50\n')
    config, preset = load_config(path), load_config(preset="quick")
    before = preset.evaluate.benchmarks["arithmetic"]
    assert config.evaluate.benchmarks == {"arithmetic": replace(before, items=50)}
    origins = {name: origin for name, _, origin, _ in config_rows(config) if ".arithmetic." in name}
    assert origins["evaluate.benchmarks.arithmetic.items"] == str(path)
    assert origins["evaluate.benchmarks.arithmetic.tasks"] == "preset quick"


@pytest.mark.parametrize("key", ["source = 'mine.jsonl'", "builtin = 'gsm8k'"])
def test_a_benchmark_with_a_source_of_its_own_replaces_that_of_the_preset(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, f'preset = "quick"\n[evaluate.benchmarks.arithmetic]\n{key}\n')
    found = load_config(path).evaluate.benchmarks["arithmetic"]
    assert (found.items, found.tasks) == (BenchmarkConfig().items, {})


def test_every_row_of_the_settings_can_be_set() -> None:
    """Names, and values as TOML, as `crescent config` lists them, those inside a benchmark included."""
    before = load_config(preset="quick")
    rows = {name: value for name, value, *_ in config_rows(before) if name != "preset"}
    after = load_config(preset="quick", overrides=[f"{name}={toml_text(value)}" for name, value in rows.items()])
    assert {name: value for name, value, *_ in config_rows(after) if name != "preset"} == rows
    assert {origin for name, _, origin, _ in config_rows(after) if name != "preset"} == {"--set"}


def test_set_reaches_into_a_table_and_leaves_the_rest() -> None:
    name = "evaluate.benchmarks.arithmetic"
    texts = [f"{name}.items=50", f"{name}.tasks.products.max_digits=2", "model.template_arguments.thinking=false"]
    config = load_config(preset="quick", overrides=texts)
    found = config.evaluate.benchmarks["arithmetic"]
    before = load_config(preset="quick").evaluate.benchmarks["arithmetic"]
    assert (found.items, found.source, found.seed) == (50, before.source, before.seed)
    assert found.tasks == {**before.tasks, "products": {**before.tasks["products"], "max_digits": 2}}
    assert config.model.template_arguments == {"thinking": False}


def test_set_of_a_whole_table_replaces_it() -> None:
    table = 'evaluate.benchmarks={ mine = { source = "mine.jsonl" } }'
    config = load_config(preset="quick", overrides=[table, "evaluate.benchmarks.mine.items=3"])
    assert config.evaluate.benchmarks == {"mine": BenchmarkConfig(source="mine.jsonl", items=3)}


def test_a_name_with_a_dot_stands_in_quotes() -> None:
    texts = ['evaluate.benchmarks."v1.1".source=a.jsonl', 'evaluate.benchmarks."v1.1".items=7']
    assert load_config(overrides=texts).evaluate.benchmarks["v1.1"].items == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evaluate.benchmarks.arithmetic.itms=5", "evaluate.benchmarks.arithmetic.itms: unknown key; did you mean"),
        (
            "evaluate.benchmarks.arithmetc.items=5",
            "'source' nor 'builtin' is set; set one of them; there is 'arithmetic'",
        ),
        ("run.rounds.more=1", "run.rounds: must be a whole number, not"),
        ("rum.rounds.more=1", "rum: unknown section; did you mean 'run'?"),
        ("run..rounds=1", "write it as section.key=value"),
    ],
)
def test_a_longer_name_that_leads_nowhere_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(preset="quick", overrides=[text])


def test_benchmarks_keep_their_types() -> None:
    benchmark = load_config(preset="quick").evaluate.benchmarks["arithmetic"]
    assert isinstance(benchmark, BenchmarkConfig)
    assert isinstance(benchmark.items, int)
    assert benchmark.tasks["chain_sum"]["min_terms"] == 2


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("run.seed=7", "run", "seed", 7),
        ("vote.temperature = 1", "vote", "temperature", 1.0),
        ("diversify.numbers_must_agree=true", "diversify", "numbers_must_agree", True),
        ("model.source=/models/my model=1.gguf", "model", "source", "/models/my model=1.gguf"),
        ('bait.assistant_prefix="How many"', "bait", "assistant_prefix", "How many"),
        ("bait.assistant_prefix=How many", "bait", "assistant_prefix", "How many"),
        ("bait.assistant_prefix=", "bait", "assistant_prefix", ""),
        ('evaluate.prompts=["bare"]', "evaluate", "prompts", ("bare",)),
        ("evaluate.benchmarks={}", "evaluate", "benchmarks", {}),
    ],
)
def test_set_takes_toml_values_and_bare_words(text: str, section: str, key: str, value: object) -> None:
    found = getattr(getattr(load_config(overrides=[text]), section), key)
    assert found == value
    assert type(found) is type(value)


# ── what is refused, and how ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[vote]\nvotes_per_qestion = 5", "vote.votes_per_qestion: unknown key; did you mean 'votes_per_question'?"),
        ("[evaluate]\nsource = 'x'", "evaluate.source: unknown key; did you mean model.source?"),
        ("source = 'x'", "source: unknown section; did you mean model.source?"),
        ("[votes]\nmin_share = 1", "votes: unknown section; did you mean 'vote'?"),
        (
            "[evaluate.benchmarks.mine]\nsorce = 'x'",
            "evaluate.benchmarks.mine.sorce: unknown key; did you mean 'source'?",
        ),
        ("[evaluate.benchmarks.mine]\nitems = 3", "evaluate.benchmarks.mine: neither 'source' nor 'builtin' is set"),
        ("[origins]\nrun = 'x'", "origins: unknown section"),
        ("[vote]\nvotes_per_question = '8'", "vote.votes_per_question: must be a whole number, not '8'"),
        ("[vote]\nvotes_per_question = true", "vote.votes_per_question: must be a whole number, not true"),
        ("[vote]\nvotes_per_question = 8.0", "vote.votes_per_question: must be a whole number, not 8.0"),
        ("[vote]\nmin_share = false", "vote.min_share: must be a number, not false"),
        ("[model]\noffline = 1", "model.offline: must be true or false, not 1"),
        ("[run]\nprompts = 3", "run.prompts: must be text, not 3"),
        ("[evaluate]\nprompts = 'bare'", "evaluate.prompts: must be a list, not 'bare'"),
        ("[evaluate]\nprompts = ['bare', 1]", "evaluate.prompts[1]: must be text, not 1"),
        ("[evaluate]\nbenchmarks = 'gsm8k'", "evaluate.benchmarks: must be a table, not 'gsm8k'"),
        ("[train]\nloader = 'axolotl'", "train.loader: must be one of 'auto', 'unsloth', 'peft', not 'axolotl'"),
        ("[vote]\nmin_share = 1.5", "vote.min_share: 1.5 is out of range, 0 to 1"),
        ("[vote]\nmin_share = nan", "vote.min_share: NaN is out of range, 0 to 1"),
        ("[bait]\nquestions = 0", "bait.questions: 0 is out of range, 1 to 10,000,000"),
        ("vote = 5", "vote: must be a table, not 5"),
        ("[[vote]]\nmin_share = 0.5", "vote: must be a table, not [{"),
        ("run = ['a']", 'run: must be a table, not ["a"]'),
        ("preset = 'slow'", "preset: unknown preset 'slow'; choose from quick, default, preference, reference"),
        ("preset = ''", "preset: unknown preset ''"),
        ("preset = ['quick']", "preset: unknown preset ['quick']"),
        ("[evaluate.benchmarks.b]\nsource = 'x'\ntasks = { t = 2026-01-01 }", "evaluate.benchmarks.b.tasks.t: "),
        ("[vote\n", "not valid TOML: "),
        (
            "[vote]\nseed = 9\n\n[run]\n[vote]\n",
            "not valid TOML: the section [vote] is in line 1 and again in line 5",
        ),
        ("vote.seed = 9\n[vote]\n", "not valid TOML: the section [vote] is there before and again in line 2"),
        ("[a.'b.c']\n[ a . 'b.c' ]\n", "not valid TOML: the section [a.b.c] is in line 1 and again in line 2"),
        ("[run]\nseed = 1\nseed = 2\n", "not valid TOML: line 3 sets a key that is set before; keep one of the two"),
        ("x = " + "[" * 5000, "not valid TOML: "),
        ("[run]\nseed = " + "9" * 5000, "not valid TOML: "),
        ("[run]\nseed = 0x" + "f" * 5000, "run.seed: a number of thousands of digits is out of range"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    assert complaint(tmp_path, text).startswith(message)


def test_a_missing_file_and_one_that_is_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; `crescent init` writes one"):
        load_config(tmp_path / "crescent.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe[\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "bytes.toml")


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "crescent.toml").write_bytes(b"\xef\xbb\xbf[run]\r\nseed = 5\r\n")
    assert load_config(tmp_path / "crescent.toml").run.seed == 5


@pytest.mark.parametrize("text", ["run.seed", "seed=5", "=5", ".seed=5", "run.=5", "", "#=5", "#a\nb=5"])
def test_a_malformed_set_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set .*; write it as section\.key=value$"):
        load_config(overrides=[text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run.sed=5", "--set: run.sed: unknown key; did you mean 'seed'?"),
        ("run.seed=five", "--set: run.seed: must be a whole number, not 'five'"),
        ("run.seed=" + "9" * 5000, "--set: run.seed: must be a whole number, not '999"),
        ("vote.min_share=2", "--set: vote.min_share: 2 is out of range, 0 to 1"),
    ],
)
def test_a_bad_set_names_itself(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[text])
    assert str(caught.value).startswith(message)


# ── stored with a run ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_survives_being_stored(preset: str) -> None:
    config = load_config(preset=preset, overrides=["run.seed=9"])
    assert config_from_dict(config.as_dict()) == config
    assert config_from_dict(json.loads(json.dumps(config.as_dict(), allow_nan=False))) == config


def test_an_unknown_stored_setting_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^the settings stored with the run: vote\.quorum: unknown key"):
        config_from_dict({"vote": {"quorum": 3}})


# ── as text ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_has_a_row_with_its_help() -> None:
    rows = config_rows(load_config(preset="quick"))
    names = [name for name, *_ in rows]
    assert len(set(names)) == len(names)
    assert {name for name in load_config().origins if name != "evaluate.benchmarks"} <= set(names)
    assert [name for name, _, origin, help_text in rows if not (origin and help_text)] == []
    json.dumps(rows, allow_nan=False)


def test_a_benchmarks_settings_are_rows_of_their_own() -> None:
    rows = {name: (value, origin) for name, value, origin, _ in config_rows(load_config(preset="quick"))}
    assert rows["evaluate.benchmarks.arithmetic.source"] == ("reasoning-gym", "preset quick")
    assert rows["evaluate.prompts"] == (["bare", "solve"], "default")
    no_benchmarks = {name: value for name, value, *_ in config_rows(Config())}
    assert no_benchmarks["evaluate.benchmarks"] == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_starter_file_changes_nothing(tmp_path: Path, preset: str) -> None:
    assert load_config(written(tmp_path, starter_toml(preset))) == load_config(preset=preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_starter_file_shows_the_presets_values(tmp_path: Path, preset: str) -> None:
    uncommented = re.sub(r"^# (?=\w+ = )(?!source = \"questions)", "", starter_toml(preset), flags=re.MULTILINE)
    path = written(tmp_path, uncommented)
    config = load_config(path)
    assert config == load_config(preset=preset)
    shown = {name for name, origin in config.origins.items() if origin == str(path)} - {"preset"}
    assert shown == {f"{section}.{key}" for section, keys in STARTER_KEYS.items() for key in keys}


def test_the_starter_files_benchmark_works_as_shown(tmp_path: Path) -> None:
    head, _, tail = starter_toml("quick").partition("# [evaluate.benchmarks")
    path = written(tmp_path, head + ("# [evaluate.benchmarks" + tail).replace("# ", ""))
    assert load_config(path).evaluate.benchmarks == {"mine": BenchmarkConfig(source="questions.jsonl")}


def test_the_help_is_the_text_under_each_field() -> None:
    assert field_help(BenchmarkConfig)["subset"] == "Configuration of a hub data set. Empty: its default."


plain_values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain_values)
def test_toml_text_is_read_back_as_the_same_value(value: object) -> None:
    assert tomllib.loads(f"value = {toml_text(value)}")["value"] == value


def test_help_is_read_from_several_threads_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from crescent_lite.config import help as config_help

    sections = [type(getattr(load_config(), name)) for name in ("run", "bait", "vote", "train", "evaluate")]
    config_help._field_help.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        helps = list(threads.map(field_help, sections * 8))
    assert all(helps)
