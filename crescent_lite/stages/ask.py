"""Stages 1 and 2 as one stream: the model is baited, each text is judged as it comes, what is not new is tried again.

So the sampler's slots stay full with baits and rewrites alike, everything is judged against everything kept before
it, and asking can be given up while it goes on. What is owed is read from the store, so a new `Asking` goes on where
the last one died. Example:
    asking = Asking(job, this)
    yield from staged(job, this, "ask", asking.tally, asking.work())
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import replace

from crescent_lite.questions import bait, diversify
from crescent_lite.questions.semantic import SemanticIndex
from crescent_lite.records import Attempt, PromptText, Question, Request
from crescent_lite.stages.frame import Job, Tally, sampler_of
from crescent_lite.stages.patience import Patience
from crescent_lite.store import Round

ASKED_AHEAD = 512
"""Raw questions handed to the sampler before they are needed: more than it has slots."""


class Asking:
    """What is still to be asked and judged in a round."""

    def __init__(self, job: Job, this: Round) -> None:
        self._job, self._round = job, this
        questions, settings = job.store.questions, job.config.diversify
        self._undecided = questions.fetch_undecided(this.round_id)
        self._owed: deque[int] = deque()
        self._to_rewrite: list[tuple[Question, Question]] = []
        count, own = job.config.bait.questions, job.own_questions
        self._own = own.of_round(this.number, count) if own else ()
        if own:
            self._owed += questions.fetch_missing_indexes(this.round_id, len(self._own))
        elif not this.asking_stopped:
            self._owed += questions.fetch_missing_indexes(this.round_id, count)
            self._to_rewrite = questions.fetch_to_rewrite(this.round_id, settings.max_rewrites, diversify.NOT_NEW)
        self._on_their_way: dict[str, Attempt] = {}
        self._requests: deque[Request] = deque()
        done = questions.count_decided(this.round_id)
        self.tally = Tally(done, done + len(self._undecided) + len(self._owed) + len(self._to_rewrite))
        """Texts with a verdict, and those known to come."""

    def work(self) -> Generator[str, None, None]:
        """Do it all, one text at a time, stored before its verdict's reason is yielded."""
        store, config = self._job.store, self._job.config
        known = diversify.Known(
            store.questions.fetch_kept(self._round.run_id),
            config.diversify,
            self._job.benchmarks,
            SemanticIndex(self._job.semantic_encoder) if self._job.semantic_encoder else None,
        )
        acceptance = diversify.Acceptance(
            config.bait.min_acceptance,
            store.questions.fetch_kept_or_not(self._round.round_id, diversify.Acceptance.WINDOW),
        )
        if self._job.own_questions:
            yield from self._take(self._job.own_questions.as_prompt, known, acceptance)
            return
        patience = Patience("bait", bait.EMPTY_LIMIT, "the model wrote nothing; try another prompt or another model")
        self._draw_more()
        for question, similar in self._to_rewrite:
            self._rewrite(question, similar)
        for question in self._undecided:
            yield self._judge(question, known, acceptance)
        if not self._requests:
            return
        for completion in sampler_of(self._job, self._round.model_id).sample(self._requests):
            attempt = self._on_their_way.pop(completion.key)
            question = store.questions.insert_asked(self._round, attempt, completion)
            patience.note(bool(completion.text.strip()))  # after it is stored: nothing a model said is lost
            yield self._judge(question, known, acceptance)
            if reason := acceptance.too_low():
                store.runs.stop_asking(self._round.round_id, reason)
                return
            self._draw_more()

    def _take(
        self, prompt: PromptText, known: diversify.Known, acceptance: diversify.Acceptance
    ) -> Generator[str, None, None]:
        """The user's own questions, each stored and judged: none is rewritten, and asking is not given up."""
        questions = self._job.store.questions
        for question in self._undecided:
            yield self._judge(question, known, acceptance)
        for index in self._owed:
            one = self._own[index]
            question = questions.insert_external(self._round, index, one.name, one.text, prompt.sha256)
            yield self._judge(question, known, acceptance)

    def _judge(self, question: Question, known: diversify.Known, acceptance: diversify.Acceptance) -> str:
        questions, settings = self._job.store.questions, self._job.config.diversify
        verdict = diversify.judge(question, known, settings)
        questions.set_verdict(question.question_id, verdict)
        acceptance.note(kept=verdict.verdict == "kept")
        if verdict.verdict == "kept":
            known.add(question.question_id, verdict.text)
        elif (
            verdict.duplicate_of
            and not self._round.asking_stopped
            and diversify.may_be_rewritten(question, verdict, settings)
        ):
            self._rewrite(replace(question, text=verdict.text), questions.fetch(verdict.duplicate_of))
            self.tally.total += 1
        return verdict.reason

    def _rewrite(self, question: Question, similar: Question) -> None:
        config, prompts = self._job.config, self._job.prompts
        self._draw(diversify.rewriting(question, similar, prompts, config.bait, config.diversify, config.run.seed))

    def _draw_more(self) -> None:
        """Raw questions ahead of the sampler, but not all of them: asking may be given up."""
        config, prompts = self._job.config, self._job.prompts
        while self._owed and len(self._on_their_way) < ASKED_AHEAD:
            index = self._owed.popleft()
            self._draw(bait.attempt(prompts, index, config.bait, config.run.seed, self._round.number))

    def _draw(self, attempt: Attempt) -> None:
        self._on_their_way[attempt.request.key] = attempt
        self._requests.append(attempt.request)
