"""Is it a question, and is it new?"""

from __future__ import annotations

import pytest
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.config import BaitConfig, DiversifyConfig
from crescent_lite.diversify import Deduplicator, clean, judge, numbers, rewrite, template
from crescent_lite.prompt_set import load_prompt_set
from crescent_lite.records import Question

WORDS = DiversifyConfig()
DRILL = DiversifyConfig(
    near_duplicate=96, numbers_must_agree=True, min_numbers=2, max_question_marks=1, first_question_only=True
)


def asked(text: str, finish_reason: str = "stop") -> Question:
    return Question(1, text, text, finish_reason)  # type: ignore[arg-type]


def reason(text: str, finish_reason: str = "stop", settings: DiversifyConfig = WORDS) -> str:
    return judge(asked(text, finish_reason), Deduplicator([], settings), settings).reason


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
        ("Question 1: How much is 3 + 4?\nQuestion 2: How much is 3 + 5?", "several_questions"),
        ("1. What is 3 + 4?\n2. What is 4 + 5?\n3. What is 5 + 6?", "several_questions"),
        ("Tom has 3 eggs. How many are 2 times as many? " + "Tom likes them very much. " * 3, "text_after_question"),
        ("There are 20 trees in this garden and 30 in that one.", "no_question"),
        ("小明有 3 个苹果,又买了 4 个。他现在有多少个苹果?", "wrong_language"),
        ("2 + 2?", "too_short"),
    ],
)
def test_every_text_gets_its_reason(text: str, why: str) -> None:
    assert reason(text) == why


def test_a_text_without_its_end_was_cut_off() -> None:
    assert reason("Tom has 3 eggs. How many eggs would he have if", "length") == "cut_off"


def test_a_drill_ends_at_its_first_question_mark() -> None:
    verdict = judge(asked("What is 12 + 7? What is 8 + 3? What", "length"), Deduplicator([], DRILL), DRILL)

    assert (verdict.reason, verdict.text) == ("new", "What is 12 + 7?")


@pytest.mark.parametrize("text", ["It costs $3.50, or 20% off.", "Take 3/4 of (x+2).", r"Is \frac{1}{2} > x^2 = 4?"])
def test_mathematics_survives_cleaning(text: str) -> None:
    assert clean(text) == text


def test_the_same_words_with_the_same_numbers_are_a_near_duplicate() -> None:
    kept = Deduplicator([(7, "Tom has 3 eggs and buys 4 more. How many eggs has he now?")], WORDS)
    verdict = judge(asked("Tom has 3 eggs and buys 4 more. How many eggs does he have now?"), kept, WORDS)

    assert (verdict.reason, verdict.duplicate_of) == ("near_duplicate", 7)
    assert verdict.similarity is not None
    assert verdict.similarity >= WORDS.near_duplicate


def test_in_a_drill_other_numbers_are_another_question() -> None:
    kept = Deduplicator([(1, "What is 12 + 7?")], DRILL)

    assert kept.nearest("What is 12 + 8?") is None
    assert kept.nearest("What is 12 - 7?") is None
    assert kept.nearest("What is 7+12?") == (1, 100.0)


def test_templates_mask_numbers_and_spaces() -> None:
    assert template("What is 12+7?") == template("What  is 3 +  1,000?") == "what is # + #?"
    assert numbers("1,000 and 3/4 and 2.5") == ("1000", "3/4", "2.5")


def test_a_rewrite_is_asked_with_both_questions() -> None:
    prompts = load_prompt_set("word-problems")
    owed = [(asked("How many is 3 + 4 {similar}?"), asked("How many is 3 + 5?"))]

    ((original, completion, raw_text),) = rewrite(FakeSampler("new"), prompts.rewrite, owed, BaitConfig(), WORDS, 1)

    assert (original, completion.key, raw_text) == (owed[0][0], "rewrite 1", "new")


@given(st.text(max_size=300))
def test_no_text_breaks_the_judge(text: str) -> None:
    verdict = judge(asked(text), Deduplicator([(1, "What is 1 + 2?")], WORDS), WORDS)

    assert verdict.verdict in ("kept", "rejected")
    assert clean(clean(text)) == clean(text)
