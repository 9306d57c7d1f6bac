"""What a run will take: texts, votes, items, tokens and minutes of each stage, memory and disk. Pure arithmetic.

Takes the settings, the sizes of the inputs, what earlier runs with the same model showed (`Experience`), and how
fast this machine is (`Speed`). A quantity that no earlier run showed is taken from the runs in data/reports and of
the quick preset, with the range in which it lay there. Loads no model and reads no database. Example:
    estimate(config, sizes, Experience(), Speed(150, 600, 1.3)).seconds   # Amount(value=655.0, factor=1.2)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from crescent_lite.config import Config
from crescent_lite.events import Stage
from crescent_lite.records import Role
from crescent_lite.store.experience import Experience
from crescent_lite.training.defaults import resolved

KEPT = (0.57, 1.35)
"""Fraction of the texts that are kept, and its factor of uncertainty. Measured: 0.41 to 0.75 in 12 rounds."""
KEPT_OWN = (0.97, 1.05)
"""The same of the user's own questions, of which only repeats and benchmark items are left out (guess)."""
VOTES_DRAWN = (0.82, 1.06)
"""Fraction of the planned votes that is drawn with adaptive stopping. Measured: 0.75 to 0.85 in 12 rounds."""
LABELLED, LABELLED_SMALL, SMALL_MODEL = (0.53, 1.3), (0.12, 1.8), 250_000_000
"""Fraction of the kept questions that get a label; that of models with fewer weights than the last number. Measured:
0.46 to 0.62 in 9 rounds of a 0.5B model, 0.07 to 0.24 in 6 first rounds of the 135M one."""
LABELLED_OWN = (0.5, 1.6)
"""The same of the user's own questions (guess)."""
PAIRS = (1.1, 1.5)
"""Preference pairs of a kept question (guess, from the yield of a 0.5B model)."""
REPLY_OF_LIMIT, REPLY_TOKENS, REPLY_FACTOR = 0.55, 200.0, 1.6
"""Length of a reply that nobody has measured: this fraction of its limit, at most that many tokens. Measured: 18 of
24 with the embedded model, 175 to 247 of 320 with a 0.5B model on word problems."""
TEXT_TOKENS = 60.0
"""Most tokens of a question that nobody has measured. Measured: 47 to 71 with a 0.5B model, 13 with the embedded
one."""
RANKED_TOKENS = 4.6
"""Tokens of a ranked option, mean of 400 items of ARC-Easy."""
CHARACTERS_PER_TOKEN = 3.5
"""Characters of a token of English text with numbers (guess)."""
PROMPT_OVERHEAD = 8
"""Tokens that a chat template adds after the part of the prompt that samples share (guess)."""
TEMPLATE_TOKENS = 25.0
"""Tokens that a chat template adds to a question and its solution. Measured: 21 with the embedded model."""
ADAPTER_SLOWS = 1.2
"""Factor by which an adapter slows sampling. Measured: 1.06 to 1.4 on two cores."""
TRAINING_SHARE, TRAINING_FACTOR = 0.2, 1.6
"""Training speed as a fraction of the speed at which llama.cpp reads a prompt. Measured on two cores: 35 tokens/s
against 167 with a 0.5B model."""
PRODUCTS_PER_WEIGHT = 2.0
"""Multiplications for a weight and a token of a training: the losses, and their gradients by the activations."""
PRODUCTS_SHARE = 0.4
"""Part of a processor's speed in large products that a training reaches. Measured on two cores: 0.30 to 0.50 with a
135M model, 0.29 to 0.46 with a 0.5B one."""
TRAINING_START_SECONDS = 45.0
"""Time in which a training imports its libraries and loads the base. Measured: 28 to 66 s, 96 s at most."""
OPINION_SECONDS, OPINION_FACTOR = 0.01, 3.0
"""Time of math-verify for one reply, and its factor of uncertainty. Measured: 0.003 s for sums, 0.015 to 0.08 s for
word problems."""
BYTES_PER_ROW = 2_500
"""Bytes of the database for each text, vote and evaluated reply. Measured: 1,900 to 2,900."""
REPORT_BYTES = 5_000_000
"""Reports and logs of a run (guess)."""
TRAINING_BYTES = 1_200_000_000
"""Memory of torch and of the activations of small batches (guess)."""
BYTES_PER_WEIGHT = {"float32": 4.0, "bfloat16": 2.0, "nf4": 0.7}
"""Memory of a weight of the frozen base by `train.precision`."""


@dataclass(frozen=True)
class Amount:
    """An uncertain quantity."""

    value: float
    factor: float = 1.0
    """The true value is probably between `value / factor` and `value * factor`."""

    @property
    def low(self) -> float:
        """Lower end of the range."""
        return self.value / self.factor

    @property
    def high(self) -> float:
        """Upper end of the range."""
        return self.value * self.factor

    def times(self, other: Amount | float) -> Amount:
        """The product; independent uncertainties are added as the logarithms of their factors, in quadrature."""
        other = other if isinstance(other, Amount) else Amount(other)
        spread = math.hypot(math.log(self.factor), math.log(other.factor))
        return Amount(self.value * other.value, math.exp(spread))

    def as_dict(self) -> dict[str, float]:
        """Likely value and range, rounded to four digits."""
        return {"likely": _rounded(self.value), "low": _rounded(self.low), "high": _rounded(self.high)}


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum; the ranges are added in quadrature."""
    amounts = list(amounts)
    value = sum(each.value for each in amounts)
    if value <= 0:
        return Amount(0.0)
    spread = math.hypot(*(each.value * (each.factor - 1) for each in amounts))
    return Amount(value, 1 + spread / value)


@dataclass(frozen=True)
class Speed:
    """How fast a model is sampled here."""

    draw: float
    """Tokens drawn per second with all slots at work."""
    prompt: float
    """Prompt tokens read per second."""
    factor: float = 1.0
    """Factor of uncertainty."""
    products: float | None = None
    """Multiplications of 32-bit numbers per second in products of matrices; None where a GPU trains."""

    def seconds(self, tokens: Amount, prompt_tokens: Amount) -> Amount:
        """The time to read the prompts and to draw the tokens."""
        spent = total((tokens.times(1 / self.draw), prompt_tokens.times(1 / self.prompt)))
        return spent.times(Amount(1.0, self.factor))


@dataclass(frozen=True)
class Lengths:
    """Mean lengths in tokens that a calibration observed; None where too few replies ended."""

    text: float | None = None
    vote: float | None = None
    reply: float | None = None
    """Replies to benchmark items."""


@dataclass(frozen=True)
class MeasuredItems:
    """One measurement of a benchmark, and how much of it is stored already."""

    benchmark: str
    prompt: str
    """Name of the prompt, `set/file`."""
    role: Role
    replies: int
    """Items, times the samples of each."""
    limit: int
    """Length limit of a reply in tokens."""
    question_characters: float
    """Mean length of a question."""
    options: float = 0.0
    """Mean number of options that are ranked; 0 where replies are drawn."""
    known: int = 0
    """Replies of the base that are stored already."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a run's inputs, and of its model."""

    rounds: int
    """Rounds that are planned; 0 for a run that only evaluates."""
    measurements: tuple[MeasuredItems, ...]
    teacher_labels: Amount | None = None
    """Labels that are learnt from, of another run; None for a run that asks and votes."""
    measures_adapter: bool = False
    """Whether a run without rounds evaluates an adapter after the base."""
    own_questions: int | None = None
    """Questions in the user's file; None when the model writes the questions."""
    own_question_characters: float = 0.0
    bait_characters: float = 0.0
    """Mean length of the part of a bait that differs from bait to bait."""
    train_prompt_characters: float = 0.0
    """Length of the instructions that stand before each question that is learnt from."""
    weights: int = 0
    """Number of weights of the model."""
    adapter_bytes: int = 0
    """Size of the files of one adapter."""
    sampling_bytes: int = 0
    """Memory for sampling in this process; 0 with servers."""
    precision: str = "float32"
    """How the training holds the base: a key of BYTES_PER_WEIGHT."""
    finished_rounds: int = 0
    """Rounds of a resumed run that are complete."""
    done: Mapping[Stage, int] = field(default_factory=dict)
    """Items of a resumed run's unfinished round that are stored: texts, votes, trainings, evaluated replies."""


@dataclass(frozen=True)
class StageEstimate:
    """What one stage of a round will take."""

    round: int
    """Number of the round; 0 is the base."""
    stage: Stage
    items: Amount
    """Texts, votes, examples or replies."""
    tokens: Amount
    """Tokens drawn, or trained on."""
    seconds: Amount


@dataclass(frozen=True)
class Estimate:
    """What a run, or the rest of one, will take."""

    stages: tuple[StageEstimate, ...]
    memory_bytes: float
    """Peak memory of the run's processes."""
    disk_bytes: float
    """Growth of the workspace."""
    has_speed: bool = True
    """Whether the speed is known; if not, every `seconds` is 0."""

    def items(self, stage: Stage) -> Amount:
        """The items of a stage in all rounds."""
        return total(each.items for each in self.stages if each.stage == stage)

    @property
    def tokens(self) -> Amount:
        """Tokens drawn in all stages; those of trainings are not among them."""
        return total(each.tokens for each in self.stages if each.stage != "train")

    @property
    def seconds(self) -> Amount:
        """The time of all stages."""
        return total(each.seconds for each in self.stages)


def estimate(
    config: Config, sizes: Sizes, past: Experience, speed: Speed | None, lengths: Lengths | None = None
) -> Estimate:
    """Estimate a run. `speed`: None if it is unknown and no earlier run tells it."""
    work = _Work(config, sizes, past, speed, lengths or Lengths())
    stages = tuple(each for each in work.stages() if each.items.value > 0)
    rows = sum(each.items.high for each in stages if each.stage in ("ask", "vote", "evaluate"))
    trainings = sum(each.stage == "train" for each in stages)
    return Estimate(
        stages,
        max(sizes.sampling_bytes, _training_bytes(sizes) if trainings else 0),
        rows * BYTES_PER_ROW + trainings * sizes.adapter_bytes + REPORT_BYTES,
        has_speed=speed is not None or bool(past.speeds),
    )


def added(estimates: Sequence[Estimate]) -> Estimate:
    """The estimate of several runs, one after another."""
    return Estimate(
        tuple(stage for each in estimates for stage in each.stages),
        max((each.memory_bytes for each in estimates), default=0.0),
        sum(each.disk_bytes for each in estimates),
        has_speed=all(each.has_speed for each in estimates),
    )


class _Work:
    """The stages of a run, one after another."""

    def __init__(self, config: Config, sizes: Sizes, past: Experience, speed: Speed | None, lengths: Lengths) -> None:
        self._config, self._sizes, self._past, self._lengths = config, sizes, past, lengths
        self._speed = speed

    def stages(self) -> Iterable[StageEstimate]:
        """The stages that are owed, in the order of the run."""
        sizes, labels_before = self._sizes, Amount(0.0)
        every_round = [each for each in sizes.measurements if each.role in ("score", "general", "canary")]
        at_the_end = [each for each in sizes.measurements if each.role == "final"]
        if not sizes.rounds:
            yield from self._evaluate(0, sizes.measurements)
            yield from self._evaluate(1, sizes.measurements if sizes.measures_adapter else ())
            return
        yield from self._evaluate(0, every_round)
        for number in range(sizes.finished_rounds + 1, sizes.rounds + 1):
            if sizes.teacher_labels is not None:
                labels = sizes.teacher_labels
                yield self._train(number, labels, labels, labels_before)
            else:
                texts = self._texts(number)
                if not texts.value:
                    break  # the user's questions are used up: nothing is trained, so nothing is evaluated
                kept = texts.times(self._kept_fraction())
                yield self._ask(number, texts)
                yield self._vote(number, kept)
                labels = kept.times(self._labelled_fraction())
                yield self._train(number, kept, labels, labels_before)
            labels_before = total((labels_before, labels))
            yield from self._evaluate(number, every_round)
        yield from self._evaluate(0, at_the_end)
        if sizes.rounds > sizes.finished_rounds or not sizes.finished_rounds:
            yield from self._evaluate(sizes.rounds, at_the_end)

    # ── the stages ───────────────────────────────────────────────────────────────────────────────────────────

    def _texts(self, number: int) -> Amount:
        asked, own = self._config.bait.questions, self._sizes.own_questions
        if own is not None:
            return Amount(float(max(0, min(asked, own - (number - 1) * asked))))
        more = self._past.texts / self._past.asked if self._past.asked else 1.02
        return Amount(asked * more, 1.02)

    def _kept_fraction(self) -> Amount:
        if self._sizes.own_questions is not None:
            return self._fraction(self._past.own_kept, self._past.own_texts, KEPT_OWN)
        return self._fraction(self._past.kept, self._past.texts, KEPT)

    def _labelled_fraction(self) -> Amount:
        if self._sizes.own_questions is not None:
            return self._fraction(self._past.own_labels, self._past.own_decided, LABELLED_OWN)
        assumed = LABELLED_SMALL if self._sizes.weights < SMALL_MODEL else LABELLED
        return self._fraction(self._past.labels, self._past.decided, assumed)

    def _ask(self, number: int, texts: Amount) -> StageEstimate:
        owed = self._less_done(number, "ask", texts)
        if self._sizes.own_questions is not None:
            return StageEstimate(number, "ask", owed, Amount(0.0), Amount(0.0))
        bait = self._config.bait
        each = self._length(
            self._past.text_tokens, self._past.texts, self._lengths.text, bait.max_tokens, most=TEXT_TOKENS
        )
        prompt = Amount(3 + self._sizes.bait_characters / CHARACTERS_PER_TOKEN)
        return self._sampled(number, "ask", owed, owed.times(each), owed.times(prompt), adapter=number > 1)

    def _vote(self, number: int, kept: Amount) -> StageEstimate:
        vote, past = self._config.vote, self._past
        draws_all = vote.stopping == "never" or vote.policy == "reference"
        drawn = Amount(1.0) if draws_all else self._fraction(past.votes, past.planned_votes, VOTES_DRAWN)
        votes = kept.times(float(vote.votes_per_question)).times(drawn)
        owed = self._less_done(number, "vote", votes)
        each = self._length(past.vote_tokens, past.drawn_votes, self._lengths.vote, vote.max_tokens)
        own = self._sizes.own_question_characters / CHARACTERS_PER_TOKEN
        asked = own or (past.text_tokens / past.texts if past.texts else self._lengths.text or 60.0)
        prompts = kept.times((PROMPT_OVERHEAD + asked) * (owed.value / votes.value if votes.value else 0))
        return self._sampled(number, "vote", owed, owed.times(each), prompts, adapter=number > 1)

    def _train(self, number: int, kept: Amount, labels: Amount, before: Amount) -> StageEstimate:
        train, past = self._config.train, self._past
        examples = labels.times(float(train.solutions_per_label)) if train.solutions_per_label > 1 else labels
        sequences = 1.0
        if train.objective == "preference":
            examples, sequences = kept.times(Amount(*PAIRS)), 2.7  # two sequences, and the reference's losses of them
        elif number > 1 and train.replay_share < 1:
            replayed = min(before.value, examples.value * train.replay_share / (1 - train.replay_share))
            examples = Amount(examples.value + replayed, examples.factor)
        if train.max_examples:
            examples = Amount(min(examples.value, train.max_examples), examples.factor)
        if self._less_done(number, "train", Amount(1.0)).value <= 0:
            return StageEstimate(number, "train", Amount(0.0), Amount(0.0), Amount(0.0))
        vote = self._length(past.vote_tokens, past.drawn_votes, self._lengths.vote, self._config.vote.max_tokens)
        example = past.example_tokens / past.examples if past.examples else self._example(vote.value)
        settings = resolved(train, parameters=self._sizes.weights, examples=max(1, round(examples.value)))
        tokens = examples.times(example * settings.epochs * sequences)
        start = Amount(past.training_start_seconds or TRAINING_START_SECONDS, 1.4)
        if past.trained_tokens and past.training_seconds:
            pace = Amount(past.training_seconds / past.trained_tokens, 1.3)
        else:
            pace = self._assumed_pace()
        known = pace.value > 0
        seconds = total((start, tokens.times(pace))) if known else Amount(0.0)
        return StageEstimate(number, "train", examples, tokens, seconds)

    def _example(self, reply_tokens: float) -> float:
        """Mean length in tokens of an example that nobody has measured: template, question and solution."""
        asked = self._lengths.text or self._sizes.own_question_characters / CHARACTERS_PER_TOKEN or TEXT_TOKENS
        instructions = self._sizes.train_prompt_characters / CHARACTERS_PER_TOKEN
        return TEMPLATE_TOKENS + instructions + asked + reply_tokens

    def _assumed_pace(self) -> Amount:
        """Seconds that a training takes for a token, if no earlier training on this machine tells it."""
        if self._speed and self._speed.products:
            per_token = PRODUCTS_PER_WEIGHT * self._sizes.weights / (PRODUCTS_SHARE * self._speed.products)
            return Amount(per_token, TRAINING_FACTOR)
        found = self._speed_of("evaluate", adapter=False)
        return Amount(1 / (TRAINING_SHARE * found.prompt), TRAINING_FACTOR) if found else Amount(0.0)

    def _evaluate(self, number: int, measurements: Iterable[MeasuredItems]) -> Iterable[StageEstimate]:
        parts, judged = [], Amount(0.0)
        for each in measurements:
            replies = float(max(0, each.replies - (each.known if number == 0 else 0)))
            past = self._past.replies.get((each.benchmark, each.prompt))
            if each.options:
                tokens = Amount(replies * each.options * RANKED_TOKENS, 1.2)
            elif past:
                tokens = Amount(replies * min(past, each.limit), 1.15)
            else:
                tokens = self._length(0, 0, self._lengths.reply, each.limit).times(replies)
            prompts = Amount(replies * (PROMPT_OVERHEAD + each.question_characters / CHARACTERS_PER_TOKEN), 1.3)
            parts.append((Amount(replies), tokens, prompts))
            judged = total((judged, Amount(0.0 if each.options else replies)))
        items, tokens, prompts = (
            (total(column) for column in zip(*parts, strict=True)) if parts else (Amount(0.0),) * 3
        )
        if number and items.value and (done := self._sizes.done.get("evaluate", 0)) and self._is_begun(number):
            left = max(0.0, 1 - done / items.value)
            items, tokens, prompts, judged = (each.times(left) for each in (items, tokens, prompts, judged))
        yield self._sampled(number, "evaluate", items, tokens, prompts, adapter=number > 0)
        seconds = judged.times(Amount(OPINION_SECONDS, OPINION_FACTOR))
        yield StageEstimate(number, "second_opinion", judged, Amount(0.0), seconds)

    # ── what is known ────────────────────────────────────────────────────────────────────────────────────────

    def _sampled(
        self, number: int, stage: Stage, items: Amount, tokens: Amount, prompts: Amount, *, adapter: bool
    ) -> StageEstimate:
        speed = self._speed_of(stage, adapter=adapter)
        return StageEstimate(number, stage, items, tokens, speed.seconds(tokens, prompts) if speed else Amount(0.0))

    def _speed_of(self, stage: Stage, *, adapter: bool) -> Speed | None:
        """The speed of earlier runs at the same stage, of the calibration, or of earlier runs at any stage."""
        known = self._past.speeds
        if found := known.get((stage, adapter)):
            return Speed(*found, factor=1.15)
        slower = ADAPTER_SLOWS if adapter else 1.0
        if found := known.get((stage, False)):
            return Speed(found[0] / slower, found[1] / slower, 1.2)
        if self._speed:
            return replace(self._speed, draw=self._speed.draw / slower, prompt=self._speed.prompt / slower)
        others = [speed for (_, with_adapter), speed in known.items() if with_adapter == adapter] or [*known.values()]
        if not others:
            return None
        return Speed(fmean(draw for draw, _ in others), fmean(prompt for _, prompt in others), 1.5)

    def _fraction(self, part: int, whole: int, assumed: tuple[float, float]) -> Amount:
        """A fraction that earlier runs showed; with fewer than 50 items, the assumed value and factor."""
        return Amount(part / whole, 1.15) if whole >= 50 and part else Amount(*assumed)

    def _length(
        self, tokens: int, count: int, observed: float | None, limit: int, *, most: float = REPLY_TOKENS
    ) -> Amount:
        """Mean length of a reply in tokens: of earlier runs, else of the calibration, else assumed."""
        if count:
            return Amount(min(tokens / count, limit), 1.1)
        if observed is not None:
            return Amount(min(observed, limit), 1.2)
        return Amount(min(REPLY_OF_LIMIT * limit, most), REPLY_FACTOR)

    def _is_begun(self, number: int) -> bool:
        return number == self._sizes.finished_rounds + 1

    def _less_done(self, number: int, stage: Stage, items: Amount) -> Amount:
        """What is left of a stage's items; only the first unfinished round has any that are done."""
        done = self._sizes.done.get(stage, 0) if self._is_begun(number) else 0
        return Amount(max(0.0, items.value - done), items.factor)


def _training_bytes(sizes: Sizes) -> float:
    return sizes.weights * BYTES_PER_WEIGHT.get(sizes.precision, 4.0) + TRAINING_BYTES


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
