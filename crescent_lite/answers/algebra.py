r"""Reads exact values with square roots and pi: `\frac{3\sqrt{8}}{2}` and `3\sqrt2` are the same number.

A value is a sum of terms c * sqrt(r) * pi^k with rational c and squarefree integer r, stored as {(r, k): c}: equal
values have equal dictionaries, and so equal keys. Nothing is rounded and no code is evaluated: a small parser reads
at most `MAX_TEXT` characters. A sum or product of plain numbers is unfinished work, not an answer. Knows nothing of
where an answer stands. Example:
    read_expression(r"\frac{\sqrt{12}}{4}\text{ cm}")    # 'e:1/2*sqrt(3)'
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import gcd, isqrt

MAX_TEXT = 100
"""Most characters of an expression; a longer one has no value."""
MAX_DEPTH = 8
"""Deepest nesting of an expression; a deeper one has no value."""
MAX_RADICAND = 10**6
"""Largest number under a root, with a fraction as numerator times denominator."""
MAX_TERMS = 6
"""Most terms of a value."""
_LARGEST = 10**60

Value = dict[tuple[int, int], Fraction]
"""{(r, k): c} for the sum of c * sqrt(r) * pi^k."""

_HINT = re.compile(r"\\sqrt|√|π|\\pi(?![A-Za-z])|(?<![A-Za-z])(?:pi(?![A-Za-z])|sqrt\s?\()")
_SKIP = re.compile(r"\\left|\\right|\\,|\\;|\\!|\\ |\$|\\\(|\\\)|\\\[|\\\]|\s+")
_UNIT = re.compile(
    r"\\(?:text|mathrm|mbox|textrm)\s*\{[^{}]*\}(?:\s*\^\s*\{?\s*[23]\s*\}?)?|(?:\s(?:(?!pi\b)[a-z]{2,12}|[mgshl])(?:\^\{?[23]\}?|[²³])?){1,3}$|\^\{?\\circ\}?"
)
_NAME = re.compile(r"^\s*[A-Za-z]\s*=")
_TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)|\\[dtc]?(?P<frac>frac)|(?P<sqrt>\\?sqrt|√)|(?P<pi>\\?pi(?![A-Za-z])|π)"
    r"|(?P<times>\\times|\\cdot|[*×·⋅])|(?P<sign>[-+−])|(?P<over>/|\\div|÷)|(?P<power>\^)|(?P<open>[({])|(?P<close>[)}])"
)


class _NoValueError(Exception):
    """The text is not a value of this form."""


def read_expression(text: str) -> str | None:
    """Return the key, 'n:...' or 'e:...', of a text that is one exact value with a root or pi, else None."""
    if len(text) > 2 * MAX_TEXT or not _HINT.search(text):
        return None
    text = _NAME.sub("", _UNIT.sub(" ", text.strip().rstrip(".")))
    try:
        value = _Parser(_tokens(text)).whole()
    except _NoValueError:
        return None
    return _key(value)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    if len(text) > MAX_TEXT:
        raise _NoValueError
    while at < len(text):
        if skipped := _SKIP.match(text, at):
            at = skipped.end()
            continue
        found = _TOKEN.match(text, at)
        if not found:
            raise _NoValueError
        tokens.append((found.lastgroup or "", found[0]))
        at = found.end()
    return tokens


class _Parser:
    """A recursive descent parser. Each rule consumes its tokens and returns a value."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Value:
        value = self._sum()
        if self._at < len(self._tokens):
            raise _NoValueError
        return value

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        if self._at >= len(self._tokens):
            raise _NoValueError
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _sum(self) -> Value:
        negative = self._peek() == "sign" and self._take() != "+"
        value = _scaled(self._product(), -1) if negative else self._product()
        plain_terms = int(_is_plain(value))
        while self._peek() == "sign":
            sign = 1 if self._take() == "+" else -1
            other = self._product()
            plain_terms += _is_plain(other)
            if plain_terms > 1:
                raise _NoValueError  # 3 + 4: unfinished work
            value = _checked(
                {key: value.get(key, Fraction(0)) + sign * other.get(key, Fraction(0)) for key in {*value, *other}}
            )
        return value

    def _product(self) -> Value:
        value = self._power()
        while (kind := self._peek()) in ("times", "over", "number", "frac", "sqrt", "pi", "open"):
            if kind in ("times", "over"):
                self._take()
            other = self._power()
            if kind == "over":
                value = _quotient(value, other)
            elif _is_plain(value) and _is_plain(other):
                raise _NoValueError
            else:
                value = _product(value, other)
        return value

    def _power(self) -> Value:
        value = self._atom()
        if self._peek() != "power":
            return value
        self._take()
        exponent = _plain(self._atom())
        if exponent not in (2, 3):
            raise _NoValueError
        result = value
        for _ in range(int(exponent) - 1):
            result = _product(result, value)
        return result

    def _atom(self) -> Value:
        kind, text = self._peek(), self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NoValueError
        try:
            if kind == "number":
                return {(1, 0): Fraction(text)}
            if kind == "pi":
                return {(1, 1): Fraction(1)}
            if kind == "frac":
                top = self._argument()
                return _quotient(top, self._argument())
            if kind == "sqrt":
                return _root(_plain(self._argument()))
            if kind == "open":
                value = self._sum()
                if self._peek() != "close":
                    raise _NoValueError
                self._take()
                return value
            raise _NoValueError
        finally:
            self._depth -= 1

    def _argument(self) -> Value:
        r"""Read the argument of `\frac` or `\sqrt`: a group, or one digit as in `\frac12` and `\sqrt3`."""
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind == "number" and text.isdigit() and len(text) > 1 and self._tokens[self._at - 1][0] != "sqrt":
            self._tokens[self._at : self._at + 1] = [("number", text[0]), ("number", text[1:])]
        return self._atom()


def _is_plain(value: Value) -> bool:
    return set(value) <= {(1, 0)}


def _plain(value: Value) -> Fraction:
    if not _is_plain(value):
        raise _NoValueError
    return value.get((1, 0), Fraction(0))


def _scaled(value: Value, factor: Fraction | int) -> Value:
    return _checked({key: part * factor for key, part in value.items()})


def _product(one: Value, other: Value) -> Value:
    result: Value = {}
    for (radicand, pies), part in one.items():
        for (other_radicand, other_pies), other_part in other.items():
            common = gcd(radicand, other_radicand)
            key = (radicand // common * (other_radicand // common), pies + other_pies)
            result[key] = result.get(key, Fraction(0)) + part * other_part * common
    return _checked(result)


def _quotient(top: Value, bottom: Value) -> Value:
    if len(bottom) == 2 and all(not pies for _, pies in bottom):  # times its conjugate: a plain number
        (first, part), (second, other) = bottom.items()
        conjugate = {first: part, second: -other}
        top, bottom = _product(top, conjugate), _product(bottom, conjugate)
    if len(bottom) != 1:
        raise _NoValueError
    ((radicand, pies), part), *_ = bottom.items()
    # 1 / (part * sqrt(r) * pi^k) = sqrt(r) * pi^-k / (part * r)
    return _product(top, {(radicand, -pies): 1 / (part * radicand)})


def _root(value: Fraction) -> Value:
    radicand = value.numerator * value.denominator
    if not 0 <= radicand <= MAX_RADICAND:
        raise _NoValueError
    outside, rest = 1, radicand
    for factor in range(2, isqrt(radicand) + 1):
        while rest % (factor * factor) == 0:
            outside, rest = outside * factor, rest // (factor * factor)
    return _checked({(rest or 1, 0): Fraction(outside if radicand else 0, value.denominator)})


def _checked(value: Value) -> Value:
    """Return the value without zero terms; raise _NoValueError if it is too large."""
    value = {key: part for key, part in value.items() if part}
    largest = max((max(abs(part.numerator), part.denominator, key[0]) for key, part in value.items()), default=0)
    if len(value) > MAX_TERMS or largest > _LARGEST:
        raise _NoValueError
    return value


def _key(value: Value) -> str:
    if _is_plain(value):
        return f"n:{_plain(value)}"
    terms = []
    for (radicand, pies), part in sorted(value.items()):
        pi = f"pi^{pies}" if pies != 1 else "pi"
        factors = [str(part), *([f"sqrt({radicand})"] if radicand > 1 else []), *([pi] if pies else [])]
        terms.append("*".join(factors))
    return "e:" + "+".join(terms)
