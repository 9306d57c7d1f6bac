r"""Exact values: sums of terms c * sqrt(r) * pi^k * x^m * y^n ..., so that equal values have equal keys.

c is rational, r a squarefree whole number; kept as {(r, k, unknowns): c}. Nothing is rounded and nothing is run;
sizes are bounded, and what grows beyond them has no value (NoValueError). Knows nothing of how a value is
written. Example:
    key_of(root(Fraction(12)))                      # 'e:2*sqrt(3)'
    key_of(added(unknown("x"), number(-2)))         # 'p:x-2'
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, gcd, isqrt, lcm

MAX_RADICAND = 10**6
"""Largest integer under a square root."""
MAX_TERMS = 12
MAX_POWER = 60
"""Largest exponent of a number."""
MAX_DEGREE = 6
"""Largest exponent of an expression with several terms."""
MAX_FACTORIAL = 40
LARGEST = 10**60

Unknowns = tuple[tuple[str, int], ...]
"""Variables with their exponents, sorted by name; no exponent is 0."""
Monomial = tuple[int, int, Unknowns]
"""Radicand, exponent of pi, variables."""
Exact = dict[Monomial, Fraction]
_ONE: Monomial = (1, 0, ())


class NoValueError(ValueError):
    """The text is not a value of the grammar, or its value exceeds a bound."""


def number(value: Fraction | int) -> Exact:
    """Return a rational number as an exact value."""
    return bounded({_ONE: Fraction(value)})


def pi() -> Exact:
    """Return pi as an exact value."""
    return {(1, 1, ()): Fraction(1)}


def unknown(name: str) -> Exact:
    """Return a variable as an exact value."""
    return {(1, 0, ((name, 1),)): Fraction(1)}


def is_plain(value: Exact) -> bool:
    """Whether the value is a rational number."""
    return set(value) <= {_ONE}


def has_unknowns(value: Exact) -> bool:
    """Whether the value contains a variable."""
    return any(unknowns for _, _, unknowns in value)


def plain(value: Exact) -> Fraction:
    """Return the value as a rational number. Raises NoValueError if it is not one."""
    if not is_plain(value):
        raise NoValueError
    return value.get(_ONE, Fraction(0))


def scaled(value: Exact, factor: Fraction | int) -> Exact:
    """Return the value multiplied by a rational number."""
    return bounded({key: part * factor for key, part in value.items()})


def added(one: Exact, other: Exact, sign: int = 1) -> Exact:
    """Return one + other, or one - other with sign -1."""
    result = dict(one)
    for key, part in other.items():
        result[key] = result.get(key, Fraction(0)) + sign * part
    return bounded(result)


def product(one: Exact, other: Exact) -> Exact:
    """Return one * other."""
    result: Exact = {}
    for (radicand, pies, names), part in one.items():
        for (other_radicand, other_pies, other_names), other_part in other.items():
            common = gcd(radicand, other_radicand)
            key = (radicand // common * (other_radicand // common), pies + other_pies, _merged(names, other_names))
            result[key] = result.get(key, Fraction(0)) + part * other_part * common
    return bounded(result)


def _merged(one: Unknowns, other: Unknowns) -> Unknowns:
    if not other:
        return one
    exponents = dict(one)
    for name, exponent in other:
        exponents[name] = exponents.get(name, 0) + exponent
    return tuple(sorted((name, exponent) for name, exponent in exponents.items() if exponent))


def quotient(top: Exact, bottom: Exact) -> Exact:
    """Return top / bottom, for a bottom of one term or a sum of two roots; otherwise raises NoValueError."""
    if len(bottom) == 2 and all(not pies and not names for _, pies, names in bottom):
        (first, part), (second, other) = bottom.items()
        conjugate = {first: part, second: -other}  # times its conjugate a sum of two roots is a plain number
        top, bottom = product(top, conjugate), product(bottom, conjugate)
    if len(bottom) != 1:
        raise NoValueError
    ((radicand, pies, names), part), *_ = bottom.items()
    # 1 / (part * sqrt(r) * pi^k) = sqrt(r) * pi^-k / (part * r)
    inverse = tuple((name, -exponent) for name, exponent in names)
    return product(top, {(radicand, -pies, inverse): 1 / (part * radicand)})


def root(value: Fraction) -> Exact:
    """Return the square root of a rational number. Raises NoValueError for a negative or too large one."""
    radicand = value.numerator * value.denominator
    if not 0 <= radicand <= MAX_RADICAND:
        raise NoValueError
    outside, rest = 1, radicand
    for factor in range(2, isqrt(radicand) + 1):
        while rest % (factor * factor) == 0:
            outside, rest = outside * factor, rest // (factor * factor)
    return bounded({(rest or 1, 0, ()): Fraction(outside if radicand else 0, value.denominator)})


def power(base: Exact, exponent: Fraction) -> Exact:
    """Return base ** exponent, for an integer exponent or 1/2. Raises NoValueError for others."""
    if exponent == Fraction(1, 2):
        return root(plain(base))
    if exponent.denominator != 1 or abs(exponent) > MAX_POWER:
        raise NoValueError
    count = int(exponent)
    if is_plain(base):
        value = plain(base)
        if not value and count <= 0:
            raise NoValueError
        if max(abs(value.numerator), value.denominator) >= 1000 and abs(count) > 3:
            raise NoValueError
        return number(value**count)
    if len(base) == 1:
        ((radicand, pies, names), part), *_ = base.items()
        if radicand == 1:
            raised = tuple((name, times * count) for name, times in names if count)
            return bounded({(1, pies * count, raised): part**count})
    if not 1 <= count <= MAX_DEGREE:
        raise NoValueError
    result = base
    for _ in range(count - 1):
        result = product(result, base)
    return result


def factorial_of(value: Exact, step: int = 1) -> Exact:
    """Return n!, or the double factorial n!! with step 2."""
    count = plain(value)
    if count.denominator != 1 or not 0 <= count <= MAX_FACTORIAL:
        raise NoValueError
    if step == 1:
        return number(factorial(int(count)))
    result = 1
    for factor in range(int(count), 1, -step):
        result *= factor
    return number(result)


def bounded(value: Exact) -> Exact:
    """Return the value without zero terms. Raises NoValueError if it exceeds a bound."""
    value = {key: part for key, part in value.items() if part}
    for (radicand, pies, names), part in value.items():
        if max(abs(part.numerator), part.denominator, radicand) > LARGEST or abs(pies) > MAX_POWER or len(names) > 6:
            raise NoValueError
    if len(value) > MAX_TERMS:
        raise NoValueError
    return value


def key_of(value: Exact) -> str:
    """Return the key: 'n:...' for a rational number, 'e:...' with roots or pi, 'p:...' with variables."""
    if is_plain(value):
        return f"n:{plain(value)}"
    if has_unknowns(value):
        return f"p:{_written(value)}"
    terms = []
    for (radicand, pies, _), part in sorted(value.items()):
        pi_factor = f"pi^{pies}" if pies != 1 else "pi"
        factors = [str(part), *([f"sqrt({radicand})"] if radicand > 1 else []), *([pi_factor] if pies else [])]
        terms.append("*".join(factors))
    return "e:" + "+".join(terms)


def equation_key(difference: Exact) -> str:
    """Return the key 'q:...' of the equation `difference` = 0. An equation and its multiples share a key."""
    if not has_unknowns(difference):
        raise NoValueError  # 3 = 3, or nonsense
    parts = [part for _, part in _ordered(difference)]
    numerators = gcd(*(part.numerator for part in parts))
    factor = Fraction(lcm(*(part.denominator for part in parts)), numerators)
    return "q:" + _written(scaled(difference, factor if parts[0] > 0 else -factor))


def _ordered(value: Exact) -> list[tuple[Monomial, Fraction]]:
    """Return the terms in a fixed order: highest powers first, by variable name; constants last."""
    names = sorted({name for _, _, unknowns in value for name, _ in unknowns})
    return sorted(
        value.items(),
        key=lambda term: (tuple(-dict(term[0][2]).get(name, 0) for name in names), term[0][0], term[0][1]),
    )


def _written(value: Exact) -> str:
    terms: list[str] = []
    for (radicand, pies, unknowns), part in _ordered(value):
        factors = [] if abs(part) == 1 and (radicand > 1 or pies or unknowns) else [str(abs(part))]
        factors += [f"sqrt({radicand})"] if radicand > 1 else []
        factors += [f"{name}^{exponent}" if exponent != 1 else name
                    for name, exponent in (("pi", pies), *unknowns) if exponent]  # fmt: skip
        terms.append(("-" if part < 0 else "+" if terms else "") + "*".join(factors))
    return "".join(terms)
