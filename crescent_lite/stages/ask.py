"""The stage 'ask': the model is baited, each text is judged as it arrives, and near-duplicates are rewritten.

Baits and rewrites share one stream: the sampler's slots stay full, each text is compared with all texts kept before
it, and asking can end early. What is owed is read from the store, so an interrupted stage continues where it stopped.
Knows the rules for questions and the store; draws no votes. Source: arXiv 2502.13441.
Example: yield from perform(AskStage, job, this)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import ClassVar

from crescent_lite.events import AskingStopped, Event, Stage
from crescent_lite.questions import bait, diversify
from crescent_lite.questions.semantic import SemanticIndex
from crescent_lite.records import Attempt, PromptText, Question, Request
from crescent_lite.stages.empty_texts import EmptyTexts
from crescent_lite.stages.frame import Job, StageOfRun, Tally, sampler_of, tokens_ahead, told_in_thoughts
from crescent_lite.store import Round

ASKED_AHEAD = 512
"""Most texts requested and not yet written: more than the sampler has slots, so that none is idle (guess)."""


class AskStage(StageOfRun):
    """The questions of a round that are still to be asked and judged."""

    name: ClassVar[Stage] = "ask"

    def __init__(self, job: Job, this: Round) -> None:
        super().__init__(job, this)
        self._round = this
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
        """Texts with a verdict, and all texts known so far."""

    def events_after(self) -> Iterator[Event]:
        """Why asking ended before all questions were asked, if it did; how many texts never left their thoughts."""
        if reason := self.job.store.runs.fetch_round(self._round.run_id, self._round.number).asking_stopped:
            yield AskingStopped(self._round.number, reason)
        yield from told_in_thoughts(self.job, self._round.number, self.name)

    def work(self) -> Generator[str, None, None]:
        """Ask and judge, one text at a time; yields the reason of each verdict."""
        store, config = self.job.store, self.job.config
        known = diversify.Known(
            store.questions.fetch_kept(self._round.run_id),
            config.diversify,
            self.job.benchmarks,
            SemanticIndex(self.job.semantic_encoder) if self.job.semantic_encoder else None,
        )
        acceptance = diversify.Acceptance(
            config.bait.min_acceptance,
            store.questions.fetch_kept_or_not(self._round.round_id, diversify.Acceptance.WINDOW),
        )
        if self.job.own_questions:
            yield from self._judge_own_questions(self.job.own_questions.as_prompt, known, acceptance)
            return
        empty = EmptyTexts("ask", "try another prompt or another model")
        self._draw_more()
        for question, similar in self._to_rewrite:
            self._rewrite(question, similar)
        for question in self._undecided:
            yield self._judge(question, known, acceptance)
        if not self._requests:
            return
        texts = len(self._requests) + len(self._owed)
        sampler = sampler_of(
            self.job, self._round.model_id, tokens_ahead(self.job, texts, self.job.config.bait.max_tokens)
        )
        for completion in sampler.sample(self._requests):
            attempt = self._on_their_way.pop(completion.key)
            question = store.questions.insert_asked(self._round, attempt, completion)
            empty.note(completion.text)  # after it is stored, so that nothing a model wrote is lost
            yield self._judge(question, known, acceptance)
            if reason := acceptance.too_low():
                store.runs.set_asking_stopped(self._round.round_id, reason)
                return
            self._draw_more()

    def _judge_own_questions(
        self, prompt: PromptText, known: diversify.Known, acceptance: diversify.Acceptance
    ) -> Generator[str, None, None]:
        """Store and judge the user's own questions, which are never rewritten; asking never ends early."""
        questions = self.job.store.questions
        for question in self._undecided:
            yield self._judge(question, known, acceptance)
        for index in self._owed:
            own = self._own[index]
            question = questions.insert_external(self._round, index, own.name, own.text, prompt.sha256, own.answer)
            yield self._judge(question, known, acceptance)

    def _judge(self, question: Question, known: diversify.Known, acceptance: diversify.Acceptance) -> str:
        """Judge a text, store the verdict, and request a rewrite if one is allowed. Returns the verdict's reason."""
        questions, settings = self.job.store.questions, self.job.config.diversify
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
        config, prompts = self.job.config, self.job.prompts
        self._draw(diversify.rewriting(question, similar, prompts, config.bait, config.diversify, config.run.seed))

    def _draw_more(self) -> None:
        """Request more raw questions from the sampler ahead of time, but not all at once: asking may end early."""
        config, prompts = self.job.config, self.job.prompts
        while self._owed and len(self._on_their_way) < ASKED_AHEAD:
            index = self._owed.popleft()
            self._draw(bait.attempt(prompts, index, config.bait, config.run.seed, self._round.number))

    def _draw(self, attempt: Attempt) -> None:
        self._on_their_way[attempt.request.key] = attempt
        self._requests.append(attempt.request)
