"""Decodes a few tokens with each GGUF named on its command line: `python -m ...decode_program ADAPTER MODEL...`.

Started by decoding.py as a child process, because llama.cpp aborts the whole process at a tensor that it cannot use.
It runs on the CPU and maps the file, so that little memory is enough. ADAPTER is '' for none. After each model it
writes a line to stdout. Example of a line: {"model": "merged.gguf", "problem": ""}
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

import numpy as np

from crescent_lite.errors import CrescentError, ModelError
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp

TOKENS = 20
"""Tokens that are decoded after the prompt. An error of a tensor shows at the first."""
PROMPT = "What is 2 + 3?"
MAX_THREADS = 4
"""Most threads for a few tokens (guess)."""


def main() -> None:
    """Decode with each model named on the command line."""
    adapter, *models = sys.argv[1:]
    for model in models:
        try:
            decode(Path(model), Path(adapter) if adapter else None)
            problem = ""
        except CrescentError as error:
            problem = str(error)
        sys.stdout.write(json.dumps({"model": model, "problem": problem}) + "\n")
        sys.stdout.flush()


def decode(path: Path, adapter: Path | None) -> None:
    """Decode a prompt and then the likeliest token, TOKENS times. Raises ModelError or OutOfMemoryError."""
    model = GgufModel(path, gpu_layers=0, mapped=True)
    params = llama_cpp.llama_context_default_params()
    tokens = model.tokenize(PROMPT, special=False, add_special=True)
    params.n_ctx = params.n_batch = params.n_ubatch = len(tokens) + TOKENS
    params.n_threads = params.n_threads_batch = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    context = llama_cpp.llama_init_from_model(model.handle, params)
    if not context:
        raise ModelError(f"{path}: llama.cpp cannot create a context for it: {llama_log.last_complaint()}")
    if adapter is not None:
        _put_on(context, model, adapter)
    for _ in range(TOKENS):
        ids = (llama_cpp.llama_token * len(tokens))(*tokens)  # a batch points to them
        batch = llama_cpp.llama_batch_get_one(ids, len(tokens))
        if code := llama_cpp.llama_decode(context, batch):
            raise ModelError(f"{path}: llama.cpp cannot decode with it (code {code}): {llama_log.last_complaint()}")
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (model.vocab_size,))
        if np.isnan(logits).any() or not np.isfinite(logits.max()):
            raise ModelError(f"{path}: its logits are not numbers")
        tokens = [int(logits.argmax())]
    llama_cpp.llama_free(context)
    model.close()


def _put_on(context: object, model: GgufModel, adapter: Path) -> None:
    handle = llama_cpp.llama_adapter_lora_init(model.handle, os.fsencode(adapter))
    if not handle:
        raise ModelError(f"{adapter}: llama.cpp cannot use it as an adapter: {llama_log.last_complaint()}")
    one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle)
    llama_cpp.llama_set_adapters_lora(context, one, 1, (ctypes.c_float * 1)(1.0))


if __name__ == "__main__":
    main()
