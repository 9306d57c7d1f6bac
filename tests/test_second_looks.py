"""The second looks of benchmarks/second_look.py: what each makes of a question's votes, and how they are compared."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import second_look
from fake_sampler import FakeSampler
from second_looks.agreeing_halves import AgreeingHalves
from second_looks.answer_check import AnswerCheck
from second_looks.draws import Check, Drawn, Draws
from second_looks.equations import NoFalseEquation, WinnerWithoutFalseEquation, has_false_equation
from second_looks.majority import Majority
from second_looks.question_check import QuestionCheck
from second_looks.two_prompts import TwoPrompts

from crescent_lite.records import Vote


def drawn(*answers: str | None, first: int = 0, text: str = "") -> list[Drawn]:
    votes = [
        Vote(first + n, first + n, text or f"It is {answer}.", answer and f"n:{answer}", "phrase", "stop")
        for n, answer in enumerate(answers)
    ]
    return [Drawn(vote, tokens=10) for vote in votes]


def test_a_label_needs_both_halves_to_agree() -> None:
    agreeing = Draws({"bare": drawn("3", "3", "4", "3"), "reworded": drawn("3", "3", first=4)}, rewording_tokens=7)
    divided = Draws({"bare": drawn("3", "3", "3", "3"), "reworded": drawn("4", "4", first=4)})

    found = AgreeingHalves("reworded").look(agreeing, votes=4)
    assert (found.is_label, found.confidence, found.tokens) == (True, 1.0, 47)
    assert not AgreeingHalves("reworded").look(divided, votes=4).is_label
    assert Majority().look(divided, votes=4).is_label


def test_a_half_that_ties_agrees_with_nothing() -> None:
    tied = Draws({"bare": drawn("3", "4"), "second": drawn("3", "3", first=2)})

    assert not AgreeingHalves("second").look(tied, votes=4).is_label
    assert TwoPrompts("second").look(tied, votes=4).confidence == 0.75


def test_a_no_lowers_the_confidence_and_takes_the_label() -> None:
    draws = Draws(
        {"bare": drawn("3", "3")}, is_complete=Check(log_odds=-2.0, tokens=50), is_right={"n:3": Check(2.0, 60)}
    )

    doubted, trusted = QuestionCheck().look(draws, votes=2), AnswerCheck().look(draws, votes=2)
    assert (doubted.is_label, doubted.tokens) == (False, 70)
    assert trusted.is_label
    assert 0 < doubted.confidence < 0.5 < trusted.confidence < 1


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("3 * 4 = 12", False),
        ("3 * 4 = 11", True),
        ("1 + 2 + 3 = 7", True),
        ("10 / 3 = 3.33", False),
        ("10 - (3 + 2) = 5", False),  # the list of equations has no brackets
        ("20% of 50 is 20% * 50 = 10", False),
        ("5 / 0 = 5", False),
        ("$12 + $5 = $18", True),
        ("x + 2 = 9", False),
    ],
)
def test_only_an_equation_that_can_be_calculated_is_called_false(text: str, false: bool) -> None:
    assert has_false_equation(text) is false


def test_a_solution_with_a_false_equation_is_no_winner() -> None:
    votes = [*drawn("11", "11", text="3 * 4 = 11"), *drawn("12", first=2, text="3 * 4 = 12")]
    draws = Draws({"bare": votes})

    assert Majority().look(draws, votes=3).is_label
    assert not WinnerWithoutFalseEquation().look(draws, votes=3).is_label
    counted = NoFalseEquation().look(draws, votes=3)
    assert counted.chosen is not None
    assert (counted.chosen.answer_key, counted.confidence, counted.tokens) == ("n:12", pytest.approx(1 / 3), 30)


def test_precision_at_a_coverage_counts_a_part_of_those_that_tie() -> None:
    confidence = np.array([1.0, 0.5, 0.5, 0.5, 0.0])
    right = np.array([True, True, False, False, True])

    assert second_look.precision_at(confidence, right, 1) == 1.0
    assert second_look.precision_at(confidence, right, 2.5) == pytest.approx((1 + 1.5 / 3) / 2.5)
    assert second_look.precision_at(confidence, right, 5) is None  # one has no answer


def test_a_stopped_comparison_continues_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions, draws = tmp_path / "sums.jsonl", tmp_path / "draws.jsonl"
    rows = [{"question": f"What is {n} + 2?", "answer": str(n + 2)} for n in range(3)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    items = second_look.chosen_items(questions, 3, seed=0)
    options = argparse.Namespace(
        draws=draws,
        votes=4,
        prompts="word-problems",
        second_prompt="solve",
        max_tokens=64,
        temperature=0.8,
        seed=0,
        resamples=20,
    )

    def play() -> None:
        found = second_look.read_rows(draws, None)
        with draws.open("a", encoding="utf-8") as file:
            second_look._Drawing(options, FakeSampler(), file, found).draw(items)

    play()
    whole = draws.read_text(encoding="utf-8").splitlines(keepends=True)
    draws.write_text("".join(whole[:20]) + whole[20][:9] + "\n", encoding="utf-8")  # killed while it wrote
    play()
    again = draws.read_text(encoding="utf-8").splitlines(keepends=True)
    assert sorted(again[:20] + again[21:]) == sorted(whole)

    found = second_look.compare(options, items)
    assert found["questions"] == 3
    assert {look["name"] for look in found["looks"]} >= {"majority", "both halves, one reworded", "answer is right"}
