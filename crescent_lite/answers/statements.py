"""The clause of a sentence that states a value, with its words, and whether it is a calculation.

Knows nothing of what makes a statement a conclusion. Example:
    statement_of("x = -2 is extraneous, so x = 5.", Quantity("5", "n:5"), []).text    # 'so x = 5.'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crescent_lite.answers.doubts import CONDITIONS, words_of
from crescent_lite.answers.prose import Quantity
from crescent_lite.answers.text import prose, without_notes
from crescent_lite.answers.tokens import tokenise
from crescent_lite.answers.words import word_set

MAX_LEFT = 60
"""Tokens before an equals sign in which an operator is searched."""


@dataclass(frozen=True)
class Statement:
    """The clause of a sentence that states a value, and the sentences before it."""

    text: str
    """The clause, without notes."""
    key: str
    """Key of the value."""
    at: int
    """Index of the value in the clause; -1 if it does not stand there as it was read."""
    words: list[str]
    """Words of the clause in lower case."""
    after: list[str]
    """Those after the value."""
    before: Sequence[str]
    """Sentences before."""

    def has(self, *classes: frozenset[str]) -> bool:
        """Whether the clause has a word of one of the classes."""
        return any(not each.isdisjoint(self.words) for each in classes)


def statement_of(sentence: str, found: Quantity, before: Sequence[str]) -> Statement:
    """Return the clause of a sentence that states its value. `before`: the sentences before it."""
    text = _main_clause(_AS_SHOWN.sub("", without_notes(sentence)), found.raw)
    at = text.rfind(found.raw) if found.raw else -1
    after = words_of(text[at + len(found.raw) :]) if at >= 0 else []
    return Statement(text, str(found.key), at, words_of(text), after, before)


_AS_SHOWN = re.compile(
    r",?\sas\s(?:shown|stated|required|wanted|asked|expected|claimed|desired|above|needed)\b[^,;]*$"
)
_SO = re.compile(
    r"([,;:.]\s)(?:and\s)?(?:so|therefore|thus|hence)\b(?! far| many| much| that| is\b| are\b)", re.IGNORECASE
)


def _main_clause(sentence: str, raw: str) -> str:
    """Return the part of a sentence from its last "so" or "therefore" on, if the value stands there."""
    last = None
    for last in _SO.finditer(sentence):  # noqa: B007
        pass
    if last is None or CONDITIONS.intersection(words_of(sentence[: last.start()])):
        return sentence
    clause = sentence[last.end(1) :]
    return clause if raw and raw in clause else sentence


def is_calculation(sentence: str) -> bool:
    """Whether a sentence has an equals sign with an expression of numbers before it: 12 + 7 = 19, gcd(12, 18) = 6."""
    if "=" not in sentence and "≈" not in sentence and "approx" not in sentence:
        return False
    tokens = tokenise(prose(sentence))
    sign = max((index for index, token in enumerate(tokens) if token.kind in ("=", "≈")), default=0)
    if not any(token.kind in _BEGINS_A_VALUE for token in tokens[sign + 1 : sign + 12]):
        return False
    for index in range(max(0, sign - MAX_LEFT), sign):
        token = tokens[index]
        if token.kind == "begin":
            return True
        operates = token.kind in _OPERATORS or token.text.lower() in _OPERATES
        if operates and any(each.kind == "num" for each in tokens[max(0, index - 2) : index + 3]):
            return True
        if token.kind == "(" and index and tokens[index - 1].kind in _BEFORE_ARGUMENTS and not token.space:
            return True
    return False


_OPERATORS = frozenset("+-*/^!:") | {"frac", "sqrt", "binom", "±"}
_OPERATES = word_set("of times plus minus divided sin cos tan cot log ln exp")
_BEGINS_A_VALUE = frozenset({"num", "frac", "sqrt", "pi", "begin"})
_BEFORE_ARGUMENTS = frozenset({"word", "var", "pi", "num"})
