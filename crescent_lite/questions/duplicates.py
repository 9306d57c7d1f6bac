"""Which known question is a text too close to? An exact rule, and an index that finds the few worth asking it about.

The rule: two questions are alike when their templates are (numbers masked, `fuzz.ratio` of rapidfuzz from a threshold
on). Alike with the same numbers in the same order they are near-duplicates (in a bare sum or product any order will
do); with other numbers they have the same template. A plain text ratio calls "12 + 7" and "12 + 8" alike. Example:
    index = DuplicateIndex(threshold=85)
    index.add(7, "Tom has 3 eggs and buys 4 more. How many has he?")
    index.nearest("Tom has three eggs and buys 4 more. How many does he have?")   # Match(7, 'near_duplicate', 90.2)
The index holds, for each template, the smallest hashes of its n-grams (a bottom-k sketch: alike texts share most of
it), and for each hash the templates that have it (`postings`). Chosen by measurement: `benchmarks/diversify.py`.
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
from crescent_lite.questions.postings import Postings

NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*|\.\d+")
_SIGNED = rf"(?:(?<![\w)%])[-−](?=[\d.]))?(?:{NUMBER.pattern})"
# The two looks ahead only save time.
_ANY_NUMBER = re.compile(rf"(?=[-−.\d])(?:{_SIGNED})|\b(?=[a-z])(?:{NUMBER_WORDS.pattern})")
_NO_NUMBER = "one"  # alone: "the one that" is no number
_OPERATOR = re.compile(r"([-+*/×÷=^−])")
_COMMUTES = re.compile(r"[^#]{0,40}(?:#(?: \+ #)+|#(?: [*×] #)+|(?:sum|product) of #(?:(?:,|,? and) #)+)[^#]{0,20}")
_SPACE = re.compile(r"\s+")

SHORT_GRAM, LONG_GRAM = 5, 9
"""Characters of the pieces that two templates are compared by before the rule is asked: long pieces are rarer, short
ones outlast a change in a short text."""
SHORT_UP_TO, LONG_FROM = 100, 60
"""Lengths of templates that have pieces of each kind. Alike ones of 85 or more have a kind in common: where one is
shorter than 60 the other is shorter than 82."""
SKETCH = 48
"""Hashes kept of one template, of each kind."""
HASH_BITS = 22
"""Bounds the number of different hashes, and with it the memory."""
SHARED = 0.25
"""Share of a sketch that alike templates have in common at least (measured: 0.4 and more)."""
MAX_CANDIDATES = 160
"""Templates that the rule is asked about in one search."""
MAX_TEXT = 4_000
"""Characters of a text that are compared."""


@dataclass(frozen=True)
class Match:
    """A known question that a text is too close to."""

    question_id: int
    rule: Literal["near_duplicate", "same_template"]
    similarity: float
    """0-100, of the two templates."""
    known: int
    """Known questions whose template is that close, whatever their numbers; of very many not all are counted."""


def template(text: str) -> str:
    """The text with every number masked, lower case, with one space around operators and between words."""
    return _read(text)[0]


def numbers(text: str) -> tuple[str, ...]:
    """The numbers in order of appearance; words as digits, without separators of thousands and trailing zeros."""
    return tuple(map(_spelt, _read(text)[1]))


def _read(text: str) -> tuple[str, list[str]]:
    """Template and numbers as written, in one pass."""
    found: list[str] = []

    def mask(number: re.Match[str]) -> str:
        if number[0] == _NO_NUMBER:
            return _NO_NUMBER
        found.append(number[0])
        return "#"

    masked = _OPERATOR.sub(r" \1 ", _ANY_NUMBER.sub(mask, _plain(text)))
    return _SPACE.sub(" ", masked).strip(), found


def agreeing(shape: str, found: tuple[str, ...]) -> tuple[str, ...]:
    """What has to be equal for numbers to agree: their order counts, but not in a bare sum or product."""
    return tuple(sorted(found)) if _COMMUTES.fullmatch(shape) else found


def wording(text: str) -> tuple[str, tuple[str, ...]]:
    """Template and numbers, which together are equal for questions that are the same."""
    shape, found = _read(text)
    return shape, agreeing(shape, tuple(map(_spelt, found)))


def _plain(text: str) -> str:
    """Lower case, and one spelling of what Unicode has several for: digits, powers, fractions."""
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
    """Known questions, and which of them a text is too close to. Ids are the caller's."""

    def __init__(self, threshold: float) -> None:
        """`threshold`: similarity of two templates, 0-100, from which they count as alike."""
        self._threshold = threshold
        self._templates: list[str] = []
        self._positions: dict[str, int] = {}
        self._questions: list[dict[tuple[str, ...], int]] = []
        """Of each template: its questions, by their numbers. The first one of equal ones."""
        self._counts: list[int] = []
        self._lengths = array("I")
        self._postings = Postings()
        self._by_numbers: dict[tuple[str, ...], array[int]] = {}

    def __len__(self) -> int:
        return sum(self._counts)

    def add(self, question_id: int, text: str) -> None:
        """One more known question."""
        shape, key = wording(text)
        position = self._positions.get(shape)
        if position is None:
            position = self._add_template(shape)
        self._counts[position] += 1
        if key not in self._questions[position]:
            self._questions[position][key] = question_id
            self._by_numbers.setdefault(key, array("I")).append(position)

    def nearest(self, text: str) -> Match | None:
        """The most similar near-duplicate; where there is none, the most similar question of the same template."""
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
        """Templates at or above the threshold with their similarity, the most similar first."""
        positions = self._candidates(shape, key)
        if not positions:
            return []
        texts = [self._templates[position] for position in positions]
        scores = process.cdist(
            [shape], texts, scorer=fuzz.ratio, score_cutoff=self._threshold, dtype=np.float64, workers=1
        )[0]
        found = [(positions[at], float(scores[at])) for at in np.flatnonzero(scores)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _candidates(self, shape: str, key: tuple[str, ...]) -> list[int]:
        """Templates that may be alike: those that share most of the sketch, and some with the same numbers."""
        wanted = sketch(shape)
        positions = self._frequent(self._postings.shared(wanted), len(shape), at_least=int(SHARED * len(wanted)))
        others = {*self._by_numbers.get(key, ())[-MAX_CANDIDATES:]}
        if (same := self._positions.get(shape)) is not None:
            others.add(same)
        return [*positions.tolist(), *others.difference(positions.tolist())]

    def _frequent(self, shared: np.ndarray, length: int, at_least: int) -> np.ndarray:
        """The templates of a possible length that share most, and so much at least."""
        positions = np.flatnonzero(shared >= max(1, at_least))
        shared = shared[positions]
        lengths = np.frombuffer(self._lengths, dtype=np.uint32)[positions]
        # ratio = 2 * common / (both lengths), and no more can be common than the shorter one has
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
    """The smallest hashes of the template's pieces, each below 2 ** `HASH_BITS`."""
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
