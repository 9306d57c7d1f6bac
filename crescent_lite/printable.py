"""The only sanitiser: makes text from a model, a data set, a GGUF or a log safe to show on a terminal.

Characters that a terminal would obey or hide are replaced by visible ones: escape and other control characters, bidi
overrides, tag characters, lone surrogates. Newlines and tabs stay. For display only: the database and exports keep
the original text. Example:
    printable("\\x1b]52;c;aGk=\\x07")   # "␛]52;c;aGk=␇"
Source: Unicode general categories (UAX 44); control pictures are the block U+2400.
"""

from __future__ import annotations

import unicodedata

MAX_CHARACTERS = 20_000
"""More than anybody reads on a screen, and few enough to lay out quickly (guess)."""

JOINERS = (0x200C, 0x200D)
"""Zero-width joiner and non-joiner: invisible, but Persian, Hindi and family emoji are misspelt without them."""


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
    if codepoint not in JOINERS and unicodedata.category(chr(codepoint)) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return "�"
    return chr(codepoint)


_VISIBLE = _Visible({ord("\n"): "\n", ord("\t"): "\t"})


def printable(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return `text` without characters that a terminal obeys, cut to `max_characters` with an ellipsis at the end."""
    if len(text) > max_characters:
        text = text[: max(max_characters - 1, 0)] + "…"
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def has_surrogate(text: str) -> bool:
    """Whether the text contains half a character (a lone surrogate), which UTF-8 files and SQLite cannot hold."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def printable_line(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return printable text on one line: each run of whitespace becomes a space."""
    return " ".join(printable(text, max_characters).split())
