"""Strict and flexible scoring against a gold key, and the evaluation that applies it to a sampler's completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st

from crescent_lite.answers import canonical_answer
from crescent_lite.evaluation import OwedItem, evaluate, score
from crescent_lite.evaluation.choices import choice_item, choose, score_choice
from crescent_lite.evaluation.evaluate import score_item
from crescent_lite.records import (
    Benchmark,
    BenchmarkItem,
    Completion,
    FinishReason,
    Generation,
    ItemScore,
    Measurement,
    PromptText,
    Request,
)
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
        ("The answer is 18. No, 19 apples.", "19", True, True),
        ("20%", "20", False, False),
        ("20%", "0.2", False, False),
        ("20 percent", "20%", True, True),
        ("B", "B", True, True),
    ],
)
def test_strict_requires_a_marked_place_and_flexible_does_not(
    solution: str, gold: str, strict: bool, flexible: bool
) -> None:
    gold_key = canonical_answer(gold)
    assert gold_key is not None
    scored = score(solution, gold_key)
    assert (scored.strict, scored.flexible) == (strict, flexible)


def test_an_abstention_is_wrong_and_has_no_answer() -> None:
    scored = score("I do not know.", "n:19")
    assert (scored.answer_raw, scored.answer_key, scored.strict, scored.flexible) == (None, None, False, False)


@pytest.mark.parametrize(
    ("question", "gold", "solution", "right"),
    [
        ("Some walk. What percentage of them walks?", "60", "So 60% of the students.", True),
        ("What percentage of them walks?", "60%", "60", True),
        ("What percentage of them walks?", "60", "0.6", False),
        ("What percentage of them walks?", "60", "40%", False),
        ("It is 20 percent off. How much is it?", "60", "60%", False),
        ("A 20% share is sold. What percent is left? It costs $5.", "80", "80%", False),
        ("How many dozens of eggs does she eat?", "7", "She will eat 7 dozen eggs.", True),
        ("How many dozen eggs does she eat?", "7", "She will eat 84 eggs.", False),
        ("How many dozen eggs does she eat?", "7 dozen", "She eats 7.", True),
        ("How many eggs does she eat?", "7", "She will eat 7 dozen eggs.", False),
        ("How many million people live there?", "5", "About 5 million.", True),
        ("How much is one, in cents?", "25", "So one is $0.25.", True),
        ("How much is one, in cents?", "25", "So one is $25$ cents.", True),
        ("How much is one, in cents?", "25", "So one is $2.50.", False),
        ("How much is it in dollars?", "2.50", "It is 250 cents.", True),
        ("How much is it in dollars?", "2.50", "It is 250.", False),
        ("What percentage, and how many dozen?", "84", "7 dozen", True),
        ("What percentage, and how many dozen?", "7", "7 dozen", False),
    ],
)
def test_the_unit_that_a_question_asks_for_is_that_of_both_answers(
    question: str, gold: str, solution: str, right: bool
) -> None:
    gold_key = canonical_answer(gold)
    assert gold_key is not None
    scored = score(solution, gold_key, question=question, gold=gold)
    assert scored.flexible is right
    assert scored.answer_key == canonical_answer(solution)


@given(st.integers(1, 99), st.integers(1, 99), st.sampled_from(["{}", "{}%", "{} dozen", "${}", "{} cents"]))
def test_a_question_that_fixes_no_unit_changes_no_score(gold: int, said: int, written: str) -> None:
    solution = f"The answer is {written.format(said)}."
    asked = score(solution, f"n:{gold}", question="How many are there?", gold=str(gold))
    assert asked == score(solution, f"n:{gold}")


class AddingSampler:
    """Answers 'a + b' and finishes in reverse order, as a batched sampler may."""

    def __init__(self) -> None:
        self.usage = SamplerUsage()
        self.effective = {"sampling.slots": 1}
        self.asked: list[Request] = []

    def sample(self, requests: Iterable[Request]) -> Iterator[Completion]:
        self.asked = list(requests)
        for request in reversed(self.asked):
            numbers = [int(word) for word in request.user.split() if word.isdigit()]
            for index in request.sample_indexes:
                seed = request.sample_seed(index)
                yield Completion(request.key, index, seed, f"#### {sum(numbers)}", "stop", 4, 8)

    def use_adapter(self, path: Path | None) -> None: ...

    def encode_example(
        self, user: str, solution: str, drawn: Sequence[int] | None = None
    ) -> tuple[Sequence[int], int]:
        return (), 0

    def close(self) -> None: ...


ITEMS = (BenchmarkItem("one", "What is 12 + 7 ?", "19", "n:19"), BenchmarkItem("two", "4 + 4 ?", "9", "n:9"))
GREEDY = Generation(max_tokens=8, temperature=0)
SUMS = Benchmark("sums", "sums.jsonl", "0" * 64, ITEMS)


def asked(item: BenchmarkItem, template: str = "{question}", generation: Generation = GREEDY) -> OwedItem:
    return OwedItem(Measurement(SUMS, PromptText("set/plain", template, "0" * 64), generation), item, (0,))


def test_every_item_is_scored_with_its_own_completion() -> None:
    scored = list(evaluate(AddingSampler(), map(asked, ITEMS), seed=1))
    assert {each.item.item_id: result.strict for each, _, result in scored} == {"one": True, "two": False}
    assert all(completion.key == f"sums, plain/{each.item.item_id}" for each, completion, _ in scored)


def test_all_measurements_flow_through_one_queue_the_longest_first() -> None:
    sampler = AddingSampler()
    queue = [asked(ITEMS[0]), asked(ITEMS[1], "{question} Think.", Generation(max_tokens=99, temperature=0))]
    list(evaluate(sampler, queue, seed=1))
    assert [request.user for request in sampler.asked] == ["4 + 4 ? Think.", "What is 12 + 7 ?"]
    assert all(request.seed == 1 for request in sampler.asked)


def test_a_template_is_filled_once_and_braces_in_the_question_survive() -> None:
    sampler = AddingSampler()
    item = BenchmarkItem("x", "\\frac{1}{2} of {question} 4", "2", "n:2")
    list(evaluate(sampler, [asked(item, "{question} Think.")], seed=1))
    assert sampler.asked[0].user == "\\frac{1}{2} of {question} 4 Think."


METAL = choice_item("1", "Which is a metal?", {"options": ["glass", "iron"], "gold": "B"}, "options", "gold")


@pytest.mark.parametrize(
    ("reply", "strict", "flexible"),
    [
        ("B", True, True),
        ("(B)", True, True),
        ("**B. iron**", True, True),
        ("B. iron, because it conducts.", True, True),
        ("The answer is (B).", False, True),
        ("It is \\boxed{B}", False, True),
        ("Answer: B\nAnswer: A", False, False),
        ("iron", False, True),
        ("A", False, False),
        ("A glass is no metal, so the answer is B", False, True),
        ("C", False, False),
        ("", False, False),
        ("Both are.", False, False),
    ],
)
def test_a_choice_is_scored_by_its_letter(reply: str, strict: bool, flexible: bool) -> None:
    scored = score_choice(reply, METAL)
    assert (scored.strict, scored.flexible) == (strict, flexible)


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("B. iron is a met", "B"),
        ("The answer is B. It condu", "B"),
        ("**Answer:** B\n\nIt condu", "B"),
        ("\\boxed{B} as it cond", "B"),
        ("The answer is B", None),
        ("The answer is B or", None),
        ("First look at option B", None),
        ("Glass breaks. The answer is iro", None),
    ],
)
def test_of_a_reply_that_was_cut_off_only_what_is_complete_counts(reply: str, letter: str | None) -> None:
    scored = score_choice(reply, METAL, finished=False)

    assert scored.answer_raw == letter
    assert scored.abstained == (None if letter else "cut_off")


@pytest.mark.parametrize("item", [METAL, BenchmarkItem("x", "What is 1 + 1?", "2", "n:2")], ids=["letter", "number"])
def test_a_reply_that_never_left_its_thoughts_chose_nothing(item: BenchmarkItem) -> None:
    def scored(text: str, finish_reason: FinishReason) -> ItemScore:
        return score_item(Completion("q", 0, 1, text, finish_reason, 9, 9), item)

    for finish_reason in ("stop", "length"):
        cut = scored("<think>\nMaybe 2. The answer is B.\n\nB", finish_reason)
        assert (cut.answer_key, cut.abstained) == (None, "in_thoughts")
    whole = scored(f"<think>\nMaybe A, or 7.</think>{item.answer}", "stop")
    assert (whole.flexible, whole.abstained) == (True, None)


def test_the_options_are_lettered_whatever_the_data_set_calls_them() -> None:
    arc = {"choices": {"text": ["glass", "iron"], "label": ["1", "2"]}, "answerKey": "2"}
    mmlu = {"choices": ["glass", "iron"], "answer": 1}
    for row, answer in ((arc, "answerKey"), (mmlu, "answer")):
        item = choice_item("1", "Which is a metal?", row, "choices", answer)
        assert (item.question, item.answer_key) == ("Which is a metal?\nA. glass\nB. iron", "choice:B")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"answer": "A"}, "no field 'choices'"),
        ({"choices": "iron", "answer": "A"}, "not a list of 2 to 20"),
        ({"choices": ["iron"], "answer": "A"}, "not a list of 2 to 20"),
        ({"choices": ["iron", "iron"], "answer": "A"}, "repeated or not text"),
        ({"choices": ["iron", None], "answer": "A"}, "repeated or not text"),
        ({"choices": ["iron", "glass"]}, "no field 'answer'"),
        ({"choices": ["iron", "glass"], "answer": "E"}, "not one of the options A, B"),
        ({"choices": ["iron", "glass"], "answer": True}, "not one of the options"),
        ({"choices": ["iron", "glass"], "labels": ["A"], "answer": "A"}, "do not match"),
    ],
)
def test_a_bad_choice_says_what_is_wrong(row: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        choice_item("1", "Which?", row, "choices", "answer")


def test_the_likeliest_option_is_the_answer() -> None:
    ranked = [Completion("m", n, 0, f" {n}", "stop", 2, 9, logprob) for n, logprob in enumerate((-2.0, -0.5))]
    best, scored = choose(ranked, METAL)
    assert (best.text, scored.answer_key, scored.strict, scored.flexible) == (" 1", "choice:B", True, True)
    assert choose(ranked[::-1], METAL) == (best, scored)


def test_without_room_for_any_option_there_is_no_answer() -> None:
    ranked = [Completion("m", n, 0, "", "context", 0, 999) for n in range(2)]
    assert choose(ranked, METAL)[1] == ItemScore(None, None, strict=False, flexible=False, abstained="cut_off")


def test_options_are_ranked_each_after_the_question_alone() -> None:
    way = Measurement(SUMS, PromptText("likelihood", "{question}", "0" * 64), GREEDY, ranks=True)
    request = OwedItem(way, METAL, (0,)).request(1)
    assert (request.user, request.forced) == ("Which is a metal?", (" glass", " iron"))
    sampler = FakeSampler()
    ((_, completion, scored),) = evaluate(sampler, [OwedItem(way, METAL, (0,))], seed=1)
    assert (completion.sample_index, scored.answer_raw) in ((0, "A"), (0, "B"))
