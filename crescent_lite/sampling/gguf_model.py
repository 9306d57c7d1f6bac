"""A GGUF model loaded by llama.cpp: its weights, metadata and vocabulary.

Knows tokens, not prompts; owns no context. A GGUF is untrusted: whatever is wrong with it raises a ModelError.
Example: model = GgufModel(path, gpu_layers=-1); model.tokenize("2 + 3", special=False)
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
from pathlib import Path

from crescent_lite.answers.thoughts import is_tag
from crescent_lite.errors import ModelError, OutOfMemoryError
from crescent_lite.sampling import llama_log
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.memory_plan import ModelShape
from crescent_lite.sampling.trying import require_loadable

MAX_METADATA_BYTES = 1 << 20
"""A longer metadata value raises ModelError (guess)."""

NAMED_TOKENS = {
    "bos_token": "bos",
    "eos_token": "eos",
    "unk_token": "unknown",
    "pad_token": "padding",
    "sep_token": "seperator",
    "mask_token": "mask",
}
"""The special tokens that a chat template may use, and the part of the GGUF's key that names each."""


@functools.cache
def _start_backend() -> None:
    llama_cpp.llama_backend_init()


class GgufModel:
    """Weights and vocabulary of one GGUF. `close` frees them."""

    def __init__(
        self, path: Path, *, gpu_layers: int = -1, vocabulary_only: bool = False, mapped: bool = False
    ) -> None:
        """Load the model. `gpu_layers` is how many layers go on the GPU, if there is one; -1 means all.

        With `vocabulary_only` no weights are read, which is enough for tokens, the chat template and the metadata.
        With `mapped` the file is mapped, which takes little memory and is slower. A file that is not known to load is
        tried in a child process first. Raises ModelError or OutOfMemoryError.
        """
        _check_header(path)
        require_loadable(path, vocabulary_only=vocabulary_only)
        _start_backend()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocabulary_only
        # The file is read, not mapped: with a mapped file, weights repacked for the processor are in memory twice.
        params.load_mode = llama_cpp.LLAMA_LOAD_MODE_MMAP if mapped else llama_cpp.LLAMA_LOAD_MODE_NONE
        params.use_extra_bufts = not mapped
        params.n_gpu_layers = gpu_layers
        llama_log.forget_complaints()
        self.handle = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
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
        """Width of a token's embedding; 0 when the metadata does not give it."""
        return max(self._numbers("embedding_length"), default=0)

    @property
    def trained_context(self) -> int:
        """Tokens of context the model was trained on."""
        return int(llama_cpp.llama_model_n_ctx_train(self.handle))

    @property
    def shape(self) -> ModelShape:
        """The properties that decide how much memory the model takes; read from the metadata, not the weights."""
        kv_heads = self._numbers("attention.head_count_kv") or self._numbers("attention.head_count")
        layers = max(self._numbers("block_count"), default=0)
        heads = max(self._numbers("attention.head_count"), default=1)
        width = self.embedding_length
        key = max(self._numbers("attention.key_length"), default=width // max(heads, 1))
        value = max(self._numbers("attention.value_length"), default=key)
        all_heads = sum(kv_heads) if len(kv_heads) > 1 else layers * max(kv_heads, default=0)
        return ModelShape(
            weights_bytes=int(llama_cpp.llama_model_size(self.handle)),  # all parts; known without the weights too
            vocabulary=self.vocab_size,
            cache_bytes_per_token=all_heads * (key + value) * 2,
            layers=layers,
            feed_forward=max(self._numbers("feed_forward_length"), default=4 * width),
            trained_context=max(self._numbers("context_length"), default=0),
        )

    def metadata(self, key: str) -> str:
        """A metadata value as text; '' when the key is missing. Raises ModelError when it is too long."""
        size = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if size < 0:
            return ""
        if size > MAX_METADATA_BYTES:
            raise ModelError(
                f"{self.path}: its metadata value {key!r} is {size:,} bytes long, and at most {MAX_METADATA_BYTES:,} "
                "bytes are read; use another file"
            )
        buffer = ctypes.create_string_buffer(size + 1)
        llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    def _numbers(self, key: str) -> list[int]:
        """The numbers in a metadata value of the architecture: usually one, in some models one per layer, or none."""
        return [int(digits) for digits in re.findall(r"\d+", self.metadata(f"{self.architecture}.{key}"))]

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture, for instance 'qwen2'."""
        return self.metadata("general.architecture")

    def tokenize(self, text: str, *, special: bool, add_special: bool = False) -> list[int]:
        """Token ids of a text. Raises ModelError.

        With `special`, special tokens such as '<|im_end|>' are recognised; never set it for untrusted text. With
        `add_special`, the BOS token is put before the text if the model uses one.
        """
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        buffer = (llama_cpp.llama_token * room)()
        # The BOS token is added here, because llama.cpp would also end the text with an EOS token for some models.
        count = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), buffer, room, False, special)
        if count < 0:
            raise ModelError(f"{self.path}: its tokenizer cannot encode a text of {len(raw):,} bytes")
        bos = int(llama_cpp.llama_vocab_bos(self.vocab))
        begins = [bos] if add_special and self.adds_bos and bos >= 0 else []
        drawn = buffer[:count]
        return begins + (drawn if special else [part for token in drawn for part in self._as_text(token, text)])

    def _as_text(self, token: int, text: str) -> list[int]:
        """A token of a plain text; in parts if it is a special token, which some tokenizers recognise anyway.

        One whose name is not in the text stands for what the tokenizer does not know, and remains.
        """
        if not self.is_control(token) or len(name := self.token_text(token)) < 2:
            return [token]
        if name.casefold() not in text.casefold():
            return [token]
        return self.tokenize(name[:1], special=False) + self.tokenize(name[1:], special=False)

    @functools.cache  # noqa: B019  a process loads few models, so keeping them alive costs nothing
    def piece(self, token: int) -> bytes:
        """The bytes of one token; empty for a special token, unless it is a tag of the model's thoughts.

        A character may span several tokens.
        """
        buffer = ctypes.create_string_buffer(256)
        count = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
        if count == 0 and is_tag(text := self.token_text(token)):
            return text.encode()
        return buffer.raw[:count] if count > 0 else b""

    @functools.cache  # noqa: B019
    def ends_turn(self, token: int) -> bool:
        """Whether llama.cpp treats the token as the end of a generation."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    @property
    def end_tokens(self) -> list[int]:
        """The GGUF's end-of-sequence and end-of-turn tokens, as far as it defines them."""
        named = (llama_cpp.llama_vocab_eos(self.vocab), llama_cpp.llama_vocab_eot(self.vocab))
        return [int(token) for token in named if token >= 0]

    @functools.cache  # noqa: B019
    def is_control(self, token: int) -> bool:
        """Whether the token is a control token such as '<|im_end|>', not text; -1 means "no such token"."""
        return token >= 0 and bool(llama_cpp.llama_vocab_is_control(self.vocab, token))

    @property
    def adds_bos(self) -> bool:
        """Whether the tokenizer puts a BOS token before a text."""
        return bool(llama_cpp.llama_vocab_get_add_bos(self.vocab))

    def special_tokens(self) -> dict[str, str]:
        """The texts of the model's special tokens by the names that chat templates use, such as 'bos_token'.

        A token that the GGUF does not name is left out, unless llama.cpp's default for it is a control token.
        """
        defaults = {"bos_token": llama_cpp.llama_vocab_bos, "eos_token": llama_cpp.llama_vocab_eos}
        ids = {name: token for name, find in defaults.items() if self.is_control(token := int(find(self.vocab)))}
        for name, key in NAMED_TOKENS.items():
            given = self.metadata(f"tokenizer.ggml.{key}_token_id")
            if len(given) < 10 and given.isdecimal() and int(given) < self.vocab_size:
                ids[name] = int(given)
        return {name: self.token_text(token) for name, token in ids.items()}

    def token_text(self, token: int) -> str:
        """The text of a token, special tokens included; '' for -1, which means "no such token"."""
        raw = llama_cpp.llama_vocab_get_text(self.vocab, token) if token >= 0 else b""
        return (raw or b"").decode("utf-8", "replace")

    def close(self) -> None:
        """Free the weights."""
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None


def _check_header(path: Path) -> None:
    """Raise ModelError for common mistakes, with a plainer message than llama.cpp's."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such model file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if magic != b"GGUF":
        raise ModelError(f"{path}: is not a GGUF file (it begins with {magic!r})")
