"""Decides whether an answer is the gold answer in the unit that the question asks for.

An answer's key keeps a percent sign and multiplies by a scale: 60% is not 60, and 7 dozen is 84. Votes are compared
by their keys alone. For scoring, a question that names the unit of its answer ("what percentage", "how many dozen",
"in cents") settles what was meant: both the gold answer and the reply are read in that unit, and a number without a
unit is in it already. Only the question's last sentence counts, and a question that names two units settles nothing.
Knows no model and no benchmark. Example:
    is_same_in_asked_unit("What percentage is left?", "n:60", "60", "%:60", "60%")         # True
    is_same_in_asked_unit("How many dozen does she eat?", "n:7", "7", "n:84", "84 eggs")   # False: 84 dozen
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from crescent_lite.answers.text import sentences


@dataclass(frozen=True)
class AskedUnit:
    """A unit that a question can ask for, and one other way of writing an amount of it."""

    asked: re.Pattern[str]
    """The words of a question that ask for the unit."""
    other: re.Pattern[str]
    """What stands beside the number if the amount is written in the other way."""
    factor: Fraction
    """Value of an answer written in the other way, as its key has it, times this is the value in the unit."""
    percent: bool = False
    """Whether the other way of writing is a percentage, which has a key of its own."""


def _scale(name: str, value: int) -> AskedUnit:
    return AskedUnit(
        re.compile(rf"\bhow many\s{name}s?\b|\bin\s(?:the\s)?(?:units?\sof\s)?(?:a\s)?{name}s\b", re.IGNORECASE),
        re.compile(rf"\b{name}s?\b", re.IGNORECASE),
        Fraction(1, value),
    )


_UNITS = (
    AskedUnit(
        re.compile(
            r"\b(?:what|which|how many|as|as an?|in|the)\s(?:[a-z]+\s)?"
            r"(?:percent(?:age)?|per\scent)\b(?!\s(?:points?|increments))",
            re.IGNORECASE,
        ),
        re.compile(r"%|\bper\s?cent\b|\bpct\b", re.IGNORECASE),
        Fraction(1),
        percent=True,
    ),
    _scale("dozen", 12),
    _scale("hundred", 100),
    _scale("thousand", 1000),
    _scale("million", 10**6),
    _scale("billion", 10**9),
    _scale("lakh", 10**5),
    _scale("crore", 10**7),
    AskedUnit(
        re.compile(r"\bhow many\s(?:\w+\s)?cents\b|\bin\scents\b", re.IGNORECASE),
        re.compile(r"\$\s?-?\d[\d,.]*(?![\d,.]*\$)|\bdollars?\b", re.IGNORECASE),
        Fraction(100),
    ),
    AskedUnit(
        re.compile(r"\bhow many\s(?:\w+\s)?dollars\b|\bin\sdollars\b", re.IGNORECASE),
        re.compile(r"¢|\bcents?\b", re.IGNORECASE),
        Fraction(1, 100),
    ),
)


def is_same_in_asked_unit(question: str, gold_key: str, gold: str, key: str, written: str) -> bool:
    """Whether an answer and a gold answer with different keys are one value in the unit that the question asks for.

    `gold` and `written` are the answers as written, with the word after the number.
    """
    unit = asked_unit(question)
    if unit is None or not {key[:2], gold_key[:2]} <= {"n:", "%:"}:
        return False
    value = _in_unit(unit, key, written)
    return value is not None and value == _in_unit(unit, gold_key, gold)


def asked_unit(question: str) -> AskedUnit | None:
    """Return the unit that the question's last sentence asks for; None if it names none or several."""
    asking = (sentences(question) or [""])[-1]
    found = [unit for unit in _UNITS if unit.asked.search(asking)]
    return found[0] if len(found) == 1 else None


def _in_unit(unit: AskedUnit, key: str, written: str) -> Fraction | None:
    """Return the value of an answer in the unit; None if it is a percentage and the unit is another one."""
    if key.startswith("%:") and not unit.percent:
        return None
    value = Fraction(key[2:])
    return value * unit.factor if unit.other.search(written) else value
