"""What voting is worth for a model: the values, the command, and the replies that it shares with runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from simulated_model import Nature, Sizes, simulated
from small_workspace import make_workspace

from crescent_lite.cli import main
from crescent_lite.config import BenchmarkConfig, load_config
from crescent_lite.engine import RunOptions, run_engine, run_evaluation, run_headroom
from crescent_lite.errors import ConfigError, ExitCode
from crescent_lite.evaluation.headroom import Headroom, headroom_config, in_a_sentence, measure_headroom, warnings
from crescent_lite.records import Completion, GreedyReply, Request, SampledReply
from crescent_lite.report import build_document, build_report
from crescent_lite.report.headroom import fetch_headroom, headroom_table
from crescent_lite.sampling import Watch
from crescent_lite.stages.evaluate import EvaluateStage
from crescent_lite.stages.frame import perform
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


def measured(*items: tuple[bool, str], name: str = "svamp", cut: int = 0) -> Headroom:
    """The headroom of items: whether the greedy reply is right, and a letter for each sample, 'r' for a right one.

    `cut`: greedy replies that were cut off.
    """
    greedy = {f"{n}": GreedyReply(right, n >= cut, 10 * (n + 1)) for n, (right, _) in enumerate(items)}
    samples = {
        f"{n}": [SampledReply(None if letter == "-" else f"n:{letter}", letter == "r") for letter in letters]
        for n, (_, letters) in enumerate(items)
    }
    found = measure_headroom(name, "arithmetic/solve", greedy, samples)
    assert found
    return found


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_figures_of_four_items_are_those_counted_by_hand() -> None:
    # The majorities are right, right, wrong (x leads), wrong (a tie goes to the answer drawn first).
    found = measured((False, "rrrx"), (True, "rrr-"), (True, "xxxr"), (False, "xrrx"))
    assert (found.items, found.samples, found.prompt) == (4, 4, "solve")
    assert (found.greedy.right, found.greedy.items) == (2, 4)
    assert found.mean.value == (3 + 3 + 1 + 2) / 16
    assert found.majority.value == 2 / 4
    assert found.solved.value == 1.0
    assert found.tokens.value == 25.0
    assert (found.comparison.gained, found.comparison.lost, found.worth) == (1, 1, 0.0)
    assert found.low < 0 < found.high


def test_only_items_with_both_kinds_of_replies_count() -> None:
    greedy = {"a": GreedyReply(True, True, 5), "b": GreedyReply(True, True, 5)}
    found = measure_headroom("sums", "bare", greedy, {"b": [SampledReply("n:1", True)] * 2, "c": []})
    assert found and found.items == 1
    assert measure_headroom("sums", "bare", greedy, {}) is None


def test_the_sentence_says_what_votes_are_worth_and_where_they_are_not() -> None:
    worth = measured(*[(False, "rrx")] * 20, *[(True, "rrx")] * 80)
    nothing = measured(*[(True, "rrx")] * 1000, name="gsm8k")
    unclear = measured(*[(False, "rrx")] * 2, *[(True, "rxx")], *[(True, "rrr")] * 15, name="few")
    assert in_a_sentence([worth, nothing]) == (
        "Voting over 3 is worth +20 points on svamp, solve (12 to 28); "
        "0 points on gsm8k, solve (0 to 0; no target for votes): "
        "fine-tuning on votes can hardly bring more than that."
    )
    assert unclear.worth_in_words().endswith("; not shown by 18 items)")
    assert in_a_sentence([unclear, nothing]).endswith(
        "too few items to show a gain from voting; measure more of them (--items) before a training."
    )
    assert in_a_sentence([nothing]).endswith("there is nothing here that fine-tuning on votes could learn.")
    assert in_a_sentence([]) == ""


def test_no_target_is_said_of_few_items_with_a_reserve() -> None:
    assert measured(*[(True, "rr")] * 10).worth_in_words().endswith("no target for votes, as far as 10 items show)")


def test_a_warning_comes_above_one_in_twenty_cut_off() -> None:
    assert warnings([measured(*[(True, "rr")] * 20, cut=1)]) == []
    (warning,) = warnings([measured(*[(True, "rr")] * 20, cut=2)])
    assert warning == (
        "2 of 20 greedy replies to svamp, solve are cut off (10.0%): raise evaluate.max_tokens, "
        "or whatever shortens replies will seem better"
    )


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_benchmarks_with_values_that_scores_are_claimed_on_are_measured() -> None:
    config = load_config(preset="default")
    benchmarks = {
        "mine": BenchmarkConfig(source="a", items=10_000, prompts=("bare", "solve")),
        "last": BenchmarkConfig(source="b", role="final", items=40),
        "arc": BenchmarkConfig(source="c", kind="choices", role="general"),
        "canary": BenchmarkConfig(source="d", role="canary"),
    }
    evaluate = dataclasses.replace(config.evaluate, benchmarks=benchmarks, temperature=0.5)
    config = dataclasses.replace(config, evaluate=evaluate)
    planned = headroom_config(config, samples=4).evaluate
    assert planned.temperature == 0
    assert {name: (each.items, each.prompts, each.samples) for name, each in planned.benchmarks.items()} == {
        "mine": (626, ("solve",), 4),  # 626 show 5 points
        "last": (40, ("solve",), 4),
    }
    assert {each.items for each in headroom_config(config, 100).evaluate.benchmarks.values()} == {100}


@pytest.mark.parametrize(
    ("overrides", "samples", "words"),
    [
        ((), 1, "--samples: a majority takes 2 to 1,000 samples"),
        (("vote.temperature=0",), 8, "vote.temperature: at 0 all samples are the same"),
        (("evaluate.benchmarks={}",), 8, "needs a benchmark with kind 'answers'"),
    ],
)
def test_what_cannot_be_measured_is_refused(overrides: tuple[str, ...], samples: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        headroom_config(load_config(preset="quick", overrides=overrides), samples=samples)


# ── the command and the store ─────────────────────────────────────────────────────────────────────────────────────


class Counting(FakeSampler):
    """Counts the replies that it draws; dies after `dies_after` of them."""

    def __init__(self, dies_after: int | None = None) -> None:
        super().__init__()
        self.drawn = 0
        self._dies_after = dies_after

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        for completion in super().sample(requests, watch):
            if self.drawn == self._dies_after:
                raise RuntimeError("killed")
            self.drawn += 1
            yield completion


def draw(workspace: Workspace, *, dies_after: int | None = None, items: int | None = None, samples: int = 4) -> int:
    """Measure the headroom of a workspace. Returns how many replies were drawn for it."""
    sampler = Counting(dies_after)
    for _ in run_headroom(workspace, RunOptions(), items, samples, lambda *_: sampler):
        pass
    return sampler.drawn


def latest(workspace: Workspace) -> list[Headroom]:
    """The headroom that the workspace's last run measured."""
    with closing(Store.open_read_only(workspace.database_path)) as store:
        return fetch_headroom(store, run_id=store.database.value("SELECT max(run_id) FROM runs"))


def evaluated(workspace: Workspace, *overrides: str) -> int:
    """Evaluate the base with these settings. Returns how many replies were drawn for it."""
    sampler = Counting()
    for _ in run_evaluation(workspace, RunOptions(overrides=overrides), None, lambda *_: sampler):
        pass
    return sampler.drawn


def sampled(items: int, samples: int) -> str:
    """A setting: the benchmark of the workspace with samples."""
    table = f'source="sums.jsonl", items={items}, samples={samples}, prompts=["solve"]'
    return f"evaluate.benchmarks={{sums={{{table}}}}}"


@pytest.mark.slow
def test_a_measurement_that_was_killed_is_finished_and_a_finished_one_draws_nothing(tmp_path: Path) -> None:
    straight, workspace = make_workspace(tmp_path / "straight"), make_workspace(tmp_path / "killed")
    assert draw(straight, samples=2) == 20 * (1 + 2)  # all items of the settings
    with pytest.raises(RuntimeError, match="killed"):
        draw(workspace, dies_after=37, samples=2)
    assert latest(workspace) == []
    assert draw(workspace, samples=2) == 60 - 37
    assert draw(workspace, samples=2) == 0
    assert latest(workspace) == latest(straight)
    (found,) = latest(workspace)
    assert (found.benchmark, found.items, found.samples) == ("sums", 20, 2)


@pytest.mark.slow
def test_a_run_takes_the_replies_and_gives_its_own(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "before")
    draw(workspace, items=12)
    assert evaluated(workspace, sampled(20, 4)) == 8 * (1 + 4)  # the other 8 items only
    assert draw(workspace) == 0
    assert draw(workspace, items=5) == 0
    assert latest(workspace)[0].items == 5

    # Other samples, or another prompt, are other replies.
    assert draw(workspace, items=5, samples=3) == 5 * 3

    alone = make_workspace(tmp_path / "alone")
    assert evaluated(alone, sampled(20, 4)) == 20 * (1 + 4)
    replies = "SELECT item_id, sample_index, text, seed FROM evaluated_items ORDER BY 1, 2, 3"
    evaluation = "SELECT max(evaluation_id) FROM evaluations WHERE samples = 4 AND benchmark_id = ?"
    drawn = []
    for each in (workspace, alone):
        with closing(Store.open_read_only(each.database_path)) as store:
            whole = store.database.value("SELECT benchmark_id FROM benchmarks WHERE items = 20")
            number = store.database.value(evaluation, [whole])
            rows = store.database.rows(replies.replace("ORDER", f"WHERE evaluation_id = {number} ORDER"))
            drawn.append([tuple(row) for row in rows])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 80


@pytest.mark.slow
def test_an_item_with_another_answer_is_not_taken_over(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    draw(workspace, items=6)
    path = tmp_path / "sums.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    changed = json.dumps({**json.loads(first), "answer": "99"})
    path.write_text("\n".join([changed, *others]) + "\n", encoding="utf-8")
    assert draw(workspace, items=6) == 1 + 4


@pytest.mark.slow
def test_a_whole_run_uses_what_was_measured_before_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    draw(workspace)
    sampler = Counting()
    overrides = (sampled(20, 4), "bait.questions=1", "vote.votes_per_question=1")
    list(run_engine(workspace, RunOptions(rounds=1, overrides=overrides), lambda *_: sampler))
    assert sampler.drawn <= 10  # the question and its vote; nothing of the 100 replies to the benchmark
    with closing(Store.open_read_only(workspace.database_path)) as store:
        report = build_report(store, 2)
        tables = {table.title: table for table in report.tables}
        assert "Voting over 4 is worth" in tables["What votes are worth"].note
        (section,) = [each for each in build_document(store, 2).sections if each.name == "scores"]
        assert "What votes are worth" in [table.title for table in section.tables]


@pytest.mark.slow
def test_the_command_prints_the_table_and_the_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    workspace = make_workspace(tmp_path)
    where = ["-w", str(workspace.folder), "--items", "3", "--samples", "2", "--set", "evaluate.max_tokens=4"]
    assert main(["headroom", *where]) == ExitCode.OK
    text = capfd.readouterr().out
    for words in ("What votes are worth", "maj@k", "pass@k", "greedy replies cut off", "Voting over 2 is worth"):
        assert words in text
    assert "Warning: 3 of 3 greedy replies to sums, solve are cut off (100.0%): raise evaluate.max_tokens" in text

    assert main(["headroom", "--json", *where]) == ExitCode.OK
    found = json.loads(capfd.readouterr().out)
    assert found["result"] in text
    (sums,) = found["benchmarks"]
    assert (sums["items"], sums["samples"], sums["cut_off"]["right"], sums["is_target"]) == (3, 2, 3, False)
    assert found["warnings"] == [sums["warning"]]

    assert main(["headroom", "--samples", "1", *where[:2]]) == ExitCode.CONFIG
    assert "--samples: a majority takes 2" in capfd.readouterr().err


def test_of_a_simulated_model_the_figures_are_in_order(tmp_path: Path) -> None:
    job = simulated(tmp_path, [Nature(cut_off=0.3)], Sizes(score=60, canary=5, samples=4))
    list(perform(EvaluateStage, job, job.base_id, None, ("score", "canary")))
    with closing(job.store):
        found = fetch_headroom(job.store, run_id=job.run_id)
        assert fetch_headroom(job.store, model_id=job.base_id) == found
    (sums,) = found  # the canary is left out
    assert sums.mean.value < sums.majority.value < sums.solved.value
    # 18 of 60 are expected to be cut off; 4 or fewer, or 36 or more, come once in 100,000.
    assert 4 < sums.cut_off.right < 36
    assert warnings(found)
    table = headroom_table(found)
    assert table.columns == ("", "sums, solve")
    assert dict(table.rows)["items"] == "60"
