"""How many items a benchmark needs to show a difference, and how small a one a given number can show. Pure.

For the exact McNemar test on n items of which two models answer a share `discordant` differently, by the normal
approximation: n = (z_alpha sqrt(discordant) + z_power sqrt(discordant - d^2))^2 / d^2.
Example: items_needed(0.05, discordant=0.2) -> 626      # 5 points, models that differ on every fifth item
Source: Connor, Biometrics 43 (1987) 207.
"""

from __future__ import annotations

import math
from statistics import NormalDist

SIGNIFICANT = 0.05
POWER = 0.8
"""The chance to see a difference that is there, 0-1."""


def items_needed(difference: float, discordant: float, *, power: float = POWER) -> int:
    """Items with which a true `difference` (0-1) is seen with chance `power`.

    ValueError when `difference` is not in (0, discordant]: it cannot be more than the share of items that differ.
    """
    if not 0 < difference <= discordant <= 1:
        raise ValueError(f"a difference of {difference} cannot come of {discordant} discordant items")
    z_alpha, z_power = NormalDist().inv_cdf(1 - SIGNIFICANT / 2), NormalDist().inv_cdf(power)
    spread = z_alpha * math.sqrt(discordant) + z_power * math.sqrt(discordant - difference**2)
    return math.ceil((spread / difference) ** 2)


def smallest_visible(items: int, discordant: float, *, power: float = POWER) -> float:
    """The smallest true difference (0-1) that `items` items show with chance `power`; 1 where none is small enough.

    A difference larger than `discordant` is taken to come of as many discordant items as it needs.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        enough = items_needed(middle, max(discordant, middle), power=power) <= items
        low, high = (low, middle) if enough else (middle, high)
    return high
