"""Does llama.cpp with our GGUF adapter compute the same as PEFT? Compares logits over real solutions, token by token.

The base is dequantised to 16-bit floats for both sides. The script compares PEFT on transformers, llama.cpp with the
adapter, the merged GGUF, the adapter at scale 0, and, as a check of the method, an adapter with the rows of q and k
in the wrong order.
    python benchmarks/parity.py --model MODEL.gguf --adapter adapters/run-1/round-1 --examples run-1.jsonl --json
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from crescent_lite.models import find_model
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.quantising import encode_rows
from crescent_lite.training import adapter_gguf
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.merging import WeightedAdapter, merge


def main() -> int:
    """Compare and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="a GGUF file, or 'embedded'")
    parser.add_argument("--adapter", type=Path, required=True, help="a round's folder: adapter.gguf and peft/")
    parser.add_argument("--examples", type=Path, required=True, help="JSONL from `crescent export examples`")
    parser.add_argument("--tokens", type=int, default=1000, help="number of solution tokens to compare")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = compare(find_model(options.model).path, options, Path(folder))
    print(json.dumps(result) if options.json else json.dumps(result, indent=1))
    return 0


def compare(model: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """For each pair, the fraction of equal top-1 tokens and the differences of the logits."""
    floats, merged, wrong = folder / "base.gguf", folder / "merged.gguf", folder / "wrong.gguf"
    adapter, peft_dir = options.adapter / "adapter.gguf", options.adapter / "peft"
    merge(model, [], floats, tensor_type="f16", encode=encode_rows, metadata={})
    merge(model, [WeightedAdapter(adapter)], merged, tensor_type="f16", encode=encode_rows, metadata={})
    examples = encoded(model, options.examples, options.tokens)
    peft = torch_logits(floats, peft_dir, examples)
    tuned = llama_logits(floats, examples, adapter)
    result: dict[str, Any] = {
        "tokens": sum(len(ids) - start for ids, start in examples),
        "peft against llama.cpp": agreement(peft, tuned),
        "merged against base and adapter": agreement(llama_logits(merged, examples), tuned),
    }
    base = llama_logits(floats, examples)
    result["base against base and adapter"] = agreement(base, tuned)
    result["scale 0 equals the base exactly"] = bool(
        np.array_equal(base, llama_logits(floats, examples, adapter, 0.0))
    )
    if read_base(model).architecture in adapter_gguf.PERMUTED:
        permuted = adapter_gguf._permuted
        adapter_gguf._permuted = lambda rows, module, base: rows
        adapter_gguf.write_adapter_gguf(peft_dir, read_base(floats), wrong, "")
        adapter_gguf._permuted = permuted
        result["wrong order of q and k"] = agreement(peft, llama_logits(floats, examples, wrong))
    return result


def encoded(model: Path, examples: Path, tokens: int) -> list[tuple[list[int], int]]:
    """Examples as (tokens, index at which the solution begins), until they have enough solution tokens."""
    gguf = GgufModel(model, vocabulary_only=True)
    template = ChatTemplate(gguf)
    found: list[tuple[list[int], int]] = []
    for line in examples.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if sum(len(ids) - start for ids, start in found) >= tokens:
            break
        found.append(template.encode_example(row["prompt"], row["completion"].strip()))
    gguf.close()
    return found


def torch_logits(base: Path, peft_dir: Path, examples: list[tuple[list[int], int]]) -> np.ndarray:
    """The logits at each solution token, from transformers with the PEFT adapter, in 32-bit floats."""
    import torch
    from peft import PeftModel

    from crescent_lite.training.loaders import dequantised

    model = PeftModel.from_pretrained(dequantised(read_base(base), torch.float32), peft_dir).eval()
    with torch.no_grad():
        rows = [model(torch.tensor([ids])).logits[0, start:].numpy() for ids, start in examples]
    return np.concatenate(rows)


def llama_logits(
    model: Path, examples: list[tuple[list[int], int]], adapter: Path | None = None, scale: float = 1.0
) -> np.ndarray:
    """The same logits from llama.cpp, with a cache of 32-bit floats."""
    longest = max(len(ids) for ids, _ in examples)
    loaded = llama_cpp.Llama(
        str(model), n_ctx=longest + 8, n_batch=longest + 8, n_ubatch=512, type_k=0, type_v=0, logits_all=True,
        verbose=False, n_gpu_layers=0,
    )  # fmt: skip
    if adapter:
        handle = llama_cpp.llama_adapter_lora_init(loaded.model, str(adapter).encode())
        handles = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle)
        llama_cpp.llama_set_adapters_lora(loaded.ctx, handles, 1, (ctypes.c_float * 1)(scale))
    rows = []
    for ids, start in examples:
        loaded.reset()
        loaded.eval(ids)
        rows.append(np.array(loaded.scores[start : len(ids)]))
    loaded.close()
    return np.concatenate(rows)


def agreement(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Fraction of equal top-1 tokens, and the mean and largest absolute difference of the logits."""
    return {
        "top_1": round(float((one.argmax(axis=1) == other.argmax(axis=1)).mean()), 4),
        "mean_difference": float(f"{np.abs(one - other).mean():.3g}"),
        "largest_difference": float(f"{np.abs(one - other).max():.3g}"),
    }


if __name__ == "__main__":
    sys.exit(main())
