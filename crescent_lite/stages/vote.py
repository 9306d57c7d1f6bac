"""The stage 'vote': the model answers each kept question several times, until the label is decided.

Knows the store and the sampler; what votes add up to is decided by `consensus`. A vote is stored as soon as it is
drawn, so an interrupted stage continues with the votes that are missing. Source: arXiv 2502.13441.
Example: yield from perform(VoteStage, job, this)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import ClassVar

from crescent_lite.answers import find_answer
from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.consensus import Poll
from crescent_lite.events import Event, Stage
from crescent_lite.prompts.sets import fill
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.stages.empty_texts import EmptyTexts
from crescent_lite.stages.frame import Job, StageOfRun, Tally, sampler_of, tokens_ahead, told_in_thoughts
from crescent_lite.store import Round


class VoteStage(StageOfRun):
    """The votes that the questions of a round still need."""

    name: ClassVar[Stage] = "vote"

    def __init__(self, job: Job, this: Round) -> None:
        super().__init__(job, this)
        self._round, self._model_id = this, this.model_id
        settings = job.config.vote
        self._generation = Generation(
            settings.max_tokens,
            settings.temperature,
            settings.top_p,
            settings.top_k,
            logprobs=settings.keep == "likeliest",
            logprobs_if_cheap=True,
        )
        self._prompt = job.prompts.for_evaluation(settings.prompt)
        self._polls: dict[str, Poll] = {}
        """Undecided questions, by the key of their requests."""
        self._prompts: dict[str, str] = {}
        """What the model is asked, by the same key."""
        for question, votes in job.store.votes.fetch_owed(this.round_id):
            key = str(question.question_id)
            self._polls[key] = Poll(question.question_id, settings, votes)
            self._prompts[key] = fill(self._prompt.text, question=question.text)
        done = job.store.votes.count(this.round_id)
        self.tally = Tally(done, done + sum(poll.missing for poll in self._polls.values()))

    @property
    def is_owed(self) -> bool:
        """Whether any question is undecided, even one whose votes are all drawn."""
        return bool(self._polls)

    def events_after(self) -> Iterator[Event]:
        """How many votes never left their thoughts, if any."""
        return told_in_thoughts(self.job, self._round.number, self.name)

    def work(self) -> Generator[str, None, None]:
        """Draw votes until every question is decided; yields why each reply ended."""
        empty = EmptyTexts("vote", "check its chat template")
        requests = deque(request for poll in list(self._polls.values()) for request in self._draw_or_decide(poll))
        if not requests:
            return
        missing = self.tally.total - self.tally.done
        ahead = tokens_ahead(self.job, missing, self.job.config.vote.max_tokens)
        for completion in sampler_of(self.job, self._model_id, ahead).sample(requests):
            requests.extend(self._count(completion))
            empty.note(completion.text)
            yield completion.finish_reason

    def _count(self, completion: Completion) -> list[Request]:
        """Store a vote. Returns the requests that follow from it, if any."""
        poll = self._polls[completion.key]
        finished = completion.finish_reason == "stop"
        answer = find_answer(completion.text, finished=finished)
        vote = self.job.store.votes.insert_vote(
            poll.question_id,
            completion,
            answer,
            self._model_id,
            self._prompt.sha256,
            None if answer else why_unanswered(completion.text, finished=finished),
        )
        wave_is_complete = poll.add(vote)
        return self._draw_or_decide(poll) if wave_is_complete else []

    def _draw_or_decide(self, poll: Poll) -> list[Request]:
        """Request the next votes on a question. When it needs none, store its consensus and return an empty list."""
        key, indexes = str(poll.question_id), poll.start_wave()
        if indexes:
            return [Request(key, self._prompts[key], self._generation, indexes, seed=self.job.config.run.seed)]
        self.job.store.votes.insert_consensus(poll.question_id, poll.decide())
        self.tally.total -= poll.missing
        del self._polls[key]
        return []
