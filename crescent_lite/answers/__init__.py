"""Final answers: where one stands in a reply, and its value as a canonical key. Pure.

`location` finds the place; `values` reads the span there, whole or not at all, as `tokens` of one grammar:
`quantities` (with `units`, `dates` and `number_words`), `expression` and `exact` for calculation, `formulas` for
unknowns. `prose` says what a sentence concludes; `text` takes thoughts and remarks off. Example:
    canonical_answer("So it is 12 + 7 = 19.") -> "n:19"
"""

from crescent_lite.answers.location import canonical_answer, find_answer

__all__ = ["canonical_answer", "find_answer"]
