"""Reads English numbers in words: "one hundred and twelve apples" -> 112, "three quarters" -> 3/4.

For the words of questions; answers are read by `number_words`, which takes whole spans. Pure; knows nothing of keys.
Example: number_in_words("twenty-five") -> Fraction(25, 1)
"""

from __future__ import annotations

import re
from fractions import Fraction


def word_set(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
_NUMBER_WORD = "|".join([*ONES, *TENS, *_SCALES, "hundred", "dozen"])
_PART = rf"(?:{'|'.join(_PARTS)})s?\b"
SMALL_PART = rf"(?:an?|one|two|three)[\s-]{_PART}"
"""A fraction that makes a mixed number with the number before it: "a half", "three quarters"."""
NUMBER_WORDS = re.compile(
    rf"(?:\bnegative\s)?"
    rf"(?:(?:\b(?:an?\s)?(?:{_NUMBER_WORD})\b(?:[\s-]+(?:and\s)?(?:{_NUMBER_WORD})\b)*)"
    rf"(?:\sand\s{SMALL_PART}|[\s-]{_PART})?|\b(?:an?\s)?half\b)",
    re.IGNORECASE,
)
"""A number in words, with all words that belong to it."""
_MIXED = re.compile(rf"\sand\s({SMALL_PART})$")


def number_in_words(text: str) -> Fraction | None:
    """Return the value of a match of `NUMBER_WORDS`; None for words that are not one number, such as "five six"."""
    text = text.lower()
    if text.startswith("negative "):
        value = number_in_words(text.removeprefix("negative "))
        return None if value is None else -value
    if mixed := _MIXED.search(text):
        values = [number_in_words(each) for each in (text[: mixed.start()], mixed[1])]
        return sum((value for value in values if value), Fraction(0)) if None not in values else None
    words = re.split(r"[\s-]+", text)
    if words[0] in ("a", "an"):
        words[0] = "one"
    part = next((_PARTS[name] for name in (words[-1], words[-1].removesuffix("s")) if name in _PARTS), None)
    if part:
        words = words[:-1] or ["one"]
    total = group = 0
    room = 10**10
    """The next word of the group must be below this: "twenty five" is a number, "five six" is not."""
    for word in words:
        if word == "and":
            continue
        if word in _SCALES or word == "dozen":
            scale = _SCALES.get(word, 12)
            if not group:
                return None
            total, group, room = total + group * scale, 0, 1000
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group, room = group * 100, 100
        else:
            below_hundred = TENS.get(word, ONES.get(word, 0))
            if below_hundred >= room:
                return None
            group, room = group + below_hundred, 10 if word in TENS else 1
    return Fraction(total + group, part or 1)
