"""Scores a solution strictly (its answer must stand in a marked place) and flexibly (wherever the answer is found).

The gap between the two scores measures format, not skill. Answers are equal when their canonical keys are: 0.5 equals
1/2, but 20% equals neither 20 nor 0.2. Where the question names the unit of its answer, the same amount in that unit
is right too (`evaluation.question_units`); such a score has another key than the gold answer, so that it can be
counted apart. Knows nothing of models or benchmarks. Example:
    score("So there are 19 apples.", "n:19")      # strict False, flexible True
    score("#### 19", "n:19")                      # strict True, flexible True
"""

from __future__ import annotations

import re

from crescent_lite.answers import find_answer
from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.evaluation.question_units import is_same_in_asked_unit
from crescent_lite.records import ItemScore


def score(solution: str, gold_key: str, *, finished: bool = True, question: str = "", gold: str = "") -> ItemScore:
    """Score a solution against the gold answer's key. A solution without an answer is wrong.

    `finished`: False for a solution that was cut off. `question` and `gold`, the gold answer as written, are read for
    the unit of the answer; without a question only equal keys are right.
    """
    answer = find_answer(solution, finished=finished)
    if answer is None:
        why = why_unanswered(solution, finished=finished)
        return ItemScore(answer_raw=None, answer_key=None, strict=False, flexible=False, abstained=why)
    right = answer.key == gold_key or (
        bool(question)
        and is_same_in_asked_unit(question, gold_key, gold, answer.key, _with_the_next_word(answer.raw, solution))
    )
    return ItemScore(
        answer_raw=answer.raw, answer_key=answer.key, strict=right and answer.form != "last", flexible=right
    )


def _with_the_next_word(raw: str, solution: str) -> str:
    """Return an answer as written with the word that follows it in the solution, which may be its unit."""
    at = solution.rfind(raw)
    following = re.match(r"[\s*$}]{0,4}(?:[A-Za-z]{1,20}|[%¢])", solution[at + len(raw) :]) if at >= 0 else None
    return raw + following[0] if following else raw
