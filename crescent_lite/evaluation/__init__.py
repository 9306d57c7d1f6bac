"""Measurement: benchmarks, how replies are scored, how certain a difference is, and alarms.

Importing this package loads numpy and rapidfuzz; scipy, datasets, reasoning-gym and math-verify are imported when a
function needs them. Example: score("So there are 19 apples.", "n:19").flexible -> True
"""

from crescent_lite.evaluation.alarms import judge_round
from crescent_lite.evaluation.benchmarks import load_benchmark
from crescent_lite.evaluation.drift import measure_round
from crescent_lite.evaluation.evaluate import OwedItem, evaluate
from crescent_lite.evaluation.measurements import measurements, prompts_of, shots_of
from crescent_lite.evaluation.scoring import score
from crescent_lite.evaluation.second_opinion import second_opinions
from crescent_lite.evaluation.statistics import ComparisonResult, among_ended, corrected, in_words, mcnemar, word_of

__all__ = [
    "ComparisonResult",
    "OwedItem",
    "among_ended",
    "corrected",
    "evaluate",
    "in_words",
    "judge_round",
    "load_benchmark",
    "mcnemar",
    "measure_round",
    "measurements",
    "prompts_of",
    "score",
    "second_opinions",
    "shots_of",
    "word_of",
]
