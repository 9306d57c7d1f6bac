"""Removes markup from a model's text: Markdown, LaTeX, typographic characters, remarks, step numbers.

Knows how maths is written, but not what a value is or where an answer stands. Every function here takes linear time
on any text. Example:
    plain(r"\\[ \\text{Total} = 2\\tfrac{1}{2} \\times 4 \\]")   # ' Total = 2 1/2 × 4 '
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crescent_lite.answers.words import SMALL_PART, number_in_words

OPAQUE = "∎"
"""Placeholder for maths that is not read here (roots, pi, fractions of expressions); an answer with it is unclear."""

_INVISIBLE = [0xAD, 0xFEFF, 0x2060, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5",
           "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}  # fmt: skip
_CHARACTERS: dict[int, str | None] = {
    **dict.fromkeys((*range(32), *range(0x7F, 0xA1)), " "),
    **dict.fromkeys((*range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " "),
    **dict.fromkeys(_INVISIBLE, ""),
    **{ord(mark): "-" for mark in "−–﹣-‐‑‒"},
    **{ord(mark): "$" for mark in "€£¥₹₩₽¢"},
    **{ord(mark): "×" for mark in "·⋅∙✕✖"},
    **{ord(mark): "≈" for mark in "~≃≅"},
    **{ord(mark): OPAQUE for mark in "π√∞±"},
    **{ord("０") + digit: str(digit) for digit in range(10)},
    **{ord(mark): spelt for mark, spelt in _VULGAR.items()},
    **dict(zip(map(ord, "⁄∕％＝：，（）！？‘’“”"), "//%=:,()!?''\"\"", strict=True)),
    **{ord("\n"): "\n", ord("\r"): "\n", 0x2028: "\n", ord("。"): ". ", ord("—"): ", ", ord("…"): "... "},
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

_FRACTION = re.compile(
    r"\\[dtc]?frac\s*(?:\{\s*(-?[\d.,]{1,40})\s*\}\s*\{\s*([\d.,]{1,40})\s*\}|(\d)\s?(\d))", re.ASCII
)
_UNREAD = re.compile(
    r"\\(?:[dtc]?frac|sqrt(?:\s?\[[^]]{0,9}\])?|binom|pi|infty|pm|sum|int|log|ln|sin|cos|tan)(?![A-Za-z])"
)
_COMMANDS = {
    "times": "×", "cdot": "×", "div": "÷", "approx": "≈", "circ": "°", "degree": "°", "percent": "%",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "lt": "<", "gt": ">", "neq": "≠",
}  # fmt: skip

_STEPS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.ASCII), replacement)
    for pattern, replacement in (
        (r"<<[^<>\n]{0,200}>>", ""),  # GSM8K's calculator notes
        (r"\\[%$#&_{}]", lambda found: found[0][1]),
        (r"\\[][()]", " "),
        (r"\\\\|\\newline(?![A-Za-z])", "\n"),
        (r"\\[,;:! ]", " "),
        (r"\\([A-Za-z]{1,30})", lambda found: f" {_COMMANDS.get(found[1], '')} "),
        (r"\^\s?\{?\s?°\s?\}?", "° "),
        (r"[{}&]", ""),
        (r"(?<=\d)\s?\*\*\s?(?=\d)", "^"),  # 2**3, before bold is removed
        (r"\^\s?\((-?\d{1,9})\)", r"^\1"),  # 10^(-3)
        (r"(?<=[\d)])\s?\*\s?(?=[\d($])", " × "),
        (r"[*`]+|~~", ""),
        (r"(?m)^[ ]*(?:>[ ]?){1,9}", ""),  # a quoted line
        (r"(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])", ""),
        (r"\b(?:US|AU|CA|A|C)(?=\$)|\b(?:USD|EUR|GBP|INR|Rs)\.?\s?(?=-?\d)", "$"),
        (r"\$[1-9]\d{0,2}(?: \d{3})+(?!\d)", lambda found: found[0].replace(" ", "")),  # $118 000
        (r"(?<=[-+])\$+", ""),
        (r"\$+", " "),
        (r"[ \t]{2,}", " "),
        (r"(?i)\bnegative (?=\.?\d)", "-"),
        (r"(?im)(^|[:=≈] |\b(?:is|was|of|to|now|get|equals) )minus (?=\.?\d)", r"\1-"),
        (rf"(?i)(?<=\d) and ({SMALL_PART})", lambda found: f" {number_in_words(found[1])}"),
        (r"(?i)(\bratio\b[^.?!\n]{0,80}? \d{1,9}) to (\d{1,9})\b", r"\1:\2"),
        (r"(?<=[=≈]) ?- (?=\.?\d)", " -"),  # = - 5
    )
)  # fmt: skip


def plain(text: str) -> str:
    """Return the text without Markdown, LaTeX, currency signs and unusual characters. Line breaks stay."""
    text = re.sub(r"\x1b\[[0-9;?]{0,20}[A-Za-z]", "", text)  # terminal colours
    text = re.sub(r"(?<=[0-9])[\u202f\u2009\u00a0'’](?=[0-9]{3}(?![0-9]))", "", text)  # 1’000 and 1 000
    text = re.sub(r"(?<=[0-9])(?:\{,\}|\\,|\\!|,\\!)(?=[0-9]{3}(?![0-9]))", "", text)  # 1{,}000 and 1\,000
    text = re.sub(r"(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+(?![0-9.,])", _swap_separators, text)  # 1.000,5
    text = re.sub(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}(?![0-9.,])", _swap_separators, text)  # 1.000.000
    text = re.sub(r"(?<=[0-9])\s?(?=[¼½¾⅓-⅞])", " ", text)
    text = re.sub(r"[⁰¹²³⁴-⁹⁻]+", lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    text = text.translate(_CHARACTERS)
    text = _FRACTION.sub(_spell_fraction, text)
    text = _UNREAD.sub(OPAQUE, text)
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text


def _swap_separators(found: re.Match[str]) -> str:
    return found[0].replace(".", "").replace(",", ".")


def _spell_fraction(found: re.Match[str]) -> str:
    top, bottom = (found[1], found[2]) if found[1] else (found[3], found[4])
    after_a_digit = found.string[found.start() - 1 : found.start()].isdigit()
    return f"{' ' if after_a_digit else ''}{top}/{bottom}"


_NUMBERED_LINE = re.compile(r"[\s>#•-]*(\d{1,2})[.)]\s+(?=\S)", re.ASCII)
_REMARKS = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        r"\([^()]{0,300}\)",
        r"\([^()]{0,300}\)",  # again, for parentheses around those
        r"\b(?:correct |accurate |round(?:ed|ing)?(?: off| up| down)? )?to (?:\d+|one|two|three|four) "
        r"(?:decimal places?|decimals?|significant (?:figures?|digits?)|places?|d\.?p\b|s\.?f\b)",
        r"\bto the nearest [\w.]{1,20}(?: (?:cent|dollar|percent|degree|whole|number|place)s?\b)?",
        r"\b(?:step|part|question|problem|equation|example|case|method)s? ?#?\d{1,4}\b",
        r"(?<=[A-Za-z°])\s?\^\s?[-+]?\d+",  # a unit's exponent
    )
)
_FACTOR = re.compile(r"(?:(?<=\d)|(?<=\d\.))\([^()]{0,300}\)", re.ASCII)  # 5(x + 2)
_ORDINAL = re.compile(r"(?<![\w.,])\d+(?:st|nd|rd|th)\b", re.ASCII)


def last_part(text: str, limit: int) -> str:
    """Return at most the last `limit` characters, without a word that the cut would split."""
    return text if len(text) <= limit else re.sub(r"^\S*", "", text[-limit:])


def first_part(text: str, limit: int) -> str:
    """Return at most the first `limit` characters, without a word that the cut would split."""
    return text if len(text) <= limit else text[:limit].rpartition(" ")[0]


FAREWELL = re.compile(
    r"\W{0,9}(?:let me know\b|feel free\b|(?:i )?hope (?:this|that|it)\b|please\b|you'?re welcome\b|good luck\b"
    r"|if you(?:'d)? (?:have|need|want|would|like)\b|do you (?:have|need|want)\b|would you\b|is there anything\b)",
    re.IGNORECASE,
)
"""A sentence addressed to the reader; it may contain numbers but not the answer."""
MAX_FAREWELLS = 20
"""Most lines of farewell that are removed from the end of a text."""


def without_farewell(text: str) -> str:
    """Return the text without last lines that are addressed to the reader."""
    for _ in range(MAX_FAREWELLS):
        before, _, last_line = text.rstrip().rpartition("\n")
        if not before or not FAREWELL.match(last_line):
            break
        text = before
    return text


def without_remarks(sentence: str) -> str:
    """Return a plain sentence without parenthetical notes, rounding remarks, step numbers and exponents of units."""
    sentence = _FACTOR.sub(OPAQUE, sentence)
    for pattern in _REMARKS:
        sentence = pattern.sub(" ", sentence)
    return sentence


MAX_LINES = 400
"""Most lines that are read as sentences, from the end."""
MAX_LINE = 4000
"""Most characters of a line that are read, from its end."""


def sentences(text: str) -> list[str]:
    """Return the sentences of a plain text, without remarks, ordinals and the numbers of numbered lines."""
    found: list[str] = []
    expected = {1}
    for line in text.split("\n")[-MAX_LINES:]:
        number = _NUMBERED_LINE.match(line)
        # "19. We add 12 and 7" is an answer: only 1, 2, 3 ... at the starts of lines number them.
        if number and int(number[1]) in expected:
            expected.add(int(number[1]) + 1)
            line = line[number.end() :]
        line = last_part(line, MAX_LINE)
        found += re.split(r"(?<=[.!?])\s+", _ORDINAL.sub(" ", without_remarks(line)))
    return [sentence for sentence in found if sentence.strip()]
