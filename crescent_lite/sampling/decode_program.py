"""Loads GGUFs and decodes a few tokens with each: `python -m ...decode_program`, with a job in JSON on stdin.

Started by decoding.py as a child process with limits, because llama.cpp ends the whole process, hangs or takes all
memory with some files. It runs on the CPU. After each model it writes a line to stdout; an empty problem means that
the model works. Example of a job, and of the line that answers it:
    {"models": ["merged.gguf"], "adapter": "", "mapped": true, "tokens": 20, "data_bytes": 4294967296}
    {"model": "merged.gguf", "problem": "", "kind": ""}
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from pathlib import Path

import numpy as np

from crescent_lite.errors import CrescentError, ModelError, OutOfMemoryError
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.machine_limits import allowed_threads

PROMPT = "What is 2 + 3?"
EVERY_BYTE = "".join(map(chr, range(256))) + "½ “…” 三 \U0001f600"
"""A text with every byte and with characters of two to four bytes; a tokenizer may lack the token of any of them."""
MAX_THREADS = 4
"""Most threads for a few tokens (guess)."""


def main() -> None:
    """Try each model of the job on stdin."""
    job = json.load(sys.stdin)
    limit_memory(job["data_bytes"])
    llama_log.echo_to(sys.stderr)  # the last words before a crash
    for path in job["models"]:
        line = {"model": path, "problem": "", "kind": ""}
        try:
            try_model(
                Path(path),
                Path(job["adapter"]) if job["adapter"] else None,
                tokens=job["tokens"],
                mapped=job["mapped"],
            )
        except CrescentError as error:
            line |= {"problem": str(error), "kind": type(error).__name__}
        except MemoryError:
            line |= {"problem": f"{path}: takes too much memory", "kind": OutOfMemoryError.__name__}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def limit_memory(data_bytes: int) -> None:
    """Let allocations beyond so many bytes fail in this process; 0 sets no limit. Mapped files do not count."""
    with contextlib.suppress(ImportError):  # Windows has no `resource`
        import resource

        if data_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected, and its memory is no use


def try_model(path: Path, adapter: Path | None, *, tokens: int, mapped: bool) -> None:
    """Spell every token, then decode a prompt and so many tokens, each the likeliest; for 0, spell only.

    Raises ModelError or OutOfMemoryError.
    """
    model = GgufModel(path, gpu_layers=0, mapped=mapped, vocabulary_only=not tokens)
    _spell(model)
    if tokens:
        _decode(model, adapter, tokens)
    model.close()


def _spell(model: GgufModel) -> None:
    """Use the vocabulary as prompts and replies do: a flaw of one token shows only when that token is read."""
    for special in (False, True):
        model.tokenize(EVERY_BYTE, special=special, add_special=True)
    for token in range(model.vocab_size):
        model.piece(token)
    model.special_tokens()


def _decode(model: GgufModel, adapter: Path | None, count: int) -> None:
    params = llama_cpp.llama_context_default_params()
    tokens = model.tokenize(PROMPT, special=False, add_special=True)
    if not tokens:
        raise ModelError(f"{model.path}: its tokenizer has no token for a question")
    params.n_ctx = params.n_batch = params.n_ubatch = len(tokens) + count
    params.n_threads = params.n_threads_batch = min(MAX_THREADS, allowed_threads())
    context = llama_cpp.llama_init_from_model(model.handle, params)
    if not context:
        raise ModelError(f"{model.path}: llama.cpp cannot create a context for it: {llama_log.last_complaint()}")
    if adapter is not None:
        _put_on(context, model, adapter)
    for _ in range(count):
        ids = (llama_cpp.llama_token * len(tokens))(*tokens)  # a batch points to them
        batch = llama_cpp.llama_batch_get_one(ids, len(tokens))
        if code := llama_cpp.llama_decode(context, batch):
            reason = llama_log.last_complaint()
            raise ModelError(f"{model.path}: llama.cpp cannot decode with it (code {code}): {reason}")
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (model.vocab_size,))
        if np.isnan(logits).any() or not np.isfinite(logits.max()):
            raise ModelError(f"{model.path}: its logits are not numbers")
        tokens = [int(logits.argmax())]
    llama_cpp.llama_free(context)


def _put_on(context: object, model: GgufModel, adapter: Path) -> None:
    handle = llama_cpp.llama_adapter_lora_init(model.handle, os.fsencode(adapter))
    if not handle:
        raise ModelError(f"{adapter}: llama.cpp cannot use it as an adapter: {llama_log.last_complaint()}")
    one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle)
    llama_cpp.llama_set_adapters_lora(context, one, 1, (ctypes.c_float * 1)(1.0))


if __name__ == "__main__":
    main()
