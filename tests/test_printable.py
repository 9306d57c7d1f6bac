"""What a model writes reaches the terminal as text, never as a command to it."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.printable import JOINERS, printable, printable_line

any_text = st.text(st.characters())
"""Surrogates, controls and unassigned code points included."""


@given(any_text)
def test_no_output_character_is_a_control(text: str) -> None:
    controls = {c for c in printable(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert controls <= {"\n", "\t", *map(chr, JOINERS)}


@given(any_text)
def test_the_output_can_be_encoded_and_has_no_byte_that_starts_an_escape(text: str) -> None:
    encoded = printable(text).encode("utf-8")
    assert b"\x1b" not in encoded
    assert all(byte >= 0x20 or byte in b"\n\t" for byte in encoded)


@given(any_text, st.integers(min_value=1, max_value=50))
def test_the_output_is_never_longer_than_asked(text: str, max_characters: int) -> None:
    assert len(printable(text, max_characters)) <= max_characters


@given(any_text, st.integers(min_value=1, max_value=50))
def test_doing_it_twice_changes_nothing(text: str, max_characters: int) -> None:
    once = printable(text, max_characters)
    assert printable(once, max_characters) == once


@given(any_text)
def test_one_line_is_one_line(text: str) -> None:
    assert len(printable_line(text).splitlines()) <= 1


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_a_clipboard_write_is_shown_and_not_sent() -> None:
    assert printable("a\x1b]52;c;aGk=\x07b\x9bm") == "a␛]52;c;aGk=␇b�m"


def test_bidi_overrides_and_hidden_tags_are_shown() -> None:
    assert printable("12\u202e34\u2066\u200f \U000e0041") == "12�34�� �"


def test_windows_newlines_are_newlines_and_a_lone_return_is_shown() -> None:
    assert printable("a\r\nb\rc") == "a\nb␍c"


def test_cut_text_says_so() -> None:
    assert printable("x" * 1_000_000, 5) == "xxxx…"
