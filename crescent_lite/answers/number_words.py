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
_Word = tuple["str | Fraction", int, bool]
"""A word in lower case or a number, the index after its token, and whether a hyphen joins it to the word before."""


def words_value(tokens: Sequence[Token], at: int) -> tuple[Fraction, int] | None:
    """Return the number in words that begins at token `at` and the index after it; None if none begins there.

    Raises NoValueError if the words that follow make it impossible: "twenty eleven", "twenty-first".
    """
    if at >= len(tokens) or (tokens[at].kind == "num" and not _may_go_on(tokens, at + 1)):
        return None
    words = _words(tokens, at)
    if not words:
        return None
    sign, place = 1, 0
    if words[0][0] in ("negative", "minus") and len(words) > 1:
        sign, place = -1, 1
    found = _number(words, place)
    if not found:
        return None
    value, place = found
    after = _word(words, place)
    if after in NUMBER_WORDS or (after in _ORDINALS and after != "second"):
        raise NoValueError  # five six, twenty-first
    if place == 1 and isinstance(words[0][0], Fraction):
        return None  # only digits
    return sign * value, words[place - 1][1]


def _may_go_on(tokens: Sequence[Token], at: int) -> bool:
    """Whether words after digits can belong to the number: a scale, a part, "and a half", "hours and a half"."""
    for token in tokens[at : at + 3]:
        if token.kind == "word" and token.text.lower() in _GOES_ON:
            return True
        if token.kind not in ("word", "-"):
            return False
    return False


def _words(tokens: Sequence[Token], at: int) -> list[_Word]:
    words: list[_Word] = []
    joined = False
    while at < len(tokens) and len(words) < 24:
        token = tokens[at]
        if token.kind == "word":
            words.append((token.text.lower(), at + 1, joined))
        elif token.kind == "num" and token.value is not None and not words:
            words.append((token.value, at + 1, joined))
        else:
            break
        at += 1
        hyphen = (
            at + 1 < len(tokens)
            and tokens[at].kind == "-"
            and not tokens[at].space
            and tokens[at + 1].kind == "word"
            and not tokens[at + 1].space
        )
        joined = hyphen
        at += hyphen
    return words


def _number(words: list[_Word], place: int) -> tuple[Fraction, int] | None:
    """Read any number in words: half a million, an hour and a half, two and two sevenths, sixty."""
    first = words[place][0]
    if first == "half" or (first in ("a", "an", "one") and _word(words, place + 1) == "half"):
        return _half(words, place + (first != "half") + 1)
    if first in ("a", "an") and _word(words, place + 1) in _UNITS:
        after = _and_a_part(words, place + 2)
        return (1 + after[0], after[1]) if after else None
    if first in ("a", "an", "one") and (part := _DENOMINATORS.get(str(_word(words, place + 1)))):
        after_it = _word(words, place + 2)
        if first == "one" or after_it in ("", "of"):
            return Fraction(1, part), place + 2
        return None
    found = _cardinal(words, place)
    if not found:
        return None
    value, place = found
    if _word(words, place) == "point":
        value, place = _decimals(words, value, place + 1)
    elif part := _parts(_word(words, place)):
        digits = isinstance(first, Fraction)
        plural = str(_word(words, place)).endswith("s")
        if not plural or (digits and part in (2, 4)) or value.denominator != 1 or value <= 1:
            raise NoValueError  # the twenty-third; 3 quarters, which may be coins
        return value / part, place + 1
    elif after := _and_a_part(words, place):
        if value >= 1000:
            raise NoValueError  # three million and a half
        value, place = value + after[0], after[1]
    elif _word(words, place) not in ("", "and") and (after := _and_a_part(words, place + 1)):
        value, place = value + after[0], after[1]  # 2 hours and a half
    if (scale := SCALES.get(_singular(_word(words, place)))) and not (value.denominator == 1 and value >= scale):
        return value * scale, place + 1
    return value, place


def _half(words: list[_Word], place: int) -> tuple[Fraction, int] | None:
    """Read what follows "half": half a million, half a dozen; before anything else it is 1/2."""
    if _word(words, place) == "past":
        return None
    if _word(words, place) in ("a", "an") and (scale := _COUNTED.get(str(_word(words, place + 1)))):
        return Fraction(scale, 2), place + 2
    return Fraction(1, 2), place


def _and_a_part(words: list[_Word], place: int) -> tuple[Fraction, int] | None:
    """Read "and a half", "and three quarters": return the fraction and the place after it."""
    if _word(words, place) != "and":
        return None
    above, below = _word(words, place + 1), _word(words, place + 2)
    part = _parts(below)
    top = 1 if above in ("a", "an") else ONES.get(str(above), 0)
    if not part or not 0 < top < part or (top > 1) != str(below).endswith("s"):
        return None
    return Fraction(top, part), place + 3


def _decimals(words: list[_Word], value: Fraction, place: int) -> tuple[Fraction, int]:
    digits = ""
    while (word := str(_word(words, place))) in ONES and ONES[word] < 10:
        digits, place = digits + str(ONES[word]), place + 1
    if not digits or value.denominator != 1:
        raise NoValueError
    return value + Fraction(int(digits), 10 ** len(digits)), place


def _cardinal(words: list[_Word], place: int) -> tuple[Fraction, int] | None:
    total, group, room, last_scale = Fraction(0), Fraction(0), Fraction(10**30), 10**30
    began = False
    if words[place][0] in ("a", "an"):
        if _word(words, place + 1) not in _COUNTED:
            return None
        group, place, room, began = Fraction(1), place + 1, Fraction(1), True
    while place < len(words):
        word = words[place][0]
        name = _singular(word)
        if isinstance(word, Fraction):
            group, room = word, Fraction(1)
        elif word == "and":
            following = str(_word(words, place + 1))
            if (
                not began
                or room not in (100, 1000)
                or not (following in TENS or following in ONES)
                or _parts(_word(words, place + 2))
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


def _word(words: list[_Word], place: int) -> str | Fraction:
    return words[place][0] if place < len(words) else ""
