"""Final answers: where one stands in a reply, and its value as a canonical key. Pure.

`location` finds the place, `values` reads the value there (with `algebra` for roots and pi and `words` for numbers in
words), `text` removes markup. Example: canonical_answer("So it is 12 + 7 = 19.") -> "n:19"
"""

from crescent_lite.answers.location import canonical_answer, find_answer

__all__ = ["canonical_answer", "find_answer"]
