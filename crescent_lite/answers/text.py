"""Prepares a reply's text: removes calculator notes, farewells and remarks, and splits it into sentences.

Knows what replies look like, not what a value is or where an answer stands. Everything here is linear in
the length of the text, whatever the text is. Example:
    laid_out("2 + 3 = <<2+3=5>>5")    # '2 + 3 = 5'
"""

from __future__ import annotations

import re

_NUMBERED_LINE = re.compile(r"[\s>#•-]*(\d{1,2})[.)]\s+(?=\S)", re.ASCII)
_ROUNDING = re.compile(
    r",?\s?(?:\b(?:(?:correct|accurate|round(?:ed|ing)?(?: off| up| down)?) )?to (?:\d+|one|two|three|four) "
    r"(?:decimal places?|decimals?|significant (?:figures?|digits?)|places?|d\.?p\b|s\.?f\b)"
    r"|\b(?:round(?:ed|ing)? )?to the nearest [\w.]{1,20}"
    r"(?: (?:cent|dollar|percent|degree|whole|number|place)s?\b)?)",
    re.ASCII | re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:step|part|question|problem|equation|example|case|method|chapter|figure|table|section|theorem)s?"
    r" ?#?\d{1,4}(?:\.\d{1,3})?\b(?!\s?:)",
    re.I | re.A,
)
_LABEL = re.compile(r"\b(?:step|part|question|problem|equation|example|case|method)s? ?#?\d{1,4}\s?:", re.I | re.A)
_NOTE = re.compile(
    r"(?<=[\s*$])\((?![^()]{0,300}\b(?:actually|not|or|wrong|corrected|should|repeating|recurring|mod)\b)"
    r"[^()]{0,300}[A-Za-z]{2}[^()]{0,300}\)",
    re.ASCII,
)
"""A remark in parentheses that does not change what stands before it."""
_RATIO = re.compile(r"(\bratio\b[^.?!\n]{0,80}? \d{1,9}) to (\d{1,9})\b", re.IGNORECASE)


def last_part(text: str, limit: int) -> str:
    """Return at most the last `limit` characters, without a word that the cut would split."""
    return text if len(text) <= limit else re.sub(r"^\S*", "", text[-limit:])


def first_part(text: str, limit: int) -> str:
    """Return at most the first `limit` characters, without a word that the cut would split."""
    return text if len(text) <= limit else text[:limit].rpartition(" ")[0]


FAREWELL = re.compile(
    r"\W{0,9}(?:let me know\b|feel free\b|(?:i )?hope (?:this|that|it)\b|you'?re welcome\b|good luck\b"
    r"|please (?!(?:tell|give|provide|share|send|specify|clarify|state|add|subtract|multiply|divide)\b)"
    r"|if you(?:'d)? (?:have|need|want|would|like)\b|do you (?:have|need|want)\b|would you\b|is there anything\b)",
    re.IGNORECASE,
)
"""A sentence addressed to the reader; it can contain numbers but not the answer."""
MAX_FAREWELLS = 20
"""Most farewell lines removed at the end of a text."""


def without_farewell(text: str) -> str:
    """Return the text without last lines that are addressed to the reader."""
    for _ in range(MAX_FAREWELLS):
        before, _, last_line = text.rstrip().rpartition("\n")
        if not before or not FAREWELL.match(last_line):
            break
        text = before
    return text


def without_rounding(text: str) -> str:
    """Return the text without remarks on rounding, which contain numbers of their own."""
    return _ROUNDING.sub(" ", text) if "to " in text or "TO " in text else text


def without_notes(sentence: str) -> str:
    """Return a sentence without its label, notes in parentheses and rounding remarks."""
    sentence = _LABEL.sub(" ", without_rounding(sentence))
    return _NOTE.sub(" ", _NOTE.sub(" ", sentence)) if "(" in sentence else sentence


def prose(sentence: str) -> str:
    """Return a sentence without notes in parentheses, step numbers and rounding remarks; ratio 6 to 8 is 6:8."""
    return _RATIO.sub(r"\1:\2", _REFERENCE.sub(" ", without_notes(sentence)))


MAX_LINES = 400
"""Lines that are read as sentences, from the end."""
MAX_LINE = 4000
"""Characters read of a line, from its end."""
_ABBREVIATED = re.compile(
    r"(?:\b[ap]\.m|\b(?:Rs|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|approx|No|vs|St|in|ft|oz|lbs?"
    r"|yd|mi|hrs?|min|sec|sq|cu|gal|qt|pt|pp?))\.$"
)
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof)\.$")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without the numbers of numbered lines."""
    found: list[str] = []
    expected = {1}
    for line in text.split("\n")[-MAX_LINES:]:
        number = _NUMBERED_LINE.match(line)
        # "19. We add 12 and 7" is an answer: only 1, 2, 3 ... at the start of lines are a numbering
        if number and int(number[1]) in expected:
            expected.add(int(number[1]) + 1)
            line = line[number.end() :]
        pieces: list[str] = []
        for piece in re.split(r"(?<=[.!?])(?:\*\*)?\s++(?![=*/+×÷<>≈^-]\s)", last_part(line, MAX_LINE)):
            goes_on = piece[:1].isdigit() or piece[:1].islower()
            factorial = goes_on and bool(pieces) and re.search(r"[0-9]!$", pieces[-1])
            if factorial or (pieces and (_TITLE.search(pieces[-1]) or (goes_on and _ABBREVIATED.search(pieces[-1])))):
                pieces[-1] += " " + piece
            else:
                pieces.append(piece)
        found += pieces
    return [sentence for sentence in found if sentence.strip()]


_ENVIRONMENT = re.compile(
    r"\\(?:begin|end)\s?\{(?:aligned|align|gather|gathered|split|equation|multline|eqnarray)\*?\}"
)
_QUOTED = re.compile(r"(?m)^[ \t]*(?:>[ ]?){1,9}")


def laid_out(text: str) -> str:
    """Return the text without struck-out text and calculator notes; each row of an aligned environment is a line."""
    if "<<" in text:
        text = re.sub(r"<<[^<>\n]{0,200}>>", "", text)
    if "~~" in text:
        text = re.sub(r"~~[^~\n]{1,200}~~", "", text)
    if "\\begin" in text and _ENVIRONMENT.search(text):
        text = _ENVIRONMENT.sub("\n", text)
        text = "\n".join(line.replace("&", "") if "\\begin" not in line else line for line in text.split("\n"))
        text = re.sub(r"\\\\(?![a-zA-Z])", "\n", text) if "\\begin" not in text else text
    return _QUOTED.sub("", text) if ">" in text else text
