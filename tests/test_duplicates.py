"""Which known question is a text too close to?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from crescent_lite.duplicates import DuplicateIndex, numbers, template


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
    ],
)
def test_numbers_are_compared_by_value(text: str, found: tuple[str, ...]) -> None:
    assert numbers(text) == found


def known(*texts: str, threshold: float = 85) -> DuplicateIndex:
    index = DuplicateIndex(threshold)
    for number, text in enumerate(texts, start=1):
        index.add(number, text)
    return index


TOM = "Tom has 3 eggs and buys 4 more. How many eggs has he now?"


def test_a_near_duplicate_goes_before_a_closer_text_with_other_numbers() -> None:
    index = known(TOM, TOM.replace("3", "8").replace("more", "extra"))
    match = index.nearest(TOM.replace("3", "8"))

    assert match is not None
    assert (match.question_id, match.rule, match.known) == (2, "near_duplicate", 2)
    assert 85 <= match.similarity < 100


def test_other_numbers_in_the_same_words_are_the_same_template() -> None:
    match = known(TOM).nearest(TOM.replace("4", "9"))

    assert match is not None
    assert (match.question_id, match.rule, match.similarity, match.known) == (1, "same_template", 100.0, 1)


def test_what_is_new_has_no_match() -> None:
    assert known(TOM).nearest("A train goes 60 km in 45 minutes. How far does it go in 2 hours?") is None
    assert DuplicateIndex(85).nearest(TOM) is None


def test_every_question_counts_although_its_template_is_there() -> None:
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
    same = [t for t in alike if sorted(numbers(t)) == sorted(numbers(query))]
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
