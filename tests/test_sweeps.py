"""A sweep plays the same settings over seeds and values in one queue, and a killed one continues where it was."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.cli import main
from crescent_lite.engine import run_engine
from crescent_lite.errors import ConfigError, UsageError, WorkspaceError
from crescent_lite.report.sweep_table import Spread, sweep_lines
from crescent_lite.store import Store
from crescent_lite.sweep import SweepOptions, find_sweep, parse_vary, plan_sweep, refuse_changed_settings
from crescent_lite.workspace import Workspace

NO_TRAINING = 1000
CHILD = [sys.executable, str(Path(__file__).parent / "sweep_child.py")]
RATES = ("train.learning_rate", ("1e-4", "2e-4"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, "embedded", min_examples=NO_TRAINING)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store.open(workspace.database_path)


def test_a_queue_has_every_combination_for_each_seed(workspace: Workspace, store: Store) -> None:
    wanted = SweepOptions(count=2, vary=(RATES, ("vote.policy", ("majority", "band"))), name="both")

    sweep = plan_sweep(workspace, store, wanted)

    assert [run.seed for run in sweep.runs] == [1] * 4 + [2] * 4
    assert sweep.runs[5].label == "train.learning_rate = 1e-4, vote.policy = band, seed 2"
    assert sweep.runs[5].overrides == ("train.learning_rate=1e-4", 'vote.policy="band"', "run.seed=2")
    assert find_sweep(store, "both").runs == sweep.runs
    assert sweep.owed(store) == sweep.runs


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("train.learning_rate=1e-4,2e-4", ("train.learning_rate", ("1e-4", "2e-4"))),
        ("evaluate.prompts=['bare','solve'],['bare']", ("evaluate.prompts", ("['bare','solve']", "['bare']"))),
        ("bait.assistant_prefix='a, b',c", ("bait.assistant_prefix", ("'a, b'", "c"))),
    ],
)
def test_commas_in_brackets_and_quotes_belong_to_a_value(text: str, found: tuple[str, tuple[str, ...]]) -> None:
    assert parse_vary(text) == found


@pytest.mark.parametrize(
    "text", ["train.rank", "train.rank=", "train.rank=8,,9", "train.rang=8", "train.rank=8,8", "=8"]
)
def test_what_is_no_setting_with_values_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--vary"):
        parse_vary(text)


def test_a_combination_that_no_run_could_have_is_refused_before_anything_is_stored(
    workspace: Workspace, store: Store
) -> None:
    with pytest.raises(ConfigError, match=r"train\.rank"):
        plan_sweep(workspace, store, SweepOptions(count=2, vary=(("train.rank", ("8", "none")),)))
    with pytest.raises(UsageError, match=r"\[train\] only"):
        plan_sweep(workspace, store, SweepOptions(vary=(("vote.min_share", ("0.5",)),), shares_votes=True))
    with pytest.raises(UsageError, match="one round"):
        plan_sweep(workspace, store, SweepOptions(vary=(RATES,), rounds=2, shares_votes=True))

    assert store.sweeps.count() == 0


def test_settings_that_changed_since_the_plan_end_the_sweep(workspace: Workspace, store: Store) -> None:
    sweep = plan_sweep(workspace, store, SweepOptions(vary=(RATES,)))
    refuse_changed_settings(workspace, sweep, sweep.runs[1])

    settings = workspace.config_path.read_text(encoding="utf-8")
    workspace.config_path.write_text(settings.replace("questions = 40", "questions = 41"), encoding="utf-8")

    with pytest.raises(WorkspaceError, match=r"bait\.questions has changed"):
        refuse_changed_settings(workspace, sweep, sweep.runs[1])


def test_a_spread_is_the_median_with_the_range() -> None:
    assert Spread.of([0.3, 0.1, 0.2]) == Spread(0.2, 0.1, 0.3)
    assert Spread.of([]) is None


@pytest.mark.slow
def test_a_sweep_left_in_the_middle_owes_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = make_workspace(tmp_path, min_examples=NO_TRAINING)
    with closing(Store.open(workspace.database_path)) as store:
        sweep = plan_sweep(workspace, store, SweepOptions(count=3, overrides=("bait.questions=8",), name="seeds"))
    for run in sweep.runs[:2]:
        with closing(Store.open_read_only(workspace.database_path)) as store:
            options = sweep.options(store, run)
        events = run_engine(workspace, options, lambda _path, _config: FakeSampler())
        for number, _ in enumerate(events):
            if run.position == 1 and number == 60:
                events.close()

    with closing(Store.open_read_only(workspace.database_path)) as store:
        again = find_sweep(store)
        assert [run.position for run in again.owed(store)] == [1, 2]
        second, first = store.run_rows.fetch()
        assert (first.name, first.note, first.sweep, first.seed) == ("seeds 1", "seed 1", "seeds", 1)
        assert (second.name, second.state, second.seed) == ("seeds 2", "stopped", 2)
        assert sweep_lines(store, sweep.key, {0: "a"})[0].planned == 1
    place = ["-w", str(workspace.folder)]
    assert main(["sweep", "--seeds", "2", *place]) == 2
    assert "seeds is unfinished; `crescent sweep` continues it" in capsys.readouterr().err
    assert main(["sweep", "--dry-run", "--json", *place]) == 0
    queue = json.loads(capsys.readouterr().out)["queue"]
    assert [each["state"] for each in queue] == ["finished", "stopped", "planned"]


@pytest.mark.parametrize("seeds", ["0", "x", "1,1", "-3"])
def test_seeds_that_are_no_seeds_are_said_in_a_line(
    workspace: Workspace, seeds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", f"--seeds={seeds}", "-w", str(workspace.folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def value(folder: Path, sql: str) -> object:
    with closing(sqlite3.connect(folder / "crescent.db")) as database:
        return database.execute(sql).fetchone()[0]


def play(folder: Path, *death: str) -> int:
    ended = subprocess.run([*CHILD, str(folder), *death], capture_output=True, text=True, timeout=600, check=False)
    if ended.returncode > 0:
        pytest.fail(ended.stderr)
    return ended.returncode


@pytest.mark.slow
@pytest.mark.parametrize("shares", [False, True])
def test_a_sweep_of_three_seeds_killed_in_a_training_is_finished_by_the_same_command(
    shares: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = make_workspace(tmp_path)
    with closing(Store.open(workspace.database_path)) as store:
        vary = (("train.learning_rate", ("1e-4", "1e-3")),)
        plan_sweep(workspace, store, SweepOptions(count=3, vary=vary, name="rates", shares_votes=shares))

    assert play(tmp_path, "3", "train") == -9
    assert value(tmp_path, "SELECT count(*) FROM runs WHERE state = 'finished'") == 2
    assert play(tmp_path) == 0

    assert value(tmp_path, "PRAGMA integrity_check") == "ok"
    assert value(tmp_path, "SELECT count(*) FROM runs WHERE state = 'finished' AND sweep_key IS NOT NULL") == 6
    assert value(tmp_path, "SELECT count(*) FROM runs") == 6
    asked = value(tmp_path, "SELECT count(DISTINCT run_id) FROM rounds JOIN questions USING (round_id)")
    assert asked == (3 if shares else 6)
    assert main(["sweep", "--table", "--json", "-w", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs_owed"] == 0
    assert [(each["variant"], each["measured"]) for each in found["variants"]] == [
        ("train.learning_rate = 1e-4", 3), ("train.learning_rate = 1e-3", 3),
    ]  # fmt: skip
    spread = found["variants"][0]["score"]
    assert spread["low"] <= spread["median"] <= spread["high"]
