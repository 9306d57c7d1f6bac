"""A model in full, as text: what votes are worth for a base."""

from crescent_lite.evaluation.headroom import in_a_sentence, measure_headroom
from crescent_lite.intervals import wilson
from crescent_lite.records import GreedyReply, SampledReply
from crescent_lite.store.model_lines import ModelLine, ModelRun, ModelScore
from crescent_tui.content.model import BLANK, LEAST_NAME, cells, columns, model_in_full
from crescent_tui.sources.model_facts import ModelFacts
from crescent_tui.sources.model_tree import ModelNode


def test_a_base_that_was_sampled_shows_what_votes_are_worth() -> None:
    greedy = {f"{n}": GreedyReply(n % 2 == 0, n > 2, 40) for n in range(20)}
    samples = {item: [SampledReply("n:1", True)] * 8 for item in greedy}
    found = measure_headroom("svamp\x1b[2J", "word-problems/solve", greedy, samples)
    assert found
    base = ModelNode(0, "", "base", ModelLine(1, "base", "base", None, None, None), None)
    text = str(model_in_full(ModelFacts(base, None, None, (), None, (found,)), 60))
    assert "What votes are worth" in text
    assert "maj@k                    100.0% (100.0 to 100.0)" in text
    assert " ".join(in_a_sentence([found]).split()) in " ".join(text.split())
    assert "3 of 20 greedy replies to svamp␛[2J, solve are cut off" in " ".join(text.split())
    assert "What votes are worth" not in str(model_in_full(ModelFacts(base, None, None, (), None), 60))


def facts(right: int, of_base: int, items: int = 100) -> ModelFacts:
    node = ModelNode(
        1, "└─ ", "round 1", ModelLine(2, "adapter", "a", 1, 3, 1), ModelRun(3, 1, None, None, None, "finished")
    )
    found = [(ModelScore("sums", "x/bare", right=n, items=items, total=items)) for n in (right, of_base)]
    scores = [((each, wilson(each.right, each.items)),) for each in found]
    return ModelFacts(node, None, None, scores[0], None, base_scores=scores[1])


def test_each_benchmark_has_a_column_and_what_does_not_fit_is_left_out() -> None:
    measured = (("gsm8k", "w/bare"), ("gsm8k", "w/solve"), ("sums", "w/bare"))
    assert [column.name for column in columns(measured, 200)[3:]] == ["gsm8k bare", "gsm8k solve", "sums"]
    narrow = columns(measured, 80)
    assert 3 < len(narrow) < 6
    assert sum(column.width + 2 for column in narrow) + LEAST_NAME <= 80


def test_a_difference_is_coloured_only_where_the_base_is_outside_the_interval() -> None:
    cells_of = {right: cells(facts(right, 40), (("sums", "x/bare"),))[-1] for right in (20, 44, 80)}
    assert [cell.style for cell in cells_of.values()] == ["bad", "", "good"]
    assert [cell.text.replace(BLANK, " ") for cell in cells_of.values()] == [
        "20.0%  -20.0", "44.0%   +4.0", "80.0%  +40.0"
    ]  # fmt: skip
