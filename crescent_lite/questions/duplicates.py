"""Finds the known question that a text repeats, by an exact rule and an index that leaves few questions to compare.

The rule: two questions are alike when their templates (the texts with masked numbers) reach a threshold of
similarity, `fuzz.ratio` of rapidfuzz. Alike questions with the same numbers in the same order are near-duplicates (in
a plain sum or product the order does not matter); with other numbers they have the same template. Comparing unmasked
texts would call "12 + 7" and "12 + 8" near-duplicates. Knows nothing of verdicts. Example:
    index = DuplicateIndex(threshold=85)
    index.add(7, "Tom has 3 eggs and buys 4 more. How many has he?")
    index.nearest("Tom has three eggs and buys 4 more. How many does he have?")
    -> Match(question_id=7, rule="near_duplicate", similarity=90.2, known=1)
The index keeps a sketch of each template, the smallest hashes of its n-grams (alike templates share most of them),
and for each hash the templates that have it (`postings`). Chosen by measurement: `benchmarks/diversify.py`.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from rapidfuzz import fuzz, process

from crescent_lite.answers.words import NUMBER_WORDS, number_in_words
from crescent_lite.errors import UsageError
from crescent_lite.questions.postings import Postings

NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*|\.\d+")
_SIGNED = rf"(?:(?<![\w)%])[-−](?=[\d.]))?(?:{NUMBER.pattern})"
# The two lookaheads only save time.
_ANY_NUMBER = re.compile(rf"(?=[-−.\d])(?:{_SIGNED})|\b(?=[a-z])(?:{NUMBER_WORDS.pattern})")
_NO_NUMBER = "one"  # on its own this word is usually not a number: "the one that"
_OPERATOR = re.compile(r"([-+*/×÷=^−])")
_COMMUTES = re.compile(r"[^#]{0,40}(?:#(?: \+ #)+|#(?: [*×] #)+|(?:sum|product) of #(?:(?:,|,? and) #)+)[^#]{0,20}")
_SPACE = re.compile(r"\s+")

SHORT_GRAM, LONG_GRAM = 5, 9
"""Lengths in characters of the n-grams by which candidates are found: long n-grams are rarer, short ones survive a
change in a short text."""
SHORT_UP_TO, LONG_FROM = 100, 60
"""Longest template with short n-grams, and shortest template with long ones, in characters. Two templates with a
similarity of 85 or more always share a kind: if one is shorter than 60, the other is shorter than 82."""
SKETCH = 48
"""Hashes kept per template and kind of n-gram."""
HASH_BITS = 22
"""Bits of a hash; they limit the number of different hashes, and so the memory."""
SHARED = 0.25
"""Smallest share of a sketch that a candidate must have in common (measured for alike templates: 0.4 or more)."""
MAX_CANDIDATES = 160
"""Most templates that one search takes from the sketches and compares by the rule."""
MAX_TEXT = 4_000
"""Characters of a text that are compared; the rest is ignored."""


@dataclass(frozen=True)
class Match:
    """A known question that a text repeats."""

    question_id: int
    rule: Literal["near_duplicate", "same_template"]
    """near_duplicate: the numbers agree. same_template: they do not."""
    similarity: float
    """Similarity of the two templates, 0-100."""
    known: int
    """Number of known questions with an alike template, whatever their numbers; incomplete beyond MAX_CANDIDATES."""


def template(text: str) -> str:
    """Return the text in lower case with "#" for every number and one space around operators and between words."""
    return _read(text)[0]


def numbers(text: str) -> tuple[str, ...]:
    """Return the numbers in order of appearance, each in one spelling: "three" -> "3", "1,000" -> "1000"."""
    return tuple(map(_spelt, _read(text)[1]))


def _read(text: str) -> tuple[str, list[str]]:
    """Return the template, and the numbers as written, in one pass."""
    found: list[str] = []

    def mask(number: re.Match[str]) -> str:
        if number[0] == _NO_NUMBER:
            return _NO_NUMBER
        found.append(number[0])
        return "#"

    masked = _OPERATOR.sub(r" \1 ", _ANY_NUMBER.sub(mask, _plain(text)))
    return _SPACE.sub(" ", masked).strip(), found


def agreeing(shape: str, found: tuple[str, ...]) -> tuple[str, ...]:
    """Return a key that two lists of numbers share if they agree: order counts, except in a plain sum or product."""
    return tuple(sorted(found)) if _COMMUTES.fullmatch(shape) else found


def wording(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a key that two questions share if they are the same: the template and the numbers."""
    shape, found = _read(text)
    return shape, agreeing(shape, tuple(map(_spelt, found)))


def _plain(text: str) -> str:
    """Return the text in lower case with one spelling of digits, powers and fractions (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", text[:MAX_TEXT]).replace("\u2044", "/").lower()


def _spelt(number: str) -> str:
    if number[0].isalpha():
        value = number_in_words(number)
        return number if value is None else str(value)
    plain = re.sub(r",(?=\d{3}(?!\d))", "", number.replace("−", "-"))
    if len(plain) > 40 or not re.fullmatch(r"-?\d*\.?\d+", plain):
        return plain
    return str(Fraction(plain))


class DuplicateIndex:
    """Known questions, searchable for the one that a text repeats. Ids are the caller's."""

    def __init__(self, threshold: float) -> None:
        """`threshold`: similarity from which two templates are alike, 0-100. Raises UsageError for any other."""
        if not 0 <= threshold <= 100:
            raise UsageError(f"DuplicateIndex: threshold {threshold} is no similarity; give a number from 0 to 100")
        self._threshold = threshold
        self._templates: list[str] = []
        self._positions: dict[str, int] = {}
        self._questions: list[dict[tuple[str, ...], int]] = []
        """For each template: numbers -> id of the first question with them."""
        self._counts: list[int] = []
        self._lengths = array("I")
        self._postings = Postings()
        self._by_numbers: dict[tuple[str, ...], array[int]] = {}

    def __len__(self) -> int:
        return sum(self._counts)

    def add(self, question_id: int, text: str) -> None:
        """Add a known question."""
        shape, key = wording(text)
        position = self._positions.get(shape)
        if position is None:
            position = self._add_template(shape)
        self._counts[position] += 1
        if key not in self._questions[position]:
            self._questions[position][key] = question_id
            self._by_numbers.setdefault(key, array("I")).append(position)

    def nearest(self, text: str) -> Match | None:
        """Return the most similar near-duplicate, else the most similar question of the same template, else None."""
        shape, key = wording(text)
        alike = self._alike(shape, key)
        if not alike:
            return None
        known = sum(self._counts[position] for position, _ in alike)
        for position, similarity in alike:
            if key in self._questions[position]:
                return Match(self._questions[position][key], "near_duplicate", similarity, known)
        position, similarity = alike[0]
        return Match(next(iter(self._questions[position].values())), "same_template", similarity, known)

    def _add_template(self, shape: str) -> int:
        position = self._positions[shape] = len(self._templates)
        self._templates.append(shape)
        self._questions.append({})
        self._counts.append(0)
        self._lengths.append(len(shape))
        self._postings.add(sketch(shape))
        return position

    def _alike(self, shape: str, key: tuple[str, ...]) -> list[tuple[int, float]]:
        """Positions of the templates that reach the threshold with their similarity, the most similar first."""
        positions = self._candidates(shape, key)
        if not positions:
            return []
        texts = [self._templates[position] for position in positions]
        scores = process.cdist(
            [shape], texts, scorer=fuzz.ratio, score_cutoff=self._threshold, dtype=np.float64, workers=1
        )[0]
        found = [(positions[index], float(scores[index])) for index in np.flatnonzero(scores)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _candidates(self, shape: str, key: tuple[str, ...]) -> list[int]:
        """Positions of templates that may be alike: by their sketch, and the latest ones with the same numbers."""
        wanted = sketch(shape)
        positions = self._frequent(self._postings.shared(wanted), len(shape), at_least=int(SHARED * len(wanted)))
        others = {*self._by_numbers.get(key, ())[-MAX_CANDIDATES:]}
        if (same := self._positions.get(shape)) is not None:
            others.add(same)
        return [*positions.tolist(), *others.difference(positions.tolist())]

    def _frequent(self, shared: np.ndarray, length: int, at_least: int) -> np.ndarray:
        """Positions of the templates that share the most hashes, `at_least` or more, and have a similar length."""
        positions = np.flatnonzero(shared >= max(1, at_least))
        shared = shared[positions]
        lengths = np.frombuffer(self._lengths, dtype=np.uint32)[positions]
        # ratio = 200 * common / (sum of both lengths), and at most the whole shorter text is common
        shortest, longest = np.minimum(lengths, length), np.maximum(lengths, length)
        possible = 200 * shortest >= self._threshold * (shortest + longest)
        positions, shared = positions[possible], shared[possible]
        if len(positions) > MAX_CANDIDATES:
            positions = positions[np.argpartition(shared, -MAX_CANDIDATES)[-MAX_CANDIDATES:]]
        return np.asarray(positions)


_POWERS = np.array([pow(1_000_003, place, 2**64) for place in range(LONG_GRAM)], dtype=np.uint64)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MASK = np.uint64(2**HASH_BITS - 1)


def sketch(shape: str) -> list[int]:
    """Return the smallest hashes of the template's n-grams, sorted, each below 2 ** `HASH_BITS`."""
    codes = np.frombuffer(f" {shape} ".encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    kept = []
    if len(shape) <= SHORT_UP_TO:
        kept.append(_smallest(codes, SHORT_GRAM))
    if len(shape) >= LONG_FROM:
        kept.append(_smallest(codes, LONG_GRAM))
    keys: list[int] = np.unique(np.concatenate(kept)).tolist()
    return keys


def _smallest(codes: np.ndarray, size: int) -> np.ndarray:
    if len(codes) < size:
        codes = np.pad(codes, (0, size - len(codes)))
    hashes = np.zeros(len(codes) - size + 1, dtype=np.uint64)
    for place in range(size):
        hashes += codes[place : place + len(hashes)] * _POWERS[place]
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(29)
    smallest = np.unique(hashes * _MIX)[:SKETCH]
    return np.asarray((smallest ^ (smallest >> np.uint64(31))) & _MASK)
