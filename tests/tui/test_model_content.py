"""A model in full, as text: what votes are worth for a base."""

from crescent_lite.evaluation.headroom import in_a_sentence, measure_headroom
from crescent_lite.records import GreedyReply, SampledReply
from crescent_lite.store.model_lines import ModelLine
from crescent_tui.content.model import model_in_full
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
