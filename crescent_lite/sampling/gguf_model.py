"""A GGUF model in llama.cpp's memory: loading, its metadata, its vocabulary.

Knows tokens, not prompts; owns no context. A GGUF is untrusted: whatever is wrong with it is a ModelError.
Example: model = GgufModel(path, gpu_layers=-1); model.tokenize("2 + 3", special=False)
"""

from __future__ import annotations

import ctypes
import functools
import re
from pathlib import Path

import llama_cpp

from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.memory_plan import ModelShape

MAX_METADATA_BYTES = 1 << 20


@functools.cache
def _start_backend() -> None:
    llama_cpp.llama_backend_init()


class GgufModel:
    """Weights and vocabulary. `close` frees them."""

    def __init__(self, path: Path, *, gpu_layers: int = -1, vocabulary_only: bool = False) -> None:
        """Raises ModelError or OutOfMemoryError. `gpu_layers` -1 is all, where there is a GPU.

        With `vocabulary_only` no weights are read: enough for tokens, the chat template and the metadata.
        """
        _check_header(path)
        _start_backend()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocabulary_only
        # Read, not mapped: of a mapped file the weights that are repacked for the processor would be there twice.
        params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
        params.n_gpu_layers = gpu_layers
        llama_log.forget_complaints()
        self.handle = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            reason = llama_log.last_complaint()
            kind = OutOfMemoryError if "alloc" in reason else ModelError
            raise kind(f"{path}: llama.cpp cannot load it: {reason}")
        self.path = path
        self.vocab = llama_cpp.llama_model_get_vocab(self.handle)
        if self.metadata("general.type") == "adapter":
            self.close()
            raise ModelError(f"{path}: is an adapter, not a model; give its base model's GGUF")
        if llama_cpp.llama_model_has_encoder(self.handle) or not llama_cpp.llama_model_has_decoder(self.handle):
            self.close()
            raise ModelError(f"{path}: is not a text-generating language model (decoder-only)")

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary."""
        return int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    @property
    def embedding_length(self) -> int:
        """Values in a token's embedding."""
        return max(self._numbers("embedding_length"), default=0)

    @property
    def trained_context(self) -> int:
        """Tokens of context the model was trained on."""
        return int(llama_cpp.llama_model_n_ctx_train(self.handle))

    @property
    def shape(self) -> ModelShape:
        """What decides how much memory the model takes. Read from the metadata, so it holds before a load too."""
        kv_heads = self._numbers("attention.head_count_kv") or self._numbers("attention.head_count")
        layers = max(self._numbers("block_count"), default=0)
        heads = max(self._numbers("attention.head_count"), default=1)
        width = self.embedding_length
        key = max(self._numbers("attention.key_length"), default=width // max(heads, 1))
        value = max(self._numbers("attention.value_length"), default=key)
        all_heads = sum(kv_heads) if len(kv_heads) > 1 else layers * max(kv_heads, default=0)
        return ModelShape(
            weights_bytes=self.path.stat().st_size,
            vocabulary=self.vocab_size,
            cache_bytes_per_token=all_heads * (key + value) * 2,
            layers=layers,
            feed_forward=max(self._numbers("feed_forward_length"), default=4 * width),
            trained_context=max(self._numbers("context_length"), default=0),
        )

    def metadata(self, key: str) -> str:
        """A metadata value as text; '' where there is none."""
        size = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if size < 0:
            return ""
        if size > MAX_METADATA_BYTES:
            raise ModelError(f"{self.path}: the metadata {key!r} is {size:,} bytes long; it will not be read")
        buffer = ctypes.create_string_buffer(size + 1)
        llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    def _numbers(self, key: str) -> list[int]:
        """A metadata number of the architecture; some models give one for each layer. Empty where there is none."""
        return [int(each) for each in re.findall(r"\d+", self.metadata(f"{self.architecture}.{key}"))]

    @property
    def architecture(self) -> str:
        """llama.cpp's name for the kind of model, for instance 'qwen2'."""
        return self.metadata("general.architecture")

    def tokenize(self, text: str, *, special: bool, add_special: bool = False) -> list[int]:
        """Token ids. `special` parses '<|im_end|>' and the like; never set it for a text from outside."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), buffer, room, add_special, special)
        if count < 0:
            raise ModelError(f"{self.path}: its tokenizer cannot encode a text of {len(raw):,} bytes")
        return list(buffer[:count])

    @functools.cache  # noqa: B019  one model lives as long as the process's stage
    def piece(self, token: int) -> bytes:
        """The bytes of one token; none for a special token. A character may span tokens."""
        buffer = ctypes.create_string_buffer(256)
        count = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[:count] if count > 0 else b""

    @functools.cache  # noqa: B019
    def ends_turn(self, token: int) -> bool:
        """Whether llama.cpp counts the token as an end of generation."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    @property
    def end_tokens(self) -> list[int]:
        """The GGUF's own end-of-sequence token and end-of-turn token, as far as it names them."""
        named = (llama_cpp.llama_vocab_eos(self.vocab), llama_cpp.llama_vocab_eot(self.vocab))
        return [int(token) for token in named if token >= 0]

    def is_control(self, token: int) -> bool:
        """Whether the token is one of the model's own marks, and not text."""
        return bool(llama_cpp.llama_vocab_is_control(self.vocab, token))

    @property
    def adds_bos(self) -> bool:
        """Whether a text is tokenized with a BOS before it."""
        return bool(llama_cpp.llama_vocab_get_add_bos(self.vocab))

    def token_text(self, token: int) -> str:
        """A token's own text, special ones included; '' for none (-1)."""
        raw = llama_cpp.llama_vocab_get_text(self.vocab, token) if token >= 0 else b""
        return (raw or b"").decode("utf-8", "replace")

    def close(self) -> None:
        """Free the weights."""
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None


def _check_header(path: Path) -> None:
    """The mistakes that deserve a plainer word than llama.cpp's."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if magic != b"GGUF":
        raise ModelError(f"{path}: is not a GGUF file (it begins with {magic!r})")
