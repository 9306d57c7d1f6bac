"""Finds the final answer of a free-text solution, as a typed canonical key; an unclear one is an abstention.

Knows where an answer can be: the whole reply; answer tags or an answer field of JSON; the last boxes; '#### x'; 'th
  e
answer is x'; a bold last line; else what the concluding sentence says. The first place that says anything decides:
when it is unclear (a list of values, an unfinished sum, a negation) there is no second guess elsewhere. A correctio
  n
replaces what it corrects; a check, note or farewell after the result is passed over. Which texts are values is
decided in `answers.values`. Pure, linear in time, safe on hostile text. Example:
    canonical_answer("12 + 7 = 19 (see step 2), so there are **19 apples**.")    # 'n:19'
    canonical_answer("So there are 12 + 7 apples.")                              # None
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crescent_lite.answers.bare import first_line, whole_reply
from crescent_lite.answers.boxes import BOX, JSON_ANSWER, TAG_END, in_boxes, in_json, in_tags
from crescent_lite.answers.characters import normalised
from crescent_lite.answers.doubts import makes_no_choice
from crescent_lite.answers.last_sentence import last_sentence
from crescent_lite.answers.prose import Quantity, concluded, has_number
from crescent_lite.answers.retractions import is_denied, retracted_until
from crescent_lite.answers.stated import ANSWER_IS, CONCLUDES, HASH, MAX_SENTENCE, after_hashes, in_bold, in_words
from crescent_lite.answers.text import laid_out, last_part, sentences, without_farewell
from crescent_lite.answers.thoughts import without_thoughts
from crescent_lite.answers.values import MAX_ANSWER, read_value
from crescent_lite.records import Answer, AnswerForm

MIN_EXPLANATION = 2
"""Words after "wait" and the like at the end of a reply, fewer of which say only that something is wrong."""
MAX_SOLUTION = 8_000
"""Characters read, from the end: about 2,000 tokens. The final answer stands at the end."""


def canonical_answer(solution: str) -> str | None:
    """Return the key of the solution's final answer; None if there is none or it is unclear."""
    answer = find_answer(solution)
    return answer.key if answer else None


def find_answer(solution: str, *, finished: bool = True, began_in_thoughts: bool = False) -> Answer | None:
    """Return the solution's final answer; None is an abstention.

    In a solution that was cut off (`finished` is False) only a closed box or answer tag counts: "The answer is 1"
    could have become 15, and a last number is only a step. A solution that never left its thoughts has no answer;
    `began_in_thoughts`: whether the prompt ended with their opening tag.
    """
    said = without_thoughts(solution, inside=began_in_thoughts)
    if said is None:
        return None
    text = laid_out(normalised(last_part(said.strip(), MAX_SOLUTION)))
    text = _CODE_BLOCK.sub(_keep_a_value, text)
    if taken_back := retracted_until(text):
        text = text[taken_back:]
        if not re.search(r"\w", text):
            return None
    text = without_farewell(text)
    for form, look in PLACES:
        found = look(text)
        if found is None:
            continue
        if form in ("phrase", "boxed", "hash", "bold"):
            found = _corrected(text, found)
        if form in ("boxed", "tagged") and _is_contradicted(text, found):
            return None
        if found.key and is_denied(text, found.key, max(0, text.rfind(found.raw))):
            return None
        if found.key and form != "whole" and makes_no_choice(text[max(0, text.rfind(found.raw)) :]):
            return None
        if not finished and form not in ("boxed", "tagged"):
            return None
        found = _as_a_line(text, found)
        raw = found.raw.strip().rstrip(".")[:MAX_ANSWER]
        if _NOTHING_SAID.fullmatch(raw):
            return None
        return Answer(raw, found.key, form) if found.key else None
    return None


def _is_contradicted(text: str, found: Quantity) -> bool:
    """Whether a sentence after a marked place says that the answer is another one."""
    at = text.rfind(found.raw) if found.key else -1
    after = text[at + len(found.raw) :] if at >= 0 else ""
    if not ANSWER_IS.search(after):
        return False
    later = in_words(after)
    return later is not None and later.key is not None and later.key[2:] != str(found.key)[2:]


_NOTHING_SAID = re.compile(r"\W*(?:n/?a|none|null|nan|unknown|undefined|tbd|tba)\W*", re.IGNORECASE)

_A_LINE = re.compile(
    r"""\b(?: (?:asymptote|axis\sof\ssymmetry|directrix|(?:vertical\s|horizontal\s)?line)s?\b
              (?: [^.?!\n=,;]{0,60}? \b(?:is|are|be|at|by|as)\b | \s?: )?
          | equations?\b (?: [^.?!\n=,;]{0,60}? \b(?:is|are|be|as)\b | \s?: ) )
        [\s$\\(\[{*]* (?:\\?f?boxed\s?\{)? [\s$\\(\[{*]* (?<![a-z]) ([xy]) \s?=\s?$""",
    re.IGNORECASE | re.VERBOSE,
)
"""A line, or its equation, and the "x =" that says which: the vertical asymptote is x = 3. In "from the equation,
x = 3" it is a value."""

_SOLVES = re.compile(r"\b(?:solutions?|roots?|solv\w+|satisf\w+|into|value|number line)\b", re.IGNORECASE)


def _as_a_line(text: str, found: Quantity) -> Quantity:
    """Return x = 4 as an equation where the sentence says that it is a line."""
    if not found.key or found.key[:2] not in ("n:", "e:"):
        return found
    named = re.match(r"[\s$\\(]*[xy]\s?=\s?", found.raw)
    at = text.rfind(found.raw) + (named.end() if named else 0)
    before = text[max(0, at - 120) : max(0, at)]
    line = _A_LINE.search(before)
    if not line or _SOLVES.search(before):
        return found
    return Quantity(found.raw, read_value(f"{line[1]} + 0 = {found.raw[named.end() if named else 0 :]}"))


_CODE_BLOCK = re.compile(r"```([a-zA-Z]{0,20})[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


def _keep_a_value(block: re.Match[str]) -> str:
    language, inside = block[1].lower(), block[2]
    value = language in _OF_TEXT and read_value(inside)
    return f"\n{inside}\n" if value or JSON_ANSWER.search(inside) else "\n"


_OF_TEXT = frozenset(
    {"", "text", "txt", "plain", "plaintext", "math", "latex", "tex", "markdown", "md", "answer", "output"}
)


_CORRECTION = re.compile(
    r"(?:^|(?<=[\s.,;!*(]))(?:no,? wait|wait|actually|correction|sorry|oops|scratch that|on second thought|no(?=,)"
    r"|i made an? (?:mistake|error)|my mistake)\b[\s,:.!-]*",
    re.IGNORECASE | re.MULTILINE,
)


def _corrected(text: str, found: Quantity) -> Quantity:
    """Return what a correction after the place says; unclear if the correction cannot be read."""
    marks = list(_CORRECTION.finditer(text))[-1:]
    if not marks:
        return found
    after = text[marks[0].end() :]
    if BOX.search(after) or ANSWER_IS.search(after) or HASH.search(after) or TAG_END.search(after):
        return found
    if len(after.split()) < MIN_EXPLANATION and not has_number(after) and marks[0].start() > text.rfind(found.raw):
        return Quantity(found.raw, None)  # Wait, no.
    before = text[: marks[0].start()]
    at = before.rfind(found.raw) if found.raw else -1
    if at < 0 or not has_number(after) or len(after) > MAX_SENTENCE:
        return found
    said = [sentence for sentence in sentences(after) if has_number(sentence)]
    stated = [Quantity(each, key) if (key := read_value(each, "end")) else concluded(each) for each in said]
    last = stated[-1]
    if last and (CONCLUDES.match(said[-1]) or len({each.key for each in stated if each}) == 1):
        return last
    return Quantity(found.raw, None)


PLACES: tuple[tuple[AnswerForm, Callable[[str], Quantity | None]], ...] = (
    ("tagged", in_tags),
    ("whole", whole_reply),
    ("boxed", in_boxes),
    ("hash", after_hashes),
    ("tagged", in_json),
    ("phrase", in_words),
    ("bold", in_bold),
    ("last", first_line),
    ("last", last_sentence),
)
"""Places where an answer can stand, most trusted first."""
