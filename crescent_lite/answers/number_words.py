"""Reads English numbers in words from tokens: cardinals, decimals, fractions, mixed numbers, Indian scales.

A number ends with the last word that can belong to it. Words that continue it in an impossible way make it
unreadable, never shorter. Digits may replace words before a scale or a fraction. Example:
    words_value(tokenise("two and two sevenths of it"), 0)    # (Fraction(16, 7), 4): stopped before "of"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from crescent_lite.answers.exact import NoValueError
from crescent_lite.answers.tokens import Token
from crescent_lite.answers.words import ONES, TENS, word_set

SCALES = {
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "lakh": 10**5, "crore": 10**7,
    "mln": 10**6, "bln": 10**9,
}  # fmt: skip
_COUNTED = {**SCALES, "hundred": 100, "dozen": 12}
_DENOMINATORS = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15,
    "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
    "fortieth": 40, "fiftieth": 50, "hundredth": 100, "thousandth": 1000, "millionth": 10**6,
}  # fmt: skip
_ORDINALS = frozenset(
    {"first", "second", "sixtieth", "seventieth", "eightieth", "ninetieth", *_DENOMINATORS}
    - {"half", "halve", "quarter"}
)
NUMBER_WORDS = frozenset({*ONES, *TENS, *_COUNTED, "half", "halves", *(word + "s" for word in _COUNTED)})
"""Words that are a number or part of one."""
_GOES_ON = NUMBER_WORDS | {"and", "point", *_DENOMINATORS, *(word + "s" for word in _DENOMINATORS)}
ANY_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(sorted(NUMBER_WORDS))}|{'|'.join(sorted(_DENOMINATORS))})s?\b", re.I)

_UNITS = word_set("hour mile dollar year day minute week month foot cup pound")
"""Units that "and a half" may follow: an hour and a half."""
MAX_WORDS = 24
"""Most words of one number."""


def words_value(tokens: Sequence[Token], at: int) -> tuple[Fraction, int] | None:
    """Return the number in words that begins at token `at` and the index after it; None if none begins there.

    Raises NoValueError if the words that follow make it impossible: "twenty eleven", "twenty-first".
    """
    if at >= len(tokens) or (tokens[at].kind == "num" and not _may_go_on(tokens, at + 1)):
        return None
    words = _Words(tokens, at)
    first = words.word(0)
    sign, place = 1, 0
    if first in ("negative", "minus"):
        sign, place = -1, 1
    found = _number(words, place)
    if not found:
        return None
    value, place = found
    after = words.word(place)
    if after in NUMBER_WORDS or (after in _ORDINALS and after != "second"):
        raise NoValueError  # five six, twenty-first
    if place == 1 and isinstance(first, Fraction):
        return None  # only digits
    return sign * value, words.after(place - 1)


def is_power(token: Token) -> bool:
    """Whether a token after "to the" makes a power: ten to the sixth, to the power of 6."""
    return token.text.lower() in _ORDINALS or token.text.lower() == "power" or token.kind == "num"


def _may_go_on(tokens: Sequence[Token], at: int) -> bool:
    """Whether words after digits can belong to the number: a scale, a part, "and a half", "hours and a half"."""
    for token in tokens[at : at + 3]:
        if token.kind == "word" and token.text.lower() in _GOES_ON:
            return True
        if token.kind not in ("word", "-"):
            return False
    return False


class _Words:
    """The words of a number, read from the tokens only as far as they are asked for."""

    def __init__(self, tokens: Sequence[Token], at: int) -> None:
        self._tokens = tokens
        self._at = at
        self._read: list[tuple[str | Fraction, int]] = []
        """Words in lower case, or a number, each with the index after its token."""

    def word(self, place: int) -> str | Fraction:
        """Return the word at a place; '' if no word stands there."""
        return self._read[place][0] if self._has(place) else ""

    def after(self, place: int) -> int:
        """Return the index after the token of a word that was read."""
        return self._read[place][1]

    def _has(self, place: int) -> bool:
        while len(self._read) <= place:
            if place >= MAX_WORDS or not self._read_one():
                return False
        return True

    def _read_one(self) -> bool:
        tokens, at = self._tokens, self._at
        if at >= len(tokens):
            return False
        token = tokens[at]
        if token.kind == "word":
            self._read.append((token.text.lower(), at + 1))
        elif token.kind == "num" and token.value is not None and not self._read:
            self._read.append((token.value, at + 1))
        else:
            return False
        hyphened = (
            at + 2 < len(tokens)
            and tokens[at + 1].kind == "-"
            and not tokens[at + 1].space
            and tokens[at + 2].kind == "word"
            and not tokens[at + 2].space
        )
        self._at = at + 1 + hyphened
        return True


def _number(words: _Words, place: int) -> tuple[Fraction, int] | None:
    """Read any number in words: half a million, an hour and a half, two and two sevenths, sixty."""
    first = words.word(place)
    if first == "half" or (first in ("a", "an", "one") and words.word(place + 1) == "half"):
        return _half(words, place + (first != "half") + 1)
    if first in ("a", "an") and words.word(place + 1) in _UNITS:
        after = _and_a_part(words, place + 2)
        return (1 + after[0], after[1]) if after else None
    if first in ("a", "an", "one") and (part := _DENOMINATORS.get(str(words.word(place + 1)))):
        after_it = words.word(place + 2)
        if first == "one" or after_it in ("", "of"):
            return Fraction(1, part), place + 2
        return None
    found = _cardinal(words, place)
    if not found:
        return None
    value, place = found
    if words.word(place) == "point":
        value, place = _decimals(words, value, place + 1)
    elif part := _parts(words.word(place)):
        digits = isinstance(first, Fraction)
        plural = str(words.word(place)).endswith("s")
        if not plural or (digits and part in (2, 4)) or value.denominator != 1 or value <= 1:
            raise NoValueError  # the twenty-third; 3 quarters, which may be coins
        return value / part, place + 1
    elif after := _and_a_part(words, place):
        if _singular(words.word(place - 1)) in _COUNTED:
            raise NoValueError  # three million and a half, a dozen and a half
        value, place = value + after[0], after[1]
    elif words.word(place) not in ("", "and") and (after := _and_a_part(words, place + 1)):
        value, place = value + after[0], after[1]  # 2 hours and a half
    if (scale := SCALES.get(_singular(words.word(place)))) and not (value.denominator == 1 and value >= scale):
        return value * scale, place + 1
    return value, place


def _half(words: _Words, place: int) -> tuple[Fraction, int] | None:
    """Read what follows "half": half a million, half a dozen; before anything else it is 1/2."""
    if words.word(place) == "past":
        return None
    if words.word(place) in ("a", "an") and (scale := _COUNTED.get(str(words.word(place + 1)))):
        return Fraction(scale, 2), place + 2
    return Fraction(1, 2), place


def _and_a_part(words: _Words, place: int) -> tuple[Fraction, int] | None:
    """Read "and a half", "and three quarters": return the fraction and the place after it."""
    if words.word(place) != "and":
        return None
    above, below = words.word(place + 1), words.word(place + 2)
    part = _parts(below)
    top = 1 if above in ("a", "an") else ONES.get(str(above), 0)
    if not part or not 0 < top < part or (top > 1) != str(below).endswith("s"):
        return None
    return Fraction(top, part), place + 3


def _decimals(words: _Words, value: Fraction, place: int) -> tuple[Fraction, int]:
    digits = ""
    while (word := str(words.word(place))) in ONES and ONES[word] < 10:
        digits, place = digits + str(ONES[word]), place + 1
    if not digits or value.denominator != 1:
        raise NoValueError
    return value + Fraction(int(digits), 10 ** len(digits)), place


def _cardinal(words: _Words, place: int) -> tuple[Fraction, int] | None:
    total, group, room, last_scale = Fraction(0), Fraction(0), Fraction(10**30), 10**30
    began = False
    if words.word(place) in ("a", "an"):
        if words.word(place + 1) not in _COUNTED:
            return None
        group, place, room, began = Fraction(1), place + 1, Fraction(1), True
    while (word := words.word(place)) != "":
        name = _singular(word)
        if isinstance(word, Fraction):
            group, room = word, Fraction(1)
        elif word == "and":
            following = str(words.word(place + 1))
            if (
                not began
                or room not in (100, 1000)
                or not (following in TENS or following in ONES)
                or _parts(words.word(place + 2))
            ):
                break
        elif name in SCALES or name == "dozen":
            scale = SCALES.get(name, 12)
            if not group or scale >= last_scale:
                _none_or_raise(began)
                return None
            total, group, room, last_scale = total + group * scale, Fraction(0), Fraction(1000), scale
            if name == "dozen":
                return total, place + 1
        elif name == "hundred":
            if not 0 < group < 100:
                _none_or_raise(began)
                return None
            group, room = group * 100, Fraction(100)
        elif word in TENS or word in ONES:
            value = TENS.get(word, ONES.get(word, 0))
            if value >= room:
                raise NoValueError  # twenty eleven
            group, room = group + value, Fraction(10 if word in TENS else 1)
        else:
            break
        began, place = True, place + 1
    return (total + group, place) if began else None


def _none_or_raise(began: bool) -> None:
    """Raise NoValueError if a number had begun."""
    if began:
        raise NoValueError


def _parts(word: str | Fraction) -> int:
    word = str(word)
    return _DENOMINATORS.get(word) or _DENOMINATORS.get(word.removesuffix("s"), 0)


def _singular(word: str | Fraction) -> str:
    word = str(word)
    return word if word in _COUNTED else word.removesuffix("s")
