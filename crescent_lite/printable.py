"""The one sanitiser: text from a model, a data set, a GGUF or a log, made safe to put on a terminal.

Whatever a terminal could obey or hide is replaced by something visible, so that text is only ever text: escape
sequences (ESC, C1), bidi overrides, tag characters, lone surrogates. Newlines and tabs stay. It is for showing only:
stores and exports keep what was said. Example:
    printable("\\x1b]52;c;aGk=\\x07")   # "␛]52;c;aGk=␇"
Source: Unicode general categories (UAX 44); control pictures are the block U+2400.
"""

from __future__ import annotations

import unicodedata

MAX_CHARACTERS = 20_000
"""More than anybody reads on a screen, and little enough to lay out at once (guess)."""

JOINERS = (0x200C, 0x200D)
"""Zero-width (non-)joiners: invisible, but Persian, Hindi and family emoji are misspelt without them."""


class _Visible(dict[int, str]):
    """Code point -> what is shown, filled as code points turn up."""

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
    """The text with nothing in it that a terminal obeys; an ellipsis stands for what is past `max_characters`."""
    if len(text) > max_characters:
        text = text[: max(max_characters - 1, 0)] + "…"
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def has_surrogate(text: str) -> bool:
    """Whether half of a character stands alone in it: no file and no database can hold that as text."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def printable_line(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """The same on one line: newlines and tabs become spaces."""
    return " ".join(printable(text, max_characters).split())
