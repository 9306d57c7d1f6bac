"""Two texts with the words that differ marked in both. Pure.

Marked words are bold and underlined, not only coloured. Example:
    compared("What is 2 + 3?", "What is 2 + 5?")   # "3" and "5" are marked
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from textual.content import Content, Span

from crescent_lite.printable import printable

MARK = "bold underline $text-accent"
TEXT_CHARACTERS = 4000
"""Shown of each text at most; a longer question is probably a loop (guess)."""
MAX_WORDS = 600
"""A longer text is not compared, because the time grows with the square of the number of words."""


def compared(text: str, other: str) -> tuple[Content, Content]:
    """Both texts, made printable. Nothing is marked if one of them has more than MAX_WORDS words."""
    left, right = (printable(each.strip(), TEXT_CHARACTERS) for each in (text, other))
    left_words, right_words = _words(left), _words(right)
    if max(len(left_words), len(right_words)) > MAX_WORDS:
        return Content(left), Content(right)
    matcher = SequenceMatcher(
        None,
        [left[start:end].casefold() for start, end in left_words],
        [right[start:end].casefold() for start, end in right_words],
    )
    blocks = matcher.get_matching_blocks()
    return (
        Content(left, _marks(left_words, [(block.a, block.a + block.size) for block in blocks])),
        Content(right, _marks(right_words, [(block.b, block.b + block.size) for block in blocks])),
    )


def _words(text: str) -> list[tuple[int, int]]:
    """The start and end of each word, number or sign."""
    return [match.span() for match in re.finditer(r"[^\W_]+|[^\w\s]|_", text)]


def _marks(words: Sequence[tuple[int, int]], same: Sequence[tuple[int, int]]) -> list[Span]:
    """Marks on the words between the parts that are the same, which are in order and end with an empty one."""
    gaps = [(before[1], after[0]) for before, after in pairwise([(0, 0), *same])]
    return [Span(words[first][0], words[last - 1][1], MARK) for first, last in gaps if last > first]
