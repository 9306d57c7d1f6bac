"""Measurement: benchmarks, scores and how sure they are. Nothing heavy is imported before it is used."""

from crescent_lite.evaluation.alarms import judge
from crescent_lite.evaluation.benchmarks import load_benchmark
from crescent_lite.evaluation.drift import evidence
from crescent_lite.evaluation.evaluate import Asked, evaluate
from crescent_lite.evaluation.measuring import measurements, prompts_of, shots_of
from crescent_lite.evaluation.scoring import score
from crescent_lite.evaluation.second_opinion import second_opinions
from crescent_lite.evaluation.statistics import Verdict, corrected, in_words, mcnemar

__all__ = [
    "Asked",
    "Verdict",
    "corrected",
    "evaluate",
    "evidence",
    "in_words",
    "judge",
    "load_benchmark",
    "mcnemar",
    "measurements",
    "prompts_of",
    "score",
    "second_opinions",
    "shots_of",
]
