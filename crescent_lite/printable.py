"""The only sanitiser: makes text from outside fit to be stored, and text from anywhere safe to show on a terminal.

To store: NUL and lone surrogates, which SQLite and UTF-8 files cannot hold, become U+FFFD; everything else is kept as
it is. To show: characters that a terminal would obey or hide are replaced by visible ones: escape and other control
characters, bidi overrides, tag characters. Newlines and tabs stay. Examples:
    storable("caf\\udce9")              # "caf�"
    printable("\\x1b]52;c;aGk=\\x07")   # "␛]52;c;aGk=␇"
Source: Unicode general categories (UAX 44); control pictures are the block U+2400.
"""

from __future__ import annotations

import re
import sys
import unicodedata

MAX_CHARACTERS = 20_000
"""More than anybody reads on a screen, and few enough to lay out quickly (guess)."""

JOINERS = (0x200C, 0x200D)
"""Zero-width joiner and non-joiner: invisible, but Persian, Hindi and family emoji are misspelt without them."""
EMOJI_STYLE = 0xFE0F
"""Variation selector that asks for a coloured picture. Terminals disagree on how wide it makes the character before
it, which shifts the rest of the line, so it is left out."""
REPLACEMENT = "\ufffd"
FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a formula, for a spreadsheet that opens a CSV file. Source: OWASP, CSV injection."""
_NUMBER = re.compile(r"[+-]?\d[\d,_ ]*(?:\.\d+)?(?:[eE][+-]?\d+)?%?")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class _Visible(dict[int, str]):
    """A cache: code point -> the text shown for it, filled on first use."""

    def __missing__(self, codepoint: int) -> str:
        shown = self[codepoint] = _shown(codepoint)
        return shown


def _shown(codepoint: int) -> str:
    if codepoint < 0x20:
        return chr(0x2400 + codepoint)
    if codepoint == 0x7F:
        return "␡"
    if codepoint == EMOJI_STYLE:
        return ""
    if codepoint not in JOINERS and unicodedata.category(chr(codepoint)) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return "�"
    return chr(codepoint)


_VISIBLE = _Visible({ord("\n"): "\n", ord("\t"): "\t"})


def printable(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return `text` without characters that a terminal obeys, cut to `max_characters` with an ellipsis at the end."""
    if len(text) > max_characters:
        text = text[: max(max_characters - 1, 0)] + "…"
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def storable(text: str) -> str:
    """Return `text` with U+FFFD for what SQLite and UTF-8 files cannot hold: NUL and lone surrogates."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def unstorable(text: str) -> str | None:
    """What SQLite and UTF-8 files cannot hold of a text, in words; None if they can hold all of it."""
    found = _UNSTORABLE.search(text)
    if found is None:
        return None
    return "a NUL character" if found[0] == "\0" else "half a character (a lone surrogate)"


def argument_text(argument: str) -> str:
    """Return the text of a command-line argument, with U+FFFD for bytes that are not UTF-8.

    Python passes bytes that the locale cannot decode as lone surrogates. They are read as UTF-8 here, so that an
    argument means the same in every locale.
    """
    if unstorable(argument) is None:
        return argument
    try:
        return storable(argument.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8", "replace"))
    except UnicodeEncodeError:  # a surrogate that does not stand for a byte
        return storable(argument)


def printable_line(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return printable text on one line: each run of whitespace becomes a space."""
    return " ".join(printable(text, max_characters).split())


def spreadsheet_text(text: str) -> str:
    """Return the text of a CSV cell that no spreadsheet takes for a formula: with an apostrophe in front if it might.

    A spreadsheet computes what begins with =, +, -, @, a tab or a carriage return, also in full width. Plain numbers
    are left alone.
    """
    return f"'{text}" if text.lstrip(" ")[:1] in FORMULA_STARTS and not _NUMBER.fullmatch(text) else text


def duration(seconds: float) -> str:
    """A time as people read it: '4:05' in minutes and seconds, '1:04:05' with hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
