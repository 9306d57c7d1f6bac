"""Solutions with a false equation, such as "3 * 4 = 11", are not trusted: as winners, or as votes at all.

Source: the lists of equations of arXiv 2308.01825, here calculated.
"""

from __future__ import annotations

import operator as calculation
import re
from dataclasses import replace
from fractions import Fraction

from crescent_lite.answers.equations import equations
from second_looks.draws import Draws, Looked, by_share

CLOSE = Fraction(1, 100)
"""Difference, relative or absolute, up to which an equation counts as true: quotients are often rounded."""
CALCULATE = {"+": calculation.add, "-": calculation.sub, "*": calculation.mul, "/": calculation.truediv}


def is_false(equation: str) -> bool:
    """Whether `a+b=c` does not hold, even rounded.

    The list of equations has no brackets, so only one operator, sums and products are calculated: `10-3+2` may have
    been `10-(3+2)`. One that cannot be calculated is not called false.
    """
    left, _, right = equation.replace("×", "*").replace("÷", "/").rpartition("=")
    numbers = re.split(r"(?<=[\d%])[-+*/]", left)
    operators = re.findall(r"(?<=[\d%])[-+*/]", left)
    if "%" in equation or not operators or (len(operators) > 1 and set(operators) not in ({"+"}, {"*"})):
        return False
    try:
        value, said = Fraction(numbers[0]), Fraction(right)
        for operator, number in zip(operators, numbers[1:], strict=True):
            value = CALCULATE[operator](value, Fraction(number))
    except (ValueError, ZeroDivisionError):
        return False
    return abs(value - said) > max(CLOSE * abs(value), CLOSE)


def has_false_equation(text: str) -> bool:
    """Whether any equation of a solution is false."""
    return any(map(is_false, equations(text)))


class WinnerWithoutFalseEquation:
    """The majority; only its solutions without a false equation count for the confidence and may be learnt."""

    name = "winner without a false equation"

    def look(self, draws: Draws, votes: int) -> Looked:
        """Give the majority up where each of its solutions has a false equation."""
        drawn = draws.first("bare", votes)
        plain = by_share(drawn)
        if plain.chosen is None:
            return plain
        sound = [
            each.vote
            for each in drawn
            if each.vote.answer_key == plain.chosen.answer_key and not has_false_equation(each.vote.text)
        ]
        chosen = next((vote for vote in sound if vote.finish_reason == "stop"), None)
        confidence = len(sound) / votes if chosen else 0.0
        return replace(plain, chosen=chosen, confidence=confidence, is_label=plain.is_label and chosen is not None)


class NoFalseEquation:
    """The majority of the votes without a false equation; its share of all votes is the confidence."""

    name = "votes without a false equation"

    def look(self, draws: Draws, votes: int) -> Looked:
        """Count only the votes without a false equation."""
        drawn = draws.first("bare", votes)
        sound = [each for each in drawn if not has_false_equation(each.vote.text)]
        return replace(by_share(sound, of=votes), tokens=sum(each.tokens for each in drawn))
