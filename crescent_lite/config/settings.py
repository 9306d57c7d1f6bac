"""The settings that a user may change, each with its type, range and help, and where each value came from.

Values are layered: the defaults below, then a preset, then `crescent.toml`, then `--set section.key=value`. The text
under each field is the help that `crescent config`, the TUI and the docs show. Renaming, removing or redefining a
setting needs a migration (`migrations`), because settings are stored with each run. Does not know what the values are
used for. Example:
    config = load_config(workspace / "crescent.toml", overrides=["vote.votes_per_question=5"])
    config.vote.votes_per_question      # 5
    config.origins["vote.votes_per_question"]   # "--set"
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from crescent_lite.config.layers import Range, build, resolve_layers
from crescent_lite.config.migrations import MIGRATIONS, VERSION_KEY
from crescent_lite.config.names import MOST_ROUNDS, PRESET_DIR, PRESETS, RESERVED_ARGUMENTS, Objective, Policy
from crescent_lite.config.toml import read_toml
from crescent_lite.errors import ConfigError

TemplateValue = str | int | float | bool
"""A value of `model.template_arguments`."""


@dataclass(frozen=True)
class RunConfig:
    """The run as a whole."""

    rounds: Annotated[int, Range(1, MOST_ROUNDS)] = 1
    """Rounds to run, 1-1,000. The model of each round asks and votes in the next one."""
    patience: Annotated[int, Range(0, 1000)] = 2
    """End the run when this many rounds in a row brought no better score (guess). 0 runs all rounds."""
    choose_by: Literal["benchmark", "agreement"] = "benchmark"
    """What decides which round is the best, and `patience`. 'benchmark': the benchmarks with the role 'score', or
    canaries, which are a development set then. 'agreement': without any gold answer, how often a round's greedy reply
    agrees with the base's votes on own questions; a tenth of round 1's labels, at least 30, is set aside for this and
    never trained on. With fewer than 60 labels, benchmarks decide."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 1
    """Seed that every other seed is derived from."""
    on_finish: tuple[str, ...] = ()
    """Program to start when a run ends, with its arguments: ["notify-send", "crescent: run {run} {state}"]. No shell
    reads them. {run} is the number of the run and {state} 'finished', 'stopped' or 'failed'; the environment has them
    as CRESCENT_RUN and CRESCENT_STATE, and the workspace as CRESCENT_WORKSPACE. It has a minute, and its failure
    changes nothing. Empty: none."""
    prompts: str = "word-problems"
    """Prompt set: 'arithmetic', 'word-problems', 'reference', or a folder with the same files."""
    log_to: Literal["none", "tensorboard", "trackio", "wandb"] = "none"
    """Program that the curves and scores are sent to during a run, as `crescent log --to` does afterwards. Its
    library is an extra: pip install 'crescent-lite[tensorboard]'. 'wandb' uses a server unless WANDB_MODE=offline."""


@dataclass(frozen=True)
class ModelConfig:
    """The model that asks, votes and is improved."""

    source: str = ""
    """'embedded' (SmolLM2-135M-Instruct), the path of a GGUF file, or `repo:file` on the Hugging Face hub. Empty:
    none, and a run is refused. A relative path, here and in every setting, starts in the workspace, or else in the
    current folder."""
    offline: bool = False
    """Whether to take files of the Hugging Face hub from the local cache only."""
    chat_template: str = ""
    """Chat template in place of the GGUF's own, for a file with none or a broken one: alpaca, chatml, gemma, llama2,
    llama3, mistral, phi3, phi4, vicuna or zephyr, or the path of a Jinja file. Empty: the GGUF's own."""
    template_arguments: Mapping[str, TemplateValue] = field(default_factory=dict)
    """Variables that the chat template is rendered with, such as `enable_thinking = false` (Qwen 3, SmolLM3) or
    `reasoning_effort = "low"` (gpt-oss). Each is text, a number, or true or false; a template ignores names that it
    does not use."""

    def __post_init__(self) -> None:
        """Raise ConfigError for an argument that the program sets itself."""
        for name in self.template_arguments:
            if name in RESERVED_ARGUMENTS:
                raise ConfigError(f"model.template_arguments.{name}: is set by the program; remove it")


@dataclass(frozen=True)
class SamplingConfig:
    """How text is sampled: by llama.cpp in this process, or by servers."""

    slots: Annotated[int, Range(0, 1024)] = 0
    """Sequences that are drawn at the same time. 0 takes 64 on a CPU and 128 on a GPU. On a GPU, and above 256, they
    are divided among contexts that take turns. When memory is too small for that many full contexts, they share what
    there is."""
    context_tokens: Annotated[int, Range(0, 1_000_000)] = 0
    """Context of one sequence (prompt and reply) in tokens. 0 takes what the longest prompt and the stage's
    max_tokens need, at most the context the model was trained with."""
    memory_gb: Annotated[float, Range(0, 100_000)] = 0.0
    """Memory for the key-value cache and the buffers, in GB (10^9 bytes). 0 takes up to 70% of the free memory: the
    GPU's if layers are on a GPU, else the computer's."""
    threads: Annotated[int, Range(0, 1024)] = 0
    """Processor threads. 0 takes one for each physical core that may be used (CPU affinity, cgroup quota)."""
    gpu_layers: Annotated[int, Range(-1, 10_000)] = -1
    """Layers to put on the GPU, if llama.cpp was built for one. -1 takes as many as fit, 0 none."""
    merge_adapters: bool = True
    """Whether a long stage samples a trained model from a copy with the adapter merged into it, where that is faster
    than the adapter on the base: on a processor, with a base in a type that the copy can keep the change in. The
    copy is a file in the workspace's cache, deleted when the run ends."""
    workers: Annotated[int, Range(0, 256)] = 1
    """Processes that sample at the same time. 1 samples in the run's own process, 0 takes one for each GPU. Workers
    beyond the first share processors and memory, or have a GPU each (CUDA_VISIBLE_DEVICES)."""
    ray: str = ""
    """Address of a Ray cluster whose machines run the workers: 'auto' for the cluster that this machine belongs to,
    'host:6379', or 'local' for a Ray of its own here. `workers` = 0 then takes one for each GPU of the cluster, or
    for each machine. Requires crescent-lite[ray]. Empty: workers run on this machine, without Ray."""
    servers: tuple[str, ...] = ()
    """Addresses of servers to sample on instead of in this process, such as 'http://host:8080'. Each is asked once
    what it is: llama-server, Ollama, or an OpenAI-style server (vLLM, SGLang, LM Studio). '/v1' at the end asks a
    llama-server for OpenAI-style completions. All must serve the model that `model.source` names."""
    server_model: str = ""
    """Name of the model on servers that list several. May be empty if a server has only one."""
    server_requests: Annotated[int, Range(0, 10_000)] = 0
    """Replies that one server draws at the same time. 0 takes the slots of a llama-server, one reply of an Ollama
    (set OLLAMA_NUM_PARALLEL for it, and the same number here), and on other servers as many as keep their queue just
    short of waiting, at most 4,096, or 1,024 where the queue is not reported."""
    server_timeout_seconds: Annotated[float, Range(0.1, 86_400)] = 600.0
    """Seconds without a complete reply after which a request to a server counts as failed, at least 0.1."""
    server_key_variable: str = "CRESCENT_SERVER_KEY"
    """Name of the environment variable with the API key for the servers. A variable that is not set sends no key."""
    adapters_here: bool = False
    """Whether to sample models with an adapter in this process, because the servers cannot load one while they
    run."""

    def __post_init__(self) -> None:
        """Raise ConfigError where the settings ask for two kinds of samplers."""
        if self.servers and (self.workers != 1 or self.ray):
            raise ConfigError("sampling.servers: cannot be used together with sampling.workers or sampling.ray")


@dataclass(frozen=True)
class BaitConfig:
    """Bait prompting, the first half of the stage 'ask': the model writes raw questions."""

    questions: Annotated[int, Range(1, 10_000_000)] = 400
    """Raw questions per round. Rewrites of near-duplicates come on top."""
    file: str = ""
    """Your own questions: the path of a JSONL file with one per line, a string or an object, or `hub:repo` for a data
    set of the Hugging Face hub. Each round votes on the next `questions` of them. Empty: the model writes the
    questions."""
    question_field: str = "question"
    """For `file`: column with the question, or a template of several columns such as '{Body} {Question}'."""
    answer_field: str = ""
    """For `file`: column with the right answer, with which labels are compared; nothing is learnt from it, and no
    model sees it. Empty: 'answer' in a JSONL file; the answers of a hub data set are not read."""
    subset: str = ""
    """For a hub data set in `file`: its configuration. Empty: its default."""
    split: str = "train"
    """For a hub data set in `file`: the split to take the questions from."""
    assistant_prefix: str = ""
    """Words that the model's reply has to begin with; they are part of the question. May contain placeholders of the
    prompt set's bait.txt, such as {name}."""
    temperature: Annotated[float, Range(0, 5)] = 1.0
    """Sampling temperature of questions, 0-5. 0 always takes the likeliest token."""
    top_p: Annotated[float, Range(0, 1)] = 1.0
    """Draw from the likeliest tokens that together reach this probability, 0-1. 1 draws from all."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 64
    """Draw from this many of the likeliest tokens. 0 draws from the whole vocabulary, which is slow."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 256
    """Length limit of a raw question in tokens. A question that is cut off in mid-sentence is rejected."""
    min_acceptance: Annotated[float, Range(0, 1)] = 0.05
    """Stop asking in this round when less than this fraction of the last 100 texts was kept, 0-1. 0 never stops."""


@dataclass(frozen=True)
class DiversifyConfig:
    """Diversification, the second half of 'ask': rejects texts that are not usable questions, or not new ones."""

    duplicates: Literal["reject", "keep"] = "reject"
    """'reject' rejects questions that are not new. 'keep' keeps them, as the control without diversification does.
    Either way, a question that repeats a benchmark item is rejected."""
    near_duplicate: Annotated[float, Range(0, 100)] = 85.0
    """Similarity of two templates (texts with their numbers masked) from which they count as the same template,
    0-100."""
    numbers_must_agree: bool = True
    """Whether a near-duplicate also has the same numbers. If true, questions of one template with other numbers are
    kept up to `max_per_template`; if false, the same template is enough for a near-duplicate."""
    max_per_template: Annotated[int, Range(0, 100)] = 3
    """Kept questions of one template, each with other numbers, 1-100. 0 sets no limit, for drills such as sums; then
    a question may also share its template with a benchmark item."""
    max_rewrites: Annotated[int, Range(0, 100)] = 2
    """How often the model may rewrite a question that is not new before it is rejected for good, 0-100."""
    semantic: str = ""
    """A model2vec model, as a folder or a hub repo, that marks kept questions with nearly the same meaning. None are
    rejected for it. Empty: no marks."""
    min_characters: Annotated[int, Range(1, 100_000)] = 12
    """Characters below which a text is rejected."""
    max_characters: Annotated[int, Range(1, 100_000)] = 1200
    """Characters above which a text is rejected."""
    language: Literal["latin", "any"] = "latin"
    """'latin' rejects texts with fewer than 80% Latin or Greek letters. 'any' accepts every script."""
    min_numbers: Annotated[int, Range(0, 100)] = 1
    """Fewest numbers that a question may contain, in digits or words, 0-100."""
    max_question_marks: Annotated[int, Range(1, 100)] = 1
    """Question marks above which a text counts as several questions. Several in a row count once."""
    first_question_only: bool = False
    """Whether to cut a text after its first question mark. For one-line drills."""
    rewrite_temperature: Annotated[float, Range(0, 5)] = 1.0
    """Sampling temperature of rewrites, 0-5. 0 always takes the likeliest token."""


@dataclass(frozen=True)
class VoteConfig:
    """The stage 'vote': the votes on a question, and when they make a label."""

    prompt: Literal["solve", "bare"] = "solve"
    """Prompt of the votes: 'solve', which asks for a solution step by step, or the 'bare' question. Preference pairs
    should be drawn with the prompt that they are trained with (`train.prompt`)."""
    votes_per_question: Annotated[int, Range(1, 1000)] = 8
    """Solutions drawn for each kept question, at most. Adaptive stopping may draw fewer."""
    policy: Policy = "majority"
    """'majority': the answer with the most votes is the label, if its share is at least `min_share`; a tie is not a
    label. 'band': the same, but a share above `max_share` is not a label either, so that questions that are too easy
    are left out. 'reference': as in the paper's code, the most frequent answer whatever its share; in a tie, the one
    drawn first; "no answer" counts as an answer."""
    min_share: Annotated[float, Range(0, 1)] = 0.5
    """Share of all votes that the leading answer needs to be a label, 0-1. Abstentions count against it. Policy
    'reference' does not use it."""
    max_share: Annotated[float, Range(0, 1)] = 0.8
    """For policy 'band': share of the votes above which there is no label, 0-1 (R-Zero, arXiv 2508.05004, uses 0.3 to
    0.8)."""
    keep: Literal["first", "shortest", "likeliest"] = "first"
    """Which solution with the leading answer becomes the example: the 'first' drawn, the 'shortest', or the
    'likeliest' by its mean log-probability. Solutions that were cut off are not considered, and those that mark their
    answer come first."""
    stopping: Literal["exact", "beta", "never"] = "exact"
    """When a question gets no more votes. 'exact': as soon as further votes cannot change its label. 'beta': also as
    soon as the leading answer is probably the majority, or will probably not reach `min_share` (Adaptive-Consistency,
    arXiv 2305.11860). 'never': all votes are drawn, as they always are with policy 'reference'."""
    stop_confidence: Annotated[float, Range(0.5, 1)] = 0.95
    """For stopping 'beta': the probability that counts as enough, 0.5-1."""
    temperature: Annotated[float, Range(0, 5)] = 0.8
    """Sampling temperature of solutions, 0-5. At 0 all votes are the same."""
    top_p: Annotated[float, Range(0, 1)] = 1.0
    """Draw from the likeliest tokens that together reach this probability, 0-1. 1 draws from all."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 64
    """Draw from this many of the likeliest tokens. 0 draws from the whole vocabulary, which is slow."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 512
    """Length limit of a solution in tokens. A longer one is cut off."""


@dataclass(frozen=True)
class TrainConfig:
    """The stage 'train': LoRA fine-tuning on the labels."""

    objective: Objective = "sft"
    """What is learnt from the votes. 'sft': the solutions of the leading answer. 'preference': that they are better
    than solutions of losing answers (share-weighted DPO with a likelihood term, arXiv 2411.04109)."""
    solutions_per_label: Annotated[int, Range(1, 64)] = 1
    """Solutions of the leading answer to train on for each label, at most; they differ in their equations (arXiv
    2308.01825). With more than 1, each question weighs as much as its share of the votes."""
    pairs_per_question: Annotated[int, Range(1, 64)] = 4
    """For 'preference': most pairs of a question (guess)."""
    min_pairs: Annotated[int, Range(1, 1_000_000)] = 300
    """For 'preference': pairs that a round needs to train. With fewer it ends without a training. The method's
    authors found no gain with 700."""
    beta: Annotated[float, Range(0.001, 100)] = 0.1
    """For 'preference': scale of the contrast. A larger one stays nearer to the model that voted."""
    nll_weight: Annotated[float, Range(0, 100)] = 1.0
    """For 'preference': weight of the winner's mean cross entropy beside the contrast. Without it the likelihood of
    the winners can fall (arXiv 2404.19733)."""
    prompt: Literal["bare", "solve"] = "bare"
    """Prompt that the examples are trained with: the 'bare' question, or 'solve', which asks for a solution step by
    step."""
    loader: Literal["auto", "unsloth", "peft"] = "auto"
    """Library that loads and trains the model. 'auto' takes Unsloth if it is installed and can be imported, there is
    an NVIDIA GPU and torch is built for it; otherwise PEFT."""
    weights: str = "gguf"
    """'gguf' trains on the weights of the sampled GGUF, dequantised. Otherwise a Hugging Face folder or repo with the
    same model."""
    precision: Literal["auto", "float32", "bfloat16", "nf4"] = "auto"
    """How the frozen base is held in memory: 32-bit floats, bfloat16 (float16 on a GPU that only emulates
    it), or 4-bit NF4 as in QLoRA, which needs bitsandbytes. 'auto' is nf4 on a GPU. On a CPU it is bfloat16 if the
    processor has instructions for it, else float32; Unsloth makes its own choice there, and has nf4 on a GPU only."""
    rank: Annotated[int, Range(1, 1024)] = 16
    """Rank of the LoRA matrices. 16 is Unsloth's default; QLoRA found no difference from 8 to 256."""
    alpha: Annotated[int, Range(1, 4096)] = 32
    """Scale of the adapter: its output is multiplied by alpha / rank. 32 at rank 16 doubles it (guess:
    QLoRA uses 1/4 of the rank, Unsloth up to twice the rank)."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.0
    """Probability that an input of the adapter is set to zero during training, 0-0.99."""
    learning_rate: Annotated[float, Range(0, 1)] = 0.0
    """Peak learning rate, reached after the warm-up. 0 chooses by objective and model size: 2e-4, and 1e-4 from 20
    billion parameters on (QLoRA); 2e-5 for 'preference' (guess)."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up; 'constant' stays at the peak."""
    warmup_fraction: Annotated[float, Range(0, 1)] = 0.05
    """Fraction of the steps during which the learning rate rises to its peak, 0-1."""
    epochs: Annotated[float, Range(0, 1000)] = 0.0
    """Passes over the examples. 0 chooses: as many as give 40 steps, at least 2 and at most 4 (guess); 3 for
    'preference'."""
    batch_size: Annotated[int, Range(0, 4096)] = 0
    """Examples per optimiser step. 0 chooses by their number: 8, and 16 from 500 examples on (QLoRA uses 16)."""
    micro_batch_size: Annotated[int, Range(1, 4096)] = 4
    """Longest examples that are computed at the same time; more of shorter ones, up to as many tokens. Fewer need
    less memory and more time."""
    max_example_tokens: Annotated[int, Range(8, 1_000_000)] = 1024
    """Length limit of an example (question and solution) in tokens. Longer ones are left out and counted."""
    min_examples: Annotated[int, Range(1, 1_000_000)] = 8
    """Examples that a round needs to train. With fewer it ends without a training."""
    start_from: Literal["base", "last"] = "base"
    """What a round's training starts from: the 'base', or with 'last' the adapter that asked and voted in this
    round."""
    replay_share: Annotated[float, Range(0, 0.95)] = 0.5
    """Fraction of a round's examples to draw from the labels of earlier rounds, 0-0.95, as far as there are enough
    (guess)."""
    max_examples: Annotated[int, Range(0, 1_000_000_000)] = 0
    """Examples to train on at most, drawn at random, to compare runs with the same number. 0 takes all."""
    held_out: Annotated[float, Range(0, 0.5)] = 0.05
    """Fraction of the examples that are held out, 0-0.5: training stops when their loss rises. With fewer than 50
    examples, none are held out."""
    look_replies: Annotated[int, Range(0, 10_000)] = 50
    """Held-out questions to which the model in training replies greedily at each look, at most: how often it agrees
    with the votes, how many replies are cut off, and how long they are. Looks draw at most 5% as many tokens as are
    trained on; Unsloth on a GPU takes none. 0 takes no looks."""
    checkpoint_seconds: Annotated[float, Range(0, 1_000_000)] = 60.0
    """Seconds between checkpoints of a training. A killed training loses at most this time and the step it was in."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """One set of questions with known answers. Used to measure, never to train."""

    source: str = ""
    """Path of a JSONL file, `hub:repo` for a data set of the Hugging Face hub, or 'reasoning-gym' for generated
    questions."""
    builtin: str = ""
    """Known data set whose settings this benchmark starts from: gsm8k, svamp, asdiv, gsm-plus, math-500, aime-2024,
    arc-easy, arc-challenge or mmlu. Settings given beside it replace those. Empty: none."""
    role: Literal["score", "final", "general", "canary"] = "score"
    """What the scores are for. 'score' decides which round is the best. 'final' is evaluated at the end only, on the
    base and the kept round, so that choosing the round cannot flatter it. 'general' measures other abilities, which
    should not fall. 'canary' is used for alarms only."""
    kind: Literal["answers", "choices"] = "answers"
    """'answers': each question has a value as its answer. 'choices': one of several options is right."""
    items: Annotated[int, Range(1, 10_000_000)] = 300
    """Items to use at most: the first ones of a file or data set, or this many generated ones."""
    prompts: tuple[str, ...] = ()
    """Names of the prompts to evaluate with, as for `evaluate.prompts`. Empty: `evaluate.prompts`, and for choices
    'likelihood'."""
    samples: Annotated[int, Range(0, 1000)] = 0
    """Samples drawn of each item in addition to its greedy answer, for pass@k and maj@k: with the last prompt and the
    temperature of votes. 0 or 1 draws none."""
    max_tokens: Annotated[int, Range(0, 100_000)] = 0
    """Length limit of an answer in tokens. A longer one is cut off. 0 takes `evaluate.max_tokens`."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 20260101
    """Seed of generated questions ('reasoning-gym')."""
    tasks: Mapping[str, Any] = field(default_factory=dict)
    """For 'reasoning-gym': names of tasks, each with a table of its options."""
    question_field: str = "question"
    """Column with the question, or a template of several columns such as '{Body} {Question}'."""
    answer_field: str = "answer"
    """Column with the answer. If it contains '####', the answer is what follows. For choices the answer is a label,
    an index from 0, or the text of the option."""
    choices_field: str = "choices"
    """For choices: column with the options, either a list or a table of `text` and `label`."""
    solution_field: str = ""
    """Column with worked solutions, for 'N-shot' prompts. Empty: the column of the answer."""
    shots: str = ""
    """Where the worked examples of an 'N-shot' prompt come from: a JSONL file, or for a hub data set one of its
    splits. Generated questions need none."""
    unreadable: Literal["refuse", "leave-out"] = "refuse"
    """What to do with rows whose answer is not a value that can be compared: 'refuse' to start, or 'leave-out' those
    rows and count them."""
    subset: str = ""
    """Configuration of a hub data set. Empty: its default."""
    split: str = "test"
    """Split of a hub data set to evaluate on."""


@dataclass(frozen=True)
class EvaluateConfig:
    """How the base and each round are evaluated."""

    prompts: tuple[str, ...] = ("bare", "solve")
    """Names of the prompts to evaluate with. 'bare' is the question alone, '5-shot' puts five worked examples before
    it; any other name is `<name>.txt` of the prompt set, such as 'solve', which votes are drawn with. For choices,
    'likelihood' takes the option that the model finds likeliest and 'letter' asks for its letter."""
    primary_prompt: str = ""
    """Prompt of the primary number, by which alone a round is called improved or worse: the right greedy answers to
    all items of the 'score' benchmarks (canaries if there are none). Empty: the first of `evaluate.prompts`. A
    benchmark that is not asked with it counts with its own first prompt."""
    primary_scoring: Literal["flexible", "strict", "math-verify"] = "flexible"
    """Scoring of the primary number. 'strict' counts answers in a marked place only."""
    temperature: Annotated[float, Range(0, 5)] = 0.0
    """Sampling temperature of answers, 0-5. 0 always takes the likeliest token."""
    top_p: Annotated[float, Range(0, 1)] = 1.0
    """Draw from the likeliest tokens that together reach this probability, 0-1. 1 draws from all."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 64
    """Draw from this many of the likeliest tokens. 0 draws from the whole vocabulary, which is slow."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 512
    """Length limit of an answer in tokens. A longer one is cut off."""
    sample_temperatures: tuple[Annotated[float, Range(0, 5)], ...] = ()
    """Temperatures, 0-5, at which the `samples` of benchmarks are drawn, each a measurement of its own. Empty: the
    temperature of votes."""
    benchmarks: Mapping[str, BenchmarkConfig] = field(default_factory=dict)
    """The benchmarks, each a table with a name of its own. A crescent.toml that names any leaves out the preset's
    others; one of the preset's name keeps the preset's keys, unless it sets `source` or `builtin`."""


@dataclass(frozen=True)
class AlarmsConfig:
    """Limits beyond which self-training counts as going wrong. Checked after every round."""

    stop: bool = True
    """Whether an alarm ends the run. Nothing is deleted, and the best round is kept."""
    significance: Annotated[float, Range(0, 1)] = 0.002
    """p-value below which a fall of a score, or a fraction above its limit, is more than chance. Measured: with
    several tests in each of six rounds, fewer than one healthy run in twenty has an alarm (benchmarks/alarms.py)."""
    share_rise: Annotated[float, Range(0, 1)] = 0.02
    """False consensus: rise of the mean share since the first round, 0-1, from which it is an alarm if fewer items of
    the 'score' and 'canary' benchmarks are right than with the base (SRT, arXiv 2505.21444; guess)."""
    one_answer: Annotated[float, Range(0, 1)] = 0.3
    """Collapse onto one answer: fraction of the labels that one answer may have, 0-1; or fraction of a benchmark's
    replies by which it may exceed how often it is right and how often the base gives it (SRT, arXiv 2505.21444;
    guess)."""
    diversity_kept: Annotated[float, Range(0, 1)] = 0.5
    """Collapse of diversity: the alarm fires when the number of different answers among the labels, or of different
    questions among the raw texts, falls below this part of round 1's, 0-1 (EVOL-RL, arXiv 2509.15194; guess)."""
    similarity_rise: Annotated[float, Range(0, 100)] = 10.0
    """Rise of the mean similarity of a question to its nearest neighbour since round 1, in points of 100 (B-STaR,
    arXiv 2412.17256; guess)."""
    length_factor: Annotated[float, Range(1, 1000)] = 2.0
    """Factor, at least 1, by which solutions may become longer or shorter than in round 1: their median or their 90th
    percentile, in tokens (guess). A change of up to 16 tokens does not count."""
    broken_rise: Annotated[float, Range(0, 1)] = 0.2
    """Fraction of a benchmark's items, 0-1, by which replies that are cut off or have no answer may exceed the base's
    (guess)."""
    unmarked_rise: Annotated[float, Range(0, 1)] = 0.2
    """Fraction of the items that stayed right, 0-1, whose answers may lose their mark: the model unlearns the format
    (guess)."""
    general_fall: Annotated[float, Range(0, 1)] = 0.03
    """Fall of the score on the 'general' benchmarks, 0-1, that counts as forgetting (arXiv 2405.09673 measures 2 to 5
    points; guess)."""
    contaminated: Annotated[float, Range(0, 1)] = 0.02
    """Fraction of a round's texts, 0-1, that may repeat an item of one benchmark (guess)."""


@dataclass(frozen=True)
class Config:
    """The resolved settings of a run."""

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
    """Preset that your own settings override."""
    preset_given: bool = field(default=False, compare=False)
    """Whether the command line named the preset. A resumed run applies the command line of its start again."""
    overrides: tuple[str, ...] = field(default=(), compare=False)
    """The `section.key=value` texts of the command line."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where the value of `preset` and of each `section.key` came from: 'default', 'preset quick', a file, '--preset'
    or '--set'."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, with the version of the settings' names; without the origins."""
        values = {VERSION_KEY: len(MIGRATIONS), **dataclasses.asdict(self)}
        del values["origins"]
        return values


def load_config(
    path: Path | None = None, *, preset: str | None = None, overrides: tuple[str, ...] | list[str] = ()
) -> Config:
    """The settings from all layers. `preset` overrides the file's own `preset = "..."` line. Raises ConfigError."""
    document = read_toml(path) if path is not None else {}
    of_file = document.pop("preset", None)
    if preset is not None:
        named, origin = preset, "--preset"
    elif of_file is not None:
        named, origin = of_file, str(path)
    else:
        named, origin = "default", "default"
    if named not in PRESETS:
        where = origin if origin == "--preset" else f"{origin}: preset"
        raise ConfigError(f"{where}: unknown preset {named!r}; choose from {', '.join(PRESETS)}")
    layers = [(f"preset {named}", read_toml(PRESET_DIR / f"{named}.toml")), (str(path), document)]
    sections, origins = resolve_layers(Config, layers, overrides)
    benchmarks = sections["evaluate"].get("benchmarks", {})
    where = f"{origins['evaluate.benchmarks']}: evaluate.benchmarks"
    complete = [name for name, given in benchmarks.items() if given.get("source") or given.get("builtin")]
    sections["evaluate"]["benchmarks"] = {
        name: _with_builtin(f"{where}.{name}", given, complete) for name, given in benchmarks.items()
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


def _with_builtin(where: str, given: Mapping[str, Any], complete: Sequence[str]) -> Mapping[str, Any]:
    """A benchmark's table, completed with that of the known data set it names. `complete`: those with one."""
    also = f"; there is {', '.join(map(repr, complete))}" if complete else ""
    known = read_toml(PRESET_DIR / "benchmarks.toml")
    builtin = given.get("builtin", "")
    if builtin and builtin not in known:
        raise ConfigError(f"{where}.builtin: unknown data set {builtin!r}; choose from {', '.join(known)}")
    table = {**known.get(builtin, {}), **given}
    if not table.get("source"):
        raise ConfigError(f"{where}: neither 'source' nor 'builtin' is set; set one of them{also}")
    return table


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """The config that `as_dict` wrote, in its newest version (`migrations.upgraded`). Raises ConfigError."""
    try:
        return build(Config, {key: value for key, value in values.items() if key != VERSION_KEY})
    except ConfigError as error:
        raise ConfigError(f"the settings stored with the run: {error}") from None
