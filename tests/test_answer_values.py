"""A span is read whole or not at all: known inputs by kind, and properties of the grammar of values."""

from __future__ import annotations

import calendar
import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crescent_lite.answers import canonical_answer, find_answer
from crescent_lite.answers.values import read_value
from crescent_lite.config import BenchmarkConfig
from crescent_lite.errors import BenchmarkError
from crescent_lite.evaluation.benchmarks import read_item
from crescent_lite.evaluation.choices import choice_item, score_choice

INPUTS = [
    json.loads(line)
    for line in (Path(__file__).parent / "answer_inputs.jsonl").read_text(encoding="utf-8").split("\n")
    if line
]
"""Inputs that other tools read wrongly, with the keys that are right; 'abstains' where ours gives none."""
OPTIONS = {"options": ["liquid", "solid", "gas"], "gold": 1}


def gold_key(text: str) -> str | None:
    try:
        return read_item("row", "1", {"question": "?", "answer": text}, BenchmarkConfig(source="x.jsonl")).answer_key
    except BenchmarkError:
        return None


def letter(text: str) -> str | None:
    key = score_choice(text, choice_item("1", "Which?", OPTIONS, "options", "gold")).answer_key
    return key.removeprefix("choice:") if key else None


READERS: dict[str, Callable[[str], str | None]] = {"reply": canonical_answer, "gold": gold_key, "choice": letter}


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in INPUTS}))
def test_inputs_of_a_kind_are_right_or_abstentions(kind: str) -> None:
    for row in (row for row in INPUTS if row["kind"] == kind):
        key = READERS[row["as"]](row["text"])
        if row.get("abstains") or not row["right"]:
            assert key is None, row
        else:
            assert key in row["right"], (row, key)


@given(
    st.integers(2, 28),
    st.sampled_from(
        ["March", "PM", "million", "percent", "thirds", "dozen eggs", "squared", "hours", "apples", "and 5"]
    ),
    st.sampled_from(["{}", "The answer is {}.", "So it is {}.", "**{}**"]),
)
def test_a_number_between_marks_of_latex_is_read_with_the_words_after_it(number: int, words: str, frame: str) -> None:
    assert canonical_answer(frame.format(f"${number}$ {words}")) == canonical_answer(
        frame.format(f"{number} {words}")
    )


small = st.integers(2, 99)
VALUES = st.one_of(
    st.builds("{}".format, st.integers(-999, 999)),
    st.builds("{:.2f}".format, st.floats(0.01, 99)),
    st.builds("{}/{}".format, small, st.integers(100, 999)),
    st.builds(r"\frac{{{}}}{{{}}}".format, small, small),
    st.builds(r"{}\sqrt{{{}}}".format, small, small),
    st.builds("{}%".format, small),
    st.builds("{}!".format, st.integers(3, 12)),
    st.builds("{}^{}".format, small, st.integers(2, 9)),
    st.builds("March {}".format, st.integers(1, 31)),
    st.builds("{}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
    st.builds("{}, {}, {}".format, small, small, small),
    st.builds("({}, {})".format, small, small),
    st.builds("[{}, {})".format, small, small),
    st.builds("x^2 - {}x + {} = 0".format, small, small),
    st.builds("{}x + {}".format, small, small),
    st.builds("x > {}".format, small),
    st.builds("{} hours {} minutes".format, small, st.integers(1, 59)),
    st.builds(r"{}\pi".format, small),
    st.builds(r"0.{}\overline{{{}}}".format, small, st.integers(1, 8)),
)
OPAQUE = st.sampled_from([r"\mathscr", r"\foo", r"\oint", r"\widehat", "§", r"\leadsto", "⊗", r"\aleph "])


@given(VALUES, OPAQUE, st.data())
def test_an_unknown_command_anywhere_leaves_no_value(text: str, command: str, data: st.DataObject) -> None:
    places = [at for at in range(len(text) + 1) if at in (0, len(text)) or not text[at - 1 : at + 1].isalnum()]
    at = data.draw(st.sampled_from(places))
    spoilt = f"{text[:at]} {command} {text[at:]}"
    assert read_value(f"${spoilt}$") is None
    assert canonical_answer(rf"So it is \boxed{{{spoilt}}}.") is None


@given(VALUES)
def test_a_part_of_a_span_is_never_its_value(text: str) -> None:
    key = read_value(text)
    assume(key is not None)
    for end in range(1, len(text)):
        if read_value(text[:end]) == key:
            dropped = text[end:]
            assert not dropped.strip("0. s") or dropped in ("}", ")", "minutes"[-len(dropped) :]), (text[:end], key)


@given(VALUES, VALUES)
def test_two_spans_in_one_are_not_the_first_or_the_last(one: str, other: str) -> None:
    keys = {read_value(one), read_value(other)}
    assume(None not in keys and len(keys) == 2)
    for joint in (" or ", " < ", r" \circledast ", " mod "):
        assert read_value(f"{one}{joint}{other}") not in keys


@given(st.integers(1, 12), st.integers(1, 28), st.integers(1, 12), st.integers(1, 28), st.integers(1900, 2100))
def test_dates_share_a_key_just_when_they_are_one_day(m: int, d: int, month: int, day: int, year: int) -> None:
    names = list(calendar.month_name)[1:]
    first, second = names[m - 1], names[month - 1]
    spelt = [f"{first} {d}", rf"\text{{{first} {d}}}", f"{d} {first}", f"the {d}th of {first}"]
    assert {read_value(text) for text in spelt} == {f"d:{m:02}-{d:02}"}
    assert (read_value(f"{first} {d}, {year}") == read_value(f"{day} {second} {year}")) == ((m, d) == (month, day))


COEFFICIENTS = st.lists(st.integers(-9, 9), min_size=3, max_size=3)


def _polynomial(parts: list[int], unknown: str = "x") -> str:
    powers = ["", unknown, f"{unknown}^2"]
    return " + ".join(f"{part}{power}" for power, part in zip(powers, parts, strict=True) if part).replace(
        "+ -", "- "
    )


@given(COEFFICIENTS, COEFFICIENTS)
def test_equations_share_a_key_just_when_they_are_multiples(one: list[int], other: list[int]) -> None:
    assume(any(one[1:]) and any(other[1:]))
    keys = [read_value(f"{_polynomial(parts)} = 0") for parts in (one, other)]
    assert None not in keys
    multiples = all(a * d == b * c for a, b in zip(one, other, strict=True) for c, d in zip(one, other, strict=True))
    assert (keys[0] == keys[1]) == multiples


@given(st.integers(-20, 20), st.integers(-20, 20))
def test_a_product_and_its_expansion_are_one_polynomial(a: int, b: int) -> None:
    product = f"(x {'+' if a >= 0 else '-'} {abs(a)})(x {'+' if b >= 0 else '-'} {abs(b)})"
    assert read_value(f"${product}$") == read_value(f"${_polynomial([a * b, a + b, 1])}$")


@given(st.integers(1, 50), st.integers(1, 500))
def test_a_fraction_has_one_key_in_every_form_of_latex(top: int, bottom: int) -> None:
    forms = [r"\frac", r"\dfrac", r"\tfrac", r"\cfrac", r"\nicefrac", r"\sfrac", r"\genfrac{}{}{}{}"]
    keys = {read_value(rf"{form}{{{top}}}{{{bottom}}}") for form in forms}
    assert keys == {f"n:{Fraction(top, bottom)}"}


TAILS = st.sampled_from(
    ["", " x", "x", " cm", " apples or 3", r" \foo", r"\sqrt{3}", r"\pi r^2", ", 5", " = y", " y + 1"]
)


@given(st.integers(1, 9), st.integers(1, 9), TAILS)
def test_what_follows_a_fraction_without_braces_is_read(top: int, bottom: int, tail: str) -> None:
    braced = read_value(rf"$\frac{{{top}}}{{{bottom}}}{tail}$")
    assert read_value(rf"$\frac{top}{bottom}{tail}$") == braced
    assert read_value(rf"$\frac{top}{bottom}3$") is None


@given(st.integers(0, 999), st.integers(1, 99))
def test_repeating_digits_are_a_fraction(fixed: int, period: int) -> None:
    digits = str(period)
    value = Fraction(fixed, 10 ** len(str(fixed))) + Fraction(period, 10 ** len(str(fixed)) * (10 ** len(digits) - 1))
    assert read_value(rf"0.{fixed}\overline{{{digits}}}") == f"n:{value}"


@given(st.integers(0, 15))
def test_a_factorial_is_multiplied_out(count: int) -> None:
    assert read_value(f"${count}!$") == f"n:{math.factorial(count)}"


@given(st.integers(1000, 10**11))
def test_grouping_in_europe_america_and_latex_is_one_number(number: int) -> None:
    grouped = f"{number:,}"
    for mark in (",", "{,}", r"\,", " ", "\u00a0", "\u202f", "’", r",\! "):
        assert canonical_answer(rf"\boxed{{{grouped.replace(',', mark)}}}") == f"n:{number}"


@given(st.sampled_from(["think", "THINK", "thinking", "reasoning", "thought", "seed:think"]), small, small)
def test_thoughts_never_answer(name: str, thought: int, said: int) -> None:
    for begin, end in ((f"<{name}>", f"</{name}>"), (f"[{name}]", f"[/{name}]"), (f"<{name} >", f"</{name} >")):
        assert canonical_answer(rf"{begin}maybe \boxed{{{thought}}}{end} {said}") == f"n:{said}"
        assert canonical_answer(rf"{begin}maybe \boxed{{{thought}}}") is None
    assert find_answer(rf"maybe \boxed{{{thought}}}, but", began_in_thoughts=True) is None
    answer = find_answer(f"maybe {thought}</think>{said}", began_in_thoughts=True)
    assert answer is not None and answer.key == f"n:{said}"


@given(small, small, st.sampled_from(["Check:", "Verification:", "To verify,", "Note:", "Substituting back:"]))
def test_a_check_after_the_result_is_passed_over(result: int, other: int, word: str) -> None:
    assert canonical_answer(f"So she has {result} apples.\n\n{word} {other} + 1 = {other + 1}.") == f"n:{result}"


@given(small, small)
def test_a_correction_takes_the_place_of_what_it_corrects(first: int, second: int) -> None:
    assume(first != second)
    for corrected in (
        f"The answer is {first}. No wait, it is {second}.",
        f"Answer: {first}\nCorrection: {second}",
        rf"So \boxed{{{first}}}. Wait, that is wrong; \boxed{{{second}}}",
        f"The answer is ~~{first}~~ {second}.",
    ):
        assert canonical_answer(corrected) == f"n:{second}"
    for denied in (f"The answer is not {first}.", f"{first} is not the answer.", f"{first} is wrong."):
        assert canonical_answer(denied) is None


@given(
    st.sampled_from(["f", "P", "log", "sin", r"\phi", r"\sigma", r"\operatorname{ord}", "Area"]),
    st.sampled_from(["{}", "${}$", "The answer is {}.", "So we need {}.", "The answer is ${}$."]),
    st.integers(2, 99),
)
def test_the_argument_of_a_function_is_not_its_value(name: str, sentence: str, argument: int) -> None:
    assert canonical_answer(sentence.replace("{}", f"{name}({argument})")) is None


@pytest.mark.parametrize("infinity", ["∞", "inf", "Infinity", "\\infty"])
@pytest.mark.parametrize("said", ["{}", "The answer is {}", "So x lies in {}."])
def test_an_interval_with_an_infinite_end_is_read_whole_or_not_at_all(infinity: str, said: str) -> None:
    assert canonical_answer(said.format(f"(-{infinity}, 4]")) in ("i:(-inf;n:4]", None)


@pytest.mark.parametrize("interval", ["(a, 4]", "[2, b)", "(something, 4]", "[x + 1, 9)"])
def test_a_number_inside_an_interval_that_cannot_be_read_is_no_answer(interval: str) -> None:
    for said in ("{}", "The answer is {}.", "So x lies in {}.", "\\boxed{{{}}}"):
        assert canonical_answer(said.format(interval)) is None
