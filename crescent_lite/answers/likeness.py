"""Tells whether two answers may mean the same value although their keys differ. Pure.

Used where a mistake is worse than an omission: a solution whose answer is merely rounded, or a percentage written as
a fraction, is no example of a wrong answer. Example:
    may_be_equal("n:1/3", "n:333/1000")      # True: rounded
    may_be_equal("%:60", "n:3/5")            # True: a percentage
"""

from __future__ import annotations

import re
from fractions import Fraction

ROUNDING = Fraction(1, 100)
"""Largest relative difference of two numbers of which one may be rounded; not for two whole numbers (guess)."""
_NUMBER = re.compile(r"(?:n|%|m|r):(-?\d+)(?:[/:](\d+))?\b")


def may_be_equal(first: str, second: str) -> bool:
    """Whether two answer keys are the same, or numbers that differ by rounding, a unit, a percent sign or a ratio."""
    if first == second:
        return True
    numbers = [_number(key) for key in (first, second)]
    if numbers[0] is None or numbers[1] is None:
        return False
    one, other = numbers[0], numbers[1]
    if any(one == other * scale for scale in (1, 100, Fraction(1, 100))):
        return True
    if one.denominator == other.denominator == 1:
        return False
    return abs(one - other) <= ROUNDING * max(abs(one), abs(other))


def _number(key: str) -> Fraction | None:
    """The number that a key begins with; None for keys of other kinds."""
    found = _NUMBER.match(key)
    if not found or found[2] == "0":
        return None
    return Fraction(int(found[1]), int(found[2] or 1))
