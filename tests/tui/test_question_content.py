"""Questions and votes in words: differences, histograms, decisions, saved filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace

from crescent_lite.records import Note, QuestionVerdict
from crescent_lite.store.browsing import QuestionFilter
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.content.differences import MAX_WORDS, compared
from crescent_tui.content.question import question_about, question_and_votes, question_pair, question_rest
from crescent_tui.content.question_filters import FIRST_VERDICT, filter_line, filter_words, from_saved, to_saved
from crescent_tui.content.votes import answer_counts, histogram, votes_line


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    return sample


def look_at(sample: SampleWorkspace, question_id: int) -> WatchedQuestion:
    found = sample.store.watching.fetch_question(question_id)
    assert found
    return found


def voted(sample: SampleWorkspace, *answers: str | None) -> WatchedQuestion:
    question_id = sample.ask("What is 2 + 3?")
    for index, answer in enumerate(answers):
        sample.vote(question_id, f"I say {answer}.", answer, index)
    sample.conclude(question_id)
    return look_at(sample, question_id)


def marked(text: str, other: str) -> tuple[list[str], list[str]]:
    left, right = compared(text, other)
    return [left.plain[s.start : s.end] for s in left.spans], [right.plain[s.start : s.end] for s in right.spans]


def test_the_words_that_differ_are_marked_in_both_texts() -> None:
    assert marked("What is 2 + 3?", "What is 2 + 5?") == (["3"], ["5"])
    assert marked("A red train goes.", "A train goes fast.") == (["red"], ["fast"])
    assert marked("WHAT is 2?", "What  is\n2?") == ([], [])
    assert marked("one two", "three") == (["one two"], ["three"])
    assert marked("", "x") == ([], ["x"])


def test_texts_too_long_to_be_compared_are_shown_unmarked() -> None:
    left, right = compared("a " * (MAX_WORDS + 1), "b")
    assert (left.spans, right.spans) == ([], [])


def test_a_match_is_shown_with_its_similarity(sample: SampleWorkspace) -> None:
    match = sample.ask("What is 2 + 3?")
    text = "What is 2 + 4?"
    pair = question_pair(
        look_at(sample, sample.ask(text, QuestionVerdict("rejected", "near_duplicate", text, match, 93.2)))
    )
    assert pair
    assert pair[0].plain == "This question\nWhat is 2 + 4?"
    assert pair[1].plain == "Too close to #1, 93 of 100 alike\nWhat is 2 + 3?"
    assert question_pair(look_at(sample, match)) is None


def test_answers_are_counted_and_abstentions_by_their_reason(sample: SampleWorkspace) -> None:
    question = voted(sample, "n:5", "n:6", "n:5", None, "n:5", None)
    sample.store.database.write("UPDATE votes SET finish_reason = 'length' WHERE sample_index = 5")
    question = look_at(sample, question.question_id)
    assert [(b.name, b.votes, b.leading) for b in answer_counts(question.votes, question.answer_key)] == [
        ("5", 3, True), ("6", 1, False), ("no answer found", 1, False), ("cut off", 1, False),
    ]  # fmt: skip
    lines = histogram(question).plain.splitlines()
    assert lines[0].split() == ["5", "█" * 8 + "┄" * 8, "3", "50%", "◂", "label"]
    assert lines[3].split() == ["cut", "off", "░" * 3 + "┄" * 13, "1", "17%"]


def test_many_answers_are_cut_short(sample: SampleWorkspace) -> None:
    question = voted(sample, *(f"n:{n}" for n in range(20)))
    lines = histogram(question, limit=5).plain.splitlines()
    assert len(lines) == 5
    assert lines[-1] == "  and 16 more with 16 votes"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (("n:5", "n:5", "n:6"), "3 votes: labelled 5, share 67%, margin 33%"),
        (("n:5", "n:6"), "2 votes: no label, tie (5 has 50%, margin 0%)"),
        ((None, None), "2 votes: no label, no answer (nothing has 0%, margin 0%)"),
    ],
)
def test_a_decision_has_its_share_and_margin(
    sample: SampleWorkspace, answers: tuple[str | None, ...], words: str
) -> None:
    assert votes_line(voted(sample, *answers)).plain == words


def test_pending_notes_are_marked(sample: SampleWorkspace) -> None:
    question = look_at(sample, sample.ask("What is 2 + 3?"))
    waiting = [Note("1", 1, "look [b]twice[/b]", "2026-01-01T00:00:00+00:00")]
    for content in (question_rest(question, [], waiting), question_and_votes(question, waiting, 54)):
        assert "⚑ look [b]twice[/b]" in content.plain
        assert "not stored yet" in content.plain


def test_a_filter_has_words() -> None:
    wanted = QuestionFilter(3, "kept", "low_share", 2, (0.2, 0.6), True, True, search="train sta")
    words = "kept · reason low share · round 2 · share 20% to 60% · disputed · noted · “train sta”"
    assert filter_words(wanted) == words
    assert filter_line(QuestionFilter(3)).plain.startswith("all questions")


def test_a_filter_is_saved_without_its_run() -> None:
    wanted = QuestionFilter(0, "rejected", "tie", 2, (0.2, 0.6), True, False, search="x")
    assert from_saved(to_saved(wanted)) == wanted
    assert to_saved(QuestionFilter(3)) == {}


@pytest.mark.parametrize(
    "value",
    [
        None, [], "x", {"verdict": "x", "reason": 3, "round": 10**30, "shares": [0.1], "disputed": "yes"},
        {"shares": ["a", 1]}, {"shares": [0, float("nan")]}, {"search": 7, "reason": "\ud800"},
    ],
)  # fmt: skip
def test_invalid_values_of_a_saved_filter_are_ignored(value: object) -> None:
    assert from_saved(value) == QuestionFilter(0, verdict=None if isinstance(value, dict) else FIRST_VERDICT)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (("5", "5", "5", "6"), "kept: new · labelled: agreed"),
        (("5", "6"), "kept: new · no label: tie"),
    ],
)
def test_a_question_in_full_shows_the_reason_that_the_list_shows(
    sample: SampleWorkspace, answers: tuple[str, ...], said: str
) -> None:
    assert said in question_about(voted(sample, *answers)).plain
