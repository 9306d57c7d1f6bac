"""Finds the final answer in a free-text solution; a solution without one is an abstention.

Owns the places where an answer may stand: the whole reply, the last `\\boxed{}`, '#### x', 'the answer is x', a bold
last line, else the concluding sentence (the right side of its equation, or its last quantity). The first place that
says anything decides; if it is unclear (a range, an unfinished sum), no other place is tried. What the text there is
worth is decided by `values`. Pure, linear in time, safe on hostile text. Example:
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
"""Characters read, from the end, where a final answer stands: about 2,000 tokens."""
MAX_NESTING = 8
"""Deepest nesting of braces inside a `\\boxed{}`; a deeper one is an abstention."""
MAX_SENTENCE = 400
"""Most characters read after 'the answer is'; reading also ends with the sentence."""
MAX_PLACES = 20
"""Most places of one kind that are tried, from the end."""

MAX_STARTS = 5
"""Most positions in a sentence where a list may begin that are tried, from the end."""


def canonical_answer(solution: str) -> str | None:
    """Return the key of a solution's final answer; None if it has no answer or an unclear one."""
    answer = find_answer(solution)
    return answer.key if answer else None


def find_answer(solution: str, *, finished: bool = True) -> Answer | None:
    """Return a solution's final answer; None is an abstention.

    `finished`: False for a solution that was cut off. Then only a closed box counts: "The answer is 1" could have
    become 15, and a last number is an intermediate step.
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
    """Return the text from `start` to its closing brace; None if it is too deep, too long or not closed."""
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
            return Quantity(sentence, key)  # read with its LaTeX, which `plain` removes
        if several := _several_at_the_end(sentence):
            return several
    text = plain(_EMPTY_BOX.sub(" ", text))
    for match in reversed(list(_ANSWER_IS.finditer(text))[-MAX_PLACES:]):
        found = _stated(_sentence(text, match.end()), only=False)
        if found is not None:
            return found
    return None


def _sentence(text: str, start: int) -> str:
    """Return the text from `start` to the end of the sentence or line."""
    sentence = re.split(r"\n|(?<=[.!?])\s", text[start : start + MAX_SENTENCE + 1], maxsplit=1)[0]
    return first_part(sentence, MAX_SENTENCE)


_EMPTY_BOX = re.compile(r"\\f?boxed\s?\{\s*\}")
_BOLD_LINE = re.compile(r"[\s#>]*\*\*([^*\n]{1,200})\*\*[\s.!]*")
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")
_BOLD = re.compile(r"(?<![\w)])\*\*([^*\n]{1,200})\*\*(?!\w)")


def _bold(text: str) -> Quantity | None:
    before, _, last_line = text.rstrip().rpartition("\n")
    if _BULLET.match(last_line) and _BULLET.match(before.rstrip().rpartition("\n")[2]):
        return None  # the last of several list items, not a conclusion
    line = _BOLD_LINE.fullmatch(last_line)
    if line:
        return _stated(line[1], only=False)
    values = [(span, key) for span in _BOLD.findall(last_line)[-MAX_PLACES:] if (key := read_value(span))]
    return Quantity(*values[0]) if len({key for _, key in values}) == 1 else None


def _first_line(text: str) -> Quantity | None:
    """Read a first line that is only the answer, or that begins with yes, no or an option; the rest explains it."""
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
    """Read a list, set, interval or exact root at the end of the last sentence, before markup is removed."""
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
    """Read the last number in words of the last sentence, for a reply without digits: "So nineteen are left."."""
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
"""Places where an answer may stand, in the order in which they are tried."""

_HAS_QUANTITY = re.compile(rf"[0-9{OPAQUE}]")


def _stated(text: str, *, only: bool) -> Quantity | None:
    """Read a marked place: a value, a choice, the right side of an equation, a leading or a last quantity.

    `only`: the place should hold the answer and nothing else, so two quantities in it are unclear.
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
"""A sentence that restates the task."""


def _concluded(sentence: str) -> Quantity | None:
    """Read the conclusion of a plain sentence; None if it has no quantity or is a question."""
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
