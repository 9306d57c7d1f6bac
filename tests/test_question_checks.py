"""Is it a usable maths question? Against texts that two models really wrote, labelled by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crescent_lite.config import load_config
from crescent_lite.questions.diversify import Known, judge
from crescent_lite.records import Question

TEXTS = Path(__file__).parent / "baited_texts.jsonl"
"""Raw texts with the preset they were asked with. `usable`: one question, complete, with one answer to be worked out,
and without its solution; as a person decided who read them all."""


def judged(model: str) -> tuple[int, int, int]:
    """How many texts of a model are kept and usable, kept, usable."""
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
def test_precision_and_recall_on_what_models_really_wrote(model: str, precision: float, recall: float) -> None:
    """The rest of the kept texts make no sense in ways that no rule on words sees; the vote does."""
    kept_usable, kept, usable = judged(model)

    assert kept_usable / kept >= precision
    assert kept_usable / usable >= recall


def test_the_labelled_texts_are_enough() -> None:
    assert len(TEXTS.read_text(encoding="utf-8").splitlines()) >= 200
