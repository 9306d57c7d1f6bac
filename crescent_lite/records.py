"""The values the stages hand to each other. Frozen, plain, and free of I/O.

Knows nothing of SQL, models or files. Example:
    Request(key="question:7", user="What is 2 + 3?", generation=Generation(max_tokens=16), sample_indexes=(0, 1))
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FinishReason = Literal["stop", "length", "context"]
"""stop: the model ended its turn, or a stop text came. length: max_tokens were drawn. context: no room was left."""

Verdict = Literal["kept", "rejected"]
Decision = Literal["labelled", "rejected"]
Stopped = Literal[
    "all_drawn", "leader_certain", "floor_out_of_reach", "ceiling_passed", "leader_probable", "floor_improbable"
]
"""Why a question got no more votes: all planned ones are drawn; the leader can no longer be overtaken; no answer can
reach the floor any more; the leader is above the band whatever comes; by the Beta rule the leader is probably the
majority, or probably none reaches the floor."""
BenchmarkKind = Literal["answers", "choices"]
"""answers: a value is to be found. choices: one of the options given, by its letter."""
Role = Literal["score", "final", "general", "canary"]
"""What a benchmark is for. score: it chooses the best round. final: only the base and that round are measured on it,
at the end, so that the choice cannot flatter it. general: other abilities, which should hold. canary: for alarms."""
AnswerForm = Literal["whole", "boxed", "hash", "phrase", "bold", "last"]
"""Where an answer stood. 'last' is an unmarked place; every other one says "this is the answer"."""
ModelKind = Literal["base", "adapter"]
BASE_SHA256 = "crescent.base.sha256"
"""The key in a GGUF adapter's metadata under which the checksum of its base is."""


def derive_seed(*parts: object) -> int:
    """A seed, 0 to 2**32 - 2, that depends on nothing but `parts`. (2**32 - 1 means "random" to llama.cpp.)"""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "little") % (2**32 - 1)


@dataclass(frozen=True)
class Generation:
    """How tokens are drawn. Order: top_k, temperature, top_p, draw."""

    max_tokens: int
    """Tokens drawn at most, the end-of-turn token counted."""
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    """Nucleus, 0-1. 1 keeps everything."""
    top_k: int = 64
    """Candidates kept before anything else. 0 keeps the whole vocabulary, which costs time for every token."""
    stop: tuple[str, ...] = ()
    """The first of these texts that appears ends the reply, and is no part of it."""
    logprobs: bool = False
    """Tell the mean log-probability of the reply's tokens under the model. Costs time for every token."""


@dataclass(frozen=True)
class Request:
    """One prompt and the samples wanted of it. All of them share one prefill."""

    key: str
    """Names the request in its completions and in its seeds. Unique among the requests of one call."""
    user: str
    """The user's turn, before the chat template."""
    generation: Generation
    sample_indexes: tuple[int, ...] = (0,)
    """Which samples to draw. A resumed question asks for the missing ones only."""
    assistant_prefix: str = ""
    """Text the model is made to begin its turn with. It is not part of a completion's text."""
    forced: tuple[str, ...] = ()
    """For each sample index the text that it is made to say, for its log-probability. Empty: it is drawn."""
    seed: int = 0
    """The run's seed; the seed of a sample is derived from it, the key and the sample's index."""

    def sample_seed(self, sample_index: int) -> int:
        """The seed of one sample: the same for the same run seed, key and index, on any machine."""
        return derive_seed(self.seed, self.key, sample_index)


@dataclass(frozen=True)
class Completion:
    """One sample, finished."""

    key: str
    """The request's."""
    sample_index: int
    seed: int
    text: str
    """What the model wrote, without the end-of-turn token. May be empty. Untrusted."""
    finish_reason: FinishReason
    tokens: int
    """Tokens drawn, the end-of-turn token counted."""
    prompt_tokens: int
    """Tokens of the rendered prompt."""
    mean_logprob: float | None = None
    """Mean log-probability of the tokens, where `Generation.logprobs` asked for it and the engine tells."""


@dataclass(frozen=True)
class PromptText:
    """A prompt file as it was used."""

    name: str
    """`set/file`, for instance `arithmetic/bait`."""
    text: str
    sha256: str


@dataclass(frozen=True)
class Note:
    """What somebody remarked on a question. Never used as a label."""

    key: str
    """Random; two notes of one key are the same note."""
    question_id: int
    text: str
    """Empty takes the question's earlier notes away."""
    created_at: str
    """UTC, ISO 8601."""


def short_name(prompt: str) -> str:
    """A prompt's name without its set's."""
    return prompt.rpartition("/")[2]


@dataclass(frozen=True)
class ModelFile:
    """A model that is on this disk."""

    name: str
    path: Path
    sha256: str
    source: str
    """What the user wrote: 'embedded', a path, or `repo:file`."""
    kind: ModelKind = "base"


@dataclass(frozen=True)
class Question:
    """A question as the model asked it, whatever became of it."""

    question_id: int
    text: str
    """The cleaned question; the raw text where cleaning found none."""
    raw_text: str
    """Exactly what the model wrote, the assistant prefix included."""
    finish_reason: FinishReason
    verdict: Verdict | None = None
    """None until diversification has decided."""
    rewritten_from: int | None = None
    """The question this one is a rewrite of."""
    rewrites: int = 0
    """Rewrites between the first wording and this one."""
    steering: Mapping[str, str] = field(default_factory=dict)
    """What the bait's placeholders were filled with; a rewrite has that of the first wording."""
    external_id: str | None = None
    """What the user's file calls it; None for a question that a model asked."""


@dataclass(frozen=True)
class Attempt:
    """One try at a question: the model is baited, or made to rewrite a question that is too close to another."""

    request: Request
    """For one sample."""
    prompt_sha256: str
    ask_index: int | None = None
    """Which raw question of the round it is; None for a rewrite."""
    rewrites: Question | None = None
    """The question that it is to replace."""
    steering: Mapping[str, str] = field(default_factory=dict)
    """What the bait's placeholders were filled with."""


@dataclass(frozen=True)
class QuestionVerdict:
    """What diversification decided about one question, and why."""

    verdict: Verdict
    reason: str
    """'new' for a kept question, else the rule that rejected it: 'no_question', 'near_duplicate', ..."""
    text: str
    """The cleaned question."""
    duplicate_of: int | None = None
    """The kept question it is too close to."""
    similarity: float | None = None
    """0-100, of the two templates (numbers masked)."""
    benchmark_item: str | None = None
    """The benchmark's item it is too close to, as `benchmark/item`."""
    same_meaning: tuple[int, float] | None = None
    """Of a kept question, with `diversify.semantic`: the kept one nearest in meaning, and the cosine."""


@dataclass(frozen=True)
class Answer:
    """A final answer and where it was found."""

    raw: str
    """As written, markup taken off where it was in the way."""
    key: str
    """Typed and canonical: 'n:19', '%:20', 'c:B'; see `answer_values`."""
    form: AnswerForm


@dataclass(frozen=True)
class Vote:
    """One sampled solution of one question, as the consensus sees it."""

    vote_id: int
    sample_index: int
    text: str
    answer_key: str | None
    """None is an abstention."""
    answer_form: str | None
    """Where the answer stood: 'boxed', 'whole', ...; 'last' is no marked place."""
    finish_reason: FinishReason
    mean_logprob: float | None = None
    """Of its tokens under the model, before temperature and truncation. None where it was not asked for."""


@dataclass(frozen=True)
class Consensus:
    """What the votes of one question say."""

    decision: Decision
    reason: str
    """'agreed' for a label, else 'tie', 'low_share', 'high_share', 'no_answer', 'cut_off'."""
    answer_key: str | None
    """The leading answer, also when it was rejected; None when every vote abstained."""
    share: float
    """Fraction of the votes drawn that agree with `answer_key`, 0-1. Abstentions count against it."""
    votes: int
    """Drawn."""
    abstentions: int
    distinct: int
    """Different answer keys, abstentions not counted."""
    margin: float
    """Share of the leading answer less that of the next one, 0-1."""
    entropy: float
    """Of the answers, in bits; abstentions not counted. 0 where all agree."""
    chosen_vote: int | None
    """The vote whose solution becomes the example; None without a label."""
    planned: int
    """Votes that would have been drawn at most."""
    stopped: Stopped


@dataclass(frozen=True)
class Label:
    """A question with the solution that is trained on, and the answer the votes agreed on."""

    run_id: int
    round: int
    """Number of the round that asked the question, from 1."""
    question_id: int
    question: str
    """Text of the question."""
    vote_id: int
    """The vote whose solution was chosen."""
    solution: str
    """Text of that vote, as the model wrote it. Untrusted."""
    answer_key: str | None
    """Canonical key of the answer, such as 'n:19'; None only for an unvoted sample in which none was found."""
    share: float | None
    """Fraction of all votes that agree with `answer_key`, 0-1; None for an unvoted sample."""


@dataclass(frozen=True)
class TokenExample:
    """A question and its solution in the very tokens that sampling uses."""

    question_id: int
    input_ids: tuple[int, ...]
    """Prompt, then solution, then the end-of-turn token."""
    prompt_length: int
    """How many of `input_ids` are the prompt; no loss is taken on them."""


@dataclass(frozen=True)
class Example:
    """What a model is trained on: a label, and its tokens."""

    label: Label
    tokens: TokenExample


@dataclass(frozen=True)
class BenchmarkItem:
    """One question with its known answer."""

    item_id: str
    question: str
    answer: str
    """The gold answer as written."""
    answer_key: str
    """Its canonical key."""


@dataclass(frozen=True)
class Benchmark:
    """A set of items, frozen by its checksum."""

    name: str
    source: str
    """As configured: a path, `reasoning-gym`, `hub:repo`."""
    sha256: str
    """Of the items' questions and answers, in order."""
    items: tuple[BenchmarkItem, ...]
    kind: BenchmarkKind = "answers"
    role: Role = "score"
    shots: tuple[tuple[str, str], ...] = ()
    """(question, worked solution) pairs to be shown before an item, where a prompt shows some. None is an item."""
    left_out: int = 0
    """Rows that are no items: their gold answer is nothing that can be compared."""


@dataclass(frozen=True)
class Measurement:
    """One way in which a benchmark's items are put to a model."""

    benchmark: Benchmark
    prompt: PromptText
    """With `{question}` in it."""
    generation: Generation
    samples: int = 1
    """Drawn of each item."""
    ranks: bool = False
    """Of choices: nothing is drawn; the option that the model finds likeliest is its answer."""

    @property
    def title(self) -> str:
        """For people: 'gsm8k, bare', or 'gsm8k, solve, 8 samples'."""
        name = f"{self.benchmark.name}, {short_name(self.prompt.name)}"
        return f"{name}, {self.samples} samples" if self.samples > 1 else name


@dataclass(frozen=True)
class ItemScore:
    """How one answer to one item was scored."""

    answer_raw: str | None
    answer_key: str | None
    strict: bool
    """The right answer in a marked place: boxed, after '####', 'the answer is', or the whole reply."""
    flexible: bool
    """The right answer wherever `canonical_answer` finds it."""


@dataclass(frozen=True)
class Score:
    """A fraction of right answers with its interval."""

    right: int
    items: int
    low: float
    """Lower end of the 95% Wilson interval, 0-1."""
    high: float

    @property
    def fraction(self) -> float:
        """right / items; 0 when there are no items."""
        return self.right / self.items if self.items else 0.0


@dataclass(frozen=True)
class PairedComparison:
    """Two models on the same items."""

    items: int
    gained: int
    """Wrong before, right after."""
    lost: int
    """Right before, wrong after."""
    p_value: float
    """Two-sided exact McNemar."""

    @property
    def difference(self) -> float:
        """after - before, as a fraction of the items."""
        return (self.gained - self.lost) / self.items if self.items else 0.0


@dataclass(frozen=True)
class TrainingStep:
    """One optimiser step as the training program reports it."""

    step: int
    """From 1."""
    steps: int
    """Planned in all."""
    epoch: float
    loss: float
    """Mean over the answers' tokens of this step, nats."""
    learning_rate: float
    tokens: int
    """Tokens seen so far, prompts counted, padding not."""
    tokens_per_second: float
    held_out_loss: float | None = None
    """Of the held-out examples after this step, nats; None where they were not looked at."""


def peft_dir_of(adapter: Path) -> Path:
    """The folder of the PEFT original that lies beside a trained GGUF adapter."""
    return adapter.parent / "peft"


@dataclass(frozen=True)
class TrainedAdapter:
    """What a finished training leaves."""

    gguf_path: Path
    """The adapter for llama.cpp."""
    peft_dir: Path
    """The adapter as PEFT saved it (safetensors)."""
    loader: str
    """'peft' or 'unsloth'."""
    train_seconds: float
    """At work, in all processes together where it was interrupted."""
    stopped: str | None = None
    """Why it ended before its last step, or None."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Versions, device, and which step's adapter it is, for the record."""
