"""math-verify's second opinion: what it is, that no reply can block it, and how it is stored and shown."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.engine import RunOptions, run_evaluation
from crescent_lite.evaluation.second_opinion import second_opinions
from crescent_lite.report import build_report, report_markdown
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

pytestmark = [
    pytest.mark.second_opinions,
    pytest.mark.skipif(importlib.util.find_spec("math_verify") is None, reason="math-verify is not installed"),
]


@pytest.mark.slow
def test_values_are_compared_and_not_their_spelling() -> None:
    pairs = [
        ("So there are 19 apples.", "19"),
        (r"Therefore \boxed{\frac12}.", "0.5"),
        ("#### 1,000", "1000"),
        ("It is 12, no, 13.", "12"),
        ("I do not know.", "12"),
        ("", "12"),
        ("<think>\nMaybe it is 13.</think>It is 12.", "12"),
        ("<think>\nMaybe it is 12.", "12"),
    ]
    assert list(second_opinions(pairs)) == [True, True, True, False, False, False, True, False]


@pytest.mark.slow
def test_a_bomb_costs_its_own_opinion_and_no_other() -> None:
    bombs = [r"\boxed{9^{9^{9}}}", r"\boxed{10^{10^{10}}}"]
    began = time.monotonic()
    opinions = list(second_opinions([("7", "7"), *((bomb, "7") for bomb in bombs), ("7", "7")], pair_seconds=1.5))
    assert opinions == [True, None, None, True]
    assert time.monotonic() - began < 60  # two bombs of 1.5 s, three starts


@pytest.mark.parametrize(
    "reply",
    [
        "(" * 20_000,
        r"\boxed{" + "{" * 5_000 + "1" + "}" * 5_000 + "}",
        "a" * 2_000_000,
        "$" + "1+" * 100_000 + "1$",
        "\ud800 \x00 \x1b[31m",
        "the answer is __import__('os').system('exit 3')",
    ],
    ids=["open", "nested", "long", "sum", "no characters", "code"],
)
@pytest.mark.slow
def test_no_such_reply_is_right_or_waited_for_long(reply: str) -> None:
    opinion, after = second_opinions([(reply, "7"), ("7", "7")], pair_seconds=1.5)
    assert not opinion
    assert after is True


@pytest.mark.slow
def test_after_many_bombs_the_rest_gets_no_opinion() -> None:
    bombs = [(r"\boxed{9^{9^{9}}}", "7")] * 2
    assert list(second_opinions([*bombs, ("7", "7")], pair_seconds=0.1, max_killed=2)) == [None, None, None]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A base measured with two prompts, with multiple choice, and with three samples of one prompt."""
    workspace = make_workspace(tmp_path_factory.mktemp("measured"))
    rows = '{"question": "Which is a metal?", "choices": ["iron", "glass"], "answer": 0}\n'
    (workspace.folder / "metals.jsonl").write_text(rows, encoding="utf-8")
    with (workspace.folder / "crescent.toml").open("a", encoding="utf-8") as settings:
        settings.write("samples = 3\n[evaluate.benchmarks.metals]\nsource = 'metals.jsonl'\nkind = 'choices'\n")
    evaluate(workspace)
    return workspace


def evaluate(workspace: Workspace) -> None:
    for _ in run_evaluation(workspace, RunOptions(), None, lambda _path, _config: FakeSampler()):
        pass


@pytest.mark.slow
def test_every_reply_with_a_value_has_an_opinion_and_no_choice_has(measured: Workspace) -> None:
    store = Store.open_read_only(measured.database_path)
    counts = store.database.rows(
        """SELECT b.kind, count(*), count(second_opinion), sum(flexible = second_opinion) FROM evaluated_items
        JOIN evaluations USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
        GROUP BY b.kind ORDER BY b.kind"""
    )
    assert [tuple(row) for row in counts] == [("answers", 100, 100, 100), ("choices", 1, 0, None)]
    store.close()


def test_the_report_shows_the_second_opinion_and_how_often_it_differs(measured: Workspace) -> None:
    store = Store.open_read_only(measured.database_path)
    report = report_markdown(build_report(store, 1))
    store.close()
    assert "| sums | bare | math-verify | base |" in report
    assert "| metals | letter | math-verify |" not in report
    assert "math-verify gave a second opinion on 40 replies, and disagrees with flexible on 0" in report


def test_a_missing_opinion_is_added_when_the_evaluation_is_used_again(measured: Workspace) -> None:
    store = Store.open(measured.database_path)
    greedy = store.evaluations.fetch_evaluations(1)[1].evaluation_id
    store.database.write("UPDATE evaluated_items SET second_opinion = NULL WHERE evaluation_id = ?", [greedy])
    assert len(store.evaluations.fetch_without_opinion(greedy)) == 20
    store.close()

    evaluate(measured)

    store = Store.open_read_only(measured.database_path)
    assert store.evaluations.fetch_without_opinion(greedy) == []
    store.close()


def test_an_unfinished_evaluation_is_not_judged_yet(measured: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "crescent.db"
    copy.write_bytes(measured.database_path.read_bytes())
    store = Store.open(copy)
    store.database.write("UPDATE evaluations SET finished_at = NULL")
    store.database.write("UPDATE evaluated_items SET second_opinion = NULL")
    evaluation_ids = store.database.rows("SELECT evaluation_id FROM evaluations")
    assert not any(store.evaluations.fetch_without_opinion(row[0]) for row in evaluation_ids)
    store.close()
