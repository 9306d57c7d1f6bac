r"""Normalises Unicode characters that mean the same: minus signs, spaces, digits of other scripts, fractions.

Knows Unicode; knows no grammar. Fraction characters and superscripts become the LaTeX that says the same, so that
everything after this reads one notation. Linear in the length of the text. Example:
    normalised("２½ m²")    # r"2\frac{1}{2} m^{2}"
"""

from __future__ import annotations

import re
from html import unescape

_INVISIBLE = [0xAD, 0xFEFF, 0x2060, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A),
              0xFE0E, 0xFE0F, 0x20E3]  # fmt: skip
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7),
    "⅑": (1, 9), "⅒": (1, 10), "↉": (0, 3),
}  # fmt: skip
_ZEROS = (
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040,
    0x17E0, 0x1810, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
)  # fmt: skip
"""Code point of the digit zero in each script with decimal digits; the other nine digits follow it."""
_CHARACTERS: dict[int, str] = {
    **dict.fromkeys((*range(32), *range(0x7F, 0xA1)), " "),
    **dict.fromkeys((*range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " "),
    **dict.fromkeys(_INVISIBLE, ""),
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **{ord(mark): rf"\frac{{{top}}}{{{bottom}}}" for mark, (top, bottom) in _FRACTIONS.items()},
    **{ord(mark): "-" for mark in "−–﹣‐‑‒－➖"},
    **{ord(mark): "×" for mark in "·⋅∙✕✖"},
    **{ord(mark): "≈" for mark in "≃≅"},
    **dict(zip(map(ord, "＋⁄∕％٪＝：；，（）［］｛｝！？．٫٬＜＞＄￥"), "+//%%=:;,()[]{}!?..,<>$¥", strict=True)),
    **dict(zip(map(ord, "‘’′“”″⩽⩾≦≧"), "'''\"\"\"≤≥≤≥", strict=True)),
    ord("\n"): "\n", ord("\r"): "\n", 0x2028: "\n", 0x2029: "\n",
    ord("。"): ". ", ord("、"): ", ", ord("—"): ", ", ord("…"): "...", ord("﹪"): "%",
}  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_RUN_RAISED = re.compile(f"[{''.join(_RAISED)}]+")
_RUN_LOWERED = re.compile(f"[{''.join(_LOWERED)}]+")
_OVERLINED = re.compile("(?:[0-9]\u0305)+")
_DASH = re.compile(r"(?<=[0-9])—(?=[0-9])")
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}[0-9]{0,2}|#[0-9]{2,6}|#x[0-9a-fA-F]{2,5});")


def normalised(text: str) -> str:
    """Return the text with one spelling for each meaning. Lines are kept; applying it twice changes nothing more."""
    if "\x1b" in text:
        text = _TERMINAL_COLOUR.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(lambda found: unescape(found[0]), text)
    if text.isascii():
        text = text.translate(_ASCII) if _CONTROL.search(text) else text
    else:
        text = _RUN_RAISED.sub(lambda run: f"^{{{''.join(map(_RAISED.__getitem__, run[0]))}}}", text)
        text = _RUN_LOWERED.sub(lambda run: f"_{{{''.join(map(_LOWERED.__getitem__, run[0]))}}}", text)
        text = _DASH.sub("-", text).translate(_CHARACTERS)
        text = _OVERLINED.sub(lambda run: rf"\overline{{{run[0].replace(chr(0x305), '')}}}", text)
    return _NUMBER_AS_MATHEMATICS.sub(r"\1", text) if "$" in text else text


_NUMBER_AS_MATHEMATICS = re.compile(
    r"""(?<![\w$\\])\$\ ?(
        [0-9]+(?:[.,][0-9]+)* (?: \s?\\text\s?\{[^{}$\n]{1,60}\} | \ ?[ap]\.?m\.? | \ noon | \ midnight )?
        | \\text\s?\{[^{}$\n]{1,60}\} )\ ?\$(?![0-9$])""",
    re.VERBOSE | re.IGNORECASE,
)
"""A number, or words, between two dollar signs, which are marks of LaTeX there and no currency: $3$ million."""


_ASCII = {code: meant for code, meant in _CHARACTERS.items() if code < 128}
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
