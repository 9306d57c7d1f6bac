"""Runs that learn from losing votes too: what is stored, what is refused, what a resumed run does."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError
from crescent_lite.events import Event, RoundFinished, TrainingStepped
from crescent_lite.records import Example, TokenExample
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.content.votes import pair_words

PAIRS = (
    "train.objective='preference'",
    "train.min_pairs=3",
    "train.learning_rate=0.001",
    "vote.stopping='never'",
    "vote.prompt='bare'",
)


def played(workspace: Workspace, *overrides: str) -> list[Event]:
    return list(run_engine(workspace, RunOptions(1, overrides=overrides), lambda _path, _config: FakeSampler()))


def outcome(events: list[Event]) -> str:
    return next(event.outcome for event in events if isinstance(event, RoundFinished) and event.number == 1)


@pytest.mark.slow
def test_a_round_learns_pairs_and_stores_them(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    events = played(workspace, *PAIRS)
    steps = [event.step for event in events if isinstance(event, TrainingStepped)]
    assert steps
    assert {"pair_accuracy", "winner_logprob_change", "loser_logprob_change"} <= steps[-1].measures.keys()
    assert "pairs" in outcome(events)
    assert "fewer than 700 pairs" in outcome(events)
    with closing(Store.open_read_only(workspace.database_path)) as store:
        rows = store.database.rows(
            """SELECT e.label, e.loser, e.weight, w.answer_key AS won, l.answer_key AS lost, e.question_id,
                w.question_id AS asked FROM v_examples e JOIN votes w ON w.vote_id = e.vote_id
            JOIN votes l ON l.vote_id = e.loser_vote_id"""
        )
        assert len(rows) == store.trainings.count_examples(store.runs.fetch_round(1, 1).round_id) >= 3
        for row in rows:
            assert row["won"] == row["label"] != row["lost"] == row["loser"]
            assert row["question_id"] == row["asked"]
            assert row["weight"] in (0.5, 0.75, 1.0)  # three or more of four votes against one
        assert store.database.value("SELECT count(*) FROM training_steps WHERE measures IS NULL") == 0


@pytest.mark.slow
def test_a_round_with_many_labels_looks_at_replies_during_its_training(tmp_path: Path) -> None:
    tiny = make_tiny_gguf(tmp_path / "tiny.gguf")
    workspace = make_workspace(tmp_path, model=tiny)
    played(workspace, *PAIRS, "bait.questions=180", "train.held_out=0.15", "train.epochs=8", "vote.max_tokens=8")
    with closing(Store.open_read_only(workspace.database_path)) as store:
        looks = store.trainings.fetch_looks(store.runs.fetch_round(1, 1).round_id)
        assert [looks[0].step, len({look.replies for look in looks})] == [0, 1]
        assert len(looks) >= 2
        assert all(0 <= look.agreement <= 1 and look.tokens <= 8 for look in looks)


def test_too_few_pairs_are_no_training(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    events = played(workspace, *PAIRS, "train.min_pairs=300")
    assert outcome(events).startswith("not trained: ")
    assert "pairs of" in outcome(events)
    assert re.search(
        r"300 needed; no pair from \d+ of them: the votes agree, or lead by fewer than 2$", outcome(events)
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("vote.stopping='exact'", "set vote.stopping = 'never'"),
        ("vote.prompt='solve'", "set vote.prompt and train.prompt to the same"),
    ],
)
def test_votes_that_do_not_suit_pairs_are_refused_before_a_run(changed: str, words: str, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with pytest.raises(ConfigError, match=words):
        played(workspace, *PAIRS, changed)
    with closing(Store.open(workspace.database_path)) as store:
        assert store.database.value("SELECT count(*) FROM runs") == 0


@pytest.mark.slow
def test_several_solutions_of_a_label_share_its_weight(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    played(workspace, "train.solutions_per_label=3", "vote.stopping='never'", "vote.votes_per_question=6")
    with closing(Store.open_read_only(workspace.database_path)) as store:
        rows = store.database.rows(
            """SELECT question_id, count(*) AS solutions, total(weight) AS weight, max(share) AS share
            FROM v_examples GROUP BY question_id"""
        )
        assert all(row["weight"] == pytest.approx(row["share"]) for row in rows)


class CertainSampler(FakeSampler):
    """A sampler whose replies are all right, so that no vote loses."""

    def _right(self) -> float:
        return 1.0


@pytest.mark.slow
def test_a_teacher_without_losers_teaches_nothing(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    list(run_engine(workspace, RunOptions(), lambda _path, _config: CertainSampler()))
    wanted = RunOptions(1, True, overrides=("train.objective='preference'",), teacher_id=1)
    events = list(run_engine(workspace, wanted, lambda _path, _config: FakeSampler()))
    assert outcome(events).startswith("not trained: 0 pairs of ")


def test_a_vote_says_which_votes_it_was_learnt_against(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    played(workspace, "vote.stopping='never'")
    with closing(Store.open(workspace.database_path)) as store:
        label = store.votes.fetch_labels(run_id=1)[0]
        votes = store.votes.fetch_votes(label.question_id)
        loser = next(vote for vote in votes if vote.vote_id != label.vote_id)
        tokens = TokenExample(label.question_id, (1, 2, 3), 1, (1, 4, 5), 0.5)
        this = store.runs.fetch_round(1, 1)
        store.trainings.start_training(this.round_id, [Example(label, label.vote_id, tokens, loser.vote_id)])
        question = store.watching.fetch_question(label.question_id)
    assert question is not None
    assert question.pairs == ((label.vote_id, loser.vote_id),)
    winner = next(vote for vote in votes if vote.vote_id == label.vote_id)
    assert pair_words(question, winner) == f" · learnt as better than vote {loser.sample_index + 1}"
    assert pair_words(question, loser) == f" · learnt as worse than vote {winner.sample_index + 1}"
