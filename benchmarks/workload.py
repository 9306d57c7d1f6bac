"""The workload that the sampling benchmarks share: votes on real questions.

`questions.jsonl` holds 183 questions that Qwen2.5-Coder-0.5B-Instruct Q4_K_M asked itself: those kept out of 330 raw
texts, with the preset `default` and seed 7.
"""

from __future__ import annotations

import json
from pathlib import Path

from crescent_lite.prompts.sets import fill, load_prompt_set
from crescent_lite.records import Generation, Request

QUESTIONS = tuple(
    json.loads(line)["question"]
    for line in (Path(__file__).parent / "questions.jsonl").read_text(encoding="utf-8").splitlines()
)
MAX_TOKENS = 320
"""Limit of a reply, as in the preset `default`; most solutions end before it."""


def vote_requests(questions: int, votes: int, max_tokens: int = MAX_TOKENS, first: int = 0) -> list[Request]:
    """Votes on real questions, with the prompt and the settings of the preset `default`."""
    prompt = load_prompt_set("word-problems").solve.text
    generation = Generation(max_tokens, temperature=0.8)
    asked = (QUESTIONS * (1 + (first + questions) // len(QUESTIONS)))[first : first + questions]
    return [
        Request(f"q{first + number}", fill(prompt, question=question), generation, tuple(range(votes)), seed=1)
        for number, question in enumerate(asked)
    ]
