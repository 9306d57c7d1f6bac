"""Sample sizes: how many items a benchmark needs to show a difference, and how small a difference n items show. Pure.

For the exact McNemar test with two models that disagree on a share `discordant` of n items, by the normal
approximation: n = (z_alpha sqrt(discordant) + z_power sqrt(discordant - d^2))^2 / d^2.
Example: items_needed(0.05, discordant=0.2) -> 932      # 5 points, models that disagree on every fifth item
Source: Connor, Biometrics 43 (1987) 207.
"""

from __future__ import annotations

import math
from statistics import NormalDist

CLAIMED = 0.01
"""Two-sided level of the test below which a difference is claimed. Measured: at 0.05, where most trainings change
nothing but single items, 90% of the claims are right, and at 0.01 at least 97% (benchmarks/verdict.py)."""
POWER = 0.8
"""Probability, 0-1, that the test shows a difference that exists."""


def items_needed(difference: float, discordant: float, *, power: float = POWER, level: float = CLAIMED) -> int:
    """Return the number of items with which a true `difference` (0-1) is shown with probability `power`.

    `level`: the two-sided level of the test.

    Raises ValueError unless 0 < difference <= discordant <= 1: no difference exceeds the share of discordant items.
    """
    if not 0 < difference <= discordant <= 1:
        raise ValueError(f"a difference of {difference} is impossible with a share of {discordant} discordant items")
    z_alpha, z_power = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)
    spread = z_alpha * math.sqrt(discordant) + z_power * math.sqrt(discordant - difference**2)
    return math.ceil((spread / difference) ** 2)


def smallest_visible(items: int, discordant: float, *, power: float = POWER) -> float:
    """Return the smallest true difference (0-1) that `items` items show with probability `power`; 1 if none is shown.

    For a difference above `discordant`, the share of discordant items is assumed to be as large as the difference.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        enough = items_needed(middle, max(discordant, middle), power=power) <= items
        low, high = (low, middle) if enough else (middle, high)
    return high
