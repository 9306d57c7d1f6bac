"""Browsing questions: filters, search, pages, chains of rewrites."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace

from crescent_lite.records import QuestionVerdict
from crescent_lite.store.browsing import QuestionFilter, search_words


@pytest.fixture
def sample(tmp_path: Path) -> SampleWorkspace:
    return filled_workspace(tmp_path)


def found(sample: SampleWorkspace, **conditions: object) -> list[int]:
    return sample.store.browsing.fetch_ids(QuestionFilter(sample.run_id, **conditions))  # type: ignore[arg-type]


def test_questions_come_newest_first_in_pages_that_begin_below_the_last_one(sample: SampleWorkspace) -> None:
    everything = QuestionFilter(sample.run_id)
    first = sample.store.browsing.fetch_ids(everything, limit=25)
    assert first == list(range(40, 15, -1))
    assert sample.store.browsing.fetch_ids(everything, before=first[-1]) == list(range(15, 0, -1))
    assert sample.store.browsing.fetch_ids(everything, after=38) == [40, 39]


def test_each_condition_leaves_its_own(sample: SampleWorkspace) -> None:
    assert found(sample, verdict="kept") == list(range(14, 0, -1))
    assert found(sample, reason="no_number") == list(range(37, 28, -1))
    assert found(sample, reason="low_share") == found(sample, shares=(0.0, 0.45))
    assert found(sample, round=1) == found(sample)
    assert found(sample, round=2) == []
    assert sample.store.browsing.fetch_ids(QuestionFilter(7)) == []


def test_words_are_found_while_typing(sample: SampleWorkspace) -> None:
    assert found(sample, search="CAPITAL of cou") == []  # what was rejected keeps only its judged text
    assert found(sample, search="PLUS") == list(range(28, 14, -1))
    assert found(sample, search="what is 14 pl", verdict="rejected") == [28]
    assert found(sample, search="plu ") == []
    assert found(sample, search="?!") == []


@pytest.mark.parametrize("typed", ['"', "a OR b", "text:x", "NEAR(", "x*", "-", "'; DROP TABLE votes", "(((", "\x00"])
def test_what_the_search_language_knows_is_only_text(sample: SampleWorkspace, typed: str) -> None:
    assert isinstance(found(sample, search=typed), list)


def test_the_last_word_may_be_the_beginning_of_one() -> None:
    assert search_words('train "sta') == '"train" "sta" *'
    assert search_words("train ") == '"train"'
    assert search_words(" - ") is None


def test_disputed_are_those_whose_second_answer_is_close(sample: SampleWorkspace) -> None:
    disputed = found(sample, disputed=True)
    margins = dict(sample.store.database.rows("SELECT question_id, margin FROM consensus WHERE distinct_answers > 1"))
    assert disputed == sorted((each for each, margin in margins.items() if margin <= 0.25), reverse=True) != []


def test_the_next_one_is_the_nearest_that_matches(sample: SampleWorkspace) -> None:
    fetch_next, voted = sample.store.browsing.fetch_next, QuestionFilter(sample.run_id, voted=True)
    assert fetch_next(voted) == 14
    assert (fetch_next(voted, before=9), fetch_next(voted, after=9)) == (8, 10)
    assert (fetch_next(voted, before=1), fetch_next(voted, after=14)) == (None, None)
    assert fetch_next(QuestionFilter(7)) is None
    disputed = found(sample, disputed=True)
    assert fetch_next(QuestionFilter(sample.run_id, disputed=True), before=disputed[0]) == disputed[1]


def test_a_question_has_votes_as_soon_as_there_is_one(sample: SampleWorkspace) -> None:
    question_id = sample.ask("What is 9 + 9?")
    assert question_id not in found(sample, voted=True)
    sample.vote(question_id, "18", "n:18", 0)
    assert found(sample, voted=True)[0] == question_id


def test_a_chain_of_rewrites_is_the_same_from_each_of_its_links(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    first = sample.ask("What is 2 + 3?", QuestionVerdict("rejected", "near_duplicate", "What is 2 + 3?"))
    second, third = sample.ask("What is 2 + 4?"), sample.ask("What is 2 + 5?")
    for link, before in ((second, first), (third, second)):
        sample.store.database.write(
            """UPDATE questions SET ask_index = NULL, rewritten_from = ?,
                rewrites = 1 + (SELECT rewrites FROM questions WHERE question_id = ?) WHERE question_id = ?""",
            [before, before, link],
        )
    for each in (first, second, third):
        assert [link.question_id for link in sample.store.browsing.fetch_chain(each)] == [first, second, third]


def test_lines_hold_the_beginning_of_a_text(sample: SampleWorkspace) -> None:
    question_id = sample.ask("word " * 100_000)
    (line,) = sample.store.browsing.fetch_lines([question_id]).values()
    assert (line.question_id, len(line.text), line.round) == (question_id, 400, 1)
    assert sample.store.browsing.fetch_lines([]) == {}


def test_every_reason_is_named_once(sample: SampleWorkspace) -> None:
    assert sample.store.browsing.fetch_reasons(sample.run_id) == [
        "agreed", "empty", "low_share", "near_duplicate", "new", "no_number",
    ]  # fmt: skip
