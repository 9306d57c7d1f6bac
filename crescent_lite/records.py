"""The values that stages, store and front ends exchange: frozen dataclasses and literals without I/O.

Knows nothing of SQL, models or files. Example:
    Request(key="question:7", user="What is 2 + 3?", generation=Generation(max_tokens=16), sample_indexes=(0, 1))
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FinishReason = Literal["stop", "length", "context"]
"""Why a completion ended. stop: the model ended its turn or wrote a stop text. length: `max_tokens` were drawn.
context: the model's context was full."""

Verdict = Literal["kept", "rejected"]
Decision = Literal["labelled", "rejected"]
Stopped = Literal[
    "all_drawn", "leader_certain", "floor_out_of_reach", "ceiling_passed", "leader_probable", "floor_improbable"
]
"""Why a question got no more votes.

all_drawn: every planned vote was drawn. leader_certain: the leading answer can no longer be overtaken.
floor_out_of_reach: no answer can reach the minimum share any more. ceiling_passed: the leading answer will exceed the
maximum share (policy `band`). leader_probable: by the Beta rule, the leading answer is probably the
majority. floor_improbable: by the same rule, probably no answer reaches the minimum share."""
BenchmarkKind = Literal["answers", "choices"]
"""What a benchmark expects. answers: a value. choices: the letter of one of the given options."""
Role = Literal["score", "final", "general", "canary", "agreement"]
AGREEMENT = "agreement with the base's votes"
"""Name of the benchmark of a run's own questions, whose answers are the labels that the base's votes gave them."""
"""What a benchmark is for. score: choosing the best round. final: measuring only the base and the best round, at the
end, so that it has no part in that choice. general: other abilities, which should not suffer. canary: alarms."""
AnswerForm = Literal["whole", "tagged", "boxed", "hash", "phrase", "bold", "last"]
"""Where an answer stood in a reply. 'last' is an unmarked place; every other form says "this is the answer"."""
Abstention = Literal["in_thoughts", "cut_off", "no_answer"]
"""Why a reply has no answer. in_thoughts: it never left its thoughts. cut_off: it was cut off before its answer.
no_answer: it ended, but gives no answer or an unclear one."""
ModelKind = Literal["base", "adapter"]
BASE_SHA256 = "crescent.base.sha256"
"""Metadata key of a GGUF adapter that holds the checksum of its base."""


def derive_seed(*parts: object) -> int:
    """Return a seed, 0 to 2**32 - 2, that depends only on `parts`. (2**32 - 1 means "random" to llama.cpp.)"""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "little") % (2**32 - 1)


@dataclass(frozen=True)
class Generation:
    """How the tokens of a completion are drawn. Filters apply in the order top_k, temperature, top_p."""

    max_tokens: int
    """Most tokens drawn, including the end-of-turn token."""
    temperature: float = 1.0
    """Softmax temperature; 0 is greedy."""
    top_p: float = 1.0
    """Nucleus sampling: probability mass kept, 0-1; 1 keeps everything."""
    top_k: int = 64
    """Candidates kept before any other filter; 0 keeps the whole vocabulary, which slows down every token."""
    stop: tuple[str, ...] = ()
    """Texts that end the reply; the text itself is cut off. One that begins with a line break marks a new block: it
    ends a reply only after the reply has said something outside its thoughts."""
    logprobs: bool = False
    """Whether to report the mean log-probability of the reply's tokens. Slows down every token."""
    logprobs_if_cheap: bool = False
    """Whether to report it also where that takes less than 2% of the time of decoding, in this process only."""


@dataclass(frozen=True)
class Request:
    """A prompt and the samples to draw for it. The samples share one prefill."""

    key: str
    """Name of the request in its completions and seeds. Unique among the requests of one call."""
    user: str
    """The user's turn, before the chat template."""
    generation: Generation
    sample_indexes: tuple[int, ...] = (0,)
    """Indexes of the samples to draw. A resumed question requests only the missing ones."""
    assistant_prefix: str = ""
    """Text that the model's turn is made to begin with. A completion's text does not include it."""
    forced: tuple[str, ...] = ()
    """For each sample index, a given reply whose log-probability is measured. Empty: replies are drawn."""
    seed: int = 0
    """The run's seed; a sample's seed is derived from this, the key and the sample's index."""

    def sample_seed(self, sample_index: int) -> int:
        """Return the seed of one sample: the same for the same run seed, key and index on any machine."""
        return derive_seed(self.seed, self.key, sample_index)


@dataclass(frozen=True)
class Completion:
    """One finished sample of a request."""

    key: str
    """Key of the request."""
    sample_index: int
    seed: int
    text: str
    """What the model wrote, without the end-of-turn token; where the prompt ended with the opening tag of the model's
    thoughts, the text begins with that tag. May be empty. Untrusted."""
    finish_reason: FinishReason
    tokens: int
    """Tokens drawn, including the end-of-turn token."""
    prompt_tokens: int
    """Tokens of the rendered prompt."""
    mean_logprob: float | None = None
    """Mean log-probability of the drawn tokens; None if not requested, or not reported by the sampler."""
    token_ids: tuple[int, ...] | None = None
    """Ids of the drawn tokens that spell `text`, without the end-of-turn token; None if they are not known."""


@dataclass(frozen=True)
class PromptText:
    """A prompt as it was used."""

    name: str
    """`set/file`, for instance `arithmetic/bait`."""
    text: str
    sha256: str
    """Checksum of the text; of the whole file for the user's own questions, which have no prompt text."""


@dataclass(frozen=True)
class Note:
    """A remark by a person on a question. Never used as a label."""

    key: str
    """Random text; two notes with the same key are the same note."""
    question_id: int
    text: str
    """The remark; an empty text deletes the question's earlier notes."""
    created_at: str
    """UTC, ISO 8601."""


TEMPLATE_SET = "chat-template"
"""Set name, among a run's prompts, of the chat template that replaces the GGUF's own: 'chat-template/chatml'."""


def short_name(prompt: str) -> str:
    """A prompt's name without its set: 'arithmetic/bait' -> 'bait'."""
    return prompt.rpartition("/")[2]


SPLIT_NAME = re.compile(r"(?P<model>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.DOTALL)
"""The name of a part of a split GGUF, as llama.cpp counts the parts: 'x-00001-of-00003.gguf'."""


@dataclass(frozen=True)
class ModelFile:
    """A model on this disk: one GGUF, or the parts of a split one."""

    name: str
    """The file's name without its ending, as the user gave it: a link keeps its own name, not that of its target."""
    path: Path
    """The file, or the first part of a split GGUF; may be a link."""
    sha256: str
    """Checksum of the file; of a split GGUF that of all parts, one after the other."""
    source: str
    """What the user wrote: 'embedded', a path, or `repo:file`."""
    kind: ModelKind = "base"

    @property
    def file_name(self) -> str:
        """The file's name as the user gave it. llama.cpp finds the parts of a split GGUF by this name."""
        return self.path.name if self.source == "embedded" else named_file(self.source) or self.path.name


def named_file(source: str) -> str:
    """The name of the GGUF in a path or `repo:file`; '' for a source without one, such as 'embedded'."""
    name = re.split(r"[/\\:]", source)[-1]
    return name if name.lower().endswith(".gguf") else ""


def model_name(file_name: str) -> str:
    """A model's name: its file's name without '.gguf', and without '-00001-of-00003'."""
    split = SPLIT_NAME.fullmatch(file_name)
    return split["model"] if split else re.sub(r"\.gguf$", "", file_name, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """A question as the model asked it, whether it was kept or rejected."""

    question_id: int
    text: str
    """The cleaned question; the raw text if cleaning found no question."""
    raw_text: str
    """Exactly what the model wrote, including the assistant prefix."""
    finish_reason: FinishReason
    verdict: Verdict | None = None
    """None until diversification has decided."""
    rewritten_from: int | None = None
    """Id of the question that this one rewrites; None for a first wording."""
    rewrites: int = 0
    """Number of rewrites between the first wording and this one."""
    steering: Mapping[str, str] = field(default_factory=dict)
    """Values of the bait's placeholders; a rewrite has those of the first wording."""
    external_id: str | None = None
    """The question's name in the user's file; None for a question that a model asked."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to get a question: the model is baited, or told to rewrite a question that is not new."""

    request: Request
    """A request for one sample."""
    prompt_sha256: str
    ask_index: int | None = None
    """Index of the raw question within its round, from 0; None for a rewrite."""
    rewrites: Question | None = None
    """The question that the model is told to rewrite; None for a bait."""
    steering: Mapping[str, str] = field(default_factory=dict)
    """Values of the bait's placeholders."""


@dataclass(frozen=True)
class QuestionVerdict:
    """What diversification decided about one question, and why."""

    verdict: Verdict
    reason: str
    """'new' for a kept question, else the rule that rejected it: 'no_question', 'near_duplicate', ..."""
    text: str
    """The cleaned question."""
    duplicate_of: int | None = None
    """Id of the kept question that this one repeats."""
    similarity: float | None = None
    """Similarity of the two templates (texts with masked numbers), 0-100."""
    benchmark_item: str | None = None
    """The benchmark item that this question repeats, as `benchmark/item`."""
    same_meaning: tuple[int, float] | None = None
    """Id and cosine (-1 to 1) of the kept question nearest in meaning; None unless `diversify.semantic` is set."""


@dataclass(frozen=True)
class Answer:
    """A final answer and where it was found."""

    raw: str
    """The answer as written, without the markup that would hide its value."""
    key: str
    """Typed canonical key: 'n:19', '%:20', 'c:B'; see `answers.values`."""
    form: AnswerForm


@dataclass(frozen=True)
class Vote:
    """One sampled solution of one question, as the consensus sees it."""

    vote_id: int
    sample_index: int
    text: str
    """The solution. Untrusted."""
    answer_key: str | None
    """Canonical key of the answer; None is an abstention."""
    answer_form: str | None
    """Where the answer stood: 'boxed', 'whole', ...; 'last' is an unmarked place."""
    finish_reason: FinishReason
    mean_logprob: float | None = None
    """Mean log-probability of the tokens before temperature and truncation are applied; None if not requested."""
    abstained: Abstention | None = None
    """Why it has no answer; None if it has one, and for votes that were stored before the reason was."""


@dataclass(frozen=True)
class Consensus:
    """What the votes of one question add up to."""

    decision: Decision
    reason: str
    """'agreed' for a label, else 'tie', 'low_share', 'high_share', 'no_answer', 'cut_off'."""
    answer_key: str | None
    """The leading answer, even if the question was rejected; None when every vote abstained."""
    share: float
    """Fraction of all votes drawn that agree with `answer_key`, 0-1. Abstentions count against it."""
    votes: int
    """Votes drawn."""
    abstentions: int
    """Votes without an answer."""
    distinct: int
    """Different answer keys; abstentions are not counted."""
    margin: float
    """Share of the leading answer minus that of the next one, 0-1."""
    entropy: float
    """Entropy of the answers in bits; abstentions are not counted. 0 when all agree."""
    chosen_vote: int | None
    """Id of the vote whose solution becomes the example; None without a label."""
    planned: int
    """Most votes that could have been drawn."""
    stopped: Stopped


@dataclass(frozen=True)
class Label:
    """A question with the answer its votes agreed on and the solution that is trained on."""

    run_id: int
    round: int
    """Number of the round that asked the question, from 1."""
    question_id: int
    question: str
    """Text of the question."""
    vote_id: int
    """Id of the vote whose solution was chosen."""
    solution: str
    """Text of that vote, as the model wrote it. Untrusted."""
    answer_key: str | None
    """Canonical key of the answer, such as 'n:19'; None only for an unvoted sample without an answer."""
    share: float | None
    """Fraction of all votes that agree with `answer_key`, 0-1; None for an unvoted sample."""


@dataclass(frozen=True)
class TokenExample:
    """A question and its solution, and for a preference pair a losing solution, as the token ids of sampling."""

    question_id: int
    input_ids: tuple[int, ...]
    """Prompt, then solution, then the end-of-turn token."""
    prompt_length: int
    """Number of leading `input_ids` that are the prompt; they have no loss."""
    rejected_ids: tuple[int, ...] = ()
    """The same prompt, then the losing solution of a pair, then the end-of-turn token; empty without a loser."""
    weight: float = 1.0
    """Weight of the example's loss, above 0."""
    reference: tuple[float, ...] | None = None
    """Log-probability of each solution before the first step, in nats; None until the training has computed it."""

    @property
    def tokens(self) -> int:
        """Tokens of all its sequences, prompts included."""
        return len(self.input_ids) + len(self.rejected_ids)


@dataclass(frozen=True)
class Example:
    """What a model is trained on: a solution of a label, or a pair of solutions, and the tokens."""

    label: Label
    vote_id: int
    """The vote that is learnt."""
    tokens: TokenExample
    loser_vote_id: int | None = None
    """The vote that it is compared with; None without a loser."""


@dataclass(frozen=True)
class GivenAnswer:
    """An answer as it was given, and its value."""

    text: str
    """The answer as written, without the solution before it."""
    key: str | None
    """Its canonical key; None for a text that is not one value."""


@dataclass(frozen=True)
class BenchmarkItem:
    """A question with its known answer."""

    item_id: str
    question: str
    answer: str
    """The gold answer as written."""
    answer_key: str
    """Canonical key of the gold answer."""


@dataclass(frozen=True)
class Benchmark:
    """A set of items, identified by its checksum."""

    name: str
    source: str
    """The source as configured: a path, `reasoning-gym` or `hub:repo`."""
    sha256: str
    """Checksum of the items' questions and answers and of the shots, in order."""
    items: tuple[BenchmarkItem, ...]
    kind: BenchmarkKind = "answers"
    role: Role = "score"
    shots: tuple[tuple[str, str], ...] = ()
    """Worked examples, (question, solution), which few-shot prompts show before an item. They are never items."""
    left_out: int = 0
    """Rows that did not become items: repeated questions and unreadable rows."""


@dataclass(frozen=True)
class Measurement:
    """One way to put a benchmark's items to a model."""

    benchmark: Benchmark
    prompt: PromptText
    """The prompt, which contains `{question}`."""
    generation: Generation
    samples: int = 1
    """Samples drawn per item."""
    ranks: bool = False
    """Whether the options are ranked by likelihood (choices only): nothing is drawn, the likeliest is the answer."""
    chat: Mapping[str, Any] = field(default_factory=dict)
    """What the settings change in how a prompt is wrapped: the sha256 of the chat template that replaces the GGUF's,
    and the template arguments. Empty for the GGUF's own template without arguments."""

    named_temperature: float | None = None
    """Temperature of the samples where several are measured; None for the only one."""

    @property
    def title(self) -> str:
        """The measurement's name: 'gsm8k, bare', 'gsm8k, solve, 8 samples' or 'gsm8k, solve, 8 samples at 0.2'."""
        name = f"{self.benchmark.name}, {short_name(self.prompt.name)}"
        name += f", {self.samples} samples" if self.samples > 1 else ""
        return name if self.named_temperature is None else f"{name} at {self.named_temperature:g}"


@dataclass(frozen=True)
class ItemScore:
    """How one answer to one item was scored."""

    answer_raw: str | None
    """The answer as written; None if no answer was found."""
    answer_key: str | None
    """Canonical key of the answer; None if no answer was found."""
    strict: bool
    """Whether the right answer stands in a marked place: boxed, after '####', 'the answer is', the whole reply."""
    flexible: bool
    """Whether the right answer stands anywhere that `find_answer` looks."""
    abstained: Abstention | None = None
    """Why no answer was found; None if one was."""


@dataclass(frozen=True)
class SampledReply:
    """One of several sampled replies to a benchmark's item, as far as it was scored."""

    answer_key: str | None
    """Canonical key of its answer; None if no answer was found."""
    right: bool
    """By the flexible scoring."""
    ended: bool = True
    """Whether the model ended it; False for a reply that was cut off."""


@dataclass(frozen=True)
class Score:
    """A fraction of right answers with its interval."""

    right: int
    items: int
    low: float
    """Lower end of the 95% Wilson interval, 0-1."""
    high: float
    """Upper end of the 95% Wilson interval, 0-1."""

    @property
    def fraction(self) -> float:
        """Right answers per item, 0-1; 0 without items."""
        return self.right / self.items if self.items else 0.0


@dataclass(frozen=True)
class GreedyReply:
    """The greedy reply to a benchmark's item, as far as it was scored."""

    right: bool
    """By the flexible scoring."""
    ended: bool
    """Whether it ended by itself; False if it was cut off."""
    tokens: int
    """Tokens drawn."""


@dataclass(frozen=True)
class SampledPair:
    """Two finished evaluations of one model on the same items with the same prompt: greedy, and with samples."""

    benchmark: str
    prompt: str
    """Name of the prompt, `set/file`."""
    greedy_id: int
    """The evaluation with one greedy reply for each item."""
    sampled_id: int
    """The evaluation with several samples of each item."""


@dataclass(frozen=True)
class PairedComparison:
    """Two models compared on the same items."""

    items: int
    gained: int
    """Items wrong before and right after."""
    lost: int
    """Items right before and wrong after."""
    p_value: float
    """P-value of the two-sided exact McNemar test."""

    @property
    def difference(self) -> float:
        """Fraction right after minus fraction right before, -1 to 1; 0 without items."""
        return (self.gained - self.lost) / self.items if self.items else 0.0


@dataclass(frozen=True)
class LookReply:
    """A greedy reply of the model in training to a question that it is not trained on."""

    question_id: int
    token_ids: tuple[int, ...]
    """Without the token that ended it."""
    ended: bool
    """Whether it ended by itself; False if it was cut off."""


@dataclass(frozen=True)
class TrainingStep:
    """An optimiser step as the training program reports it."""

    step: int
    """Number of the step, from 1."""
    steps: int
    """Steps planned in all."""
    epoch: float
    """Passes over the examples so far."""
    loss: float
    """Mean loss of this step in nats: per solution token, or per pair for the objective 'preference'."""
    learning_rate: float
    tokens: int
    """Tokens seen so far, including prompts but not padding."""
    tokens_per_second: float
    held_out_loss: float | None = None
    """Loss on the held-out examples after this step, nats; None if it was not measured."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Further figures by name, such as 'pair_accuracy' of an objective; those of held-out examples begin with
    'held_out_'. The figures of greedy replies in step 1 are from before that step."""
    replies: tuple[LookReply, ...] = ()
    """Greedy replies to the held-out questions, drawn after this step, in step 1 before it; mostly empty."""


def peft_dir_of(adapter: Path) -> Path:
    """The folder of the PEFT adapter from which a GGUF adapter was converted; it lies beside the GGUF."""
    return adapter.parent / "peft"


@dataclass(frozen=True)
class TrainedAdapter:
    """The result of a finished training."""

    gguf_path: Path
    """The adapter for llama.cpp."""
    peft_dir: Path
    """The adapter as PEFT saved it (safetensors)."""
    loader: str
    """'peft' or 'unsloth'."""
    train_seconds: float
    """Time spent training, in seconds; the sum over all processes of an interrupted training."""
    stopped: str | None = None
    """Why the training ended before its last step; None if it did not."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Versions, device and the step that the adapter was taken from, for the record."""


@dataclass(frozen=True)
class MachineSample:
    """The load of what a run may use of its machine, at one moment."""

    at: str
    """UTC, ISO 8601."""
    round: int
    """Number of the round at work; 0 is the base."""
    stage: str | None
    """The stage at work; None between two stages."""
    cpu: float
    """Utilisation of the processors since the sample before, 0-1."""
    memory_bytes: int
    """Memory in use, of the machine or of the cgroup."""
    gpu: float | None
    """Mean utilisation of the GPUs, 0-1; None without one, or if the driver does not report it."""
    gpu_memory_bytes: int | None
    """Memory in use on the GPUs; None without one."""
    tokens_per_second: float | None
    """Tokens drawn or trained on per second since the sample before; None if none was counted."""
