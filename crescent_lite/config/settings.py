"""Everything a user may want to change, with its type, its range and its help; and where each value came from.

Values are layered: the defaults below, then a preset, then `crescent.toml`, then `--set section.key=value`.
Knows nothing of what the values are used for. Example:
    config = load_config(workspace / "crescent.toml", overrides=["vote.votes_per_question=5"])
    config.vote.votes_per_question      # 5
    config.origins["vote.votes_per_question"]   # "--set"
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from crescent_lite.config.layers import Range, build, resolve_layers
from crescent_lite.config.migrations import MIGRATIONS, VERSION_KEY
from crescent_lite.config.names import PRESET_DIR, PRESETS
from crescent_lite.config.toml import override_layer, read_toml
from crescent_lite.errors import ConfigError
from crescent_lite.names import Policy


@dataclass(frozen=True)
class RunConfig:
    """The run as a whole."""

    rounds: Annotated[int, Range(1, 1000)] = 1
    """Rounds of the method. Each round's model asks and votes for the next."""
    patience: Annotated[int, Range(0, 1000)] = 2
    """Rounds without a better score on the benchmarks after which the run ends (guess). 0 plays all of them."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 1
    """Every other seed is derived from this one."""
    prompts: str = "word-problems"
    """The prompt set: 'arithmetic', 'word-problems', 'reference', or a folder with the same files."""


@dataclass(frozen=True)
class ModelConfig:
    """The model that asks, votes and is improved."""

    source: str = "embedded"
    """'embedded' (SmolLM2-135M-Instruct), the path of a GGUF file, or `repo:file` on the Hugging Face hub. A
    relative path starts in the workspace; where that has no such file, in the current folder. So do the others."""
    offline: bool = False
    """Take hub files from the local cache only."""


@dataclass(frozen=True)
class SamplingConfig:
    """How llama.cpp is driven, in this process or on servers."""

    slots: Annotated[int, Range(0, 256)] = 0
    """Sequences decoded together. 0 chooses: 64 on a CPU, 128 on a GPU. Where memory is short they share it."""
    context_tokens: Annotated[int, Range(0, 1_000_000)] = 0
    """Context of one sequence, prompt and reply. 0 chooses from the stage's max_tokens."""
    memory_gb: Annotated[float, Range(0, 100_000)] = 0.0
    """Memory for the cache and its buffers, in GB (10^9 bytes). 0 takes up to 70% of what is free."""
    threads: Annotated[int, Range(0, 1024)] = 0
    """Processor threads. 0 takes the physical cores."""
    gpu_layers: Annotated[int, Range(-1, 10_000)] = -1
    """Layers on the GPU where llama.cpp was built for one. -1 is as many as fit."""
    servers: tuple[str, ...] = ()
    """Sample on these servers instead of in this process. 'http://host:8080' is a llama-server; an address that ends
    with '/v1' is vLLM, SGLang, LM Studio (OpenAI-style completions) or Ollama. All must serve `model.source`."""
    server_model: str = ""
    """What the OpenAI-style servers call the model. May be left out where they serve one."""
    server_requests: Annotated[int, Range(0, 10_000)] = 0
    """Requests under way at a server. 0 takes a llama-server's slots, and 32 elsewhere."""
    server_timeout_seconds: Annotated[float, Range(0.1, 86_400)] = 600.0
    """A server that takes longer for one reply counts as hung."""
    server_key_variable: str = "CRESCENT_SERVER_KEY"
    """The environment variable that holds the servers' API key, where they want one."""
    adapters_here: bool = False
    """Sample a model with an adapter in this process: for servers that cannot load one while they run."""


@dataclass(frozen=True)
class BaitConfig:
    """Stage 1: raw questions."""

    questions: Annotated[int, Range(1, 10_000_000)] = 400
    """Raw questions a round."""
    file: str = ""
    """A JSONL file of questions of your own, on each line a text or an object with a text under 'question': they are
    voted on in place of what the model would ask, in each round the next `questions` of them. Empty: it asks."""
    assistant_prefix: str = ""
    """Words the model is made to begin with. They count as part of the question. A placeholder of the prompt set's
    bait, for instance {name}, is filled in as in the bait."""
    temperature: Annotated[float, Range(0, 5)] = 1.0
    """How freely questions are drawn. 0 always asks the same question."""
    top_p: Annotated[float, Range(0, 1)] = 1.0
    """The likeliest tokens that together reach this probability are drawn from, 0-1. 1 keeps all."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 64
    """As many of the likeliest tokens are drawn from. 0 keeps the whole vocabulary, which is slow."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 256
    """A question longer than this is cut off, and rejected."""
    min_acceptance: Annotated[float, Range(0, 1)] = 0.05
    """Stop asking when fewer of the last 100 texts than this share were kept. 0 never stops."""


@dataclass(frozen=True)
class DiversifyConfig:
    """Stage 2: is it a question, and is it new?"""

    duplicates: Literal["reject", "keep"] = "reject"
    """'keep' rejects no question for not being new: the control without diversification."""
    near_duplicate: Annotated[float, Range(0, 100)] = 85.0
    """Similarity of two templates (numbers masked), 0-100, from which a question is a near-duplicate."""
    numbers_must_agree: bool = True
    """Near-duplicates are only those that also have the same numbers; the others are of the same template."""
    max_per_template: Annotated[int, Range(0, 100)] = 3
    """Kept questions of one template, with different numbers, 1-100. 0 is no limit: for drills of one template."""
    max_rewrites: Annotated[int, Range(0, 100)] = 2
    """How often the model may rewrite a question that is not new before it is rejected for good."""
    semantic: str = ""
    """A model2vec model, a folder or the name of a hub repo, that marks questions which mean nearly the same. They
    are kept all the same. Empty: no such check."""
    min_characters: Annotated[int, Range(1, 100_000)] = 12
    """Shorter texts are no questions."""
    max_characters: Annotated[int, Range(1, 100_000)] = 1200
    """Longer texts are no questions."""
    language: Literal["latin", "any"] = "latin"
    """'latin' rejects texts mostly written in another script."""
    min_numbers: Annotated[int, Range(0, 100)] = 1
    """Numbers a question must hold at least, in digits or words."""
    max_question_marks: Annotated[int, Range(1, 100)] = 1
    """More questions than this in one text are several questions."""
    first_question_only: bool = False
    """Keep a text up to its first question mark. For drills of one line."""
    rewrite_temperature: Annotated[float, Range(0, 5)] = 1.0
    """How freely a near-duplicate is rewritten. 0 is greedy."""


@dataclass(frozen=True)
class VoteConfig:
    """Stage 3: votes and the label."""

    votes_per_question: Annotated[int, Range(1, 1000)] = 8
    """Solutions drawn for each kept question, at most."""
    policy: Policy = "majority"
    """'majority': the leading answer from `min_share` on, no ties. 'band': only shares up to `max_share`, so that
    what is too easy is left out. 'reference': as the paper's code has it, the commonest answer however rare, the
    first one of a tie, no answer among them."""
    min_share: Annotated[float, Range(0, 1)] = 0.5
    """The leading answer's share of all votes from which it is a label. Abstentions count against it."""
    max_share: Annotated[float, Range(0, 1)] = 0.8
    """For 'band': the share above which there is no label (R-Zero, arXiv 2508.05004, takes 0.3 to 0.8)."""
    keep: Literal["first", "shortest", "likeliest"] = "first"
    """Which solution of the leading answer becomes the example, of those that end and mark their answer: the first
    one drawn, the shortest, or that with the highest mean log-probability."""
    stopping: Literal["exact", "beta", "never"] = "exact"
    """When a question gets no more votes: 'exact', as soon as they cannot change its label; 'beta', also as soon as
    the leading answer is the majority, or will not reach the floor, with `stop_confidence` (Adaptive-Consistency)."""
    stop_confidence: Annotated[float, Range(0.5, 1)] = 0.95
    """For 'beta': the probability that is enough."""
    temperature: Annotated[float, Range(0, 5)] = 0.8
    """How freely solutions are drawn. At 0 all votes are alike."""
    top_p: Annotated[float, Range(0, 1)] = 1.0
    """The likeliest tokens that together reach this probability are drawn from, 0-1. 1 keeps all."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 64
    """As many of the likeliest tokens are drawn from. 0 keeps the whole vocabulary, which is slow."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 512
    """A solution longer than this is cut off."""


@dataclass(frozen=True)
class TrainConfig:
    """Stage 4: LoRA fine-tuning on the labelled questions."""

    loader: Literal["auto", "unsloth", "peft"] = "auto"
    """'auto' is Unsloth where there is a GPU and Unsloth, else PEFT."""
    weights: str = "gguf"
    """'gguf' trains on the sampled GGUF itself, dequantised; else a Hugging Face folder or repo."""
    precision: Literal["auto", "float32", "bfloat16", "nf4"] = "auto"
    """How the frozen base is held: floats of 32 or 16 bits, or the 4 bits of QLoRA (bitsandbytes). 'auto' is nf4 on a
    GPU; on a CPU it is bfloat16 where that has instructions for it, else float32."""
    rank: Annotated[int, Range(1, 1024)] = 16
    """Rank of the LoRA matrices. 16 is Unsloth's default; QLoRA found no difference from 8 to 256."""
    alpha: Annotated[int, Range(1, 4096)] = 32
    """Scale of the adapter, over the rank: 32 at rank 16 doubles it (a guess between QLoRA's 1/4 and Unsloth's 2)."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.0
    """Share of the adapter's inputs left out at random, 0-0.99."""
    learning_rate: Annotated[float, Range(0, 1)] = 0.0
    """At its peak, after the warm-up. 0 goes by the model's size: 2e-4, and 1e-4 from 20B on (QLoRA)."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_fraction: Annotated[float, Range(0, 1)] = 0.05
    """Share of the steps over which the learning rate rises, 0-1."""
    epochs: Annotated[float, Range(0, 1000)] = 0.0
    """Passes over the examples. 0 goes by their number: as many as make 40 steps, from 2 to 4 (guess)."""
    batch_size: Annotated[int, Range(0, 4096)] = 0
    """Examples per optimiser step. 0 goes by their number: 8, and 16 from 500 on (QLoRA has 16)."""
    micro_batch_size: Annotated[int, Range(1, 4096)] = 4
    """Examples in memory at a time."""
    max_example_tokens: Annotated[int, Range(8, 1_000_000)] = 1024
    """Longer examples are left out, and counted."""
    min_examples: Annotated[int, Range(1, 1_000_000)] = 8
    """With fewer labels the round ends without a training."""
    start_from: Literal["base", "last"] = "base"
    """What a round's training starts from: the base, or the adapter of the round before."""
    replay_share: Annotated[float, Range(0, 0.95)] = 0.5
    """Share of a round's examples that is drawn from the labels of earlier rounds, where there are some (guess)."""
    max_examples: Annotated[int, Range(0, 1_000_000_000)] = 0
    """Labels that are learnt from at most, drawn at random: for comparisons at equal number. 0 takes all."""
    held_out: Annotated[float, Range(0, 0.5)] = 0.05
    """Share of the examples that is not learnt from, 0-0.5: their loss stops the training when it rises. None are
    held out of fewer than 50 examples."""
    checkpoint_seconds: Annotated[float, Range(0, 1_000_000)] = 60.0
    """A training that is killed loses at most the step at hand and this time."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """One set of questions with known answers. Used to measure, never to train."""

    source: str = ""
    """The path of a JSONL file, `hub:repo`, or 'reasoning-gym'."""
    builtin: str = ""
    """The fields of a known data set, which your own are laid over: gsm8k, svamp, asdiv, gsm-plus, math-500,
    aime-2024, arc-easy, arc-challenge or mmlu."""
    role: Literal["score", "final", "general", "canary"] = "score"
    """'score' chooses the best round. 'final' is for the end: of the base and that round, so that the choice cannot
    flatter it. 'general' is of other abilities, which should hold. 'canary' is for alarms only."""
    kind: Literal["answers", "choices"] = "answers"
    """'answers' have a value to be found, 'choices' one of several options."""
    items: Annotated[int, Range(1, 10_000_000)] = 300
    """Items used at most: the first ones of a file, that many of a generator."""
    prompts: tuple[str, ...] = ()
    """In place of `evaluate.prompts`."""
    samples: Annotated[int, Range(0, 1000)] = 0
    """Drawn of each item as votes are, with the last prompt, beside its one greedy answer: for pass@k and maj@k."""
    max_tokens: Annotated[int, Range(0, 100_000)] = 0
    """An answer longer than this is cut off. 0 is `evaluate.max_tokens`."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 20260101
    """For a generator."""
    tasks: Mapping[str, Any] = field(default_factory=dict)
    """For 'reasoning-gym': task names, each with its own options."""
    question_field: str = "question"
    """The column of the questions, or several: '{Body} {Question}'."""
    answer_field: str = "answer"
    """A text after '####' counts as the answer where there is one. Of choices: a label, an index from 0 or a text."""
    choices_field: str = "choices"
    """Of choices: the column of the options, a list or a table of `text` and `label`."""
    solution_field: str = ""
    """The column of worked solutions, for prompts with shots. Empty: the answer's."""
    shots: str = ""
    """Where the worked examples of an 'N-shot' prompt come from: a JSONL file, or a split of the hub's data set."""
    unreadable: Literal["refuse", "leave-out"] = "refuse"
    """What is done about rows that are no items, as their answer is nothing that can be compared."""
    subset: str = ""
    """For a hub data set: its configuration."""
    split: str = "test"
    """For a hub data set: the split that is measured on."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Measurement of the base and of each round."""

    prompts: tuple[str, ...] = ("bare", "solve")
    """'bare' asks the question alone, '5-shot' after five worked examples; any other name is `<name>.txt` in the
    prompt set. 'solve' is what votes are drawn with: in 'word-problems' it asks for a solution step by step. Of
    choices, 'likelihood' takes the option that the model finds likeliest, and 'letter' asks for its letter."""
    temperature: Annotated[float, Range(0, 5)] = 0.0
    """0 is greedy: each item has one answer."""
    top_p: Annotated[float, Range(0, 1)] = 1.0
    """The likeliest tokens that together reach this probability are drawn from, 0-1. 1 keeps all."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 64
    """As many of the likeliest tokens are drawn from. 0 keeps the whole vocabulary, which is slow."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 512
    """An answer longer than this is cut off."""
    benchmarks: Mapping[str, BenchmarkConfig] = field(default_factory=dict)
    """Named sets of questions. A `crescent.toml` that names one replaces all of the preset's."""


@dataclass(frozen=True)
class AlarmsConfig:
    """What goes wrong in self-training, and from where on it counts. Looked for after every round."""

    stop: bool = True
    """End the run when an alarm fires. Nothing is deleted, and the best round is kept."""
    significance: Annotated[float, Range(0, 1)] = 0.002
    """How improbable a fall of a score, or a share above its limit, has to be by chance alone. Measured: with several
    tests in each of six rounds fewer than one healthy run in twenty has an alarm (benchmarks/alarms.py)."""
    share_rise: Annotated[float, Range(0, 1)] = 0.02
    """False consensus: the mean share rises by this much while the canary falls (SRT, arXiv 2505.21444; guess)."""
    one_answer: Annotated[float, Range(0, 1)] = 0.3
    """One answer's share of the labels, or of a benchmark's answers beyond where it is right, from which the model
    has collapsed onto it (SRT, arXiv 2505.21444; guess)."""
    diversity_kept: Annotated[float, Range(0, 1)] = 0.5
    """Below this part of what they were in round 1, acceptance and the number of different answers have collapsed
    (EVOL-RL, arXiv 2509.15194; guess)."""
    similarity_rise: Annotated[float, Range(0, 100)] = 10.0
    """Points, of 100, by which questions may grow more like their nearest neighbour (B-STaR, arXiv 2412.17256;
    guess)."""
    length_factor: Annotated[float, Range(1, 1000)] = 2.0
    """Solutions so many times as long, or as short, as in round 1 have drifted (guess)."""
    broken_rise: Annotated[float, Range(0, 1)] = 0.2
    """Share of a benchmark's items by which more replies than the base's are cut off or hold no answer (guess)."""
    unmarked_rise: Annotated[float, Range(0, 1)] = 0.2
    """Share of the items that stayed right whose answers are no longer marked: the format is unlearnt (guess)."""
    general_fall: Annotated[float, Range(0, 1)] = 0.03
    """Fall of the general suite that counts as forgetting (arXiv 2405.09673 measures 2 to 5 points; guess)."""
    contaminated: Annotated[float, Range(0, 1)] = 0.02
    """Share of the texts that repeat an item of one benchmark (guess)."""


@dataclass(frozen=True)
class Config:
    """The resolved configuration of a run."""

    run: RunConfig = field(default_factory=RunConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    bait: BaitConfig = field(default_factory=BaitConfig)
    diversify: DiversifyConfig = field(default_factory=DiversifyConfig)
    vote: VoteConfig = field(default_factory=VoteConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    alarms: AlarmsConfig = field(default_factory=AlarmsConfig)
    preset: str = "default"
    """The values that your own are laid over: 'quick', 'default' or 'reference'."""
    preset_given: bool = field(default=False, compare=False)
    """Whether the command line named it. A run that is resumed hears its command line again."""
    overrides: tuple[str, ...] = field(default=(), compare=False)
    """The command line's `section.key=value` texts."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """For `preset` and each `section.key` where the value came from: 'default', 'preset quick', a file, '--set'."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, with the version of the settings' names; without the origins."""
        values = {VERSION_KEY: len(MIGRATIONS), **dataclasses.asdict(self)}
        del values["origins"]
        return values


def load_config(
    path: Path | None = None, *, preset: str | None = None, overrides: tuple[str, ...] | list[str] = ()
) -> Config:
    """Resolve the layers. `preset` wins over the file's own `preset = "..."` line. Raises ConfigError."""
    document = read_toml(path) if path is not None else {}
    of_file = document.pop("preset", None)
    if preset is not None:
        named, origin = preset, "--preset"
    elif of_file is not None:
        named, origin = of_file, str(path)
    else:
        named, origin = "default", "default"
    if named not in PRESETS:
        raise ConfigError(f"{origin}: preset: there is no preset {named!r}; choose from {', '.join(PRESETS)}")
    layers = [(f"preset {named}", read_toml(PRESET_DIR / f"{named}.toml")), (str(path), document)]
    sections, origins = resolve_layers(Config, [*layers, *map(override_layer, overrides)])
    benchmarks = sections["evaluate"].get("benchmarks", {})
    whence = origins["evaluate.benchmarks"]
    sections["evaluate"]["benchmarks"] = {
        name: _with_builtin(f"{whence}: evaluate.benchmarks.{name}", given) for name, given in benchmarks.items()
    }
    return build(
        Config,
        {
            **sections,
            "preset": named,
            "preset_given": preset is not None,
            "overrides": list(overrides),
            "origins": {"preset": origin, **origins},
        },
    )


def _with_builtin(where: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A benchmark's table over that of the data set it names."""
    known = read_toml(PRESET_DIR / "benchmarks.toml")
    builtin = given.get("builtin", "")
    if builtin and builtin not in known:
        raise ConfigError(f"{where}.builtin: there is no {builtin!r}; choose from {', '.join(known)}")
    table = {**known.get(builtin, {}), **given}
    if not table.get("source"):
        raise ConfigError(f"{where}: the key 'source' is missing, or 'builtin'")
    return table


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """The config that `as_dict` wrote, in its newest version (`migrations.upgraded`). Raises ConfigError."""
    try:
        return build(Config, {key: value for key, value in values.items() if key != VERSION_KEY})
    except ConfigError as error:
        raise ConfigError(f"the settings stored with the run: {error}") from None
