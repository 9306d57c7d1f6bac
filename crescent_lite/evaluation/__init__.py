"""Measurement: benchmarks, scores and how sure they are. Nothing heavy is imported before it is used."""

from crescent_lite.evaluation.benchmarks import load_benchmark
from crescent_lite.evaluation.evaluate import evaluate
from crescent_lite.evaluation.scoring import score
from crescent_lite.evaluation.statistics import Verdict, corrected, in_words, mcnemar, wilson

__all__ = ["Verdict", "corrected", "evaluate", "in_words", "load_benchmark", "mcnemar", "score", "wilson"]
