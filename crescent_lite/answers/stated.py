"""Reads what a reply states in words or with marks of Markdown: "the answer is x", "#### x", a bold last line.

Also reads what any marked place says: a value, a choice, yes or no. Example:
    in_words("So the answer is 12, as shown above.").key    # 'n:12'
"""

from __future__ import annotations

import re

from crescent_lite.answers.doubts import (
    CONDITIONS,
    FAILURES,
    HEDGES,
    NEGATIONS,
    PERSONS,
    PLANS,
    REPORTS,
    speaks_elsewhere,
    words_of,
)
from crescent_lite.answers.prose import Quantity, has_number, leading
from crescent_lite.answers.text import first_part, sentences
from crescent_lite.answers.values import read_choice, read_value, read_yes_no
from crescent_lite.answers.words import word_set

MAX_PLACES = 20
"""Places of one kind that are tried, from the end."""
MAX_SENTENCE = 400
"""Characters read after 'the answer is', to the end of the sentence at most."""

MAX_LAST_SENTENCES = 12
"""Lines at the end in which a check or note after the result is searched."""

UNKNOWN = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|impossible to|not possible to)"
    r" (?:determine|compute|calculate|answer|solve|say|tell"
    r"|be (?:determined|computed|calculated|answered|solved|known|found))\b"
    r"|\b(?:not enough|insufficient|(?:need|require)s? (?:\w+ ){0,2}?more|without more)"
    r" (?:information|data|details|facts)\b",
    re.IGNORECASE,
)


def yes_no(said: str) -> str | None:
    """Return the key of a yes or no at the beginning; None for "yes, 12", which says two things."""
    key = read_yes_no(said, alone=False)
    if not key:
        return None
    rest = words_of(_FIRST.match(said)[0])[1:]  # type: ignore[index]
    if _NO_REPLY.search(said) or read_value(said.partition(" ")[2], "end") or not _NOT_OF_A_REPLY.isdisjoint(rest):
        return None
    speaks = bool(rest) and (rest[0] in PERSONS or rest[0] in ("this", "that", "that's"))
    denied = has_number(said) and not NEGATIONS.isdisjoint(rest) and rest[0] in ("it", "it's", "the")
    return None if speaks or denied else key


_FIRST = re.compile(r"\W*\w*\W*[^.!?]*")
"""Yes or no and the sentence that goes with it."""
_NOT_OF_A_REPLY = HEDGES | FAILURES - {"impossible"} | PLANS | word_set("but only what how why who ?")
"""Words after yes or no by which it does not answer a question."""


_NO_REPLY = re.compile(
    r"^\W*(?:yes|no|true|false)\b[^\n]{0,80}?(?:\b(?:wrong|incorrect|wait|sorry|rather|again|problem|thanks?"
    r"|idea|guess|sure|of course|i can|i'll|let me|let's|let us|help"
    r"|course)\b|\b(?:not|n't|cannot) (?:be )?(?:right|correct|know|sure)\b)",
    re.IGNORECASE,
)
"""A yes or no that speaks to the reader or judges a try: "No, 14 is incorrect"."""

_WORDS_MARKUP = re.compile(r"\\(?:text\w*|math\w*|mbox|left|right)(?![A-Za-z])|\\[,;:! ]|[{}$*`_]")


def plain_words(text: str) -> str:
    return " ".join(_WORDS_MARKUP.sub(" ", text).split())


HASH = re.compile(r"^[ \t>]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)

_TITLE = re.compile(r"\d+[.):]?\s+[A-Z]")


def after_hashes(text: str) -> Quantity | None:
    for line in reversed(HASH.findall(text)[-MAX_PLACES:]):
        if _TITLE.match(line):
            continue
        key = read_value(line) or read_yes_no(plain_words(line), alone=False)
        if not key and (label := _HASH_LABEL.match(line)):
            key = read_value(line[label.end() :], "end")
        if key:
            return Quantity(line.strip(), key)
    return None


_HASH_LABEL = re.compile(r"(?:the )?(?:final )?answer(?: is)?\s?:?\s?(?=\S)", re.IGNORECASE)

ANSWER_IS = re.compile(
    r"""(?: \b(?:answer|final\s(?:figure|result|number|value)|(?:correct|right|best)\s(?:option|choice))\b
            (?: [^.,:=\n]{0,80}? \b(?:is|was|equals|comes\sto|(?:would|will|should|must)\sbe)\b
              | (?:\s(?:to|for|of)\s[^.,:=()\n]{1,60})? (?:\s?\([^()\n]{1,40}\))? \s? [:=≈] )
          | ^[\W\d]{0,10} (?:the\s)? (?:final\s)? answer \s* $
          | \b(?:réponse|respuesta|antwort|risposta|resposta)\s(?:est|es|ist|è|é)\b | 答案(?:是|为|：|:) )
        [\s:=≈"\#]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)

_NOT_STATED = re.compile(
    r"\b(?:if|wrong|incorrect|some (?:say|think)(?: that)?|suppose|assume|whether)(?: the)?(?: (?:right|final))? $",
    re.IGNORECASE,
)
"""Words before "the answer is" by which it does not say what the answer is."""

_TO_BE_FOUND = re.compile(r"\b(?:find|calculate|compute|determine|get)(?: the)? $", re.IGNORECASE)
"""Words before "the final number of ..." by which it says what a step is for."""

_IF_THE_ANSWER = re.compile(r"\b(?:if|otherwise)\b[^.!?\n]{0,80}\banswer\b", re.IGNORECASE)

_ANOTHER_CASE = re.compile(r"\b(?:if|otherwise|or else)\b[^.!?\n]*\d", re.IGNORECASE)

_DOUBTS_THAT = re.compile(
    r"(?:\bdoubt|\b(?:don't|do not|cannot|can't) (?:think|believe|say)|\bnot (?:sure|certain|convinced|true"
    r"|the case|so)|\bfalse)"
    r"(?: (?:that|if|whether))?(?: the)?(?: (?:right|final|correct))? $",
    re.IGNORECASE,
)

_NOT_THE_ANSWER = re.compile(
    r"\b(?:isn't|wasn't|is not|was not|not|can't|cannot|can not|could not|couldn't|won't)\b", re.IGNORECASE
)

_DENIED_ANSWER = re.compile(r"\banswer\b[^.,:=\n]{0,80}?(?:n't|\b(?:not|cannot|never))\b", re.IGNORECASE)


def in_words(text: str) -> Quantity | None:
    places = list(ANSWER_IS.finditer(text))[-MAX_PLACES:]
    conditions = sum(bool(_IF_THE_ANSWER.search(text, max(0, each.start() - 100), each.end())) for each in places) - 1
    denied = list(_DENIED_ANSWER.finditer(text))[-1:]
    for match in reversed(places):
        if _NOT_STATED.search(text, max(0, match.start() - 40), match.start()):
            continue
        said = match[0]
        if said[:5].lower() == "final" and _TO_BE_FOUND.search(text, max(0, match.start() - 40), match.start()):
            continue
        sentence = _sentence(text, match.end()).strip(" *")
        before = sentences(text[max(0, match.start() - MAX_SENTENCE) : match.start()] or " ")[-1:]
        if before and _IF.match(before[0]):
            conditions += 1
            if conditions > 1 or _ANOTHER_CASE.search(text[match.end() :][:MAX_SENTENCE]):
                return Quantity(sentence, None)
        if _DOUBTS_THAT.search(text, max(0, match.start() - 40), match.start()):
            return Quantity(sentence, None)
        if said.endswith("\n") and _BULLET.match(sentence):
            return Quantity(sentence, None)  # the first of several, or a minus sign
        if _NOT_THE_ANSWER.search(said):
            return Quantity(sentence, None)
        if denied and denied[0].start() > match.start() and has_number(_sentence(text, denied[0].start())):
            return Quantity(sentence, None)
        nothing_after = not re.search(r"\w", text[match.end() + len(sentence) :])
        if not sentence.strip(" $\\[]()"):
            if nothing_after:
                return Quantity("", None)
            continue
        found = stated(EMPTY_BOX.sub(" ", sentence))
        if found is not None:
            lead = text[max(0, match.start() - MAX_LEAD) : match.end()]
            if not _OF_A_PART.isdisjoint(words_of(said)) or sentence.rstrip(" *$").endswith("?"):
                return Quantity(sentence, None)
            return found if _is_plainly_said(lead, sentence, found) else Quantity(sentence, None)
        if nothing_after and re.search(r"\w", sentence):
            return Quantity(sentence, None)
    if denied and not places and has_number(_sentence(text, denied[0].start())):
        return Quantity("", None)
    return None


MAX_LEAD = 80
"""Characters before "the answer is" in which a doubt is searched."""
_NOT_THE_LAST = word_set("previous expected old part former first original guess")
_OF_A_PART = word_set("first other another similar case cases example")
"""Words in "the answer to the first part is" by which it is not the answer to the question."""
_BETWEEN = word_set(
    "sum difference product times close near more less hidden line same than not far somewhere page none"
)
_WELL_MEANT = word_set("think thought believe say sure certain no")


def _is_plainly_said(lead: str, sentence: str, found: Quantity) -> bool:
    """Whether neither the words around "the answer is" nor those before its value make it doubtful."""
    lead = re.split(r"[,;]\s", (sentences(lead) or [""])[-1])[-1]
    said = words_of(lead[: lead.lower().rfind("answer")] if "answer" in lead.lower() else "")
    if not (HEDGES - _WELL_MEANT | _NOT_THE_LAST).isdisjoint(said):
        return False
    at = sentence.find(found.raw) if found.raw else -1
    if not found.key or at < 0:
        return True
    before, after = words_of(sentence[:at]), words_of(sentence[at + len(found.raw) :])
    if not (HEDGES | CONDITIONS).isdisjoint(before):
        return False
    if speaks_elsewhere(sentence[:at], before) or not (REPORTS | _BETWEEN).isdisjoint(before):
        return "=" in sentence[:at] or "which is" in sentence[:at]
    return after[:1] != ["times"] and (HEDGES - _WELL_MEANT | {"wait", "hmm"}).isdisjoint(after)


_IF = re.compile(
    r"\W*(?:but |and |or |so |otherwise|however,? )?(?:if|when|assuming|in case|otherwise)\b", re.IGNORECASE
)
"""The beginning of a sentence whose value depends on a condition."""


def _sentence(text: str, start: int) -> str:
    """Return the text from `start` to the end of the sentence or line."""
    rest = text[start : start + MAX_SENTENCE + 1]
    return first_part((sentences(rest.partition("\n")[0]) or [""])[0], MAX_SENTENCE)


EMPTY_BOX = re.compile(r"\\f?boxed\s?\{\s*\}")

_BOLD_LINE = re.compile(r"[\s#>]*\*\*([^*\n]{1,200})\*\*[\s.!]*")

_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")

_BOLD = re.compile(r"(?<![\w)])\*\*([^*\n]{1,200})\*\*(?!\w)")


def in_bold(text: str) -> Quantity | None:
    before, _, last_line = without_check(text).rstrip().rpartition("\n")
    if last_line.endswith("?"):
        return None
    if _BULLET.match(last_line) and _BULLET.match(before.rstrip().rpartition("\n")[2]):
        return None  # the last of several
    line = _BOLD_LINE.fullmatch(last_line)
    if line:
        return stated(line[1])
    values = [(span, key) for span in _BOLD.findall(last_line)[-MAX_PLACES:] if (key := read_value(span, "end"))]
    return Quantity(*values[0]) if len({key for _, key in values}) == 1 else None


_REMARK_LINE = re.compile(
    r"[\s>#*_(\[-]*(?:(?:double[- ])?check(?:ing)?\b|verif(?:y|ication|ying)\b|to (?:check|verify|confirm)\b"
    r"|substitut\w+\s(?:back|into)\b|proof\b|note\b|confidence\b|remark\b|source\b|p\.?s\.?\b|explanation\b"
    r"|difficulty\b|hint\b|reason(?:ing)?\s?:)",
    re.IGNORECASE,
)

CONCLUDES = re.compile(
    r"^[\s*]*(?:so|therefore|thus|hence|in total|finally|altogether)\b", re.IGNORECASE | re.MULTILINE
)


def without_check(text: str) -> str:
    """Return the text without a check, note or confidence after the result."""
    lines = text.split("\n")
    for index in range(max(1, len(lines) - MAX_LAST_SENTENCES), len(lines)):
        if _REMARK_LINE.match(lines[index]):
            before = "\n".join(lines[:index])
            if has_number(before) and not CONCLUDES.search("\n".join(lines[index + 1 :])):
                return before
    return text


_LINEAR = re.compile(r"q:(?:\d+\*)?\w(?:[+-]\d+)?")
"""An equation of one variable: "the answer is x + 1 = 13" may say 13 or x = 12."""


def stated(text: str) -> Quantity | None:
    """Return what a marked place says: a value, a choice, yes or no, a leading value or a concluded one."""
    key = read_value(text, "end")
    if key:
        return Quantity(text.strip(), None if _LINEAR.fullmatch(key) else key)
    said = plain_words(text)
    for read in (read_choice, read_yes_no):
        key = read(said, alone=False)
        if key:
            return Quantity(said, key if key[0] == "c" else yes_no(said))
    if UNKNOWN.search(text):
        return Quantity(text, None)
    return leading((sentences(text) or [""])[0] if "\n" not in text.strip() else text)
