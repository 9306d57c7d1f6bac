"""Finding the known question that a text repeats."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from crescent_lite.errors import UsageError
from crescent_lite.questions.duplicates import DuplicateIndex, numbers, template


def test_templates_mask_numbers_and_spaces() -> None:
    assert template("What is 12+7?") == template("What  is 3 +  1,000?") == "what is # + #?"
    assert template("Tom has three eggs") == template("tom has 12.5 eggs") == "tom has # eggs"
    assert template("the one who knows") == "the one who knows"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,000 and 3/4 and 2.5", ("1000", "3/4", "5/2")),
        ("$3.50 and .5 and 3.500", ("7/2", "1/2", "7/2")),
        ("twelve eggs at 3:45", ("12", "3:45")),
        ("no number, not one", ()),
        ("9" * 50, ("9" * 50,)),
        ("two hundred, twenty-five and a dozen eggs", ("200", "25", "12")),
        ("half of forty, two and a half", ("1/2", "40", "5/2")),
        ("one hundred, the one that", ("100",)),
        ("½ of 2² and ٣", ("1/2", "22", "3")),
        ("adds -3 to 12 - 5", ("-3", "12", "5")),
    ],
)
def test_numbers_are_compared_by_value(text: str, found: tuple[str, ...]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize("threshold", [850, -1, float("nan")])
def test_a_threshold_is_a_similarity(threshold: float) -> None:
    with pytest.raises(UsageError, match="give a number from 0 to 100"):
        DuplicateIndex(threshold)


def known(*texts: str, threshold: float = 85) -> DuplicateIndex:
    index = DuplicateIndex(threshold)
    for number, text in enumerate(texts, start=1):
        index.add(number, text)
    return index


TOM = "Tom has 3 eggs and buys 4 more. How many eggs has he now?"


def test_a_near_duplicate_takes_precedence_over_a_closer_text_with_other_numbers() -> None:
    index = known(TOM, TOM.replace("3", "8").replace("more", "extra"))
    match = index.nearest(TOM.replace("3", "8"))

    assert match is not None
    assert (match.question_id, match.rule, match.known) == (2, "near_duplicate", 2)
    assert 85 <= match.similarity < 100


def test_other_numbers_in_the_same_words_are_the_same_template() -> None:
    match = known(TOM).nearest(TOM.replace("4", "9"))

    assert match is not None
    assert (match.question_id, match.rule, match.similarity, match.known) == (1, "same_template", 100.0, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 12 - 7?", "What is 7 - 12?"),
        ("What is 2 to the power of 5?", "What is 5 to the power of 2?"),
        ("He earns two hundred dollars in 4 weeks.", "He earns two thousand dollars in 4 weeks."),
        ("Half of 30 is how much?", "½ of 32 is how much?"),
    ],
)
def test_the_same_words_with_other_numbers_or_another_order_are_not_near_duplicates(one: str, other: str) -> None:
    match = known(one, threshold=70).nearest(other)

    assert match is not None
    assert match.rule == "same_template"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann buys twenty-five eggs for 3 dollars.", "Ann buys 25 eggs for three dollars."),
        ("Ann buys a dozen eggs.", "Ann buys 12 eggs."),
        ("Ann takes half of 40 eggs.", "Ann takes 1/2 of 40 eggs."),
        ("Ann takes ½ of 40 eggs.", "Ann takes 0.5 of 40 eggs."),
    ],
)
def test_a_number_is_the_same_however_it_is_spelt(one: str, other: str) -> None:
    match = known(one).nearest(other)

    assert match is not None
    assert match.rule == "near_duplicate"


def test_what_is_new_has_no_match() -> None:
    assert known(TOM).nearest("A train goes 60 km in 45 minutes. How far does it go in 2 hours?") is None
    assert DuplicateIndex(85).nearest(TOM) is None


def test_every_question_of_a_known_template_counts() -> None:
    index = known(TOM, TOM, TOM.replace("3", "7"))

    assert len(index) == 3
    assert index.nearest(TOM).known == 3  # type: ignore[union-attr]


WORDS = (
    "tom", "has", "eggs", "and", "buys", "more", "how", "many", "left", "after", "each", "of", "his", "friends",
    "takes", "some", "home", "by", "train",
)  # fmt: skip


@settings(max_examples=50)
@given(st.integers(0, 10**6))
def test_the_index_finds_what_asking_every_question_finds(seed: int) -> None:
    chance = random.Random(seed)
    texts = [" ".join(chance.choices([*WORDS, "3", "4", "12"], k=chance.randint(6, 14))) for _ in range(40)]
    texts += [text.replace("eggs", "pears") for text in texts[:10]]
    index = known(*texts, threshold=80)
    query = chance.choice(texts).replace("more", "further")
    alike = [t for t in texts if fuzz.ratio(template(t), template(query)) >= 80]
    same = [t for t in alike if numbers(t) == numbers(query)]
    match = index.nearest(query)

    assert (match is not None) == bool(alike)
    if match:
        assert match.rule == ("near_duplicate" if same else "same_template")
        best = max(fuzz.ratio(template(t), template(query)) for t in (same or alike))
        assert match.similarity == pytest.approx(best)


@given(st.text(max_size=400))
def test_no_text_breaks_the_index(text: str) -> None:
    index = known(TOM, text)
    match = index.nearest(text)

    assert match is not None
    assert match.rule == "near_duplicate"
