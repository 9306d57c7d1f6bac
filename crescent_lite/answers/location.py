"""The final answer of a free-text solution, as a typed canonical key. Without one it is an abstention.

Owns where the answer stands: the whole reply; the last `\\boxed{}`; '#### x'; 'the answer is x'; a bold last
line; else the concluding sentence, its equation's right side or its last quantity. The first place that says
anything decides: when it is unclear (a list, an unfinished sum, a root) there is no second guess elsewhere.
What an answer is, is `answer_values`. Pure, linear in time, safe on hostile text. Example:
    canonical_answer("12 + 7 = 19 (see step 2), so there are **19 apples**.")    # 'n:19'
    canonical_answer("So there are 12 + 7 apples.")                              # None
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crescent_lite.answers.text import FAREWELL, OPAQUE, first_part, last_part, plain, sentences, without_farewell
from crescent_lite.answers.values import MAX_ANSWER, Quantity, quantities, read_choice, read_value, read_yes_no
from crescent_lite.answers.words import NUMBER_WORDS, number_in_words
from crescent_lite.records import Answer, AnswerForm

MAX_SOLUTION = 8_000
"""Characters read, from the end: about 2,000 tokens. A final answer stands at the end."""
MAX_NESTING = 8
"""Braces inside a `\\boxed{}`. A deeper one is an abstention."""
MAX_SENTENCE = 400
"""Characters read after 'the answer is', to the end of the sentence at most."""
MAX_PLACES = 20
"""Places of one kind that are looked at, from the end."""

MAX_STARTS = 5
"""Places of one sentence where a list may begin, from the end."""


def canonical_answer(solution: str) -> str | None:
    """The key of the solution's final answer; None when it gives none, or an unclear one."""
    answer = find_answer(solution)
    return answer.key if answer else None


def find_answer(solution: str, *, finished: bool = True) -> Answer | None:
    """The solution's final answer, or None: an abstention.

    Of a solution that was cut off (`finished` is false) only a closed box counts: "The answer is 1" may have been
    on its way to 15, and a last number is a step.
    """
    text = _without_thoughts(last_part(solution.strip(), MAX_SOLUTION))
    text = without_farewell(_CODE_BLOCK.sub(_keep_a_value, text))
    for form, look in PLACES:
        found = look(text)
        if found is not None:
            if not finished and form != "boxed":
                return None
            raw = found.raw.strip().rstrip(".")[:MAX_ANSWER]
            return Answer(raw, found.key, form) if found.key else None
    return None


_CODE_BLOCK = re.compile(r"```[a-zA-Z]{0,20}[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


def _without_thoughts(text: str) -> str:
    _, end, rest = text.rpartition("</think>")
    return rest if end else text.partition("<think>")[0]


_UNKNOWN = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|impossible to|not possible to)"
    r" (?:determine|compute|calculate|answer|solve|say|tell"
    r"|be (?:determined|computed|calculated|answered|solved|known|found))\b"
    r"|\b(?:not enough|insufficient|(?:need|require)s? (?:\w+ ){0,2}?more|without more)"
    r" (?:information|data|details|facts)\b",
    re.IGNORECASE,
)


def _keep_a_value(block: re.Match[str]) -> str:
    return f"\n{block[1]}\n" if read_value(block[1]) else "\n"


def _whole(text: str) -> Quantity | None:
    key = None if _BOX.search(text) else read_value(text)
    return Quantity(text.strip(), key) if key else None


def _boxed(text: str) -> Quantity | None:
    for box in reversed(list(_BOX.finditer(text))[-MAX_PLACES:]):
        content = _inside_braces(text, box.end())
        if content is None or content.strip():
            return Quantity("", None) if content is None else _stated(content, only=True)
    return None


_BOX = re.compile(r"\\f?boxed\s?\{")


def _inside_braces(text: str, start: int) -> str | None:
    """What stands from `start` to its closing brace; None when it is too deep, too long or unclosed."""
    depth = 1
    for at in range(start, min(len(text), start + 4 * MAX_ANSWER)):
        if text[at] in "{}" and text[at - 1] != "\\":
            depth += 1 if text[at] == "{" else -1
        if depth > MAX_NESTING:
            return None
        if depth == 0:
            return text[start:at] + ("%" if re.match(r"\s?\\?%", text[at + 1 : at + 4]) else "")
    return None


_HASH = re.compile(r"^[ \t>]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)
_TITLE = re.compile(r"\d+[.):]?\s+[A-Z]")


def _hash(text: str) -> Quantity | None:
    for line in reversed(_HASH.findall(text)[-MAX_PLACES:]):
        key = None if _TITLE.match(line) else read_value(line) or read_yes_no(plain(line).strip(), alone=False)
        if key:
            return Quantity(line.strip(), key)
    return None


_ANSWER_IS = re.compile(
    r"""(?: \b(?:answer|final\s(?:figure|result|number|value)|(?:correct|right|best)\s(?:option|choice))\b
            (?: [^.,:=\n]{0,80}? \b(?:is|was|equals|comes\sto|(?:would|will|should|must)\sbe)\b
              | \s? [:=≈] )
          | ^[\W\d]{0,10} (?:the\s)? (?:final\s)? answer \s* $ )
        [\s:=≈"\#]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def _phrase(text: str) -> Quantity | None:
    for match in reversed(list(_ANSWER_IS.finditer(text))[-MAX_PLACES:]):
        sentence = _sentence(text, match.end()).strip(" *")
        if key := read_value(sentence):
            return Quantity(sentence, key)  # with LaTeX that `plain` would not keep
        if several := _several_at_the_end(sentence):
            return several
    text = plain(_EMPTY_BOX.sub(" ", text))
    for match in reversed(list(_ANSWER_IS.finditer(text))[-MAX_PLACES:]):
        found = _stated(_sentence(text, match.end()), only=False)
        if found is not None:
            return found
    return None


def _sentence(text: str, start: int) -> str:
    """From there to the end of the sentence, or of the line."""
    sentence = re.split(r"\n|(?<=[.!?])\s", text[start : start + MAX_SENTENCE + 1], maxsplit=1)[0]
    return first_part(sentence, MAX_SENTENCE)


_EMPTY_BOX = re.compile(r"\\f?boxed\s?\{\s*\}")
_BOLD_LINE = re.compile(r"[\s#>]*\*\*([^*\n]{1,200})\*\*[\s.!]*")
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")
_BOLD = re.compile(r"(?<![\w)])\*\*([^*\n]{1,200})\*\*(?!\w)")


def _bold(text: str) -> Quantity | None:
    before, _, last_line = text.rstrip().rpartition("\n")
    if _BULLET.match(last_line) and _BULLET.match(before.rstrip().rpartition("\n")[2]):
        return None  # the last of several
    line = _BOLD_LINE.fullmatch(last_line)
    if line:
        return _stated(line[1], only=False)
    values = [(span, key) for span in _BOLD.findall(last_line)[-MAX_PLACES:] if (key := read_value(span))]
    return Quantity(*values[0]) if len({key for _, key in values}) == 1 else None


def _first_line(text: str) -> Quantity | None:
    """A reply that begins with its bare answer, or with yes or no, and goes on to explain."""
    first = text.lstrip().partition("\n")[0]
    said = plain(first).strip()
    key = read_yes_no(said, alone=False) or (read_choice(said, alone=False) if _OPTION_FIRST.match(said) else None)
    return Quantity(said, key) if key else _whole(first)


_OPTION_FIRST = re.compile(r"\(?[A-H]\)\s")


def _last(text: str) -> Quantity | None:
    text = _EMPTY_BOX.sub(" ", text)
    if several := _several_at_the_end(text):
        return several
    text = plain(text)
    said = sentences(text)
    if not _HAS_QUANTITY.search(text):
        return _in_words(said[-1]) if said else None
    concluding = (sentence for sentence in reversed(said) if not FAREWELL.match(sentence))
    return next((found for sentence in concluding if (found := _concluded(sentence))), None)


_ENDS = re.compile(r"\b(?:is|are|was|were|equals?)\b(?:\s*:)?|[:=≈]")


def _several_at_the_end(text: str) -> Quantity | None:
    """A list, a set, an interval or an exact root that the last sentence ends with, markup and all."""
    last_line = last_part(text.rstrip().rpartition("\n")[2], MAX_SENTENCE)
    sentence = re.split(r"(?<=[.!?])\s+", last_line)[-1].strip(" *")
    starts = [0, *(found.end() for found in _ENDS.finditer(sentence))]
    for start in starts[-MAX_STARTS:]:
        tail = _KIND.sub("", sentence[start:])
        key = read_value(tail)
        if key and key[:2] in ("l:", "s:", "i:", "e:"):
            return Quantity(tail, key)
    return None


_KIND = re.compile(
    r"^\s*(?:approximately|about|exactly|(?:the|an?)?\s*(?:(?:open|closed|half-open)\s)?(?:interval|set|list|point))\s",
    re.IGNORECASE,
)


def _in_words(sentence: str) -> Quantity | None:
    """The last number of a last sentence, where the whole reply has no digit: So nineteen are left."""
    if key := read_yes_no(sentence.strip(), alone=False):
        return Quantity(sentence, key)
    found = [word for word in NUMBER_WORDS.finditer(sentence) if word[0].lower() != "one"]
    value = number_in_words(found[-1][0]) if found and not sentence.strip().endswith("?") else None
    return Quantity(found[-1][0], f"n:{value}") if value is not None else None


PLACES: tuple[tuple[AnswerForm, Callable[[str], Quantity | None]], ...] = (
    ("whole", _whole),
    ("boxed", _boxed),
    ("hash", _hash),
    ("phrase", _phrase),
    ("bold", _bold),
    ("last", _first_line),
    ("last", _last),
)
"""Where an answer may stand, best first."""

_HAS_QUANTITY = re.compile(rf"[0-9{OPAQUE}]")


def _stated(text: str, *, only: bool) -> Quantity | None:
    """What a marked place says: a value, a choice, the right side of an equation, a leading or last quantity.

    `only`: the place holds the answer and nothing else, so two quantities in it are unclear.
    """
    key = read_value(text)
    if key:
        return Quantity(text.strip(), key)
    text = plain(text).strip()
    for read in (read_choice, read_yes_no):
        key = read(text, alone=False)
        if key:
            return Quantity(text, key)
    text = " ".join(sentences(text)).strip()
    found = quantities(text)
    if only and len(found) != 1 and "=" not in text:
        return Quantity(text, None)
    leads = found and not found[0].start and found[0].key and not text[found[0].end :].lstrip().startswith("=")
    return found[0] if leads else _concluded(text)


# x = 2 or x = 3
_TWO_UNKNOWNS = re.compile(r"\b[A-Za-z]\s?=[^=]{1,40}(?:[,;]|\b(?:and|or)\b)\s?[A-Za-z]\s?=")
_OPTION = re.compile(r"\b(?:(?:option|choice)\s\(?|(?:is|was)\s\(?(?=[A-H]\)))([A-HJ])\b")
_TASK = re.compile(
    r"(?:divide|simplify|find|calculate|compute|solve|write|list|give|round|evaluate|determine|order)\b"
    r"(?!.*(?:[=:]|\bis\b|\bgets?\b|\bgives?\b))",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence that repeats what was asked."""


def _concluded(sentence: str) -> Quantity | None:
    """What a plain sentence ends in; None when it has no quantity or is a question."""
    sentence = sentence.strip()
    option = _OPTION.search(sentence)
    if option:
        return Quantity(option[0], f"c:{option[1]}")
    if _UNKNOWN.search(sentence):
        return Quantity(sentence, None)
    if sentence.endswith("?") or _TASK.match(sentence):
        return None
    if key := read_yes_no(sentence, alone=False):
        return Quantity(sentence, key)
    if not _HAS_QUANTITY.search(sentence):
        return None
    found = quantities(sentence)
    equals = max(sentence.rfind("="), sentence.rfind("≈"))
    if _TWO_UNKNOWNS.search(sentence):
        return Quantity(sentence, None)
    on_the_right = [each for each in found if each.start > equals] if equals >= 0 else []
    if on_the_right:
        return on_the_right[0]
    return found[-1] if found else None
