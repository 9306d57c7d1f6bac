"""Where a question is a calculation, its label is compared with the result; the result is shown and never learnt."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st
from sample_run import load_sample_run
from small_workspace import make_workspace

from crescent_lite.answers.arithmetic import result_of
from crescent_lite.cli import main
from crescent_lite.cli.detail import question_detail, question_text
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode
from crescent_lite.records import Request
from crescent_lite.report import build_document, build_report
from crescent_lite.round_facts import LabelTruth
from crescent_lite.store import Store
from crescent_lite.store.truths import fetch_label_truth
from crescent_lite.workspace import Workspace
from crescent_tui.content.question import question_about
from crescent_tui.content.run import pipeline


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("What is 12 + 14?", "n:26"),
        ("What is 45 + 7.", "n:52"),
        ("What is 25 × 16?", "n:400"),
        ("What is 37 x 19?", "n:703"),
        ("What is 25*2 + 3 * 10 + 2", "n:82"),
        ("What is (3 + 4) * -2?", "n:-14"),
        ("What is 2 + 3 in digits?", "n:5"),
        ("What is the answer to 8 + 2?", "n:10"),
        ("Calculate 1,234 + 1 =", "n:1235"),
        ("What is 10 divided by 4?", "n:5/2"),
        ("What is 3 plus 4 times 2?", "n:11"),
        ("What is 2^5?", "n:32"),
        ("What is 2 to the power of 5?", "n:32"),
        ("What is 15% of 80?", "n:12"),
        ("What is the sum of 10 and 11 in digits?", "n:21"),
        ("What is the sum of 1, 2 and 3?", "n:6"),
        ("What is the product of 21 and 10?", "n:210"),
        ("What is the result of the multiplication of 10 with 10?", "n:100"),
        ("What is the sum of 2 x 11 and 2 x 5?", "n:32"),
        ("What is the difference between 9 and 6?", "n:3"),
    ],
)
def test_the_result_of_a_calculation_is_computed(question: str, result: str) -> None:
    assert result_of(question) == result


@pytest.mark.parametrize(
    "question",
    [
        "What is 85 with two digits?",
        "What is 12?",
        "What is 12 in 10 digits?",
        "What is 13*2 with two digits?",
        "What is 25 multiplied by 2 with 11 in digits?",
        "What is the difference between 4 and 6?",
        "What is 1 / 0?",
        "What is 9^9^9?",
        "What is 10^64 * 10^64?",
        "What is " + "(" * 50 + "1+1" + ")" * 50 + "?",
        "What is " + "9" * 30 + " + 1?",
        "Tom has 3 apples and buys 4. How many has he?",
        "__import__('os').getcwd()",
        "",
        "\x00 + 1",
    ],
)
def test_what_is_no_bounded_calculation_has_no_result(question: str) -> None:
    assert result_of(question) is None


@given(st.text(alphabet="What is0123456789+-*/^()x,.%=? sumofand", max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    found = result_of(text)
    assert found is None or Fraction(found.removeprefix("n:")) is not None


@given(*[st.integers(0, 10**6)] * 2, st.sampled_from("+-*"))
def test_two_numbers_and_a_sign_give_what_python_gives(one: int, other: int, sign: str) -> None:
    results = {"+": one + other, "-": one - other, "*": one * other}
    assert result_of(f"What is {one} {sign} {other}?") == f"n:{results[sign]}"


class Witness(FakeSampler):
    """Remembers every prompt that a model is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def _say(self, request: Request, chance: random.Random) -> str:
        self.shown.append(f"{request.user}{request.assistant_prefix}")
        return super()._say(request, chance)


def labels_with(folder: Path, answers: Sequence[object]) -> tuple[Workspace, list[str], list[tuple[object, ...]]]:
    """Vote on sums that come with these answers. Returns the workspace, what models were shown, and the labels."""
    workspace, witness = make_workspace(folder, min_examples=1000), Witness()
    rows = [{"question": f"What is {n} + {n + 40}?", "answer": answer} for n, answer in enumerate(answers)]
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = json.dumps(str(folder / "mine.jsonl"))
    overrides = (f"bait.file={file}", 'run.prompts="word-problems"')
    list(run_engine(workspace, RunOptions(1, overrides=overrides), lambda _path, _config: witness))
    with closing(Store.open_read_only(workspace.database_path)) as store:
        found = store.database.rows("SELECT question_id, answer_key, share, chosen_vote, decision FROM consensus")
    return workspace, witness.shown, [tuple(row) for row in found]


@pytest.mark.slow
def test_answers_that_came_with_questions_judge_labels_and_change_nothing(tmp_path: Path) -> None:
    right = [str(2 * n + 40) for n in range(12)]
    judged, shown, labels = labels_with(tmp_path / "a", [*right[:9], "54321", "see the book", None])
    _, shown_without, labels_without = labels_with(tmp_path / "b", [None] * 12)
    assert (shown, labels) == (shown_without, labels_without)
    assert not any("54321" in text for text in shown)
    with closing(Store.open_read_only(judged.database_path)) as store:
        truth = store.fetch_label_truth(1)
        labelled = [leader for _, leader, _, _, decision in labels if decision == "labelled"]
        expected = {number: f"n:{value}" for number, value in enumerate(right[:9], 1)}
        were_right = sum(
            decision == "labelled" and leader == expected.get(number) for number, leader, _, _, decision in labels
        )
        assert truth is not None
        assert (truth.labels, truth.right, truth.known) == (len(labelled), were_right, truth.given)
        assert 0 < truth.right < truth.labels
        judgements = store.database.rows("SELECT is_right, given FROM v_own_answers ORDER BY question_id")
        assert [row[1] for row in judgements] == [*right[:9], "54321", "see the book"]
        assert [row[0] for row in judgements][9:] == [0, None]
        document, snapshot = build_document(store, 1), store.watching.fetch_snapshot(1)
        assert any(truth.words in line for line in document.summary)
        assert "own questions, round 1" in next(
            figure.svg for section in document.sections for figure in section.figures if figure.name == "calibration"
        )
        assert snapshot is not None
        assert truth.short_words in pipeline(snapshot, 200).plain
        question = store.watching.fetch_question(10)
        assert question is not None
        assert "Your answer: 54321; the leading answer is wrong" in question_about(question).plain
        assert "answer given with it: 54321 (n:54321); the leading answer is wrong" in question_text(
            question_detail(store, 10)
        )
    with closing(Store.open_read_only(tmp_path / "b" / "crescent.db")) as store:
        assert store.fetch_label_truth(1) is None


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (LabelTruth(36, 22, 14), "14 of 36 labels right; 22 of the questions make sense"),
        (LabelTruth(30, 30, 25, 30), "25 of 30 labels right by the answers given"),
        (LabelTruth(36, 30, 25, 28), "25 of 30 labels right by the answers given or computed; 6 without an answer"),
        (
            LabelTruth(36, 30, 25, 30, 2),
            "25 of 30 labels right by the answers given; 4 without an answer; 2 with an answer that cannot be read",
        ),
        (
            LabelTruth(3, 0, 0, 0, 3),
            "none of the 3 labels could be compared with an answer; 3 with an answer that cannot be read",
        ),
    ],
)
def test_what_is_known_of_labels_is_said_with_what_is_not(truth: LabelTruth, words: str) -> None:
    assert truth.words == words


@pytest.mark.slow
def test_right_labels_are_counted_in_every_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = load_sample_run(tmp_path / "w")
    with closing(Store.open(workspace.database_path)) as store:
        whole, second = store.fetch_label_truth(1), store.fetch_label_truth(1, 2)
        assert whole == LabelTruth(56, 31, 14)  # counted by hand in the sample run
        assert second is not None
        document, report = build_document(store, 1), build_report(store, 1)
        store.database.write("UPDATE runs SET config = json_set(config, '$.run.prompts', 'word-problems')")
        assert fetch_label_truth(store.database, run_id=1) is None
    assert any(whole.words in line for line in document.summary)
    calibration = next(f for s in document.sections for f in s.figures if f.name == "calibration")
    assert "own questions, round 1" in calibration.svg
    yields = next(table for table in report.tables if table.title == "Round 2: yield")
    assert any(second.words in cell for row in yields.rows for cell in row)
    assert main(["status", "-w", str(workspace.folder), "--json"]) == ExitCode.OK
    assert "labels_right" not in json.loads(capsys.readouterr().out)  # its prompts ask for word problems now


def test_a_merge_brings_the_answers_of_own_questions(tmp_path: Path) -> None:
    labels_with(tmp_path / "a", ["40", "42"])
    here = make_workspace(tmp_path / "here")
    Store.open(here.database_path).close()
    assert main(["db", "merge", str(tmp_path / "a"), "-w", str(here.folder)]) == ExitCode.OK
    with closing(Store.open_read_only(here.database_path)) as store:
        assert [row[0] for row in store.database.rows("SELECT given FROM v_own_answers ORDER BY 1")] == ["40", "42"]
