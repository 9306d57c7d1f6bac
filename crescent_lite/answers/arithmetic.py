"""The right answer to a question that asks for the result of a calculation, where it can be computed exactly.

A question of any other kind has none: a bare number ("What is 85 with two digits?") or a word problem. The result is
shown beside labels and never used as one. The question is untrusted: numbers, operators and brackets are read by the
parser below, which is bounded. Example:
    result_of("What is the product of 21 and 10?") -> "n:210"
    result_of("What is 85 with two digits?") -> None
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

LONGEST = 200
"""Characters of the longest question that is read."""
MOST_DIGITS, MOST_POWER, MOST_DEPTH = 18, 64, 12
ASKS = re.compile(
    r"(?:(?:what(?: is|'s)|calculate|compute|find|evaluate|how much is)\s+)?"
    r"(?:the (?:result|answer|value) (?:of|to|for)\s+)?(?:the calculation\s+)?",
    re.IGNORECASE,
)
ENDS = re.compile(r"(?:\s*=\s*\??)?(?:,?\s+in digits)?[\s?.,=]*$", re.IGNORECASE)
WORDS = (
    (r"to the power of", "^"), (r"multiplied (?:by|with)", "*"), (r"divided by", "/"), (r"plus", "+"),
    (r"minus", "-"), (r"times", "*"),
)  # fmt: skip
SPELLINGS = [(re.compile(rf"\b{words}\b", re.IGNORECASE), sign) for words, sign in WORDS]
NAMED = re.compile(
    r"the (?P<what>sum|product|difference|quotient|multiplication) (?:of|between) (?P<first>.+?),? "
    r"(?:and|with|by) (?P<second>[^,]+)$",
    re.IGNORECASE,
)
PERCENT = re.compile(r"(?P<part>.+?) ?(?:%|percent) of (?P<whole>.+)$", re.IGNORECASE)
SIGN_OF = {"sum": "+", "product": "*", "multiplication": "*", "difference": "-", "quotient": "/"}
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
SIGNS = {"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "x": "*", "X": "*"}


class _NoResultError(ValueError):
    """The text is no calculation, or one that is too large."""


@lru_cache(maxsize=65_536)
def result_of(question: str) -> str | None:
    """The canonical key of the result that a question asks for; None where it is no calculation."""
    if len(question) > LONGEST:
        return None
    asked = ASKS.match(question.strip())
    text = question.strip()[asked.end() if asked else 0 :]
    text = ENDS.sub("", text)
    try:
        value, operations = _value(text)
    except (_NoResultError, ZeroDivisionError):
        return None
    return f"n:{value}" if operations else None


def _value(text: str) -> tuple[Fraction, int]:
    """The value of a calculation in signs or in words, and how many operations it has."""
    if named := NAMED.match(text):
        return _named(named["what"].lower(), named["first"], named["second"])
    if percent := PERCENT.match(text):
        (part, _), (whole, _) = _in_signs(percent["part"]), _in_signs(percent["whole"])
        return part * whole / 100, 1
    return _in_signs(text)


def _named(what: str, first: str, second: str) -> tuple[Fraction, int]:
    """A sum, product, difference or quotient that is named in words; several terms are separated by commas."""
    parts = [_in_signs(part)[0] for part in (*re.split(r",\s+", first), second)]
    if len(parts) > 2 and what not in ("sum", "product"):
        raise _NoResultError
    value = parts[0]
    for part in parts[1:]:
        value = _applied(SIGN_OF[what], value, part)
    if what == "difference" and value < 0:
        raise _NoResultError  # some mean the distance, others the signed difference
    return value, 1


def _in_signs(text: str) -> tuple[Fraction, int]:
    for words, sign in SPELLINGS:
        text = words.sub(sign, text)
    parser = _Parser(_tokens(text))
    value = parser.sum()
    if parser.tokens[parser.at] != "":
        raise _NoResultError
    return value, parser.operations


def _tokens(text: str) -> list[str]:
    """Numbers, signs and brackets, with '' at the end."""
    found, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif number := NUMBER.match(text, at):
            digits = number[0].replace(",", "")
            if len(digits) > MOST_DIGITS:
                raise _NoResultError
            found.append(digits)
            at = number.end()
        elif text.startswith("**", at):
            found.append("^")
            at += 2
        elif (sign := SIGNS.get(text[at], text[at])) in "+-*/^()":
            found.append(sign)
            at += 1
        else:
            raise _NoResultError
    return [*found, ""]


class _Parser:
    """Recursive descent over tokens, with the usual precedence."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0
        self.operations = 0
        self._depth = 0

    def sum(self) -> Fraction:
        """Terms with + and - between them."""
        return self._chain("+-", lambda: self._chain("*/", self._factor))

    def _chain(self, signs: str, part: Callable[[], Fraction]) -> Fraction:
        value = part()
        while (sign := self.tokens[self.at]) and sign in signs:
            self.at += 1
            self.operations += 1
            value = _applied(sign, value, part())
        return value

    def _factor(self) -> Fraction:
        """A number or a bracket, perhaps with a sign before it and a power after it."""
        if self.tokens[self.at] == "-":
            self.at += 1
            return -self._factor()
        value = self._atom()
        if self.tokens[self.at] == "^":
            self.at += 1
            self.operations += 1
            value = _applied("^", value, self._factor())
        return value

    def _atom(self) -> Fraction:
        token = self.tokens[self.at]
        if token == "(" and self._depth < MOST_DEPTH:
            self.at += 1
            self._depth += 1
            value = self.sum()
            self._depth -= 1
            if self.tokens[self.at] != ")":
                raise _NoResultError
            self.at += 1
            return value
        if not token or not token[0].isdigit():
            raise _NoResultError
        self.at += 1
        return Fraction(token)


def _applied(sign: str, one: Fraction, other: Fraction) -> Fraction:
    """The result of one operation. Raises _NoResultError if it is too large, or ZeroDivisionError."""
    if sign == "^":
        if other.denominator != 1 or abs(other) > MOST_POWER or abs(one) > 10**6:
            raise _NoResultError
        value = one ** int(other)
    else:
        value = {"+": one.__add__, "-": one.__sub__, "*": one.__mul__, "/": one.__truediv__}[sign](other)
    if not isinstance(value, Fraction) or max(abs(value.numerator), value.denominator) > 10**60:
        raise _NoResultError
    return value
