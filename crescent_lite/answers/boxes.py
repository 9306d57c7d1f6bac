"""Reads the marked places of a reply: boxes of LaTeX, answer tags and the answer field of JSON.

Several boxes are judged together. Knows nothing of sentences outside of the place. Example:
    in_boxes(r"\\boxed{2} and \\boxed{3}").key    # 's:n:2;n:3'
"""

from __future__ import annotations

import re

from crescent_lite.answers.doubts import is_open
from crescent_lite.answers.prose import Quantity
from crescent_lite.answers.stated import MAX_PLACES, MAX_SENTENCE, plain_words, stated, yes_no
from crescent_lite.answers.values import MAX_ANSWER, read_choice, read_value

MAX_NESTING = 8
"""Most nested braces inside `\\boxed{}`. A deeper one is an abstention."""

TAG_END = re.compile(r"<\s?/\s?(?:answer|final_answer|final answer|result|final)\s?>", re.IGNORECASE)

_TAG_START = re.compile(r"<\s?(?:answer|final_answer|final answer|result|final)\s?>", re.IGNORECASE)


def in_tags(text: str) -> Quantity | None:
    """Return the answer inside the last answer tags."""
    end = None
    for end in TAG_END.finditer(text):  # noqa: B007
        pass
    if end is None:
        return None
    begins = [each.end() for each in _TAG_START.finditer(text, 0, end.start())]
    if not begins:
        return None
    inside = text[begins[-1] : end.start()].strip()
    box = in_boxes(inside)
    return box or stated(inside)


JSON_ANSWER = re.compile(
    r'"(?:final_?)?answer"\s?:\s?("(?:[^"\\\n]|\\.){0,200}"|-?[0-9][0-9.eE+-]{0,40}|true|false|null|none)',
    re.IGNORECASE,
)


def in_json(text: str) -> Quantity | None:
    """Return the answer field of a JSON object."""
    found = JSON_ANSWER.findall(text)
    if not found:
        return None
    inside = found[-1].strip('"').replace("\\\\", "\\")
    return stated(inside) or Quantity(inside, None)


BOX = re.compile(r"\\f?boxed\s?\{")

_GOES_ON = re.compile(
    r"\b(?:then|so|thus|therefore|hence|finally|next|giv(?:es|ing)|wait|actually|no|wrong|instead"
    r"|correct(?:ed|ion)?)\b|[.!?;:](?:\s|$)|\n\s*\n|=|\\implies|⇒|→",
    re.IGNORECASE,
)

_JOINS = re.compile(
    r"[\s$,;.]*(?:\\text\s?\{)?[\s$,;]*(?:and|or)?[\s$,}]*(?:[A-Za-z](?:_\{?\d\}?)?\s?=\s?)?[\s$]*"
    r"|[\s$,;()\[\]]*(?:\\quad|\\,)?[\s$]*",
    re.IGNORECASE,
)


def in_boxes(text: str) -> Quantity | None:
    """Return the last box, or the last boxes together if they are one answer: \\boxed{2} and \\boxed{3}."""
    starts = list(BOX.finditer(text))[-MAX_PLACES:]
    boxes: list[tuple[int, int, str]] = []
    for found in starts:
        content = _inside_braces(text, found.end())
        if content is None:
            boxes.append((found.start(), found.end(), "\\"))
        elif content.strip():
            boxes.append((found.start(), found.end() + len(content.rstrip("%")), content))
    if not boxes:
        return None
    last = _with_its_word(_stated_in_a_box(boxes[-1][2]), text[boxes[-1][1] + 1 :][:MAX_WORD])
    together = [last]
    for (_, end, content), (begin, _, _) in zip(reversed(boxes[:-1]), reversed(boxes[1:]), strict=True):
        between = text[end + 1 : begin]
        if len(between) > 80 or (_GOES_ON.search(between) and not _JOINS.fullmatch(between)):
            break
        if not _JOINS.fullmatch(between):
            other = _stated_in_a_box(content)
            return last if other.key == last.key else Quantity("", None)
        together.append(_stated_in_a_box(content))
    if len({each.key for each in together}) == 1:
        return last
    if is_open(text[boxes[-1][1] + 1 :][:MAX_SENTENCE]):
        return Quantity(last.raw, None)
    begins = [begin for begin, _, _ in boxes[-len(together) :]]
    return _joined(list(reversed(together)), [_name_before(text, begin) for begin in begins])


MAX_WORD = 24
"""Characters after a box in which a word that changes its number is searched."""

_WORD_AFTER = re.compile(
    r"[\s$~}]*(?:\\text\s?\{\s?)?(jan(?:uary)?|feb(?:ruary)?|march|apr(?:il)?|may|june|july|aug(?:ust)?|[ap]\.?m\b|noon|midnight"
    r"|(?:sept?(?:em)?|octo?|nov(?:em)?|dec(?:em)?)(?:ber)?|percent|dozen|(?:thousand|lakh|crore|(?:m|b|tr)illion)s?)\b",
    re.IGNORECASE,
)


def _with_its_word(found: Quantity, after: str) -> Quantity:
    """A boxed number with a word behind the box that makes another value of it: \\boxed{15} March."""
    word = _WORD_AFTER.match(after)
    if not word or not found.key or not found.key.startswith("n:"):
        return found
    return Quantity(found.raw, read_value(f"{found.raw} {word[1]}", "end"))


def _name_before(text: str, begin: int) -> str:
    """Return the variable that an equals sign before the box names; '' if there is none."""
    found = _NAMED_VALUE.search(text[max(0, begin - 12) : begin])
    return found[1] if found else ""


_NAMED_VALUE = re.compile(r"([A-Za-z](?:_?\{?\d\}?)?)\s?=[\s$\\(]*$")

_NAME_INSIDE = re.compile(r"[\s$]*([A-Za-z](?:_?\{?\d\}?)?)\s?=")


def _joined(boxes: list[Quantity], names: list[str]) -> Quantity:
    """Combine boxes that are one answer: a set, or a list in the order of their names if they have names."""
    raw = ", ".join(each.raw for each in boxes)
    keys = [str(each.key) for each in boxes]
    inside = [_NAME_INSIDE.match(each.raw) for each in boxes]
    names = [found[1] if found else name for found, name in zip(inside, names, strict=True)]
    if any(key[:2] not in ("n:", "e:") for key in keys) or (any(names) and not all(names)):
        return Quantity(raw, None)
    if len(set(names)) == 1:
        return Quantity(raw, "s:" + ";".join(sorted(set(keys))))
    if len(set(names)) < len(names):
        return Quantity(raw, None)
    return Quantity(raw, "l:" + ";".join(key for _, key in sorted(zip(names, keys, strict=True))))


def _stated_in_a_box(content: str) -> Quantity:
    key = read_value(_NAMED_RATIO.sub("", content))
    if key:
        return Quantity(content.strip(), key)
    said = plain_words(content)
    key = read_choice(said, alone=False) or yes_no(said)
    if not key and (label := _BOX_LABEL.match(content)):
        key = read_value(content[label.end() :])
    return Quantity(content.strip(), key)


_NAMED_RATIO = re.compile(r"^[\s$]*\\[dt]?frac\s?\{[A-Za-z]\}\s?\{[A-Za-z]\}\s?=\s?(?=[^=]*$)")

_BOX_LABEL = re.compile(r"\s*(?:\\text\w*\s?\{)?\s*[A-Za-z][A-Za-z ]{2,40}(?::|\bis\b)\s*\}?")


def _inside_braces(text: str, start: int) -> str | None:
    """Return the text from `start` to its closing brace; None if it is too deep, too long or unclosed."""
    depth = 1
    for at in range(start, min(len(text), start + 4 * MAX_ANSWER)):
        if text[at] in "{}" and text[at - 1] != "\\":
            depth += 1 if text[at] == "{" else -1
        if depth > MAX_NESTING:
            return None
        if depth == 0:
            return text[start:at] + ("%" if re.match(r"\s?\\?%", text[at + 1 : at + 4]) else "")
    return None
