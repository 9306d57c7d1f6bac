"""Reads a right answer that a person or a data set gives, strictly: all of it is one value, or it has none. Pure.

A worked solution that ends in a marked answer, as in GSM8K, gives what follows its last '####'. Example:
    read_given_answer("3 + 4 = 7\n#### 7") -> GivenAnswer("7", "n:7")
"""

from __future__ import annotations

from crescent_lite.answers.values import read_value
from crescent_lite.records import GivenAnswer


def read_given_answer(text: str) -> GivenAnswer:
    """Read an answer, or the answer at the end of a worked solution."""
    _, mark, after = text.rpartition("####")
    answer = after.strip() if mark else text
    return GivenAnswer(answer, read_value(answer))
