"""Reads one quantity from tokens: a number, percentage, time, date, ratio, measure or exact value, and its unit.

`read_core` reads the longest quantity that begins at a token; the caller judges what follows. `read_single` requires
that only a unit follows. Example:
    read_single(tokenise("about $1,250.50 per month"))    # 'n:2501/2'
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from crescent_lite.answers.dates import read_date, read_ratio, read_time
from crescent_lite.answers.exact import LARGEST, NoValueError, is_plain, key_of, plain
from crescent_lite.answers.expression import evaluate
from crescent_lite.answers.number_words import NUMBER_WORDS, SCALES, words_value
from crescent_lite.answers.tokens import Token
from crescent_lite.answers.units import is_unit_tail, read_measure
from crescent_lite.answers.words import word_set

Exclamation = Literal["factorial", "end", "unclear"]
"""Meaning of an exclamation mark after the last number: factorial, end of a sentence, or unclear."""
_MONEY = ("$", "€", "£", "¥", "₹", "₩", "₽", "¢")
_MONEY_WORDS = word_set("usd eur gbp inr rs us au ca aud cad cny jpy")
_LETTER_SCALES = {"k": 10**3, "K": 10**3, "m": 10**6, "M": 10**6, "mn": 10**6, "mm": 10**6, "MM": 10**6, "b": 10**9,
                  "B": 10**9, "bn": 10**9, "Bn": 10**9, "BN": 10**9, "tn": 10**12}  # fmt: skip
_STARTS = {"num", "frac", "binom", "sqrt", "pi", "(", "{", "+", "-", "|", "⌊", "⌈", *_MONEY}
_LEADS = word_set("about approximately around roughly exactly only approx nearly almost just precisely")
_EDGES = {"'", '"', ".", ",", ";", ":", "!", "$"}


def read_core(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    """Return the key of the longest quantity that begins at token `at` and the index after it; None if none begins.

    Raises NoValueError if one begins but cannot be read whole.
    """
    token = tokens[at]
    number_word = token.kind == "word" and (
        token.text.lower() in NUMBER_WORDS or token.text.lower() in ("a", "an", "negative", "minus")
    )
    if token.kind == "num" or token.kind == "word":
        for read in (read_date, read_time, read_ratio):
            if found := read(tokens, at):
                return found
    if token.kind == "num" or number_word or token.kind in _MONEY:
        if found := read_measure(tokens, at, _read_number):
            return found
        if found := _read_scaled(tokens, at):
            return found
    if token.kind in _STARTS or number_word or _is_money_word(tokens, at):
        return _read_expression(tokens, at)
    return None


def _is_money_word(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.kind != "word" or token.text.lower() not in _MONEY_WORDS or at + 1 >= len(tokens):
        return False
    at += 1 + (tokens[at + 1].kind == ".")
    return at < len(tokens) and tokens[at].kind in ("num", "-", *_MONEY)


def _read_number(tokens: Sequence[Token], at: int) -> tuple[Fraction, int] | None:
    """Read a number of a measure: in words or digits, also a fraction or a mixed number."""
    if found := words_value(tokens, at):
        return found
    if tokens[at].kind not in ("num", "frac") if at < len(tokens) else True:
        return None
    try:
        value, after = evaluate(tokens, at)
        return (plain(value), after)
    except NoValueError:
        return None


def _read_scaled(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    """Read a number in words or with a scale in words or letters: sixty, 2 hundred thousand, $3.5m, 5 lakh."""
    money = tokens[at].kind in _MONEY
    start = at
    at += money
    if at >= len(tokens):
        return None
    if found := words_value(tokens, at):
        value, after = found
        return _percent_or_number(tokens, value, after)
    if tokens[at].kind != "num":
        return None
    if found_mixed := _mixed_with_a_unit(tokens, at):
        return found_mixed
    # 3-million, 3-dozen
    after = at + 1
    if (
        after + 1 < len(tokens)
        and tokens[after].kind == "-"
        and (scale := SCALES.get(tokens[after + 1].text.lower()))
    ):
        return f"n:{tokens[at].value * scale}", after + 2  # type: ignore[operator]
    if money and after < len(tokens) and tokens[after].kind == "word":
        scale = _LETTER_SCALES.get(tokens[after].text)
        closed = after + 1 < len(tokens) and tokens[after + 1].kind == "$"
        if scale and not (closed and tokens[start].kind == "$"):
            return f"n:{tokens[at].value * scale}", after + 1  # type: ignore[operator]
    if (found_east := _read_east_asian(tokens, at)) is not None:
        return found_east
    return None


def _mixed_with_a_unit(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    """Read "2 and 1/2 hours". Without a unit it could be two numbers."""
    if (
        at + 5 >= len(tokens)
        or tokens[at + 1].text.lower() != "and"
        or tokens[at + 3].kind != "/"
        or tokens[at + 5].kind != "word"
    ):
        return None
    whole, top, bottom = (tokens[index].value for index in (at, at + 2, at + 4))
    if whole is None or top is None or bottom is None or whole.denominator != 1 or not 0 < top < bottom:
        return None
    return f"n:{whole + top / bottom}", at + 5


def _read_expression(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    sign = 1
    while at < len(tokens) and (tokens[at].kind in (*_MONEY, "+", "-") or tokens[at].kind == "word"):
        token = tokens[at]
        if token.kind == "word":
            if token.text.lower() in ("negative", "minus"):
                sign = -sign
            elif not _is_money_word(tokens, at):
                return None
            at += tokens[at + 1].kind == "." if at + 1 < len(tokens) else 0
        elif token.kind in "+-":
            if sign == -1 or (at and tokens[at - 1].kind == "+"):
                raise NoValueError
            sign = -1 if token.kind == "-" else 1
        at += 1
    if at >= len(tokens) or tokens[at].kind == "word":
        return None
    value, after = evaluate(tokens, at)
    if sign < 0 and len(value) > 1:
        value, after = evaluate(tokens, at - 1)  # -1 + \sqrt{2}
    elif sign < 0:
        value = {key: -part for key, part in value.items()}
    if is_plain(value):
        return _percent_or_number(tokens, plain(value), after)
    return key_of(value), after


def _percent_or_number(tokens: Sequence[Token], value: Fraction, after: int) -> tuple[str, int]:
    if max(abs(value.numerator), value.denominator) > LARGEST:
        raise NoValueError
    token = tokens[after] if after < len(tokens) else None
    if token is None:
        return f"n:{value}", after
    if token.kind == "$" and after + 1 < len(tokens) and tokens[after + 1].kind in ("%", "‰"):
        after += 1  # $20$%
        token = tokens[after]
    if token.kind == "%" or (token.kind == "word" and token.text.lower() in ("percent", "pct")):
        return f"%:{value}", after + 1
    if (
        token.kind == "word"
        and token.text.lower() == "per"
        and after + 1 < len(tokens)
        and tokens[after + 1].text.lower() == "cent"
    ):
        return f"%:{value}", after + 2
    of_a_thousand = [each.text.lower() for each in tokens[after : after + 2]]
    if of_a_thousand == ["per", "mille"] or of_a_thousand[0] in ("permille", "promille"):
        return f"%:{value / 10}", after + 1 + (of_a_thousand[0] == "per")
    if token.kind == "‰":
        return f"%:{value / 10}", after + 1
    if (token.kind == "word" and token.text.lower() in ("repeating", "recurring")) or (
        token.kind == "("
        and after + 2 < len(tokens)
        and tokens[after + 1].text.lower() in ("repeating", "recurring")
        and tokens[after + 2].kind == ")"
    ):
        return f"n:{_repeating(tokens[after - 1])}", after + (3 if token.kind == "(" else 1)
    return f"n:{value}", after


def _repeating(token: Token) -> Fraction:
    """Return the value of "0.6 repeating". With more decimals it is not clear which of them repeat."""
    whole, _, decimals = token.text.partition(".")
    if token.kind != "num" or len(decimals) != 1 or not whole.isdigit():
        raise NoValueError
    return int(whole) + Fraction(int(decimals), 9)


_EAST_SCALES = {"万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8, "千": 10**3, "百": 100}


def _read_east_asian(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    """Read Chinese and Japanese scales and fractions: 3万, 12万3千, 3億; 3分之1, 4分の3."""
    first = tokens[at].value
    following = "".join(token.text if token.kind == "cjk" else "#" for token in tokens[at + 1 : at + 4])
    if following in ("分之#", "分の#") and first and (top := tokens[at + 3].value) is not None:
        return f"n:{top / first}", at + 4
    total, last = Fraction(0), 10**12
    while at + 1 < len(tokens) and tokens[at].kind == "num" and tokens[at + 1].kind == "cjk":
        scale = _EAST_SCALES.get(tokens[at + 1].text)
        if not scale:
            break
        if scale >= last:
            raise NoValueError
        total, last, at = total + tokens[at].value * scale, scale, at + 2  # type: ignore[operator]
    if not total:
        return None
    if at < len(tokens) and (tokens[at].kind == "num" or tokens[at].text in _EAST_SCALES):
        raise NoValueError
    return f"n:{total}", at


def trimmed(tokens: Sequence[Token], exclamation: Exclamation = "factorial") -> Sequence[Token]:
    """Return the tokens without punctuation and dollar signs at the edges and without words such as "about".

    Raises NoValueError for an exclamation mark that could be a factorial.
    """
    first, last = 0, len(tokens)
    if (last > 2 and tokens[0].kind == "$" and tokens[-1].kind == "$") or (
        last > 1 and tokens[0].kind == "$" and tokens[1].kind not in ("num", "-")
    ):
        first = 1
    while last > first and (
        tokens[last - 1].kind in _EDGES or (exclamation == "end" and tokens[last - 1].kind == "dots")
    ):
        kind = tokens[last - 1].kind
        if kind == "dots" and ("." in tokens[last - 2].text or tokens[last - 2].kind == ","):
            break  # 0.333..., 1, 2, ...
        before = tokens[last - 2] if last - 2 >= first else None
        if kind == "!" and before is not None and before.kind in ("num", ")", "!") and not tokens[last - 1].space:
            following = tokens[last].kind if last < len(tokens) else ""
            if exclamation == "factorial" or following == "$":
                break
            if exclamation == "unclear" or following == ".":
                raise NoValueError  # "5!." is rare as a cry and rare as a factorial
        if kind == "'" and before is not None and before.kind == "num":
            break  # feet, minutes
        if (
            kind == '"'
            and before is not None
            and before.kind == "num"
            and not any(t.kind == '"' for t in tokens[first : last - 1])
        ):
            break
        last -= 1
    while first < last:
        token = tokens[first]
        if token.kind in ("'", '"', ",", ";", ":", "=", "≈"):
            first += 1
        elif token.kind == "word" and token.text.lower() in _LEADS and first + 1 < last:
            first += 1
            first += tokens[first].kind == "." and first + 1 < last
        elif token.kind == "word" and [t.text.lower() for t in tokens[first : first + 3]] == ["a", "total", "of"]:
            first += 3
        else:
            break
    return tokens[first:last]


def read_single(tokens: Sequence[Token]) -> str | None:
    """Return the key of tokens that are one quantity and its unit, and nothing else; None for others."""
    if not tokens:
        return None
    if tokens[0].kind == "$" and tokens[-1].kind == "$" and len(tokens) > 2:
        tokens = tokens[1:-1]
    try:
        found = read_core(tokens, 0) or _percent_first(tokens)
    except NoValueError:
        return None
    if not found:
        return None
    key, after = found
    if after < len(tokens) and tokens[after].kind == "num":
        return None
    if _is_one_and_a_sentence(tokens, after) or (
        key[0] in "tdr" and after < len(tokens) and tokens[after].kind not in (".", "$", "(")
    ):
        return None
    return key if is_unit_tail(tokens, after) else _restated(tokens, key, after)


def _percent_first(tokens: Sequence[Token]) -> tuple[str, int] | None:
    """Read 百分之60, which is 60 percent."""
    if "".join(token.text for token in tokens[:3]) == "百分之" and len(tokens) > 3 and tokens[3].value is not None:
        return f"%:{tokens[3].value}", 4
    return None


def _restated(tokens: Sequence[Token], key: str, after: int) -> str | None:
    """Return the key if the value is repeated in parentheses: Eighteen (18)."""
    again = tokens[after:]
    if len(again) > 2 and again[0].kind == "(" and again[-1].kind == ")" and read_single(again[1:-1]) == key:
        return key
    return None


def _is_one_and_a_sentence(tokens: Sequence[Token], after: int) -> bool:
    """Whether "one" begins a sentence and is not a number: One small rabbit."""
    return (
        tokens[0].text.lower() == "one" and after == 1 and len(tokens) > 2 and not any(t.kind == "(" for t in tokens)
    )
