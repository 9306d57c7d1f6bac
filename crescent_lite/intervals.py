"""The Wilson interval of a score. On its own, so that whoever only shows scores loads no more than this.

Example: wilson(41, 120) -> 34.2%, 26.3 to 43.0%. Source: Wilson, JASA 22 (1927) 209.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from crescent_lite.records import Score

Z95 = NormalDist().inv_cdf(0.975)


def wilson(right: int, items: int) -> Score:
    """`right` of `items` with the 95% Wilson interval; 0 to 1 when there are no items."""
    if not 0 <= right <= items:
        raise ValueError(f"{right} right of {items} items")
    if not items:
        return Score(right=0, items=0, low=0.0, high=1.0)
    share, spread = right / items, Z95**2 / items
    middle, half = share + spread / 2, Z95 * math.sqrt(share * (1 - share) / items + spread / (4 * items))
    low = (middle - half) / (1 + spread) if right else 0.0
    high = (middle + half) / (1 + spread) if right < items else 1.0
    return Score(right=right, items=items, low=low, high=high)
