r"""Parses expressions (operator precedence, recursive descent) from tokens to exact values.

Reads numbers, mixed numbers, fractions in every spelling, powers, roots, factorials, binomials, absolute values and
pi, and variables where they are allowed. A sum or product of plain numbers is unfinished work and has no value.
The parser stops at the first token that cannot continue the expression; the caller judges the rest. Example:
    evaluate(tokenise(r"\frac{\sqrt{12}}{4} cm"))    # value of 1/2*sqrt(3), stopped before the word
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb

from crescent_lite.answers.exact import (
    Exact,
    NoValueError,
    added,
    factorial_of,
    is_plain,
    number,
    pi,
    plain,
    power,
    product,
    quotient,
    root,
    scaled,
    unknown,
)
from crescent_lite.answers.tokens import Token
from crescent_lite.answers.words import word_set

MAX_DEPTH = 12
"""Most brackets inside one another."""
MAX_TOKENS = 120
_CLOSING = {"(": ")", "{": "}", "[": "]", "|": "|", "⌊": "⌋", "⌈": "⌉"}
_END = Token("", "", -1, -1, True)


def evaluate(tokens: Sequence[Token], at: int = 0, *, unknowns: bool = False, either: int = 0) -> tuple[Exact, int]:
    """Return the value of the longest expression that begins at token `at`, and the index after it.

    `unknowns`: whether letters are variables. `either`: the sign that plus-minus stands for, 1 or -1; 0 forbids it.
    Raises NoValueError.
    """
    if len(tokens) - at > MAX_TOKENS:
        tokens = tokens[: at + MAX_TOKENS]
    parser = _Parser(tokens, at, unknowns, either)
    return parser.sum(), parser.index()


class _Parser:
    """Recursive descent: each rule consumes its tokens and returns a value. `at` is the index of the next token."""

    def __init__(self, tokens: Sequence[Token], at: int, unknowns: bool, either: int) -> None:
        self._tokens = tokens
        self.at = at
        self._unknowns = unknowns
        self._either = either
        self._split_off: list[int] = []
        """Indexes of tokens that were split off a number: the 2 of \\frac12."""
        self._depth = 0
        self._bars = 0

    def index(self) -> int:
        """Return the index of the next token among the tokens that were given. Raises NoValueError inside of one."""
        if self.at in self._split_off:
            raise NoValueError
        return self.at - sum(index < self.at for index in self._split_off)

    def _peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self._tokens[at] if at < len(self._tokens) else _END

    def _signs(self) -> int:
        """Consume the signs before a term and return 1 or -1."""
        sign, seen = 1, 0
        while (kind := self._peek().kind) in ("+", "-", "±", "∓", "$"):
            if kind in "±∓" and not self._either:
                raise NoValueError
            sign *= {"-": -1, "±": self._either, "∓": -self._either}.get(kind, 1)
            seen += kind != "$"
            self.at += 1
        if seen > 1:
            raise NoValueError  # --5, +-5
        return sign

    def sum(self) -> Exact:
        value = scaled(self._product(), sign) if (sign := self._signs()) != 1 else self._product()
        plain_terms = int(is_plain(value))
        while (kind := self._peek().kind) in ("+", "-", "±", "∓"):
            if kind == "-" and self._is_hyphen():
                break
            if kind in "±∓" and not self._either:
                raise NoValueError
            sign = {"-": -1, "±": self._either, "∓": -self._either}.get(kind, 1)
            self.at += 1
            other = self._product()
            plain_terms += is_plain(other)
            if plain_terms > 1:
                raise NoValueError  # 3 + 4: unfinished work
            value = added(value, other, sign)
        return value

    def _is_hyphen(self) -> bool:
        """Whether the minus sign is a hyphen between a number and a word: 3-kg bags."""
        following = self._peek(1)
        return not self._peek().space and not following.space and following.kind == "word" and len(following.text) > 1

    def _product(self) -> Exact:
        value = self._power()
        divided = False
        while True:
            token = self._peek()
            if token.kind == "*":
                ten = self._peek(1)
                if ten.kind == "num" and ten.value == 10 and self._peek(2).kind == "^" and is_plain(value):
                    self.at += 1  # 1.2 * 10^5
                    value = scaled(value, plain(self._power()))
                    continue
                self.at += 1
                other = self._signed_power()
                if is_plain(value) and is_plain(other):
                    raise NoValueError
                value = product(value, other)
            elif token.kind == "/":
                if self._is_per():
                    return value
                if divided:
                    raise NoValueError  # 3/4/2024
                self.at += 1
                value, divided = quotient(value, self._signed_power()), True
            elif self._goes_on(token):
                other = self._power()
                if is_plain(value) and is_plain(other):
                    raise NoValueError
                if divided and not (token.space and is_plain(value)):
                    raise NoValueError  # 1/2x: the unknown may stand below
                value = product(value, other)
            else:
                return value

    def _is_per(self) -> bool:
        """Whether the slash stands before a unit: $5/hour."""
        below = self._peek(1)
        return below.kind == "word" and (below.roman or not self._unknowns or len(below.text) > 3)

    def _signed_power(self) -> Exact:
        sign = 1
        while self._peek().kind in ("-", "+", "$"):
            sign = -sign if self._peek().kind == "-" else sign
            self.at += 1
        return scaled(self._power(), sign)

    def _goes_on(self, token: Token) -> bool:
        """Whether the token after a factor begins another factor (implicit multiplication)."""
        if token.kind in ("frac", "binom", "sqrt", "pi", "(", "{", "var"):
            return token.kind != "(" or not token.space or self._unknowns
        return self._unknowns and _is_letters(token)

    def _power(self) -> Exact:
        value = self._atom()
        while True:
            token = self._peek()
            if token.kind == "^":
                self.at += 1
                value = power(value, plain(self._argument(signed=True)))
                if self._peek().kind == "^":
                    raise NoValueError
            elif token.kind == "!" and not token.space:
                self.at += 1
                double = self._peek().kind == "!" and not self._peek().space
                self.at += double
                value = factorial_of(value, 1 + double)
            else:
                return value

    def _argument(self, *, signed: bool = False, whole: bool = False) -> Exact:
        r"""Parse an argument of `\frac`, `\sqrt` or `^`: a group, or one digit or letter: \frac12, \sqrt3, 2^-1."""
        token = self._peek()
        if signed and token.kind == "-":
            self.at += 1
            return scaled(self._argument(), -1)
        if token.kind == "num" and token.text.isdigit() and len(token.text) > 1 and not signed and not whole:
            first, rest = token.text[0], token.text[1:]
            split = [
                token._replace(text=first, value=Fraction(first)),
                token._replace(text=rest, value=Fraction(rest)),
            ]
            self._tokens = [*self._tokens[: self.at], *split, *self._tokens[self.at + 1 :]]
            self._split_off.append(self.at + 1)
        if signed and token.kind in ("(", "{"):
            return self._atom()
        return self._atom(argument=True)

    def _atom(self, *, argument: bool = False) -> Exact:
        token = self._peek()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoValueError
        self.at += 1
        try:
            if token.kind == "$":
                self.at -= 1
                if self._peek(1).kind != "num":
                    raise NoValueError
                self.at += 1
                return self._atom()
            if token.kind == "num":
                assert token.value is not None
                return number(token.value) if argument else self._mixed(token.value, token)
            if token.kind == "pi":
                return pi()
            if token.kind == "frac":
                top = self._argument()
                bottom = self._argument()
                if _has_a_differential(top) and _has_a_differential(bottom):
                    raise NoValueError
                return quotient(top, bottom)
            if token.kind == "binom":
                return self._binomial()
            if token.kind == "sqrt":
                return self._root()
            if token.kind in _CLOSING and (token.kind != "|" or not self._bars):
                return self._bracketed(token.kind)
            if self._unknowns and token.kind == "var":
                if self._peek().kind == "(" and not self._peek().space:
                    raise NoValueError  # \\phi(12)
                return unknown(token.text)
            if self._unknowns and _is_letters(token):
                return self._letters(token)
            raise NoValueError
        finally:
            self._depth -= 1

    def _binomial(self) -> Exact:
        top, bottom = plain(self._argument()), plain(self._argument())
        if top.denominator != 1 or bottom.denominator != 1 or not 0 <= bottom <= top <= 100:
            raise NoValueError
        return number(comb(int(top), int(bottom)))

    def _letters(self, token: Token) -> Exact:
        """Parse a word of a formula, a product of letters. A power belongs to the last letter."""
        if not token.text.isascii() or (len(token.text) > 2 and token.text.istitle()):
            raise NoValueError  # Let
        if token.text.lower() in _FUNCTIONS or token.text in _SUFFIXES:
            raise NoValueError
        value = unknown(token.text[0])
        for position, letter in enumerate(token.text[1:], start=2):
            factor = unknown(letter)
            if position == len(token.text) and self._peek().kind == "^":
                self.at += 1
                factor = power(factor, plain(self._argument(signed=True)))
            value = product(value, factor)
        if self._peek().kind == "(" and not self._peek().space and token.text in "fghFGHPEC":
            raise NoValueError  # f(x)
        return value

    def _mixed(self, value: Fraction, token: Token) -> Exact:
        """Parse the rest of a number that may be a mixed one: 2 3/4, 2\\frac{3}{4}."""
        whole = token.text.isdigit()
        upper, over, lower = self._peek(), self._peek(1), self._peek(2)
        if upper.kind == "num" and over.kind == "/" and lower.kind == "num":
            proper = whole and upper.space and upper.text.isdigit() and lower.text.isdigit()
            if not proper or not 0 < upper.value < lower.value:  # type: ignore[operator]
                raise NoValueError
            self.at += 3
            return number(value + upper.value / lower.value)  # type: ignore[operator]
        if upper.kind == "num":
            raise NoValueError  # two numbers side by side
        if upper.kind == "frac" and whole:
            before = self.at
            fraction = self._atom()
            if is_plain(fraction):
                if not 0 < plain(fraction) < 1:
                    raise NoValueError
                return number(value + plain(fraction))
            self.at = before
        return number(value)

    def _root(self) -> Exact:
        if self._peek().kind == "[":
            index = self._peek(1)
            if index.kind != "num" or index.value != 2 or self._peek(2).kind != "]":
                return self._higher_root()
            self.at += 3
        return root(plain(self._argument(whole=True)))

    def _higher_root(self) -> Exact:
        r"""Parse \sqrt[3]{8}. Raises NoValueError if the root is not rational."""
        index = self._peek(1).value
        if index is None or index.denominator != 1 or not 3 <= index <= 10 or self._peek(2).kind != "]":
            raise NoValueError
        self.at += 3
        value = plain(self._argument())
        parts = [_whole_root(part, int(index)) for part in (abs(value.numerator), value.denominator)]
        if value < 0 and index % 2 == 0:
            raise NoValueError
        return number(Fraction(*parts) * (-1 if value < 0 else 1))

    def _bracketed(self, opening: str) -> Exact:
        self._bars += opening == "|"
        value = self.sum()
        if self._peek().kind != _CLOSING[opening]:
            raise NoValueError
        self._bars -= opening == "|"
        self.at += 1
        if opening == "|":
            return number(abs(plain(value)))
        if opening in "⌊⌈":
            whole = plain(value)
            return number(whole.__floor__() if opening == "⌊" else whole.__ceil__())
        if opening == "[":
            raise NoValueError
        return value


def _has_a_differential(value: Exact) -> bool:
    r"""Whether d is a variable of the value, as above and below in \frac{dx}{dt}."""
    return any(name == "d" for _, _, unknowns in value for name, _ in unknowns)


def _is_letters(token: Token) -> bool:
    """Whether a word is one variable, or several without spaces: x, 12ab."""
    return (
        token.kind == "word"
        and not token.roman
        and (len(token.text) == 1 or (len(token.text) <= 3 and not token.space))
    )


_SUFFIXES = word_set("st nd rd th bn mn tn MM am pm cm mm km nm ml mL kg mg ft oz yd hr kW MW Hz")
"""Suffixes and units of numbers, which are not products of variables."""
_FUNCTIONS = word_set("sin cos tan cot sec csc log ln lg exp gcd lcm max min mod arg det dim lim deg and or to of is")


def _whole_root(value: int, index: int) -> int:
    """Return the integer root of an integer. Raises NoValueError if it has none."""
    if value > 10**18:
        raise NoValueError
    guess = round(value ** (1 / index))
    for each in (guess - 1, guess, guess + 1):
        if each >= 0 and each**index == value:
            return int(each)
    raise NoValueError
