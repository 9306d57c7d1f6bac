"""Reads formulas with variables: polynomials, equations, and inequalities of one variable as intervals.

Terms are collected and ordered, and an equation is scaled to integers, so that equal formulas have equal keys.
Nothing is solved: x + 1 = 6 is an equation, not 5. Example:
    read_equation(tokenise("y = 2x + 1"))       # 'q:2*x-y+1'
    read_inequality(tokenise("2 < x \\\\le 5"))   # 'i:(n:2;n:5]'
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from crescent_lite.answers.exact import Exact, NoValueError, added, equation_key, has_unknowns, key_of
from crescent_lite.answers.expression import evaluate
from crescent_lite.answers.tokens import Token

_MIRRORED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}


def _formula(tokens: Sequence[Token]) -> Exact:
    """Return the value of tokens that are one expression and nothing else. Raises NoValueError."""
    tokens = [token for token in tokens if token.kind != "$"]
    if not tokens or any(token.kind in ("±", "∓", "!") for token in tokens):
        raise NoValueError
    value, after = evaluate(tokens, unknowns=True)
    if after < len(tokens):
        raise NoValueError
    return value


def _sides(tokens: Sequence[Token], kinds: tuple[str, ...]) -> list[Sequence[Token]]:
    sides, start = [], 0
    for index, token in enumerate(tokens):
        if token.kind in kinds:
            sides.append(tokens[start:index])
            start = index + 1
    return [*sides, tokens[start:]]


def read_polynomial(tokens: Sequence[Token]) -> str | None:
    """Return the key 'p:...' of an expression with variables. A letter alone is a word and has none."""
    if not any(token.kind in ("num", "+", "-", "*", "/", "^", "frac", "pi") for token in tokens):
        return None
    if len(tokens) == 2 and tokens[1].text in ("k", "K", "M", "B"):
        return None  # 5k may be 5,000
    try:
        value = _formula(tokens)
    except NoValueError:
        return None
    return key_of(_with_imaginary_unit(value)) if has_unknowns(value) else None


def _with_imaginary_unit(value: Exact) -> Exact:
    """Return the value with i^2 = -1, if i is its only variable."""
    exponents = {unknowns for _, _, unknowns in value if unknowns}
    if any(len(unknowns) > 1 or unknowns[0][0] != "i" or unknowns[0][1] < 0 for unknowns in exponents):
        return value
    result: Exact = {}
    for (radicand, pies, unknowns), part in value.items():
        power = unknowns[0][1] if unknowns else 0
        key = (radicand, pies, (("i", 1),) if power % 2 else ())
        result[key] = result.get(key, Fraction(0)) + (-part if power % 4 > 1 else part)
    return {key: part for key, part in result.items() if part}


def read_equation(tokens: Sequence[Token]) -> str | None:
    """Return the key 'q:...' of an equation with variables; for f(x) = ... the key of its right side."""
    sides = _sides(tokens, ("=",))
    if len(sides) != 2 or not all(len(side) for side in sides):
        return None
    left, right = sides
    if _is_function(left):
        return read_polynomial(right)
    if _is_letter(left) and (complex_key := read_polynomial(right)) and _is_complex(complex_key):
        return complex_key  # z = 2 + 3i
    try:
        return equation_key(added(_formula(left), _formula(right), -1))
    except NoValueError:
        return None


def _is_complex(key: str) -> bool:
    """Whether the only variable of a polynomial's key is the imaginary unit."""
    return key[:2] == "p:" and set(filter(str.isalpha, key[2:].replace("sqrt", "").replace("pi", ""))) == {"i"}


def _is_function(tokens: Sequence[Token]) -> bool:
    """Whether the tokens are f(x), or an inverse function f^{-1}(x)."""
    kinds = [token.kind for token in tokens]
    if kinds[1:6] == ["^", "{", "-", "num", "}"] and tokens[4].value == 1:
        tokens = [tokens[0], *tokens[6:]]
    return (
        len(tokens) == 4 and tokens[0].kind == "word" and tokens[1].kind == "(" and not tokens[1].space
        and len(tokens[0].text) == len(tokens[2].text) == 1 and tokens[2].kind == "word" and tokens[3].kind == ")"
    )  # fmt: skip


def read_inequality(tokens: Sequence[Token]) -> str | None:
    """Return the key 'i:...' of a variable compared with one number or two: x > 3, 2 < x <= 5."""
    compared = [token.kind for token in tokens if token.kind in _MIRRORED]
    sides = _sides(tokens, tuple(_MIRRORED))
    if len(compared) not in (1, 2) or not all(len(side) for side in sides):
        return None
    unknown = next((index for index, side in enumerate(sides) if _is_letter(side)), None)
    if unknown is None or (
        len(compared) == 2
        and (unknown != 1 or {*compared} not in ({"<"}, {"≤"}, {"<", "≤"}, {">"}, {"≥"}, {">", "≥"}))
    ):
        return None
    try:
        numbers = [key_of(_formula(side)) for index, side in enumerate(sides) if index != unknown]
    except NoValueError:
        return None
    if any(number[:2] not in ("n:", "e:") for number in numbers):
        return None
    if len(compared) == 1:
        sign = compared[0] if unknown == 0 else _MIRRORED[compared[0]]
        if sign in ("<", "≤"):
            return f"i:(-inf;{numbers[0]}" + (")" if sign == "<" else "]")
        return "i:" + ("(" if sign == ">" else "[") + f"{numbers[0]};inf)"
    signs = compared
    if compared[0] in (">", "≥"):
        numbers, signs = numbers[::-1], compared[::-1]
    left, right = ("(" if signs[0] in "<>" else "["), (")" if signs[1] in "<>" else "]")
    return f"i:{left}{numbers[0]};{numbers[1]}{right}"


def _is_letter(tokens: Sequence[Token]) -> bool:
    tokens = [token for token in tokens if token.kind != "$"]
    return len(tokens) == 1 and (tokens[0].kind == "var" or (tokens[0].kind == "word" and len(tokens[0].text) == 1))
