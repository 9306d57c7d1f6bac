"""The last sentence of a reply without a mark counts only in the form of a conclusion; each word class forbids it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.answers import canonical_answer
from crescent_lite.answers.doubts import (
    BEGINNINGS,
    CONDITIONS,
    ELSEWHERE,
    FAILURES,
    HEDGES,
    KNOWN,
    MODALS,
    NEGATIONS,
    NUMBERED,
    PLANS,
    REPORTS,
)

CONCLUSIONS = {
    "a calculation": ("She has 12 + 7 = 19 apples.", "He needs 38 / 2 = 19 boxes", "gcd(38, 57) = 19"),
    "a calculation on a condition": ("If each costs $3, then he will pay 3 × 6 + 1 = 19 dollars.",),
    "a calculation with a relative clause": ("The number of girls that are not in the team is 24 - 5 = 19.",),
    "a concluding word": (
        "So there are 19 left.",
        "In total, 19 birds came.",
        "In the end she has 19.",
        "Thus x = 19.",
    ),
    "a result verb": ("That leaves 19.", "We get 19.", "Solving the equation gives 19.", "12 plus 7 equals 19."),
    "a named result": ("The area is 19.", "Total: 19", "Perimeter = 19 cm", "The number of ways is 19.", "x = 19"),
    "a main clause after a doubt": ("x = -2 is extraneous, so x = 19.", "You can't cut a van, so they need 19 vans."),
    "what was calculated before": ("12 + 7 = 19.\nAnn walks 19 km.", "38 / 2 = 19. They sold 19 hats on Monday."),
    "the whole reply": ("She has 19 apples.", "Each friend gets 19 marbles.", "There are 19 handshakes."),
    "with a remark after it": (
        "So x = 19. That was fun!",
        "So x = 19. Done.",
        "So x = 19. 🎉",
        "So x = 19. Tip: draw it!",
    ),
    "in another language": ("Por lo tanto, quedan 19.", "所以共有19个。", "Ответ: 19.", "Also sind es 19 Äpfel."),
}
"""Form -> replies whose answer is 19."""
NO_CONCLUSIONS = {
    "given": ("There are 30 birds. 19 of them fly away.", "The radius is 5 cm. The height is 19 cm."),
    "an earlier state": ("He originally had 19 apples.", "At the start of the year there were 19."),
    "a part of the work": ("First, 12 + 7 = 19.", "Step 1: 12 + 7 = 19.", "Case A: 12 + 7 = 19", "So far, 19."),
    "work that goes on": (
        "12 + 7 = 19. Then we halve it.",
        "12 + 7 = 19, and now add the rest.",
        "So 19. Next, the pears.",
    ),
    "an example or something known": (
        "By definition, 18 + 1! = 19.",
        "For example, 12 + 7 = 19.",
        "We know 12 + 7 = 19.",
    ),
    "one of several": ("One of the roots is 19.", "Besides 19, there is another root.", "Either 19 or 20 is right."),
    "a number that is a name": ("See Table 19.", "Bus 19 is late, room 7 too.", "It is in chapter 19."),
    "a conversion": ("There are 60 minutes in an hour.", "1 foot is 12 inches.", "A dozen is 12."),
    "an instruction": ("Add 19.", "Take the 19 apples.", "Now divide the rest by 19."),
    "of the writer": (
        "I have been at it for 19 minutes.",
        "You have 19 messages.",
        "We have to add 19.",
        "It took me 19 s.",
    ),
    "an error": ("Error: line 19 failed.", "IndexError: list index 19 out of range", "Retrying in 19 seconds..."),
    "a judged value": ("19 is too large.", "19 is prime.", "19 fails the test."),
    "two statements": ("Each box holds 12 eggs, and there are 19 boxes.",),
    "not English": (
        "On doit encore ajouter 19.",
        "Tenemos 19 manzanas.",
        "Bilmiyorum, belki 19.",
        "Siehe Tabelle 19.",
    ),
    "part of an expression": (
        "The total is 19 times the price.",
        "The mean is the total divided by 19.",
        "3 + __ = 19",
    ),
    "a request at the end": ("The total is 19. Please tell me the count.", "The total is 19. Multiply this by 3."),
    "a time or place at the beginning": ("In 1905 he published his paper.", "After 19 minutes, the train leaves."),
    "a heading": ("## 3. Conclusion", "#### Part 3: the sum"),
    "an assignment in a program": ("```python\nx = 19\n```",),
}
CLASSES = {
    "hedges": HEDGES,
    "negations": NEGATIONS,
    "conditions": CONDITIONS - {"once", "until", "till"},
    "plans": PLANS,
    "failures": FAILURES,
    "reports": REPORTS - {"given"},
}
"""Word classes that no conclusion without a calculation may hold."""


@pytest.mark.parametrize("form", CONCLUSIONS)
def test_a_conclusion_of_each_form_is_read(form: str) -> None:
    assert {text: canonical_answer(text) for text in CONCLUSIONS[form]} == dict.fromkeys(CONCLUSIONS[form], "n:19")


@pytest.mark.parametrize("kind", NO_CONCLUSIONS)
def test_a_last_sentence_of_another_kind_is_no_answer(kind: str) -> None:
    assert {text: canonical_answer(text) for text in NO_CONCLUSIONS[kind]} == dict.fromkeys(NO_CONCLUSIONS[kind])


@pytest.mark.parametrize("name", CLASSES)
def test_each_word_of_a_class_of_doubt_forbids_a_conclusion(name: str) -> None:
    kept = [word for word in sorted(CLASSES[name]) if canonical_answer(f"So {word} there are 19 apples.")]
    assert kept == []


def test_a_calculation_excuses_duties_but_no_hedge_failure_or_known_fact() -> None:
    for word in sorted(MODALS - {"'ll", "'d", "shall", "ought"}):
        assert canonical_answer(f"She {word} have 12 + 7 = 19 apples.") == "n:19"
    for word in sorted(
        (HEDGES | FAILURES | KNOWN) - {"think", "thought", "sure", "certain", "missing", "feel", "feels"}
    ):
        assert canonical_answer(f"She {word} has 12 + 7 = 19 apples.") is None, word


def test_a_thing_with_a_number_for_its_name_is_no_answer() -> None:
    assert [word for word in sorted(NUMBERED) if canonical_answer(f"It is in {word} 19.")] == []


def test_the_state_at_the_beginning_is_no_answer() -> None:
    assert [word for word in sorted(BEGINNINGS) if canonical_answer(f"He {word} had 19 apples.")] == []


def test_a_word_of_doubt_in_another_language_forbids_a_conclusion() -> None:
    assert [word for word in sorted(ELSEWHERE) if canonical_answer(f"Total {word}: 19")] == []


conclusions = st.sampled_from(
    [text for form, texts in CONCLUSIONS.items() if form not in ("with a remark after it",) for text in texts]
)
UNFINISHED = (
    " Then she", " Now we need", " But the", " Next, add the", " Wait, that's wrong.", " Is that right?",
    " We still have to subtract 4.", " However, 3 are broken.", " Or is it 20?", " I am not sure.",
    " The second part is missing.", " Let me try again.",
)  # fmt: skip


@given(conclusions, st.sampled_from(UNFINISHED))
def test_what_goes_on_after_a_conclusion_takes_it_away(conclusion: str, more: str) -> None:
    assert canonical_answer(conclusion.rstrip(".") + "." + more) is None


@given(conclusions, st.sampled_from([" I hope this helps!", " Let me know if you need 3 more examples.", "\n\n🎉"]))
def test_a_farewell_after_a_conclusion_changes_nothing(conclusion: str, farewell: str) -> None:
    assert canonical_answer(conclusion.rstrip(".") + "." + farewell) == canonical_answer(conclusion)


@given(conclusions)
def test_a_conclusion_that_is_cut_inside_its_value_or_after_its_operator_is_none(conclusion: str) -> None:
    assert canonical_answer(conclusion[: conclusion.rindex("19")].rstrip()) in (None, "n:12")


DOUBTED_MARKS = (
    "The answer is given in line 3.", "The answer is somewhere near 12.", "The answer is close to 12.",
    "The previous answer was 12.", "The answer is 3 times the price.", "Die Antwort ist nicht 8.",
    "Answer: see page 12", "Answer: none of the 4", "**12 students**, right?", "The answer is 12, perhaps.",
    "The answer to the first part is 12.", "Final Answer: **12**?", "The answer is: 12... wait, no.",
    "Final answer: it depends on x = 12",
)  # fmt: skip


@pytest.mark.parametrize("text", DOUBTED_MARKS)
def test_a_doubt_around_a_marked_answer_is_seen(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Yes, he has enough money.", "b:yes"),
        ("No, it is not a prime number.", "b:no"),
        ("Is 97 prime? Yes.", "b:yes"),
        ("Yes, I can help you.", None),
        ("No, it's not 60%.", None),
        ("Yes, but only in 3 cases.", None),
        ("No. I am not allowed to.", None),
        ("No, you should use 12.", None),
    ],
)
def test_yes_and_no_answer_only_a_question(text: str, key: str | None) -> None:
    assert canonical_answer(text) == key


def test_digits_in_pairs_are_a_number_only_where_something_says_so() -> None:
    assert canonical_answer("\\boxed{12,34,567}") is None  # or a list of three, as the angles 36,36,108 are
    assert canonical_answer("Rs. 12,34,567") == "n:1234567"
    assert canonical_answer("₹1,50,000") == "n:150000"
