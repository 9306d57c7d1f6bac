"""Final answers: where one stands in a reply, and its value as a canonical key. Pure: text in, values out.

Example: canonical_answer("So it is 12 + 7 = 19.") -> "n:19"
"""

from crescent_lite.answers.location import canonical_answer, find_answer

__all__ = ["canonical_answer", "find_answer"]
