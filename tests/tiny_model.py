"""A language model of 100,000 random weights with a chat template, for tests that need a real GGUF.

It writes nonsense, but its file is valid: llama.cpp samples from it and transformers dequantises it. Making one takes
well under a second. Example: make_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen2")
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import gguf
import numpy as np

from crescent_lite.models import sha256_of
from crescent_lite.records import BASE_SHA256, ModelFile, model_name

if TYPE_CHECKING:
    from tiny_vocabularies import Vocabulary

TinyArchitecture = Literal[
    "llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "starcoder2", "stablelm", "nemotron", "lfm2"
]

LAYERS = 2
HIDDEN = 64
HEADS = 4
KV_HEADS = 2
FEED_FORWARD = 128
CONTEXT = 512
CONVOLUTION = 3
"""Tokens that a short convolution of lfm2 covers; the first layer has such a convolution instead of attention."""
ROTARY_FRACTION = {"stablelm": 0.25, "nemotron": 0.5}
"""Fraction of a head's width that positions rotate, where it is not 1; transformers assumes these values."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MERGED_WORDS = ("Ġthe", "Ġis", "What", "user", "assistant", "answer", "question")
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def make_tiny_gguf(
    path: Path,
    architecture: TinyArchitecture = "llama",
    seed: int = 0,
    *,
    rope_factors: bool = False,
    broken: bool = False,
    chat_template: str | None = CHAT_TEMPLATE,
    vocabulary: Vocabulary | None = None,
) -> Path:
    """Write the model to `path` in 32-bit floats and return `path`. The same seed gives the same weights.

    `rope_factors` adds a divisor per rotary frequency, as in Llama 3.1. `broken` fills the last norm with NaN.
    With `chat_template` None the model has no chat template. A `vocabulary` brings its own.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(vocabulary.name if vocabulary else "tiny")
    writer.add_file_type(int(gguf.LlamaFileType.ALL_F32))
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv([0, KV_HEADS] if architecture == "lfm2" else KV_HEADS)
    writer.add_rope_dimension_count(int(ROTARY_FRACTION.get(architecture, 1) * _head_width(architecture)))
    writer.add_key_length(_head_width(architecture))
    writer.add_value_length(_head_width(architecture))
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    if architecture in ("starcoder2", "stablelm", "nemotron"):
        writer.add_layer_norm_eps(1e-5)
    if architecture in ("gemma2", "gemma3"):
        writer.add_sliding_window(256)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)
    if architecture == "lfm2":
        writer.add_shortconv_l_cache(CONVOLUTION)
    vocabulary_size = vocabulary.add(writer) if vocabulary else _add_tokenizer(writer)
    writer.add_vocab_size(vocabulary_size)
    if chat_template is not None:
        writer.add_chat_template(vocabulary.template if vocabulary else chat_template)
    tensors = _tensors(architecture, vocabulary_size, seed)
    if rope_factors:
        tensors["rope_freqs.weight"] = np.linspace(1, 8, _head_width(architecture) // 2, dtype=np.float32)
    if broken:
        tensors["output_norm.weight"] = np.full(HIDDEN, np.nan, dtype=np.float32)
    for name, weights in tensors.items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def make_scripted_gguf(
    path: Path, script: Sequence[str], *, control: Sequence[str] = (), chat_template: str = CHAT_TEMPLATE
) -> Path:
    """Write a llama that answers every prompt with these tokens, then ends its turn; return `path`.

    Each text of `script` is a single token, which must not occur twice; those in `control` are control tokens. The
    prompt must end with a line break.
    """
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("scripted")
    writer.add_file_type(int(gguf.LlamaFileType.ALL_F32))
    for add, value in (
        (writer.add_block_count, LAYERS), (writer.add_context_length, CONTEXT), (writer.add_embedding_length, HIDDEN),
        (writer.add_feed_forward_length, FEED_FORWARD), (writer.add_head_count, HEADS),
        (writer.add_head_count_kv, KV_HEADS), (writer.add_rope_dimension_count, HIDDEN // HEADS),
        (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_rope_freq_base, 10_000.0),
    ):  # fmt: skip
        add(value)
    as_bytes = ["".join(byte_characters()[byte] for byte in text.encode()) for text in script]
    spelled = [text if text in control else spelt for text, spelt in zip(script, as_bytes, strict=True)]
    tokens = [*SPECIAL_TOKENS, *byte_characters()]
    tokens += [text for text in dict.fromkeys((*spelled, *control)) if text not in tokens]
    special, normal = int(gguf.TokenType.CONTROL), int(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([special if token in (*SPECIAL_TOKENS, *control) else normal for token in tokens])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_vocab_size(len(tokens))
    writer.add_chat_template(chat_template)
    tensors = _tensors("llama", len(tokens), 0)
    # Nothing is added to a token's embedding, so the next token depends on the last one only.
    embedding, output = np.zeros((2, len(tokens), HIDDEN), dtype=np.float32)
    chain = [tokens.index("Ċ"), *map(tokens.index, spelled), 2]
    for position, (token, following) in enumerate(itertools.pairwise(chain)):
        embedding[token, position], output[following, position] = 1, 20
    tensors |= {"token_embd.weight": embedding, "output.weight": output}
    for name in [name for name in tensors if "attn_output" in name or "ffn_down" in name]:
        tensors[name] *= 0
    for name, weights in tensors.items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def rewrite_gguf(
    source: Path,
    target: Path,
    change: Callable[[gguf.GGUFWriter], object] = lambda _writer: None,
    *,
    as_type: Mapping[str, type[np.floating]] | None = None,
    tensors_per_part: int = 0,
) -> Path:
    """Copy a GGUF, with the changes that `change` makes to the writer.

    `as_type`: number types of some tensors. With `tensors_per_part` the copy is split as llama-gguf-split splits it,
    and `target` gives the name without the numbers.
    """
    reader = gguf.GGUFReader(source)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(target, architecture, split_max_tensors=tensors_per_part)
    for field in list(reader.fields.values())[3:]:
        if field.name != "general.architecture":
            sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=sub_type)
    change(writer)
    for tensor in reader.tensors:
        if as_type and tensor.name in as_type:
            writer.add_tensor(tensor.name, tensor.data.astype(as_type[tensor.name]))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def split_gguf(source: Path, folder: Path, tensors_per_part: int = 10) -> list[Path]:
    """Copy a GGUF into `folder` in parts of a few tensors; returns the parts in order."""
    folder.mkdir(parents=True, exist_ok=True)
    rewrite_gguf(source, folder / source.name, tensors_per_part=tensors_per_part)
    return sorted(folder.glob(f"{source.stem}-*-of-*.gguf"))


def link_into_cache(files: Sequence[Path], cache: Path) -> list[Path]:
    """Move files to blobs named by their checksums, as the hub's client stores them; returns links to them."""
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots").mkdir()
    links = []
    for file in files:
        blob = cache / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        file.rename(blob)
        links.append(cache / "snapshots" / file.name)
        links[-1].symlink_to(Path("..") / "blobs" / blob.name)
    return links


def as_base(path: Path) -> ModelFile:
    """The file as the ModelFile of a run's base."""
    return ModelFile(model_name(path.name), path, sha256_of(path) if path.is_file() else "its checksum", str(path))


def make_tiny_adapter(path: Path, seed: int = 1, columns: int = FEED_FORWARD, base_sha256: str = "") -> Path:
    """Write a LoRA adapter that changes the tiny llama's replies, and return `path`.

    With another number of `columns` it does not fit the model. `base_sha256` is stored as the checksum of its base;
    '' stores none.
    """
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    if base_sha256:
        writer.add_string(BASE_SHA256, base_sha256)
    for layer in range(LAYERS):
        name = f"blk.{layer}.ffn_down.weight"
        writer.add_tensor(f"{name}.lora_a", random.standard_normal((4, columns)).astype(np.float32))
        writer.add_tensor(f"{name}.lora_b", random.standard_normal((HIDDEN, 4)).astype(np.float32))
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _head_width(architecture: TinyArchitecture) -> int:
    # transformers ignores the file: it assumes a width of 128 for qwen3, and scales gemma's attention as for 256.
    return {"qwen3": 128, "gemma2": 256, "gemma3": 256}.get(architecture, HIDDEN // HEADS)


def _add_tokenizer(writer: gguf.GGUFWriter) -> int:
    """A byte-level BPE with a few merged words. Returns the size of the vocabulary."""
    tokens = list(SPECIAL_TOKENS) + byte_characters()
    merges = []
    for word in MERGED_WORDS:
        for end in range(2, len(word) + 1):
            if word[:end] not in tokens:
                tokens.append(word[:end])
                merges.append(f"{word[: end - 1]} {word[end - 1]}")
    control, normal = int(gguf.TokenType.CONTROL), int(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIAL_TOKENS else normal for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    return len(tokens)


def byte_characters() -> list[str]:
    """The printable character that stands for each byte in a GPT-2 vocabulary, by byte value."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    stand_in = {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return [stand_in[byte] for byte in range(256)]


def _tensors(architecture: TinyArchitecture, vocabulary_size: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def weights(*shape: int, scale: float = 0.15) -> np.ndarray:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    def ones(width: int = HIDDEN) -> np.ndarray:
        return np.ones(width, dtype=np.float32)

    head = _head_width(architecture)
    q, k = HEADS * head, KV_HEADS * head
    embedding = weights(vocabulary_size, HIDDEN, scale=0.25 if architecture == "lfm2" else 0.5)
    tensors = {"token_embd.weight": embedding, "output_norm.weight": ones()}
    for layer in range(LAYERS):
        block = {"attn_norm.weight": ones(), "ffn_norm.weight": ones()}
        linear = {"attn_q": (q, HIDDEN), "attn_k": (k, HIDDEN), "attn_v": (k, HIDDEN), "attn_output": (HIDDEN, q)}
        if architecture == "phi3":
            linear = {"attn_qkv": (q + 2 * k, HIDDEN), "attn_output": (HIDDEN, q)}
            linear |= {"ffn_up": (2 * FEED_FORWARD, HIDDEN), "ffn_down": (HIDDEN, FEED_FORWARD)}
        elif architecture in ("starcoder2", "nemotron"):
            linear |= {"ffn_up": (FEED_FORWARD, HIDDEN), "ffn_down": (HIDDEN, FEED_FORWARD)}
        else:
            linear |= {"ffn_gate": (FEED_FORWARD, HIDDEN), "ffn_up": (FEED_FORWARD, HIDDEN)}
            linear |= {"ffn_down": (HIDDEN, FEED_FORWARD)}
        if architecture == "lfm2" and layer == 0:
            linear = {name: shape for name, shape in linear.items() if not name.startswith("attn_")}
            linear |= {"shortconv.in_proj": (3 * HIDDEN, HIDDEN), "shortconv.out_proj": (HIDDEN, HIDDEN)}
            block["shortconv.conv.weight"] = weights(HIDDEN, CONVOLUTION)
        block |= {f"{name}.weight": weights(*shape) for name, shape in linear.items()}
        if architecture == "qwen2":
            block |= {f"{name}.bias": weights(linear[name][0]) for name in ("attn_q", "attn_k", "attn_v")}
        if architecture == "starcoder2":
            block |= {f"{name}.bias": weights(shape[0]) for name, shape in linear.items()}
        if architecture in ("starcoder2", "stablelm", "nemotron"):
            block |= {"attn_norm.bias": weights(HIDDEN), "ffn_norm.bias": weights(HIDDEN)}
        if architecture in ("qwen3", "gemma3") or (architecture == "lfm2" and layer == 1):
            block |= {"attn_q_norm.weight": ones(head), "attn_k_norm.weight": ones(head)}
        if architecture in ("gemma2", "gemma3"):
            block |= {"post_attention_norm.weight": ones(), "post_ffw_norm.weight": ones()}
        tensors |= {f"blk.{layer}.{name}": tensor for name, tensor in block.items()}
    if architecture == "lfm2":
        tensors["token_embd_norm.weight"] = tensors.pop("output_norm.weight")
    if architecture in ("starcoder2", "stablelm", "nemotron"):
        tensors["output_norm.bias"] = weights(HIDDEN)
    if architecture in ("phi3", "stablelm", "nemotron"):
        tensors["output.weight"] = weights(vocabulary_size, HIDDEN, scale=0.5)
    return tensors
