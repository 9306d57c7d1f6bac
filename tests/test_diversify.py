"""Which texts are kept as new questions, and why others are rejected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.config import BaitConfig, DiversifyConfig
from crescent_lite.prompts.sets import load_prompt_set
from crescent_lite.questions.checks import clean
from crescent_lite.questions.diversify import Acceptance, Known, judge, may_be_rewritten, rewriting
from crescent_lite.records import Benchmark, BenchmarkItem, Question, QuestionVerdict

WORDS = DiversifyConfig()
DRILL = DiversifyConfig(
    near_duplicate=96, max_per_template=0, min_numbers=2, max_question_marks=1, first_question_only=True
)


def asked(text: str, finish_reason: str = "stop") -> Question:
    return Question(1, text, text, finish_reason)  # type: ignore[arg-type]


def reason(text: str, finish_reason: str = "stop", settings: DiversifyConfig = WORDS) -> str:
    return judge(asked(text, finish_reason), Known([], settings), settings).reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A shop sells 3 apples for $2. How much do 12 apples cost?", "new"),
        ("Solve x^2 + 3x - 4 = 0 for the positive root of the equation.", "new"),
        ("Of 40 pupils, 20% play chess and 3/4 of them are girls. How many girls play chess?", "new"),
        ("Sure! Here is a problem:\n\nTom has twelve eggs and eats half of them. How many are left?", "new"),
        ("**Problem:** A train goes 60 km in 45 minutes. How far does it go in 2 hours?", "new"),
        ("", "empty"),
        ("I'm sorry, but I can't write that for 2 people.", "refused"),
        ("Why is the sky so blue in the morning?", "too_few_numbers"),
        ("Tom has 3 eggs and buys 4 more. How many?\n\nSolution: 3 + 4 = 7", "contains_solution"),
        ("Tom has 3 eggs and buys 4 more.\nAnswer: 7 eggs, how many?", "contains_solution"),
        ("What is 12 + 5 = 17?", "contains_solution"),
        ("What is 3 + 4 (which is 7)?", "contains_solution"),
        ("What is x if x + 1 = 12? To find x, we subtract 1 from 12.", "contains_solution"),
        ("How much is 4 times 3? The answer (C) is 12.", "contains_solution"),
        ("If 2x + 3 = 7 and 3 * 4 + y = 20, what is x + y?", "new"),
        ("A car takes 3 hours for 90 km. How fast is it, and how far does it go in 5 hours?", "several_questions"),
        ('The teacher asks: "How much is 2 + 3 and 5?"', "about_questions"),
        ("Here is a short story with 2 numbers and 3 people. How many are 2 and 3?", "about_questions"),
        (
            "Each question of a test is worth 5 points. Ann answers 12 of 15 correctly. How many points has she?",
            "new",
        ),
        ("Question 1: How much is 3 + 4?\nQuestion 2: How much is 3 + 5?", "several_questions"),
        ("1. What is 3 + 4?\n2. What is 4 + 5?\n3. What is 5 + 6?", "several_questions"),
        ("Tom has 3 eggs. How many are 2 times as many? " + "Tom likes them very much. " * 3, "text_after_question"),
        ("There are 20 trees in this garden and 30 in that one.", "no_question"),
        ("小明有 3 个苹果,又买了 4 个。他现在有多少个苹果?", "wrong_language"),
        ("2 + 2?", "too_short"),
        ("<think>12 eggs?</think>\n\nTom has twelve eggs and eats half of them. How many are left?", "new"),
        ("<think>\nLet it be eggs. Tom has 3 eggs and 4 more. How many are there?", "in_thoughts"),
    ],
)
def test_every_text_gets_its_reason(text: str, why: str) -> None:
    assert reason(text) == why


def test_a_text_without_its_end_was_cut_off() -> None:
    assert reason("Tom has 3 eggs. How many eggs would he have if", "length") == "cut_off"


def test_a_drill_ends_at_its_first_question_mark() -> None:
    verdict = judge(asked("What is 12 + 7? What is 8 + 3? What", "length"), Known([], DRILL), DRILL)

    assert (verdict.reason, verdict.text) == ("new", "What is 12 + 7?")


@pytest.mark.parametrize("text", ["It costs $3.50, or 20% off.", "Take 3/4 of (x+2).", r"Is \frac{1}{2} > x^2 = 4?"])
def test_mathematics_survives_cleaning(text: str) -> None:
    assert clean(text) == text


TOM = "Tom has 3 eggs and buys 4 more. How many eggs has he now?"


def test_the_same_words_with_the_same_numbers_are_a_near_duplicate() -> None:
    verdict = judge(
        asked("Tom has three eggs and buys 4 more. How many eggs does he have now?"), Known([(7, TOM)], WORDS), WORDS
    )

    assert (verdict.reason, verdict.duplicate_of) == ("near_duplicate", 7)
    assert verdict.similarity is not None
    assert verdict.similarity >= WORDS.near_duplicate


def test_a_template_is_kept_a_limited_number_of_times() -> None:
    known = Known([(7, TOM)], WORDS)
    for number in (5, 6):
        assert known.verdict(TOM.replace("3", str(number))).reason == "new"
        known.add(number, TOM.replace("3", str(number)))
    verdict = known.verdict(TOM.replace("3", "8"))

    assert (verdict.reason, verdict.duplicate_of, verdict.similarity) == ("same_template", 7, 100.0)


def test_if_numbers_need_not_agree_each_template_is_kept_once() -> None:
    settings = DiversifyConfig(numbers_must_agree=False)

    assert Known([(7, TOM)], settings).verdict(TOM.replace("3", "8")).reason == "near_duplicate"


def test_in_a_drill_other_numbers_are_another_question() -> None:
    known = Known([(1, "What is 12 + 7?")], DRILL)

    assert known.verdict("What is 12 + 8?").reason == "new"
    assert known.verdict("What is 12 - 7?").reason == "new"
    assert known.verdict("What is 7+12?").duplicate_of == 1


def test_a_benchmark_item_is_rejected() -> None:
    items = (BenchmarkItem("17", TOM, "7", "n:7"), BenchmarkItem("18", LONG, "5", "n:5"))
    known = Known([], WORDS, [Benchmark("gsm8k", "file", "0" * 64, items)])

    for text in (TOM, TOM.replace("3", "8")):
        verdict = known.verdict(text)
        assert (verdict.reason, verdict.benchmark_item) == ("contaminated", "gsm8k/17")
    verdict = known.verdict(
        "It was a hot day. " + LONG[:100] + " Then it rained for 3 hours. How long did it stay dry?"
    )
    assert (verdict.reason, verdict.benchmark_item) == ("contaminated", "gsm8k/18")
    assert known.verdict("A train goes 60 km in 45 minutes. How far does it go in 2 hours?").verdict == "kept"


LONG = (
    "In the morning 12 children come to the pool with their parents, and each of them gets 2 towels and a ball. "
    "How many towels are needed?"
)


def test_in_a_drill_only_the_very_item_is_contamination() -> None:
    items = (BenchmarkItem("1", "What is 12 + 7?", "19", "n:19"),)
    known = Known([], DRILL, [Benchmark("sums", "file", "0" * 64, items)])

    assert known.verdict("What is 7 + 12?").reason == "contaminated"
    assert known.verdict("What is 7 + 13?").reason == "new"


def test_a_question_that_is_not_new_is_rewritten_a_limited_number_of_times() -> None:
    prompts = load_prompt_set("word-problems")
    first = asked("How many is 3 + 4 {similar}?")
    attempt = rewriting(first, asked("How many is 3 + 5?"), prompts, BaitConfig(), WORDS, 1)

    assert (attempt.rewrites, attempt.request.key) == (first, "rewrite 1")
    assert "3 + 4 {similar}" in attempt.request.user
    assert "3 + 5" in attempt.request.user
    verdict = QuestionVerdict("rejected", "same_template", first.text, 1, 90.0)
    assert may_be_rewritten(first, verdict, WORDS)
    tired = Question(2, first.text, first.text, "stop", rewrites=WORDS.max_rewrites)
    assert not may_be_rewritten(tired, verdict, WORDS)
    assert not may_be_rewritten(first, QuestionVerdict("rejected", "no_question", first.text), WORDS)


def test_asking_ends_when_hardly_anything_is_kept() -> None:
    acceptance = Acceptance(0.05, [True] * 30)
    for _ in range(95):
        acceptance.note(kept=False)
    assert acceptance.too_low() is None
    acceptance.note(kept=False)

    assert "4 of the last 100 texts were kept" in str(acceptance.too_low())
    assert Acceptance(0, [False] * 200).too_low() is None


@given(st.text(max_size=300))
def test_no_text_breaks_the_judge(text: str) -> None:
    verdict = judge(asked(text), Known([(1, "What is 1 + 2?")], WORDS), WORDS)

    assert verdict.verdict in ("kept", "rejected")
    assert clean(clean(text)) == clean(text)
