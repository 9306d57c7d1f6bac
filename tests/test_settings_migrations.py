"""The settings of an older run are read with today's names; nobody renames a setting without a migration."""

from __future__ import annotations

import copy
import dataclasses
import json
import lzma
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st
from sample_run import load_sample_run

from crescent_lite.config import PRESETS, BenchmarkConfig, Config, config_from_dict, load_config
from crescent_lite.config.fields import stored_rows
from crescent_lite.config.migration_steps import added, removed, renamed, section_renamed
from crescent_lite.config.migrations import MIGRATIONS, VERSION_KEY, Migration, upgraded
from crescent_lite.config.stored import resumed_config, unchangeable_config
from crescent_lite.config.text import config_rows, starter_toml
from crescent_lite.engine import run_engine
from crescent_lite.errors import ConfigError
from crescent_lite.events import RunFinished, RunStarted
from crescent_lite.export.examples import Choice, chosen_labels
from crescent_lite.inquiry import Inquiry, Piece, answer
from crescent_lite.models import find_model
from crescent_lite.preparation import RunOptions
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

HERE = Path(__file__).parent
OLD = sorted((HERE / "databases").glob("*.db.xz"))
OLD_DATABASES = [
    pytest.param(path, id=path.name[:4], marks=() if path in (OLD[0], OLD[-1]) else pytest.mark.slow) for path in OLD
]
"""The versions between the oldest and the latest are for the slow tests."""
"""Small runs, each written by the engine of its time. The first three have train.quantize_4bit."""
OPENED: dict[str, bytes] = {}
"""The same databases after they were brought up to date, by their names."""


# ── runs of every earlier version ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=OLD_DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """A workspace with a finished run of an earlier version, and today's quick preset as its crescent.toml."""
    (tmp_path / "crescent.db").write_bytes(lzma.decompress(request.param.read_bytes()))
    (tmp_path / "crescent.toml").write_text(starter_toml("quick"), encoding="utf-8")
    return Workspace(tmp_path)


@pytest.fixture
def opened(old: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """The same, after this version has opened the database."""
    name = request.node.callspec.params["old"].name
    if name not in OPENED:
        Store.open(old.database_path).close()
        OPENED[name] = old.database_path.read_bytes()
    old.database_path.write_bytes(OPENED[name])
    return old


def stored_texts(workspace: Workspace) -> list[str]:
    with closing(sqlite3.connect(workspace.database_path)) as connection:
        return [row[0] for row in connection.execute("SELECT config FROM runs ORDER BY run_id")]


def test_an_older_runs_settings_are_read_and_its_row_stays_as_it_was(old: Workspace) -> None:
    before = stored_texts(old)
    with closing(Store.open(old.database_path)) as store:
        runs = [store.runs.fetch_run(number) for number in range(1, len(before) + 1)]
        for run, text in zip(runs, before, strict=True):
            config = config_from_dict(run.config)
            written = json.loads(text)
            assert config.vote.votes_per_question == written["vote"]["votes_per_question"]
            assert config.train.precision == written["train"].get("precision", "auto")
            assert config.run.patience == written["run"].get("patience", 0)  # it was made without one
    assert stored_texts(old) == before


def test_an_older_runs_settings_screen_has_every_setting(opened: Workspace) -> None:
    with closing(Store.open(opened.database_path)) as store:
        run = store.runs.fetch_run()
    names = [name for name, *_ in stored_rows(run.config)]
    fresh = [name for name, *_ in config_rows(load_config(preset=run.config["preset"]))]
    assert [name for name in fresh if ".benchmarks." not in name] == [n for n in names if ".benchmarks." not in n]


def test_an_older_runs_labels_can_be_decided_anew(opened: Workspace) -> None:
    with closing(Store.open(opened.database_path)) as store:
        own = chosen_labels(store, Choice((1,)))
        anew = chosen_labels(store, Choice((1,), policy="majority"))
    assert own
    assert [label.question_id for label in anew] == [label.question_id for label in own]


def test_an_older_runs_base_answers_a_question(opened: Workspace) -> None:
    pieces: list[Piece] = []
    with closing(Store.open(opened.database_path)) as store:
        store.runs.insert_model(find_model("embedded"))  # notes where it is on this machine
        inquiry = Inquiry("What is 2 + 3?", rounds=(0,))
        answer(opened, store, inquiry, pieces.append, lambda *_: FakeSampler("It is 5."))
    assert "".join(piece.text for piece in pieces) == "It is 5."


def test_an_older_run_is_resumed_and_then_has_todays_names(opened: Workspace) -> None:
    with closing(Store.open(opened.database_path)) as store:
        store.runs.set_state(1, "stopped")
        votes = store.runs.fetch_run().config["vote"]["votes_per_question"]
    options = RunOptions(rounds=2, overrides=("train.min_examples=100000",))
    events = list(run_engine(opened, options, lambda *_: FakeSampler()))
    assert isinstance(events[0], RunStarted)
    assert events[0].resumed
    assert isinstance(events[-1], RunFinished)
    (text,) = stored_texts(opened)
    stored = json.loads(text)
    assert stored[VERSION_KEY] == len(MIGRATIONS)
    assert (stored["train"]["min_examples"], stored["vote"]["votes_per_question"]) == (100_000, votes)
    assert upgraded(stored) == stored


def test_a_run_that_an_earlier_version_left_without_settings_is_shown(tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path / "data")
    with closing(Store.open(workspace.database_path)) as store:
        base_id = store.runs.fetch_run().base_id
        run_id = store.runs.insert_run("improvement", base_id, {})
        store.database.write("UPDATE runs SET config = '{}' WHERE run_id = ?", [run_id])

        snapshot = store.watching.fetch_snapshot()

        assert snapshot is not None
        assert (snapshot.run_id, snapshot.own_questions) == (run_id, False)


# ── a migration of tomorrow ──────────────────────────────────────────────────────────────────────────────────


TOMORROW = (
    *MIGRATIONS,
    Migration("votes_per_question replaced ballots", renamed("vote.ballots", "vote.votes_per_question")),
    Migration("quorum was removed", removed("vote.quorum")),
)


def of_today() -> dict[str, Any]:
    """A run's stored settings, if `vote.votes_per_question` were called `ballots` and there were a `quorum`."""
    overrides = ["vote.votes_per_question=5", "run.seed=7", "train.rank=4"]
    stored: dict[str, Any] = json.loads(json.dumps(load_config(preset="quick", overrides=overrides).as_dict()))
    stored["vote"]["ballots"] = stored["vote"].pop("votes_per_question")
    stored["vote"]["quorum"] = 3
    stored["overrides"] = [" vote.ballots = 5", "vote.quorum=3", *overrides[1:]]
    return stored


def test_a_renamed_setting_keeps_its_value_and_a_removed_one_is_dropped() -> None:
    config = config_from_dict(upgraded(of_today(), TOMORROW))
    assert config == load_config(
        preset="quick", overrides=["vote.votes_per_question=5", "run.seed=7", "train.rank=4"]
    )
    assert config.overrides == ("vote.votes_per_question=5", "run.seed=7", "train.rank=4")


def test_without_the_migration_the_old_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^the settings stored with the run: vote\.ballots: unknown key"):
        config_from_dict(upgraded(of_today()))


def test_an_unknown_setting_is_refused_by_name_after_the_migrations() -> None:
    stored = of_today()
    stored["vote"]["veto"] = True
    with pytest.raises(ConfigError, match=r"^the settings stored with the run: vote\.veto: unknown key"):
        config_from_dict(upgraded(stored, TOMORROW))


def test_a_run_in_the_store_is_resumed_over_a_renamed_setting(tmp_path: Path) -> None:
    (tmp_path / "crescent.toml").write_text(
        'preset = "quick"\n[train]\nrank = 8\nalpha = 64\n[bait]\nquestions = 9\n'
    )
    workspace = Workspace(tmp_path)
    with closing(Store.open(workspace.database_path)) as store:
        base_id = store.runs.insert_model(find_model("embedded"))
        run_id = store.runs.insert_run("improvement", base_id, {})
        store.runs.set_plan(run_id, of_today(), 1)
        stored = upgraded(store.runs.fetch_run(run_id).config, TOMORROW)
    config, kept = resumed_config(stored, workspace.config_path, preset=None, overrides=["bait.max_tokens=99"])
    assert (config.vote.votes_per_question, config.run.seed) == (5, 7)
    assert (config.train.rank, config.train.alpha) == (4, 64)  # the run's command line, over the file as it is now
    assert kept == ("bait.questions", "bait.max_tokens")
    assert config.overrides == ("vote.votes_per_question=5", "run.seed=7", "train.rank=4")


@pytest.mark.parametrize("text", ["", "{not json", "[1]", "null"])
def test_damaged_settings_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path)
    with closing(Store.open(workspace.database_path)) as store:
        store.database.write("UPDATE runs SET config = ?", [text])
        with pytest.raises(ConfigError, match="stored with the run: not a JSON object; restore the database"):
            store.runs.fetch_run(1)


def test_sections_that_may_change_are_not_read_from_the_stored_settings() -> None:
    stored = load_config(preset="quick").as_dict() | {"train": {"unheard_of": 1}}
    assert unchangeable_config(stored).train == Config().train
    with pytest.raises(ConfigError, match="unheard_of"):
        config_from_dict(stored)


# ── the kinds of steps ───────────────────────────────────────────────────────────────────────────────────────


def test_a_renamed_setting_may_get_another_value_and_another_section() -> None:
    step = renamed("train.quantize", "model.bits", lambda quantized: 4 if quantized else 16)
    stored = {"train": {"quantize": True, "rank": 4}, "overrides": ["train.quantize=false", "train.rank=4"]}
    assert step(stored) == {
        "train": {"rank": 4},
        "model": {"bits": 4},
        "overrides": ["model.bits=16", "train.rank=4"],
    }


def test_a_benchmarks_setting_is_renamed_and_removed_in_every_benchmark() -> None:
    stored = {
        "evaluate": {"benchmarks": {"a": {"count": 3, "old": 1}, "b": {"count": 4}, "c": {}}},
        "overrides": [
            'evaluate.benchmarks={ a = { count = 3, source = "x.jsonl" } }',
            "evaluate.benchmarks.a.count=5",
            "evaluate.benchmarks.a.old=1",
        ],
    }
    path = "evaluate.benchmarks.*"
    changed = removed(f"{path}.old")(renamed(f"{path}.count", f"{path}.items")(stored))
    assert changed["evaluate"]["benchmarks"] == {"a": {"items": 3}, "b": {"items": 4}, "c": {}}
    config = load_config(overrides=changed["overrides"])
    assert config.evaluate.benchmarks == {"a": BenchmarkConfig(source="x.jsonl", items=5)}


def test_a_section_is_renamed_with_all_its_settings() -> None:
    stored = {"poll": {"policy": "band"}, "overrides": ["poll.policy=band", "run.seed=1"]}
    assert section_renamed("poll", "vote")(stored) == {
        "vote": {"policy": "band"},
        "overrides": ['vote.policy="band"', "run.seed=1"],
    }


def test_an_added_setting_is_set_where_it_is_missing_only() -> None:
    step = added({"run.patience": 0, "vote.stopping": "never"})
    assert step({"run": {"patience": 3}}) == {"run": {"patience": 3}}
    assert step({"run": {}, "overrides": ["run.seed=1"]}) == {"run": {"patience": 0}, "overrides": ["run.seed=1"]}


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_of_a_newer_version_are_refused_in_one_line() -> None:
    with pytest.raises(
        ConfigError, match=r"^the settings stored with the run: written by a newer crescent-lite"
    ) as refused:
        upgraded({VERSION_KEY: len(MIGRATIONS) + 1})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", [-1, True, "3", 1.0, None])
def test_a_version_that_is_not_one_is_refused(version: object) -> None:
    with pytest.raises(ConfigError, match="settings_version"):
        upgraded({VERSION_KEY: version})


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_of_this_version_are_read_unchanged(preset: str) -> None:
    stored = load_config(preset=preset, overrides=["run.seed=9"]).as_dict()
    assert stored[VERSION_KEY] == len(MIGRATIONS)
    assert upgraded(stored) == stored


@st.composite
def stored_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of any earlier version: some of today's keys, and some that were removed since."""
    values = {name: each for name, each in Config().as_dict().items() if isinstance(each, dict)}
    stored: dict[str, Any] = {
        name: {key: value for key, value in section.items() if draw(st.booleans())}
        for name, section in values.items()
        if draw(st.booleans())
    }
    for section, key in (("train", "quantize_4bit"), ("alarms", "gap_rise")):
        if section in stored and draw(st.booleans()):
            stored[section][key] = draw(st.booleans())
    if draw(st.booleans()):
        texts = st.sampled_from(
            ["train.quantize_4bit=true", "alarms.gap_rise = 0.1", "vote.keep=first", "run.seed=3"]
        )
        stored["overrides"] = draw(st.lists(texts, max_size=4))
    if draw(st.booleans()):
        stored[VERSION_KEY] = draw(st.integers(0, len(MIGRATIONS)))
    return stored


@given(stored_settings())
def test_upgrading_twice_is_upgrading_once_and_leaves_the_stored_settings_alone(stored: dict[str, Any]) -> None:
    before = copy.deepcopy(stored)
    once = upgraded(stored)
    assert stored == before
    assert upgraded(once) == once
    assert once[VERSION_KEY] == len(MIGRATIONS)


@given(stored_settings())
def test_settings_of_before_there_were_versions_are_valid_today(stored: dict[str, Any]) -> None:
    stored.pop(VERSION_KEY, None)
    config = config_from_dict(upgraded(stored))
    load_config(overrides=config.overrides)


# ── the names of today ───────────────────────────────────────────────────────────────────────────────────────


def settings_and_values() -> Iterator[str]:
    """Every setting with its accepted values: 'vote.policy majority|band|reference', 'vote.min_share 0 to 1'."""
    sections = {name: hint for name, hint in get_type_hints(Config).items() if dataclasses.is_dataclass(hint)}
    for section, kind in {**sections, "evaluate.benchmarks.*": BenchmarkConfig}.items():
        for key, hint in get_type_hints(kind, include_extras=True).items():
            accepted = ""
            if get_origin(hint) is Literal:
                accepted = " " + "|".join(get_args(hint))
            elif get_origin(hint) is Annotated:
                bounds = get_args(hint)[1]
                accepted = f" {bounds.low:g} to {bounds.high:.10g}"
            yield f"{section}.{key}{accepted}"


def test_no_setting_is_renamed_without_a_migration() -> None:
    known = (HERE / "settings_of_today.txt").read_text(encoding="utf-8").splitlines()
    now = list(settings_and_values())
    gone, new = sorted(set(known) - set(now)), sorted(set(now) - set(known))
    assert not gone, (
        f"{gone} can be stored with runs: add a migration (crescent_lite/config/migrations.py) unless every stored "
        "value is still accepted, then bring tests/settings_of_today.txt up to date"
    )
    assert not new, f"{new}: bring tests/settings_of_today.txt up to date; an added setting may need a migration too"


def test_settings_of_the_command_line_are_kept_once_however_often_the_run_is_resumed(tmp_path: Path) -> None:
    given = ["train.epochs=1", "run.seed=7", "train.rank=8"]
    (settings := tmp_path / "crescent.toml").touch()
    stored = load_config(settings, overrides=given).as_dict()
    for _ in range(3):
        config, _ = resumed_config(stored, settings, preset=None, overrides=given)
        stored = config.as_dict()
    assert list(config.overrides) == given
    later, _ = resumed_config(stored, settings, preset=None, overrides=["train.epochs=2"])
    assert later.train.epochs == 2
    again, _ = resumed_config(later.as_dict(), settings, preset=None, overrides=["train.epochs=1"])
    assert again.train.epochs == 1
    assert list(again.overrides) == ["run.seed=7", "train.rank=8", "train.epochs=2", "train.epochs=1"]
