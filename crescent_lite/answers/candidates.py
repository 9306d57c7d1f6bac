"""Finds the quantities of a sentence, in order, and which of them stand by themselves.

A quantity that is part of something larger (an expression, a comparison, a range, a product with a variable) has no
key. Ordinals (the 5th) and adjectives (a 3-year loan) are left out. Example:
    [each.key for each in candidates(tokenise("42 of the 50, 3x"), words=False)]    # ['n:42', 'n:50', None]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crescent_lite.answers.dates import is_month
from crescent_lite.answers.exact import NoValueError
from crescent_lite.answers.number_words import ANY_NUMBER_WORD, NUMBER_WORDS, SCALES, is_power
from crescent_lite.answers.quantities import read_core
from crescent_lite.answers.tokens import Token
from crescent_lite.answers.units import is_unit_tail, unit_name
from crescent_lite.answers.words import word_set

OF_A_FORMULA = word_set("num + - * / ^ ! ( ) [ ] { } frac sqrt pi var % $ ± °")
"""Kinds of tokens in a formula."""
_OPERATORS = word_set(r"+ * / ^ < > ≤ ≥ ≠ ± ∓ | ∪ ∈ _ \{")
_PARTS = word_set("num frac sqrt pi var dots")
_MONEY = ("$", "€", "£", "¥", "₹")
_UNIT_LETTERS = word_set("a I m g s h l L W V A N J C F K")
_SHORT_WORDS = word_set("is or as so if do go he me be am im id vs to of in by at on an it us we my up no")
_FUNCTIONS = word_set("point sin cos tan cot sec csc log ln lg exp mod gcd lcm max min arcsin arccos arctan choose")
_CHANGES_IT = word_set(
    "mod choose squared cubed factorial bc bce repeating recurring or score gross lakh crore million billion "
    "trillion thousand hundred thirds quarters halves fourths fifths sixths eighths tenths third "
    "k bn mn percent percentage basis permille divided remainder r grand mil mill mio mrd"
)
"""Words after a number that change its value."""
_JOINS_ONE = word_set("in out or to and over divided by plus minus times of from")
"""Words beside "one" that make it a number and not a pronoun."""
_MULTIPLIES = word_set("half twice double triple thrice")
_TAKES_A_PART = word_set("half third quarter root square cube percent multiple factor fraction power % double twice")
"""Words that make another value of the number after "of"."""
_SAYS_MINUS = word_set("now is was of to get equals")
_OF_PROSE = frozenset({r"\boxed", r"\fbox", r"\checkmark"})
_NONE = Token("", "", -1, -1, True)


@dataclass(frozen=True)
class Candidate:
    """A quantity and its position among the tokens."""

    key: str | None
    """Canonical key; None if the quantity is part of something larger or cannot be read."""
    first: int
    """Index of its first token."""
    after: int
    """Index after its last token; its unit is not part of it."""


def candidates(tokens: Sequence[Token], *, words: bool) -> Iterator[Candidate]:
    """Yield every quantity in order. `words`: include numbers in words, for a sentence without digits."""
    previous: Candidate | None = None
    at = 0
    while at < len(tokens):
        if not _may_begin(tokens, at, words=words):
            if _is_unread(tokens, at, previous, words=words):
                yield (previous := Candidate(None, at, at + 1))
            at += 1
            continue
        try:
            core = read_core(tokens, at)
            unreadable = core is None and tokens[at].kind != "word"
        except NoValueError:
            core, unreadable = None, True
        if core is None:
            if unreadable:
                yield (previous := Candidate(None, at, at + 1))
            at = _after_formula(tokens, at + 1)
            continue
        key, after = core
        if _at(tokens, after).text in ("st", "nd", "rd", "th") and not tokens[after].space and key[0] == "n":
            at = after + 1  # the 5th
        elif _is_adjective(tokens, after):
            at = after + 2
        else:
            ends = after == len(tokens) or (after + 1 == len(tokens) and tokens[after].kind == ".")
            cry = ends and tokens[after - 1].kind == "!"  # 12! may be a factorial
            clear = not cry and _is_clear_before(tokens, at, after) and _is_clear_after(tokens, after)
            yield (previous := Candidate(key if clear else None, at, after))
            at = after


def _at(tokens: Sequence[Token], at: int) -> Token:
    return tokens[at] if 0 <= at < len(tokens) else _NONE


def _after_formula(tokens: Sequence[Token], at: int) -> int:
    while at < len(tokens) and tokens[at].kind in OF_A_FORMULA:
        at += 1
    return at


def is_unread_command(token: Token) -> bool:
    """Whether a token is a LaTeX command that the grammar does not know, and not one that prose may contain."""
    return token.kind == "opaque" and token.text[:1] == "\\" and token.text not in _OF_PROSE


def _is_unread(tokens: Sequence[Token], at: int, previous: Candidate | None, *, words: bool) -> bool:
    """Whether a token that begins no quantity is unread mathematics, which could be the answer."""
    token = tokens[at]
    if token.kind == "dots":
        return previous is not None and at + 1 < len(tokens) and previous.after >= at
    if token.kind == "opaque":
        return is_unread_command(token)
    if words and token.text.lower() == "one":  # one in four, ten to one
        joined = {_at(tokens, at + 1).text.lower(), _at(tokens, at - 1).text.lower()}
        return bool(joined & _JOINS_ONE)
    return token.kind == "^"


def _may_begin(tokens: Sequence[Token], at: int, *, words: bool) -> bool:
    token, following, before = tokens[at], _at(tokens, at + 1), _at(tokens, at - 1)
    if token.kind == "num" and not token.space and before.kind == "word" and len(before.text) > 1:
        return not before.text.isascii()  # GSM8K
    if token.kind in ("num", "frac", "sqrt", "pi"):
        return True
    if token.kind in ("-", "+"):
        begins = (token.space or not at) and following.kind in ("num", "frac", "sqrt", *_MONEY)
        return begins and not (following.space and before.kind in ("num", ")", "word"))
    if token.kind in _MONEY:
        return following.kind == "num" or (following.kind == "-" and _at(tokens, at + 2).kind == "num")
    if token.kind != "word":
        return False
    name, next_word = token.text.lower(), following.text.lower()
    if name in ("negative", "minus"):
        takes_away = name == "minus" and before.kind in ("num", "word") and before.text.lower() not in _SAYS_MINUS
        return words or (following.kind in ("num", "$") and not takes_away)
    if name in ("rs", "usd", "eur", "gbp", "inr") or _begins_a_date(tokens, at):
        return True
    if name in ("half", "quarter") and next_word in ("past", "to"):
        return True
    counts = name in NUMBER_WORDS and name != "one"
    if not words or counts or name not in ("a", "an", "one"):
        return words and counts
    joined = _at(tokens, at + 2).text.lower() == "and" and unit_name(next_word) is not None
    return joined or bool(ANY_NUMBER_WORD.fullmatch(next_word))  # an hour and a half


def _begins_a_date(tokens: Sequence[Token], at: int) -> bool:
    day = _at(tokens, at + 1)
    return is_month(tokens[at]) and (day.kind == "num" or (day.kind == "." and _at(tokens, at + 2).kind == "num"))


def _is_adjective(tokens: Sequence[Token], after: int) -> bool:
    """Whether a hyphen makes the number part of an adjective: 3-year, 4-kg."""
    hyphen, word = _at(tokens, after), _at(tokens, after + 1)
    joined = hyphen.kind == "-" and not hyphen.space and not word.space
    return joined and word.kind == "word" and word.text.lower() not in SCALES


def _is_clear_before(tokens: Sequence[Token], at: int, after: int) -> bool:
    """Whether the tokens before a quantity show that it is complete."""
    before, token = _at(tokens, at - 1), tokens[at]
    if before.kind in ("(", "[", "{"):
        alone = _at(tokens, after).kind in (")", "]", "}") and _at(tokens, at - 2).kind not in ("(", "[", "{")
        if not alone or _is_applied(tokens, at - 1):
            return False
    if before.kind in _OPERATORS or before.kind in _PARTS or before.kind in ("-", "!", "%"):
        return False
    glued = not token.space
    if before.kind == "opaque" and glued and not before.space:
        return False
    if before.kind in (".", "/", ":") and glued and not before.space:
        return False
    if before.kind == "word":
        name = before.text.lower()
        taken_of = name == "of" and _at(tokens, at - 2).text.lower() in _TAKES_A_PART
        return not (
            taken_of or name in _MULTIPLIES or name in _FUNCTIONS or (len(name) == 1 and glued and name.isascii())
        )
    return not (before.kind == "cjk" and before.text in "第分之百")


def _is_applied(tokens: Sequence[Token], bracket: int) -> bool:
    """Whether a bracket stands directly after a name, whose argument it then encloses: f(12), log(5), \\phi(12)."""
    name = _at(tokens, bracket - 1)
    glued = tokens[bracket].start == name.end + name.roman  # the brace of \operatorname{ord}(5)
    return glued and name.kind in ("word", "var", "opaque", "}") and name.text not in _OF_PROSE


def _is_clear_after(tokens: Sequence[Token], after: int) -> bool:
    """Whether the tokens after a quantity show that it is complete."""
    following, then = _at(tokens, after), _at(tokens, after + 1)
    if following.kind in _OPERATORS or following.kind in _PARTS:
        return False
    if any(token.text.lower() in ("below", "bc", "base", "modulo") for token in tokens[after : after + 2]):
        return False  # 5 degrees below zero, 12 in base 3
    if [following.text.lower(), then.text.lower()] == ["to", "the"] and is_power(_at(tokens, after + 2)):
        return False  # ten to the sixth
    glued = not following.space
    if following.kind == "!":
        return not (glued and (then.kind in ("!", "=", "*", "/") or then.kind == "word"))
    if following.kind == "-":
        return then is _NONE or (following.space and then.space and then.kind == "word" and len(then.text) > 1)
    if following.kind in ("opaque", "("):
        return not glued
    if following.kind == "'":
        return then.kind != "num"
    if following.kind == "cjk":
        return following.text not in "万億亿千百分点時时小角第"
    if following.kind != "word" or following.roman:
        return True
    name = following.text
    if name in ("a", "I") and (glued or then is _NONE or then.kind in (".", ",", ";", ")")):
        return False  # a variable: 4a, 12 a
    if name.lower() in _CHANGES_IT or (len(name) == 1 and name not in _UNIT_LETTERS):
        return False
    return not (
        len(name) == 2 and name.isascii() and name.lower() not in _SHORT_WORDS and not is_unit_tail([following], 0)
    )
