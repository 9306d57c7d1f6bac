"""Reads replies without a mark: the whole reply, its first line, and what its last sentence concludes.

Example:
    last_sentence("12 + 7 = 19. So there are 19 apples.").key    # 'n:19'
"""

from __future__ import annotations

import re

from crescent_lite.answers.boxes import BOX
from crescent_lite.answers.doubts import is_check, is_cut_off, is_ended, is_no_conclusion, leaves_open
from crescent_lite.answers.prose import Quantity, concluded, has_number, is_instruction
from crescent_lite.answers.stated import (
    EMPTY_BOX,
    MAX_PLACES,
    MAX_SENTENCE,
    UNKNOWN,
    plain_words,
    without_check,
    yes_no,
)
from crescent_lite.answers.text import FAREWELL, prose, sentences
from crescent_lite.answers.values import read_choice, read_value

_UNCERTAIN = re.compile(r"\bi need \w+ more \w+ to\b", re.IGNORECASE)


def whole_reply(text: str) -> Quantity | None:
    if len(text) > 2 * MAX_SENTENCE or BOX.search(text):
        return None
    text = _PLAIN_SET.sub(r"\\{\1\\}", text)
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


def last_sentence(text: str) -> Quantity | None:
    """Return what the concluding sentence says; unclear if the text ends without a conclusion."""
    text = EMPTY_BOX.sub(" ", without_check(text)).rstrip()
    if several := _lines_of_values(text):
        return several
    said = [sentence for sentence in sentences(text)[-MAX_PLACES:] if not FAREWELL.match(sentence)]
    if said and (is_cut_off(said[-1]) or _UNCERTAIN.search(said[-1])):
        return Quantity(said[-1], None)
    options = len({"".join(each) for each in _OPTION_LABEL.findall(text)}) > 1
    if options and _OPTION_LABEL.match(text.rpartition("\n")[2]):
        return Quantity("", None)
    later: Quantity | None = None
    for sentence in reversed(said):
        if option := _OPTION.search(plain_words(prose(sentence))):
            return Quantity(option[0], f"c:{option[1]}")
        if UNKNOWN.search(sentence) or leaves_open(sentence):
            return Quantity(sentence, None)
        if options and _OPTION_LABEL.match(sentence):
            return Quantity(sentence, None)
        if is_check(sentence):
            continue
        if (key := yes_no(plain_words(sentence))) and not has_number(sentence):
            return Quantity(sentence, key)
        found = concluded(sentence)
        if found is None:
            if sentence is said[-1] and not is_ended(sentence) and " " in sentence:
                return Quantity(sentence, None)
            if is_instruction(sentence):
                return Quantity(sentence, None)
            continue
        if is_no_conclusion(sentence) or _NAMES_A_DAY.search(sentence):
            return Quantity(sentence, None)
        if not has_number(sentence) and later is None and has_number(text):
            later = found  # a number in words, after numbers in digits
            continue
        return found if later is None or later.key in (None, found.key) else Quantity(sentence, None)
    return later


_NAMES_A_DAY = re.compile(
    r"\b(?:is|was|on|be|falls|=)\s(?:\w+\s){0,2}\W{0,3}(?:mon|tues|wednes|thurs|fri|satur"
    r"|sun)day\W*$",
    re.IGNORECASE,
)

_OPTION_LABEL = re.compile(r"(?:^|(?<=\s))\(?([A-H])\)(?=\s)|^[ \t*-]*([A-H])[.:](?=\s)", re.MULTILINE)

_OPTION = re.compile(r"\b(?:(?:option|choice)\s\(?|(?:is|was)\s\(?(?=[A-H]\)))([A-HJ])\b")


def _lines_of_values(text: str) -> Quantity | None:
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
