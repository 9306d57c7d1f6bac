"""A model of a run answers by the majority of several samples; nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import workspace_with_adapter

import crescent_lite
from crescent_lite.answers import find_answer
from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.cli import main
from crescent_lite.cli.answers import stream_vote, stream_vote_as_json
from crescent_lite.config import Config
from crescent_lite.errors import ExitCode, UsageError
from crescent_lite.evaluation.voted_answer import CastVote, VotedAnswer, voted_answer
from crescent_lite.inquiry import DrawnVote, Inquiry, Result, answer_by_vote
from crescent_lite.records import Completion, Request
from crescent_lite.sampling import Watch
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


def votes(*texts: str, cut_off: Iterable[int] = ()) -> VotedAnswer:
    """The answer of votes with these texts; those at the places `cut_off` did not end by themselves."""
    cast = []
    for index, text in enumerate(texts):
        finished = index not in cut_off
        found = find_answer(text, finished=finished)
        why = None if found else why_unanswered(text, finished=finished)
        cast.append(CastVote(index, text, found, "stop" if finished else "length", 9, why))
    return voted_answer(reversed(cast))


def test_the_majority_comes_with_its_share_and_the_split() -> None:
    voted = votes("It is 12.", "It is 13.", "I do not know", "\\boxed{12}", "12", "So 13", "12", "Answer: 12")
    assert voted.split_in_words() == "12 in 5 of 8 votes; 13: 2; no answer: 1"
    assert voted.share == 5 / 8
    assert (voted.tied, voted.remarks()) == ((), [])


def test_a_marked_solution_that_ended_is_shown() -> None:
    shown = votes("\\boxed{12}", "It is 12", "\\boxed{12}.", "\\boxed{13}", cut_off=[0]).solution
    assert shown
    assert (shown.index, shown.text) == (2, "\\boxed{12}.")


def test_a_tie_shows_the_answer_drawn_first_and_says_so() -> None:
    voted = votes("none here", "It is 13.", "It is 12.", "It is 12.", "It is 13.")
    assert voted.leader and voted.leader.answer.key == "n:13"
    assert voted.split_in_words() == "13 in 2 of 5 votes; 12: 2; no answer: 1"
    assert voted.remarks() == ["a tie of 13 and 12; 13 was drawn first"]


def test_votes_that_did_not_end_are_told() -> None:
    voted = votes("<think> 12", "We add 3 and then", "\\boxed{12}", cut_off=[0, 1])
    assert (voted.in_thoughts, voted.cut_off, voted.no_answer) == (1, 2, 2)
    assert voted.remarks() == [
        "1 vote never left the thoughts",
        "2 votes cut off by the length limit",
    ]


def test_votes_without_an_answer_have_no_leader() -> None:
    voted = votes("well", "so")
    assert (voted.leader, voted.solution, voted.share, voted.split_in_words()) == (
        None,
        None,
        0.0,
        "no answer in 2 votes",
    )


class Replies(FakeSampler):
    """Gives these replies in order, the last one first, and remembers the requests."""

    def __init__(self, *replies: str) -> None:
        super().__init__()
        self.replies = replies
        self.heard: list[Request] = []

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        for request in requests:
            self.heard.append(request)
            for index in reversed(request.sample_indexes):
                yield Completion(request.key, index, 1, self.replies[index % len(self.replies)], "stop", 5, 12)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run whose first round trained an adapter."""
    return workspace_with_adapter(tmp_path_factory.mktemp("voting"))


def asked(workspace: Workspace, sampler: FakeSampler, **settings: object) -> tuple[list[DrawnVote | Result], Config]:
    """What is told of an inquiry, and the settings that the sampler was opened with."""
    told: list[DrawnVote | Result] = []
    opened: list[Config] = []

    def opener(_: Path, config: Config) -> FakeSampler:
        opened.append(config)
        return sampler

    with closing(Store.open_read_only(workspace.database_path)) as store:
        answer_by_vote(workspace, store, Inquiry("2 + 3?", **settings), told.append, opener)  # type: ignore[arg-type]
    return told, opened[0]


def test_each_model_tells_its_votes_as_they_end_and_then_its_answer(workspace: Workspace) -> None:
    told, config = asked(workspace, Replies("5", "6", "5"), votes=3)
    assert [(type(each).__name__, each.model) for each in told] == [
        *[("DrawnVote", "base")] * 3,
        ("Result", "base"),
        *[("DrawnVote", "round 1")] * 3,
        ("Result", "round 1"),
    ]
    assert isinstance(told[3], Result)
    assert told[3].voted.split_in_words() == "5 in 2 of 3 votes; 6: 1"
    assert told[3].tokens == 15
    assert config.sampling.slots == 3


def test_votes_are_drawn_as_the_run_draws_them_unless_a_temperature_is_given(workspace: Workspace) -> None:
    for given, expected in ((None, None), (0.3, 0.3)):
        sampler = Replies("5")
        _, config = asked(workspace, sampler, votes=2, temperature=given, rounds=(0,))
        (request,) = sampler.heard
        assert request.generation.temperature == (config.vote.temperature if expected is None else expected) > 0
        assert request.generation.top_k == config.vote.top_k
        assert request.sample_indexes == (0, 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"votes": 8, "temperature": 0.0}, "at temperature 0 all votes are the same"),
        ({"votes": 1001}, "give 1 to 1,000"),
    ],
)
def test_a_vote_that_cannot_be_is_refused(workspace: Workspace, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        asked(workspace, Replies("5"), **settings)


def test_the_lines_say_the_same_as_the_json(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    told, _ = asked(workspace, Replies("\\boxed{5}", "well", "6"), votes=4, rounds=(0,))
    for each in told:
        stream_vote(each)
    text = capfd.readouterr().out
    assert text.startswith("base, vote 4: answer: 5 (5 tokens)\nbase, vote 3: answer: 6 (5 tokens)\n")
    assert "── base\n\\boxed{5}\n── base: answer: 5 (50% of the votes) (20 tokens" in text
    assert "   5 in 2 of 4 votes; 6: 1; no answer: 1\n" in text

    for each in told:
        stream_vote_as_json(each)
    *cast, last = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(each["vote"], each["answer_key"], each["done"]) for each in cast[:2]] == [
        (4, "n:5", False),
        (3, "n:6", False),
    ]
    assert (last["answer_key"], last["share"], last["votes_for_answer"], last["votes"]) == ("n:5", 0.5, 2, 4)
    assert last["split"] == [
        {"answer": "5", "answer_key": "n:5", "votes": 2},
        {"answer": "6", "answer_key": "n:6", "votes": 1},
    ]
    assert (last["no_answer"], last["in_thoughts"], last["cut_off"], last["tied"]) == (1, 0, 0, [])
    assert (last["text"], last["done"], last["solution_vote"]) == ("\\boxed{5}", True, 1)


def test_the_command_and_python_draw_the_same_votes(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--votes", "4", "--max-tokens", "6", "--rounds", "base", "-w", str(workspace.folder)]
    assert main(["answer", "What is 2 + 3?", "--json", *options]) == ExitCode.OK
    *cast, last = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert sorted(each["vote"] for each in cast) == [1, 2, 3, 4]
    voted = crescent_lite.answer(workspace.folder, "What is 2 + 3?", votes=4, max_tokens=6, round=0)
    assert (voted.votes, voted.split_in_words()) == (4, last["words"])

    assert main(["answer", "2 + 3?", "--temperature", "0", *options]) == ExitCode.USAGE
    assert "all votes are the same" in capfd.readouterr().err
