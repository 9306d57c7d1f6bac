"""What does an adapter cost in speed, and what does a merged copy of the model give back, at which loss?

Each form of the tuned model decodes one token for each slot in turn with the others, so that other work on the
machine affects all of them; a ratio is the median over the steps of (base's time / this form's time). The replies are
then judged: the base with its adapter answers the texts greedily, and each form is compared with it over the tokens
of those replies (share of equal likeliest tokens, mean Kullback-Leibler divergence). `--items` also lets each form
answer benchmark items greedily. Forms: adapter (32-bit floats, as trained), adapter-f16, adapter-bf16, adapter-q8_0
(rank filled up to a multiple of 32), and merged-T, in which the tensors that the adapter changes have type T, or
merged-same.
    python benchmarks/adapters.py MODEL.gguf ADAPTER.gguf --forms adapter merged-q8_0 --steps 40 --json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorType
from workload import QUESTIONS

from crescent_lite.answers import find_answer
from crescent_lite.config import SamplingConfig
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.prompts.sets import fill, load_prompt_set
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.kv_context import KvContext
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.llama import LlamaSampler, plan_sampling
from crescent_lite.sampling.machine_limits import allowed_threads
from crescent_lite.sampling.quantising import encode_rows
from crescent_lite.training.merging import WeightedAdapter, merge, rounding

FORMS = ("adapter", "merged-q8_0")
PAST = 120
"""Tokens that each slot holds before the timed steps: a prompt and half a reply."""


@dataclasses.dataclass
class Form:
    """A model that decodes: a file, and the adapter on it, if any."""

    name: str
    model: Path
    adapter: Path | None = None
    merge_seconds: float = 0.0


def main() -> int:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path, help="GGUF of the adapter")
    parser.add_argument("--forms", nargs="*", default=list(FORMS))
    parser.add_argument("--files", nargs="*", type=Path, default=[], help="further GGUFs of this model")
    parser.add_argument("--keep", type=Path, help="folder for the merged files, which are then used again")
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30, help="timed steps of each form; 0 measures no speed")
    parser.add_argument("--texts", type=int, default=0, help="questions whose greedy replies are compared")
    parser.add_argument("--items", type=Path, help="JSONL with the fields question and answer")
    parser.add_argument("--count", type=int, default=100, help="items of the file that each form answers")
    parser.add_argument("--max-tokens", type=int, default=256, help="limit of a reply")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        forms = [Form("base", options.model)]
        forms += [made(name, options, options.keep or Path(folder)) for name in options.forms]
        forms += [Form(path.stem, path) for path in options.files]
        result: dict[str, dict[str, Any]] = {form.name: {} for form in forms}
        for form in forms if not options.keep or options.texts else ():
            if form.name.startswith("merged-"):
                lost = rounding(options.model, [WeightedAdapter(options.adapter)], form.model)
                result[form.name] = {
                    "change_kept": round(lost.kept, 4),
                    "noise": round(lost.noise, 2),
                    "bytes": form.model.stat().st_size,
                    "merge_seconds": round(form.merge_seconds, 1),
                }
        if options.steps:
            for name, found in speeds(forms, options).items():
                result[name] |= found
        if options.texts:
            for name, found in likeness(forms, options).items():
                result[name] |= found
        if options.items:
            for form in forms:
                result[form.name] |= answers(form, options)
                print(form.name, result[form.name], file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({"model": options.model.name, "slots": options.slots, **result}))
    else:
        for name, values in result.items():
            print(f"{name:<16} {values}")
    return 0


def made(name: str, options: argparse.Namespace, folder: Path) -> Form:
    """The form of this name; its file is written to the folder."""
    kind, _, wanted = name.partition("-")
    if kind == "adapter":
        path = retyped(options.adapter, TensorType[wanted.upper()], folder) if wanted else options.adapter
        return Form(name, options.model, path)
    began, path = time.perf_counter(), folder / f"{options.model.stem}-{options.adapter.stem}-{name}.gguf"
    if path.exists():
        return Form(name, path)
    changed = None if wanted == "same" else {each: TensorType[wanted.upper()] for each in TensorType}
    merge(
        options.model, [WeightedAdapter(options.adapter)], path, tensor_type="same", encode=encode_rows, metadata={},
        changed_types=changed,
    )  # fmt: skip
    return Form(name, path, None, time.perf_counter() - began)


def retyped(adapter: Path, wanted: TensorType, folder: Path) -> Path:
    """The adapter with all its matrices in another type; for types in blocks the rank is filled up with zeros."""
    header, out = GgufHeader(adapter), folder / f"{adapter.stem}-{wanted.name}.gguf"
    writer = gguf.GGUFWriter(out, str(header.value("general.architecture")))
    block = gguf.GGML_QUANT_SIZES[wanted][0]
    alpha = float(header.value("adapter.lora.alpha"))
    for key in ("general.type", "adapter.type"):
        writer.add_string(key, str(header.value(key)))
    filled = False
    for tensor in header.tensors:
        values = np.array(tensor.data, dtype=np.float32)
        if block > 1:
            is_a = tensor.name.endswith(".lora_a")
            rank = values.shape[0] if is_a else values.shape[1]
            more = -rank % block
            values = np.pad(values, ((0, more), (0, 0)) if is_a else ((0, 0), (0, more)))
            if more and not filled:
                alpha, filled = alpha * (rank + more) / rank, True
        if wanted == TensorType.F16:
            writer.add_tensor(tensor.name, values.astype(np.float16))
        elif wanted == TensorType.F32:
            writer.add_tensor(tensor.name, values)
        else:
            writer.add_tensor(tensor.name, encode_rows(values, int(wanted)), raw_dtype=wanted)
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def speeds(forms: list[Form], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Tokens a second of each form and its ratio to the base, from steps that take turns."""
    models = {path: GgufModel(path) for path in {form.model for form in forms}}
    any_model = next(iter(models.values()))
    config = SamplingConfig(slots=options.slots)
    plan = plan_sampling(any_model.shape, config, PAST + options.steps + 8, weights_loaded=True, contexts=1)
    contexts = []
    for form in forms:
        model = models[form.model]
        context = KvContext(model, plan, threads=allowed_threads())
        if form.adapter:
            context.use_adapter(llama_cpp.llama_adapter_lora_init(model.handle, str(form.adapter).encode()))
        context.decode([(0, [(1000 + n) % model.vocab_size for n in range(PAST)], True)])
        for slot in range(1, options.slots):
            context.move(0, slot)
        contexts.append(context)
    seconds: list[list[float]] = [[] for _ in forms]
    for step in range(options.steps + 1):
        order = list(range(len(forms)))
        for index in order if step % 2 else reversed(order):
            context = contexts[index]
            before = context.decode_seconds
            token = (2000 + step) % any_model.vocab_size
            context.decode([(slot, [token], True) for slot in range(options.slots)])
            if step:  # the first step warms up
                seconds[index].append(context.decode_seconds - before)
    for context in contexts:
        context.close()
    for model in models.values():
        model.close()
    ratios = [[base / own for base, own in zip(seconds[0], times, strict=True)] for times in seconds]
    return {
        form.name: {
            "tokens_per_second": round(options.slots / statistics.median(times), 1),
            "ratio": round(statistics.median(ratio), 3),
            "quartiles": [round(each, 3) for each in statistics.quantiles(ratio, n=4)[::2]],
        }
        for form, times, ratio in zip(forms, seconds, ratios, strict=True)
    }


def likeness(forms: list[Form], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """How near each form is to the base with its adapter, over the greedy replies of the latter."""
    reference = next((form for form in forms if form.name == "adapter"), None)
    if reference is None:
        raise SystemExit("--texts compares with the form `adapter`, which --forms does not name")
    sampler = opened(reference, options)
    greedy = Generation(options.max_tokens, temperature=0.0)
    prompts = [fill(load_prompt_set("word-problems").solve.text, question=q) for q in QUESTIONS[: options.texts]]
    replies = {each.key: each for each in sampler.sample(Request(p, p, greedy) for p in prompts)}
    texts = [sampler.encode_example(p, replies[p].text, replies[p].token_ids) for p in prompts]
    sampler.close()
    judged = {form.name: logits_of(form, [(list(ids), start) for ids, start in texts]) for form in forms}
    expected = judged["adapter"]
    found: dict[str, dict[str, Any]] = {}
    for name, rows in judged.items():
        same = np.mean([(a.argmax(1) == b.argmax(1)).mean() for a, b in zip(rows, expected, strict=True)])
        divergence = np.concatenate([(np.exp(b) * (b - a)).sum(1) for a, b in zip(rows, expected, strict=True)])
        found[name] = {"same_top": round(float(same), 4), "divergence": float(f"{divergence.mean():.3g}")}
    return found


def logits_of(form: Form, texts: list[tuple[list[int], int]]) -> list[np.ndarray]:
    """The log-probabilities of all tokens at each token of the replies, as 16-bit floats."""
    longest = max(len(ids) for ids, _ in texts) + 8
    loaded = llama_cpp.Llama(
        str(form.model), n_ctx=longest, n_batch=longest, n_ubatch=512, logits_all=True, verbose=False
    )
    if form.adapter:
        handle = llama_cpp.llama_adapter_lora_init(loaded.model, str(form.adapter).encode())
        one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle)
        llama_cpp.llama_set_adapters_lora(loaded.ctx, one, 1, (llama_cpp.ctypes.c_float * 1)(1.0))
    found = []
    for ids, start in texts:
        loaded.reset()
        loaded.eval(ids)
        rows = np.array(loaded.scores[start - 1 : len(ids) - 1], dtype=np.float32)
        rows -= rows.max(1, keepdims=True)
        found.append(rows - np.log(np.exp(rows).sum(1, keepdims=True)))
    loaded.close()
    return found


def opened(form: Form, options: argparse.Namespace) -> LlamaSampler:
    """A sampler for this form."""
    sampler = LlamaSampler(form.model, SamplingConfig(slots=options.slots))
    sampler.use_adapter(form.adapter)
    return sampler


def answers(form: Form, options: argparse.Namespace) -> dict[str, Any]:
    """Right greedy answers to the items, and the speed with which they were drawn."""
    rows = [json.loads(line) for line in options.items.read_text(encoding="utf-8").splitlines()][: options.count]
    prompt = load_prompt_set("word-problems").solve.text
    greedy = Generation(options.max_tokens, temperature=0.0)
    sampler = opened(form, options)
    requests = [Request(str(n), fill(prompt, question=row["question"]), greedy) for n, row in enumerate(rows)]
    right = 0
    for reply in sampler.sample(requests):
        answer = find_answer(reply.text, finished=reply.finish_reason == "stop")
        expected = find_answer(rows[int(reply.key)]["answer"], finished=True)
        right += bool(answer and expected and answer.key == expected.key)
    usage = sampler.usage
    sampler.close()
    return {"right": right, "items": len(rows), "drawn_tokens_per_second": round(usage.tokens / usage.seconds, 1)}


if __name__ == "__main__":
    sys.exit(main())
