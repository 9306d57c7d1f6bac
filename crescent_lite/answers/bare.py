"""Reads answers that stand bare on their lines: the whole reply, its first line, and lines of several values.

Example:
    whole_reply("19 apples").key              # 'n:19'
    first_line("19\n\nWe add 12 and 7.").key    # 'n:19'
"""

from __future__ import annotations

import re

from crescent_lite.answers.boxes import BOX
from crescent_lite.answers.doubts import HARD, MODALS, PERSONS, PLANS, speaks_elsewhere, words_of
from crescent_lite.answers.prose import Quantity, concluded, has_number
from crescent_lite.answers.stated import (
    MAX_SENTENCE,
    plain_words,
    yes_no,
)
from crescent_lite.answers.text import sentences
from crescent_lite.answers.values import read_choice, read_value

_ABOUT = frozenset({"least", "most", "ish", "unverified"})
"""Words that make a bare value a bound or something else."""


def whole_reply(text: str) -> Quantity | None:
    if len(text) > 2 * MAX_SENTENCE or BOX.search(text):
        return None
    text = _PLAIN_SET.sub(r"\\{\1\\}", text)
    words = frozenset(words_of(text))
    if not (HARD - {"no"} | PLANS | MODALS | PERSONS - {"i"} | _ABOUT).isdisjoint(words) or speaks_elsewhere(
        text, words
    ):
        return None
    key = read_value(text, "unclear" if "\\" not in text and "$" not in text else "factorial")
    if not key or ("=" in text and key[0] not in "lsi" and not _SHORT_NAME.match(text)):
        return None
    return Quantity(text.strip(), key)


_PLAIN_SET = re.compile(r"^\s*\{([^{}\\]{1,100})\}\s*$")

_SHORT_NAME = re.compile(r"[\s$\\(\[*]*[A-Za-z](?:_?\{?\d?\}?)?\s?=[^=]*$")
"""x = 19. A calculation such as 12 + 7 = 19 is a sentence, not a bare answer."""


def first_line(text: str) -> Quantity | None:
    """Return the first line if it is the bare answer, or yes or no, and the reply goes on to explain it."""
    first, _, rest = text.lstrip().partition("\n")
    said = plain_words(first)
    if (key := yes_no(said)) and _is_the_answer(said, rest):
        return Quantity(said, key)
    if not rest.strip():
        return None
    option = _OPTION_FIRST.match(said)
    if option and not _OPTION_FIRST.match(plain_words(rest.lstrip().partition("\n")[0])):
        key = read_choice(said, alone=False)
        return Quantity(said, key) if key else None
    found = None if "=" in first or "≈" in first else whole_reply(first)
    return found if found and not _is_bare(rest.lstrip().partition("\n")[0]) else None


_OPTION_FIRST = re.compile(r"\(?[A-H]\)\s")

_YES_THEN = re.compile(
    r"\W*(?:yes|no|true|false)\b[\s,.:;*-]*(?:(?P<aside>of course|let'?s?|let me|sure|certainly|okay|here|first"
    r"|to (?:find|solve|answer)|i can|we (?:can|need|start|first)|absolutely)\b|(?P<said>.*))",
    re.IGNORECASE | re.DOTALL,
)


def _is_the_answer(first: str, rest: str) -> bool:
    """Whether a yes or no at the beginning is the answer and not a greeting, so that no number is stated after it."""
    match = _YES_THEN.match(first)
    if not match or match["aside"] is not None:
        return False
    said = match["said"]
    stop = re.match(r"\W*(?:yes|no|true|false)\b\s?(.?)", first, re.IGNORECASE)
    if stop and stop[1] in (".", "!") and has_number(said):
        return False  # No. 18
    if stop and stop[1] in (".", "!") and re.match(r"\W*so\b", said, re.IGNORECASE):
        return False
    return not (has_number(rest) and (found := concluded((sentences(rest) or [""])[-1])) and found.key)


_LABELLED = re.compile(
    r"\s*(?:(?:\(?[a-z0-9]{1,2}[.)]|[-*•])\s|[A-Za-z](?:_?\{?\d\}?)?\s?=|[A-Za-z ]{1,20}\d{0,2}\s?:)\s?(?=\S)",
    re.ASCII,
)


def _labelled(line: str) -> str | None:
    """Return the key of a line that is a value, with or without a label or bullet."""
    label = _LABELLED.match(line)
    if label:
        return None if "=" in line[label.end() :] else read_value(line[label.end() :], "end")
    return read_value(line, "end")


def _is_bare(line: str) -> bool:
    """Whether a line is only a value, so that the line before it is one of several answers."""
    return bool(_labelled(line)) and (bool(_LABELLED.match(line)) or "=" not in line)


def lines_of_values(text: str) -> Quantity | None:
    """Return an unclear answer if the last two lines are different values, each with its label or bullet."""
    lines = [line for line in text.split("\n") if line.strip()][-2:]
    if len(lines) < 2 or lines[1].lstrip(" $\\[(&").startswith("="):
        return None
    if not all(_LABELLED.match(line) or "=" not in line for line in lines):
        return None
    keys = [_labelled(line) for line in lines]
    if None in keys or keys[0] == keys[1]:
        return None
    return Quantity(lines[1], None)
