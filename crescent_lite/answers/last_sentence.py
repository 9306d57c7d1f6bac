"""Reads the last sentence of a reply without a mark, if it has the form of a conclusion (`conclusions`).

Farewells, checks of the result and remarks after it are passed over. Any other last sentence leaves the reply without
an answer: a wrong answer costs more than none. Example:
    last_sentence("12 + 7 = 19. So there are 19 apples.").key    # 'n:19'
    last_sentence("There are 12 apples. He buys 7.").key         # None
"""

from __future__ import annotations

import re

from crescent_lite.answers.bare import lines_of_values
from crescent_lite.answers.conclusions import is_conclusion
from crescent_lite.answers.doubts import HARD, MODALS, PERSONS, PLANS, TURNS, is_cut_off, is_ended, words_of
from crescent_lite.answers.prose import Quantity, concluded, has_number
from crescent_lite.answers.stated import EMPTY_BOX, MAX_PLACES, UNKNOWN, plain_words, without_check, yes_no
from crescent_lite.answers.text import FAREWELL, prose, sentences
from crescent_lite.answers.values import read_value
from crescent_lite.answers.words import word_set


def last_sentence(text: str) -> Quantity | None:
    """Return what the last sentence concludes; unclear if it has not the form of a conclusion."""
    text = EMPTY_BOX.sub(" ", without_check(text)).rstrip()
    if several := lines_of_values(text):
        return several
    said = sentences(text)[-MAX_PLACES:]
    while said and _is_remark(said[-1], alone=len(said) == 1):
        said.pop()
    if not said:
        return None
    last, before = said[-1], said[:-1]
    unclear = Quantity(last, None)
    if is_cut_off(last) or UNKNOWN.search(last):
        return unclear
    if last.lstrip().startswith("#") and not read_value(last.strip(" #*")):
        return unclear  # a heading
    if (chosen := _choice(last, text)) is not None:
        return chosen
    if not has_number(last) and (key := yes_no(plain_words(last))):
        return Quantity(last, key)
    found = concluded(last)
    return found if found and found.key and is_conclusion(last, found, before) else unclear


def _is_remark(sentence: str, *, alone: bool) -> bool:
    """Whether a sentence at the end only speaks to the reader, checks the result or remarks on it."""
    if FAREWELL.match(sentence) or _CHECK.match(sentence):
        return True
    words = words_of(sentence)
    if not words:
        return not has_number(sentence)
    if alone or yes_no(plain_words(sentence)):
        return False
    note = sentence.strip(" .!*_")
    if note.startswith("(") and note.find(")") == len(note) - 1:
        return (HARD | PLANS).isdisjoint(words)
    if (
        has_number(sentence)
        or concluded(sentence)
        or not sentence.isascii()
        or not is_ended(sentence)
        or sentence.rstrip().endswith(":")
    ):
        return False
    if words[0] in _GOES_ON or not (HARD | PLANS | PERSONS | TURNS).isdisjoint(words):
        return False
    if words[0] in _BACK:
        return MODALS.isdisjoint(words)
    return len(words) <= MAX_REMARK or sentence.endswith("!")


MAX_REMARK = 3
"""Most words of a remark without an exclamation mark: All done."""
_BACK = word_set("that that's this these which")
"""Words that point back to what was said."""
_GOES_ON = word_set(
    "then now next after afterwards but and also so first second finally meanwhile likewise similarly"
)
"""Words with which the work goes on."""
_CHECK = re.compile(
    r"\W*(?:tip:|fun fact|as a check\b|proof\b|indeed\b"
    r"|(?:let me |let's |to |we (?:can )?|i (?:can )?|a quick )?(?:double[- ]?)?(?:check|verif|confirm)\w*\b"
    r"|(?:plugging|substituting|putting)\b[^.!?\n]{0,40}\b(?:back|original)\b"
    r"(?!.{0,100}\b(?:get|gives?)\s\W{0,3}[a-z]\s?=))"
    r"|.{0,300}\bwhich (?:confirms|checks|verifies|matches|agrees|is (?:true|as required|what we wanted))\b"
    r"|.{0,300}\bconfirm(?:s|ing) (?:our|the|that|this|my)\b",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence that checks a result that stands before it."""
_OPTION_LABEL = re.compile(r"(?:^|(?<=\s))\(?([A-H])\)(?=\s)|^[ \t*-]*([A-H])[.:](?=\s)", re.MULTILINE)
_OPTION = re.compile(r"\b(?:(?:option|choice)\s\(?|(?:is|was)\s\(?(?=[A-H]\)))([A-HJ])\b")


def _choice(sentence: str, text: str) -> Quantity | None:
    """Return the option that a sentence chooses; unclear if it is one of the options itself; None without one."""
    chosen = _OPTION.findall(plain_words(prose(sentence)))
    if chosen:
        clear = len(set(chosen)) == 1 and (HARD - {"not"}).isdisjoint(words_of(sentence))
        return Quantity(sentence, f"c:{chosen[0]}" if clear else None)
    options = len({"".join(each) for each in _OPTION_LABEL.findall(text)}) > 1
    if options and (_OPTION_LABEL.match(text.rpartition("\n")[2]) or _OPTION_LABEL.match(sentence)):
        return Quantity("", None)
    return None
