"""The Wilson interval of a score. In a module of its own so that code that only shows scores imports nothing heavy.

Example: wilson(41, 120) -> Score(right=41, items=120, low=0.2629..., high=0.4302...)
Source: Wilson, JASA 22 (1927) 209.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from crescent_lite.records import Score

Z95 = NormalDist().inv_cdf(0.975)


def wilson(right: int, items: int) -> Score:
    """Return the score with its 95% Wilson interval, 0-1; the interval is 0 to 1 without items.

    Raises ValueError unless 0 <= right <= items.
    """
    if not 0 <= right <= items:
        raise ValueError(f"{right} right of {items} items")
    if not items:
        return Score(right=0, items=0, low=0.0, high=1.0)
    share, spread = right / items, Z95**2 / items
    middle, half = share + spread / 2, Z95 * math.sqrt(share * (1 - share) / items + spread / (4 * items))
    low = (middle - half) / (1 + spread) if right else 0.0
    high = (middle + half) / (1 + spread) if right < items else 1.0
    return Score(right=right, items=items, low=low, high=high)
