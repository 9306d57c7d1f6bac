"""Decides which words after a number are a unit, and reads measures in two units: 2 hours 30 minutes.

Units are dropped and never converted. A word that changes the value (percent, hundred, squared, modulo, a
month, a function) or continues the sentence (and, or, than) is not a unit. Example:
    is_unit_tail(tokenise("19 apples per day"), 1)    # True
    is_unit_tail(tokenise("19 or 20"), 1)             # False
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from crescent_lite.answers.dates import is_month
from crescent_lite.answers.number_words import NUMBER_WORDS
from crescent_lite.answers.tokens import Token
from crescent_lite.answers.words import word_set

MAX_WORDS = 6
"""Most words of a unit."""
_LETTERS = word_set("m g s h l L W V A N J C F K")
"""Units of one letter. Any other letter after a number is a variable."""
_PAIRS = word_set(
    "cm mm km nm dm ml mL dl kg mg ft in lb oz mi yd hr ms kW MW MB GB KB TB Hz Pa eV kV kJ kN Wh pt qt "
    "bu ac ha cc sq cu rs of at by on to an he it us US UK my we up no pm PM am AM km² C's m²"
)
"""Words of two letters that can be part of a unit."""
_NOT_A_UNIT = word_set(
    "is are was were plus minus times and or to than divided multiplied equals equal because so point has "
    "have had does do can will squared cubed factorial mod modulo choose repeating recurring percent "
    "per-cent pct percentage basis permille promille st nd rd th "
    "bc bce ad ce lakh crore sin cos tan cot sec csc log ln exp gcd lcm arcsin "
    "arccos arctan sqrt root but not if when where which who since half halves third thirds quarters "
    "score gross million millions billion hundred noon midnight past remainder approximately about "
    "respectively instead while whereas except versus vs k bn mn tn base gives makes leaves o'clock "
    "grand infinity loss deficit mil mill mio mrd squares cubes factorials "
    "between below above from remaining' more' degrees'"
)
"""Words that are never part of a unit."""


def is_unit_tail(tokens: Sequence[Token], at: int) -> bool:
    """Whether the tokens from index `at` to the end are a unit or nothing."""
    words = 0
    first = at
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "word":
            if not _is_unit_word(tokens, at, first):
                return False
            words += 1
            if words > MAX_WORDS:
                return False
            at += 1
            if (after := _exponent(tokens, at)) is not None:
                at = after
            continue
        if token.kind == "(":
            after = remark_end(tokens, at)
            if after is None:
                return False
            at = after
            continue
        if token.kind == "°":
            if at != first and tokens[at - 1].kind != "°":
                return False
        elif token.kind in ("/", "-", "*"):
            if at + 1 >= len(tokens) or tokens[at + 1].kind not in ("word",) or (token.kind == "*" and at == first):
                return False
        elif token.kind in ("'", ".", "$", "€", "£", "¥", "₹", "₩", "₽", "¢", '"') or (
            token.kind == "cjk" and token.text not in _CJK_VALUES
        ):
            if (token.kind == "'" and (at == first or not words)) or (token.kind == '"' and at == first):
                return False
            if token.kind == "." and at == first:
                return at + 1 == len(tokens)
        else:
            return False
        at += 1
    return True


_CJK_VALUES = frozenset("万億亿千百十分之の点時时小角月日年半第度至到和与前后後上下倍几数多约")
"""Characters that change the value of a number before or after them."""


def _is_unit_word(tokens: Sequence[Token], at: int, first: int) -> bool:
    token = tokens[at]
    word = token.text.lower()
    if word in _NOT_A_UNIT or word in NUMBER_WORDS or (is_month(token) and at == first):
        return False
    if token.roman:
        return True
    if len(word) == 1:
        if word == "a":
            return at + 1 < len(tokens) and tokens[at + 1].kind == "word" and len(tokens[at + 1].text) > 2
        return token.text in _LETTERS and (
            at > first or not token.space or at + 1 == len(tokens) or tokens[at + 1].kind != "word"
        )
    if len(word) == 2:
        return token.text in _PAIRS or (at > first and word.isalpha() and token.space)
    return True


def _exponent(tokens: Sequence[Token], at: int) -> int | None:
    """Return the index after the exponent of a unit (2, 3, -1 or -2); None if there is no exponent."""
    if at < len(tokens) and tokens[at].kind == "^":
        if at + 1 < len(tokens) and tokens[at + 1].value in (2, 3, -1, -2):
            return at + 2
        inner = at + 2 + (at + 2 < len(tokens) and tokens[at + 2].kind == "-")
        if (
            inner + 1 < len(tokens)
            and tokens[at + 1].kind == "{"
            and tokens[inner].value in (1, 2, 3)
            and tokens[inner + 1].kind == "}"
        ):
            return inner + 2
    return None


_CHANGING = word_set("approximately about and")
_NEVER_A_REMARK = word_set("mod repeating recurring actually not or wrong corrected should base")


def remark_end(tokens: Sequence[Token], at: int) -> int | None:
    """Return the index after a remark in parentheses; None if it can change the value: 5 (mod 7)."""
    depth, words, named = 0, 0, False
    for index in range(at, len(tokens)):
        token = tokens[index]
        depth += {"(": 1, ")": -1}.get(token.kind, 0)
        if depth == 0:
            return index + 1 if words and (tokens[at].space or named) else None
        if token.kind == "word":
            name = token.text.lower()
            if name in _NEVER_A_REMARK or (name in _CHANGING and words == 0):
                return None
            words += len(token.text) > 1
            named = named or len(token.text) > 2
        if token.kind in ("^", "opaque", "dots"):
            return None
    return None


_FAMILIES = (
    ("year", "month", "week", "day", "hour", "minute", "second"),
    ("mile", "yard", "foot", "inch"),
    ("kilometer", "meter", "centimeter", "millimeter"),
    ("pound", "ounce"),
    ("kilogram", "gram", "milligram"),
    ("liter", "centiliter", "milliliter"),
    ("gallon", "quart", "pint", "cup"),
    ("dollar", "cent"),
    ("euro", "cent"),
    ("pound", "penny"),
    ("rupee", "paisa"),
)
_SHORT = {
    "hr": "hour", "h": "hour", "min": "minute", "sec": "second", "s": "second", "feet": "foot", "ft": "foot",
    "inches": "inch", "in": "inch", "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter",
    "lb": "pound", "oz": "ounce", "metre": "meter", "kilometre": "kilometer", "centimetre": "centimeter",
    "kg": "kilogram", "g": "gram", "mg": "milligram", "kilo": "kilogram", "gramme": "gram", "l": "liter",
    "litre": "liter", "ml": "milliliter", "millilitre": "milliliter", "gal": "gallon", "qt": "quart", "pt": "pint",
    "wk": "week", "yr": "year", "mo": "month", "d": "day", "yd": "yard", "mi": "mile", "pence": "penny", "p": "penny",
    "paise": "paisa", "euros": "euro",
}  # fmt: skip
_NAMES = {name for family in _FAMILIES for name in family}


def unit_name(word: str) -> str | None:
    """Return the canonical name of a unit of compound measures; None for other words."""
    word = word.lower()
    for name in (
        word,
        word.removesuffix("s"),
        _SHORT.get(word, ""),
        _SHORT.get(word[:-1], "") if word.endswith("s") else "",
    ):
        if name in _NAMES:
            return name
    return None


def _smaller(unit: str, word: str) -> str | None:
    """Return the smaller unit that a word names after `unit`: m is minutes after hours, metres after kilometres."""
    name = "minute" if word == "m" and unit == "hour" else unit_name(word)
    for family in _FAMILIES:
        if unit in family and name in family and family.index(name) > family.index(unit):
            return name
    return None


ReadNumber = Callable[[Sequence[Token], int], "tuple[Fraction, int] | None"]


def read_measure(tokens: Sequence[Token], at: int, read_number: ReadNumber) -> tuple[str, int] | None:
    """Return a key such as 'm:2 hour 30 minute' and the index after the measure; None for one unit only."""
    parts: list[str] = []
    unit = ""
    end = at
    money = ""
    while at < len(tokens):
        if not parts and tokens[at].kind in ("$", "€", "£"):
            money = {"$": "dollar", "€": "euro", "£": "pound"}[tokens[at].kind]
            at += 1
        number = read_number(tokens, at)
        if not number:
            break
        value, after = number
        word = tokens[after] if after < len(tokens) and tokens[after].kind == "word" else None
        if not parts and money:
            name: str | None = money
        elif word is None:
            if (
                unit in ("euro", "dollar")
                and value.denominator == 1
                and 10 <= value < 100
                and len(parts) == 1
                and not money
            ):
                parts.append(f"{value} cent")
                end = after
            break
        else:
            name = _smaller(unit, word.text) if parts else unit_name(word.text)
            after += 1
        if not name or (parts and value < 0):
            break
        parts.append(f"{value} {name}")
        unit, end = name, after
        at = after
        at += at < len(tokens) and tokens[at].kind == "." and at + 1 < len(tokens)
        at += at < len(tokens) and tokens[at].kind == ","
        at += at < len(tokens) and tokens[at].kind == "word" and tokens[at].text.lower() == "and"
    return ("m:" + " ".join(parts), end) if len(parts) > 1 else None
