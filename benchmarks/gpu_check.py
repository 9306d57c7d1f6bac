"""Do llama.cpp with CUDA and 4-bit QLoRA with both loaders work on this NVIDIA GPU, and how fast are they?

Prints speeds and a table of losses for the lab log. Needs no network if the model and the examples are local files.
Without a GPU it says so and ends with 1.
    make gpu-check MODEL=model.gguf EXAMPLES=run-1.jsonl
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

from crescent_lite.config import SamplingConfig, TrainConfig
from crescent_lite.errors import CrescentError
from crescent_lite.models import find_model
from crescent_lite.records import Generation, Request, TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.nvidia import list_gpus
from crescent_lite.training import finetune

PARTS = ("sampling", "peft", "unsloth")
QUESTIONS = Path(__file__).with_name("questions.jsonl")


def main() -> int:
    """Check everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument(
        "--examples", type=Path, help="JSONL from `crescent export examples`; default: the benchmark's questions"
    )
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="check these parts only, to save time"
    )
    options = parser.parse_args()
    gpus = list_gpus()
    if not gpus:
        print("No NVIDIA GPU that CUDA may use was found; nothing was checked.", file=sys.stderr)
        return 1
    print(*(gpu.description for gpu in gpus), sep="\n")
    base = find_model(options.model)
    pairs = read_pairs(options.examples or QUESTIONS)
    for layers in (-1, 0) if "sampling" in options.only else ():
        print(f"llama.cpp, gpu_layers = {layers}: {sampled(base.path, pairs, layers):,.0f} tokens/s", flush=True)
    examples = encoded(base.path, pairs)
    curves: dict[str, list[float]] = {}
    loaders = [part for part in options.only if part != "sampling"]
    for loader in loaders:
        config = TrainConfig(loader=loader, precision="nf4", epochs=options.epochs, held_out=0.0)  # type: ignore[arg-type]
        try:
            with tempfile.TemporaryDirectory() as folder:
                events = list(finetune(examples, base=base, config=config, seed=1, out_dir=Path(folder)))
        except CrescentError as error:
            print(f"{loader}: {error}")
            continue
        steps = [event for event in events if isinstance(event, TrainingStep)]
        adapter = events[-1]
        assert isinstance(adapter, TrainedAdapter)
        curves[loader] = [step.loss for step in steps]
        speed = steps[-1].tokens / adapter.train_seconds
        print(f"{loader}: {len(steps)} steps, {speed:,.0f} tokens/s, {adapter.details['weights']}, {adapter.details}")
    if len(curves) == 2:
        print("\n| step | PEFT | Unsloth |\n|---|---|---|")
        for number, (one, other) in enumerate(zip(*curves.values(), strict=True), 1):
            print(f"| {number} | {one:.4f} | {other:.4f} |")
    return 0 if len(curves) == len(loaders) else 1


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """(question, solution) of each line. Without a solution the question stands for it: only losses are compared."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row.get("prompt") or row["question"], row.get("completion") or row["question"]) for row in rows]


def sampled(model: Path, pairs: list[tuple[str, str]], gpu_layers: int) -> float:
    """Tokens per second for 8 samples of each of 8 questions."""
    sampler = LlamaSampler(model, dataclasses.replace(SamplingConfig(), gpu_layers=gpu_layers))
    generation = Generation(max_tokens=128, temperature=0.8)
    requests = [Request(str(n), text, generation, tuple(range(8)), seed=1) for n, (text, _) in enumerate(pairs[:8])]
    began = time.perf_counter()
    tokens = sum(completion.tokens for completion in sampler.sample(requests))
    seconds = time.perf_counter() - began
    sampler.close()
    return tokens / seconds


def encoded(model: Path, pairs: list[tuple[str, str]]) -> list[TokenExample]:
    """The examples as tokens, with the model's own chat template."""
    gguf = GgufModel(model, vocabulary_only=True)
    template = ChatTemplate(gguf)
    examples = []
    for number, (question, solution) in enumerate(pairs):
        input_ids, prompt_length = template.encode_example(question, solution.strip())
        examples.append(TokenExample(number, tuple(input_ids), prompt_length))
    gguf.close()
    return examples


if __name__ == "__main__":
    sys.exit(main())
