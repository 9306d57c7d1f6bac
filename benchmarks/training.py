"""How fast is our trainer compared with TRL's, with the same model, LoRA, examples and steps?

TRL's side is a plain SFTTrainer. Examples with a `rejected` solution are preference pairs: then ours has the
objective 'preference', and TRL's side is a DPOTrainer with the same loss, which computes the reference again in each
step, as by default; 'trl-once' computes it once before the first step, as ours does. Each side runs in a process of
its own; the sides take turns. Useful tokens are those of the examples, without padding; the first steps
(`--warm-up`) are not counted. On a busy machine compare `tokens_per_cpu_second`, with `--threads 1`. The final loss
is measured after the training on the same examples, by the same function. Needs `pip install trl==1.14.2`: TRL 1.15
requires Triton.
    python benchmarks/training.py --model MODEL.gguf --examples run-1.jsonl --steps 12 --json
    python benchmarks/training.py --model MODEL.gguf --examples pairs.jsonl --shortest 32 --steps 5 --sides ours trl
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from crescent_lite.config import TrainConfig
from crescent_lite.records import TokenExample, TrainingStep

SIDES = ("ours", "ours-fp32", "trl", "trl-fp32", "trl-once")
"""'ours' and 'trl' use the defaults of each; TRL's are bfloat16 and gradient checkpointing. '-fp32' uses neither."""
JUDGED = 12
"""Examples on which the final loss of pairs is measured: it takes four forward passes for each."""


def main() -> int:
    """Measure each side in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--examples",
        type=Path,
        required=True,
        help="JSONL from `crescent export examples`, also of --format preference",
    )
    parser.add_argument("--shortest", type=int, default=0, help="take the N shortest examples (default: all)")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm-up", type=int, default=1, help="first steps that are not timed (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch (default: its own choice)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 0 <= options.warm_up < options.steps:
        parser.error(f"--warm-up: {options.warm_up} of {options.steps} steps would leave none to time")
    if options.side:
        print(json.dumps(measure(options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        encode(options.model, options.examples, options.shortest, Path(folder))
        results: dict[str, list[dict[str, Any]]] = {side: [] for side in options.sides}
        for _ in range(options.repeats):
            for side in options.sides:
                results[side].append(in_a_process(side, options, Path(folder)))
                print(side, results[side][-1], file=sys.stderr)
    summary: dict[str, Any] = {
        side: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for side, runs in results.items()
    }
    for side in options.sides[1:]:
        for key in ("tokens_per_second", "tokens_per_cpu_second", "with_reference_tokens_per_second"):
            ratio = round(summary[options.sides[0]][key] / summary[side][key], 2)
            summary[f"{key}, ratio to {side}"] = ratio
    print(json.dumps(summary) if options.json else json.dumps(summary, indent=1))
    return 0


def encode(model: Path, examples: Path, shortest: int, folder: Path) -> None:
    """Write the examples as tokens, with the model's own template, and its weights as a folder for both sides."""
    from crescent_lite.sampling.chat import ChatTemplate
    from crescent_lite.sampling.gguf_model import GgufModel
    from crescent_lite.training import save_transformers_folder
    from crescent_lite.training.plan import write_examples

    gguf = GgufModel(model, vocabulary_only=True)
    template = ChatTemplate(gguf)
    encoded = []
    for number, line in enumerate(examples.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        question = text_of(row["prompt"])
        solution = text_of(row["chosen" if "chosen" in row else "completion"]).strip()
        input_ids, prompt_length = template.encode_example(question, solution)
        rejected = template.encode_example(question, text_of(row["rejected"]).strip())[0] if "rejected" in row else ()
        encoded.append(TokenExample(number, tuple(input_ids), prompt_length, tuple(rejected)))
    gguf.close()
    if shortest:
        encoded = sorted(encoded, key=lambda example: example.tokens)[:shortest]
    write_examples(folder / "examples.jsonl", encoded)
    (folder / "weights").mkdir()
    save_transformers_folder(model, folder / "weights")


def text_of(value: str | list[dict[str, str]]) -> str:
    """The text of a column: bare, or the content of its only message."""
    return value if isinstance(value, str) else value[0]["content"]


def in_a_process(side: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure one side in a process of its own, where nothing else is in memory."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    for name in ("model", "examples", "steps", "batch", "learning_rate", "warm_up", "threads"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


@dataclasses.dataclass(frozen=True)
class Moment:
    """A point of a training: after the reference was computed, or after a step."""

    seconds: float
    cpu_seconds: float
    """The time of all threads of the process."""
    tokens: int
    """Useful tokens trained on so far."""


def moment(tokens: int) -> Moment:
    """Now."""
    return Moment(time.perf_counter(), time.process_time(), tokens)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train, then measure the loss of the same examples on every side."""
    import torch

    from crescent_lite.training.plan import read_examples

    if options.threads:
        torch.set_num_threads(options.threads)
    examples = list(read_examples(options.folder / "examples.jsonl"))
    is_pairs = bool(examples[0].rejected_ids)
    train = ours if options.side.startswith("ours") else trl_pairs if is_pairs else trl
    model, moments = train(options, examples)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin, start, end = moments[0], moments[options.warm_up], moments[-1]
    tokens = end.tokens - start.tokens
    return {
        "tokens_per_second": round(tokens / (end.seconds - start.seconds), 1),
        "tokens_per_cpu_second": round(tokens / (end.cpu_seconds - start.cpu_seconds), 1),
        "with_reference_tokens_per_second": round(end.tokens / (end.seconds - begin.seconds), 1),
        "seconds": round(end.seconds - begin.seconds, 1),
        "peak_mb": round(peak),
        "final_loss": round(
            final_loss(model, examples[:: max(1, len(examples) // JUDGED)] if is_pairs else examples), 4
        ),
    }


def ours(options: argparse.Namespace, examples: list[TokenExample]) -> tuple[Any, list[Moment]]:
    """Train with our trainer. Returns the model and the moments: before the reference and the first step, then after
    each step."""
    from transformers import set_seed

    from crescent_lite.training.base_gguf import read_base
    from crescent_lite.training.learner import Learner
    from crescent_lite.training.loaders import load
    from crescent_lite.training.objectives import objective_of
    from crescent_lite.training.plan import TrainingPlan
    from crescent_lite.training.trainer import Training

    config = TrainConfig(
        objective="preference" if examples[0].rejected_ids else "sft",
        loader="peft",
        precision="float32" if options.side == "ours-fp32" else "auto",
        weights=str(options.folder / "weights"),
        learning_rate=options.learning_rate,
        batch_size=options.batch,
        epochs=options.steps / math.ceil(len(examples) / options.batch),
        warmup_fraction=0.0,
        schedule="linear",
        held_out=0.0,
        checkpoint_seconds=1e6,
    )
    plan = TrainingPlan(options.model, "", options.folder, "peft", 1, 0, config)
    set_seed(1)
    loaded = load(plan, read_base(options.model))
    moments = [moment(0)]

    def note(step: TrainingStep) -> None:
        moments.append(moment(step.tokens))

    training = Training(plan, config, Learner(loaded, objective_of(config), 1), examples, note)
    moments[0] = moment(0)
    training.run()
    return loaded.model, moments


def trl(options: argparse.Namespace, examples: list[TokenExample]) -> tuple[Any, list[Moment]]:
    """Train with the TRL script that one would write: tokens and a mask of the answers, and defaults elsewhere."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {
            "input_ids": list(e.input_ids),
            "completion_mask": [0] * e.prompt_length + [1] * (len(e.input_ids) - e.prompt_length),
        }
        for e in examples
    ]
    arguments = SFTConfig(completion_only_loss=True, **common(options))  # the default applies to texts only
    return run_theirs(options, SFTTrainer, arguments, Dataset.from_list(rows))


def trl_pairs(options: argparse.Namespace, examples: list[TokenExample]) -> tuple[Any, list[Moment]]:
    """Train with TRL's DPOTrainer and a likelihood term; its reference is computed in each step, as by default, or
    with 'trl-once' before the first."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class OnTokens(DPOTrainer):  # type: ignore[misc]
        """Takes tokens, so that both sides train on the same ones."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    defaults = TrainConfig()
    rows = [
        {
            "prompt_ids": list(e.input_ids[: e.prompt_length]),
            "chosen_ids": list(e.input_ids[e.prompt_length :]),
            "rejected_ids": list(e.rejected_ids[e.prompt_length :]),
        }
        for e in examples
    ]
    arguments = DPOConfig(
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, defaults.nll_weight],
        beta=defaults.beta,
        precompute_ref_log_probs=options.side == "trl-once",
        **common(options),
    )
    return run_theirs(options, OnTokens, arguments, Dataset.from_list(rows))


def common(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of both of TRL's trainers."""
    plain = {"bf16": False, "gradient_checkpointing": False} if options.side == "trl-fp32" else {}
    return {
        "output_dir": str(options.folder / "trl"),
        "max_steps": options.steps,
        "per_device_train_batch_size": options.batch,
        "learning_rate": options.learning_rate,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "seed": 1,
        "include_num_input_tokens_seen": "non_padding",
        **plain,
    }


def run_theirs(options: argparse.Namespace, kind: Any, arguments: Any, rows: Any) -> tuple[Any, list[Moment]]:
    """Train with one of TRL's trainers. Returns the model and the moments, as `ours`."""
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    from crescent_lite.training.architectures import LINEAR_LAYERS
    from crescent_lite.training.base_gguf import read_base

    moments: list[Moment] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            moments.append(moment(int(state.num_input_tokens_seen)))

    defaults, folder = TrainConfig(), str(options.folder / "weights")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    moments.append(moment(0))
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(folder),
        peft_config=LoraConfig(
            r=defaults.rank,
            lora_alpha=defaults.alpha,
            target_modules=list(LINEAR_LAYERS[read_base(options.model).architecture]),
            task_type="CAUSAL_LM",
        ),
        callbacks=[Clock()],
    )
    trainer.train()
    return trainer.model, moments


def final_loss(model: Any, examples: list[TokenExample]) -> float:
    """The mean loss of all examples, in nats: per answer token, or per pair."""
    import torch

    from crescent_lite.training.losses import padded, token_losses
    from crescent_lite.training.objectives import objective_of

    objective = objective_of(TrainConfig(objective="preference" if examples[0].rejected_ids else "sft"))
    model.eval().float()  # independent of the number type used in training

    def losses_of(example: TokenExample) -> list[torch.Tensor]:
        return [token_losses(model, padded([each])) for each in objective.sequences(example)]

    total = 0.0
    with torch.no_grad():
        for example in examples:
            if objective.needs_reference:
                with model.disable_adapter():
                    reference = tuple(-float(losses.sum()) for losses in losses_of(example))
                example = dataclasses.replace(example, reference=reference)
            total += float(objective.loss(example, losses_of(example)))
    return total / objective.size(examples)


if __name__ == "__main__":
    sys.exit(main())
