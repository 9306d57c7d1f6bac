"""Where a question is a calculation, its label is compared with the result; the result is shown and never learnt."""

from __future__ import annotations

import json
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_run import load_sample_run

from crescent_lite.answers.arithmetic import result_of
from crescent_lite.cli import main
from crescent_lite.errors import ExitCode
from crescent_lite.report import build_document, build_report
from crescent_lite.round_facts import LabelTruth
from crescent_lite.store import Store
from crescent_lite.store.truths import fetch_label_truth


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
