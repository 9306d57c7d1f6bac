"""The work that the sampling benchmarks share: real questions, asked as votes.

`questions.jsonl` holds 183 questions that Qwen2.5-Coder-0.5B-Instruct Q4_K_M asked itself: the kept ones of 330 raw
texts, preset `default`, seed 7.
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
"""As in the preset `default`: most solutions end by themselves before that."""


def vote_requests(questions: int, votes: int, max_tokens: int = MAX_TOKENS, first: int = 0) -> list[Request]:
    """Votes on real questions, with the prompt and the settings of the preset `default`."""
    prompt = load_prompt_set("word-problems").solve.text
    generation = Generation(max_tokens, temperature=0.8)
    asked = (QUESTIONS * (1 + (first + questions) // len(QUESTIONS)))[first : first + questions]
    return [
        Request(f"q{first + number}", fill(prompt, question=question), generation, tuple(range(votes)), seed=1)
        for number, question in enumerate(asked)
    ]
