"""Is this solution right? Strictly: in a place that says "the answer". Flexibly: wherever it is found.

The gap between the two is format, not skill. Two answers are equal when their canonical keys are: 0.5 = 1/2,
but 20% is neither 20 nor 0.2, because which of them was meant is not for the grader to guess.
Knows nothing of models or benchmarks. Example:
    score("So there are 19 apples.", "n:19")      # strict False, flexible True
    score("#### 19", "n:19")                      # strict True, flexible True
"""

from __future__ import annotations

from crescent_lite.answers import find_answer
from crescent_lite.records import ItemScore


def score(solution: str, gold_key: str, *, finished: bool = True) -> ItemScore:
    """The score of one solution against the gold answer's key. An abstention is wrong.

    `finished` is false for a solution that was cut off.
    """
    answer = find_answer(solution, finished=finished)
    if answer is None:
        return ItemScore(answer_raw=None, answer_key=None, strict=False, flexible=False)
    right = answer.key == gold_key
    return ItemScore(
        answer_raw=answer.raw, answer_key=answer.key, strict=right and answer.form != "last", flexible=right
    )
