"""The equations that a solution calculates, by which two ways to one answer are told apart. Pure.

Source: arXiv 2308.01825, which keeps solutions with different lists of equations. Example:
    equations("3 bags of $4 cost 3 * 4 = $12, and 12 + 5 = 17.")      # ("3*4=12", "12+5=17")
"""

from __future__ import annotations

import re

MOST = 200
"""Equations read from one text, at most."""
_NUMBER = r"-?\(?\$?\d[\d,]{0,20}(?:\.\d{1,20})?%?\)?"
_EQUATION = re.compile(rf"(?<![\d.,]){_NUMBER}(?: ?[-+*/×÷−·] ?{_NUMBER}){{1,8}} ?= ?{_NUMBER}(?!\d)")
_WORN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", ",": None, "$": None, " ": None, "(": None, ")": None})


def equations(text: str) -> tuple[str, ...]:
    """The calculations written as `a + b = c`, in order, without spaces, currency signs and brackets."""
    plain = re.sub(r"\\(?:times|cdot)\s*", "*", text).replace("\\div", "/").replace("\\$", "$")
    found = []
    for match in _EQUATION.finditer(plain):
        found.append(match[0].translate(_WORN))
        if len(found) == MOST:
            break
    return tuple(found)
