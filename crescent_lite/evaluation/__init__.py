"""Measurement: benchmarks, scores and how sure they are. Nothing heavy is imported before it is used."""

from crescent_lite.evaluation.alarms import judge
from crescent_lite.evaluation.benchmarks import load_benchmark
from crescent_lite.evaluation.drift import measured_round
from crescent_lite.evaluation.evaluate import OwedItem, evaluate
from crescent_lite.evaluation.measuring import measurements, prompts_of, shots_of
from crescent_lite.evaluation.scoring import score
from crescent_lite.evaluation.second_opinion import second_opinions
from crescent_lite.evaluation.statistics import ComparisonResult, corrected, in_words, mcnemar

__all__ = [
    "ComparisonResult",
    "OwedItem",
    "corrected",
    "evaluate",
    "in_words",
    "judge",
    "load_benchmark",
    "mcnemar",
    "measured_round",
    "measurements",
    "prompts_of",
    "score",
    "second_opinions",
    "shots_of",
]
