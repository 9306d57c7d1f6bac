"""Strict and flexible scoring against a gold key, and the evaluation that applies it to a sampler's completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from crescent_lite.answers import canonical_answer
from crescent_lite.evaluation import evaluate, score
from crescent_lite.records import BenchmarkItem, Completion, Generation, Request
from crescent_lite.sampling.protocol import SamplerUsage


@pytest.mark.parametrize(
    ("solution", "gold", "strict", "flexible"),
    [
        ("19", "19", True, True),
        ("$19.00", "19", True, True),
        ("\\boxed{19}", "19", True, True),
        ("#### 19", "19", True, True),
        ("The answer is 0.5.", "1/2", True, True),
        ("We add.\n**19**", "19", True, True),
        ("12 + 7 = 19", "19", False, True),
        ("So there are 19 apples left.", "19", False, True),
        ("\\boxed{18}", "19", False, False),
        ("The answer is 18. No, 19 apples.", "19", False, False),
        ("20%", "20", False, False),
        ("20%", "0.2", False, False),
        ("20 percent", "20%", True, True),
        ("B", "B", True, True),
    ],
)
def test_strict_wants_a_marked_place_and_flexible_any(solution: str, gold: str, strict: bool, flexible: bool) -> None:
    gold_key = canonical_answer(gold)
    assert gold_key is not None
    scored = score(solution, gold_key)
    assert (scored.strict, scored.flexible) == (strict, flexible)


def test_an_abstention_is_wrong_and_has_no_answer() -> None:
    scored = score("I do not know.", "n:19")
    assert (scored.answer_raw, scored.answer_key, scored.strict, scored.flexible) == (None, None, False, False)


class AddingSampler:
    """Answers 'a + b' and finishes in reverse order, as a batched sampler may."""

    def __init__(self) -> None:
        self.usage = SamplerUsage()
        self.asked: list[Request] = []

    def sample(self, requests: Iterable[Request]) -> Iterator[Completion]:
        self.asked = list(requests)
        for request in reversed(self.asked):
            numbers = [int(word) for word in request.user.split() if word.isdigit()]
            for index in request.sample_indexes:
                seed = request.sample_seed(index)
                yield Completion(request.key, index, seed, f"#### {sum(numbers)}", "stop", 4, 8)

    def use_adapter(self, path: Path | None) -> None: ...

    def encode_example(self, user: str, solution: str) -> tuple[Sequence[int], int]:
        return (), 0

    def close(self) -> None: ...


ITEMS = [BenchmarkItem("one", "What is 12 + 7 ?", "19", "n:19"), BenchmarkItem("two", "4 + 4 ?", "9", "n:9")]
GREEDY = Generation(max_tokens=8, temperature=0)


def test_every_item_is_scored_with_its_own_completion() -> None:
    scored = list(evaluate(AddingSampler(), ITEMS, template=None, generation=GREEDY, seed=1))
    assert {item.item_id: result.strict for item, _, result in scored} == {"one": True, "two": False}
    assert all(item.item_id == completion.key for item, completion, _ in scored)


def test_without_a_template_the_question_is_asked_bare() -> None:
    sampler = AddingSampler()
    list(evaluate(sampler, ITEMS, template=None, generation=GREEDY, seed=1))
    assert [request.user for request in sampler.asked] == [item.question for item in ITEMS]
    assert all(request.generation == GREEDY and request.seed == 1 for request in sampler.asked)


def test_a_template_is_filled_once_and_braces_in_the_question_survive() -> None:
    sampler = AddingSampler()
    item = BenchmarkItem("x", "\\frac{1}{2} of {question} 4", "2", "n:2")
    list(evaluate(sampler, [item], template="{question} Think.", generation=GREEDY, seed=1))
    assert sampler.asked[0].user == "\\frac{1}{2} of {question} 4 Think."
