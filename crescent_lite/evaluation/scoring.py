"""Scores a solution strictly (its answer must stand in a marked place) and flexibly (wherever the answer is found).

The gap between the two scores measures format, not skill. Answers are equal when their canonical keys are: 0.5 equals
1/2, but 20% equals neither 20 nor 0.2, because the scorer cannot know which was meant. Knows nothing of models or
benchmarks. Example:
    score("So there are 19 apples.", "n:19")      # strict False, flexible True
    score("#### 19", "n:19")                      # strict True, flexible True
"""

from __future__ import annotations

from crescent_lite.answers import find_answer
from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.records import ItemScore


def score(solution: str, gold_key: str, *, finished: bool = True) -> ItemScore:
    """Score a solution against the gold answer's key. A solution without an answer is wrong.

    `finished`: False for a solution that was cut off.
    """
    answer = find_answer(solution, finished=finished)
    if answer is None:
        why = why_unanswered(solution, finished=finished)
        return ItemScore(answer_raw=None, answer_key=None, strict=False, flexible=False, abstained=why)
    right = answer.key == gold_key
    return ItemScore(
        answer_raw=answer.raw, answer_key=answer.key, strict=right and answer.form != "last", flexible=right
    )
