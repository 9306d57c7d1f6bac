"""The checks of raw texts, against texts that two models really wrote and that were labelled by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crescent_lite.config import load_config
from crescent_lite.questions.diversify import Known, judge
from crescent_lite.records import Question

TEXTS = Path(__file__).parent / "baited_texts.jsonl"
"""Raw texts and the preset of each. `usable`: one complete question with one answer to be worked out and without its
solution, as decided by a person who read them all."""


def judged(model: str) -> tuple[int, int, int]:
    """Count the texts of a model that are kept and usable, that are kept, and that are usable."""
    rows = [
        row for line in TEXTS.read_text(encoding="utf-8").splitlines() if (row := json.loads(line))["model"] == model
    ]
    kept_usable = kept = usable = 0
    for row in rows:
        settings = load_config(preset=row["preset"]).diversify
        verdict = judge(Question(1, row["raw"], row["raw"], row["finish"]), Known([], settings), settings)
        kept += verdict.verdict == "kept"
        usable += row["usable"]
        kept_usable += row["usable"] and verdict.verdict == "kept"
    return kept_usable, kept, usable


@pytest.mark.parametrize(
    ("model", "precision", "recall"), [("SmolLM2-135M", 0.65, 1.0), ("Qwen2.5-Coder-0.5B", 0.39, 0.9)]
)
def test_precision_and_recall_on_texts_that_models_really_wrote(model: str, precision: float, recall: float) -> None:
    """The other kept texts make no sense in ways that no rule on words detects; they are left to the vote."""
    kept_usable, kept, usable = judged(model)

    assert kept_usable / kept >= precision
    assert kept_usable / usable >= recall


def test_the_labelled_texts_are_enough() -> None:
    assert len(TEXTS.read_text(encoding="utf-8").splitlines()) >= 200
