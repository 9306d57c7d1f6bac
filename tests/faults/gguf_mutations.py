"""GGUFs with one flaw each, made from a good one: in the bytes, counts, metadata, tokenizer, template or tensors.

Example: mutate(Gguf.parse(path.read_bytes()), random.Random(7), 33)    # ("a tensor has another type", b"GGUF...")
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace

from gguf_parts import ALIGNMENT, ARRAY, FLOAT, HUGE, STRING, U32, U64, Gguf, array, string, u32
from hostile_templates import TEMPLATES

# Flaws. Each changes a copy of the file; what it returns replaces the file's bytes.

Chance = random.Random
ARCHITECTURES = (
    "", "llama", "qwen2", "gemma2", "gemma3", "phi3", "bert", "t5", "clip", "whisper", "mamba", "rwkv6", "deepseek2",
    "lfm2", "falcon", "bloom", "gpt2", "grok", "llama4", "wavtokenizer-dec", "x" * 5000, "lla\x1bma", "qwen3moe",
)  # fmt: skip
NUMBERS = (
    "block_count", "attention.head_count", "attention.head_count_kv", "embedding_length", "feed_forward_length",
    "context_length", "rope.dimension_count", "attention.key_length", "attention.value_length", "vocab_size",
    "expert_count", "expert_used_count", "rope.scaling.original_context_length", "attention.sliding_window",
    "leading_dense_block_count", "attention.group_norm_groups",
)  # fmt: skip
SPECIAL_IDS = (
    "bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id", "seperator_token_id", "mask_token_id",
    "eot_token_id", "eom_token_id", "fim_pre_token_id", "cls_token_id",
)  # fmt: skip


def bytes_are_changed(model: Gguf, chance: Chance) -> bytes:
    raw = bytearray(model.bytes())
    end = len(raw) - len(model.data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        raw[chance.randrange(end)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(raw)


def a_piece_is_cut_out(model: Gguf, chance: Chance) -> bytes:
    raw = model.bytes()
    start = chance.randrange(len(raw) - len(model.data))
    return raw[:start] + raw[start + chance.choice((1, 4, 8, 100)) :]


def a_piece_is_put_in(model: Gguf, chance: Chance) -> bytes:
    raw = model.bytes()
    start = chance.randrange(len(raw) - len(model.data))
    return raw[:start] + chance.choice((bytes(8), b"\xff" * 8, chance.randbytes(3), raw[:40])) + raw[start:]


def the_file_ends_early(model: Gguf, chance: Chance) -> bytes:
    raw = model.bytes()
    return raw[: chance.choice((0, 3, 4, 8, 23, 24, chance.randrange(len(raw)), len(raw) - 1))]


def a_count_is_wrong(model: Gguf, chance: Chance) -> bytes:
    number = chance.choice((0, 1, 2, *HUGE, chance.randrange(1000)))
    if chance.random() < 0.5:
        model.field_count = number
    else:
        model.tensor_count = number
    return model.bytes()


def the_version_is_another(model: Gguf, chance: Chance) -> bytes:
    model.version = chance.choice((0, 1, 2, 4, 0x03000000, 2**32 - 1))
    return model.bytes()


def a_string_has_another_length(model: Gguf, chance: Chance) -> bytes:
    texts = [each for each in model.fields if each.type == STRING]
    found = chance.choice(texts)
    found.value = string(found.value[8:], chance.choice((0, 1, *HUGE, len(found.value))))
    return model.bytes()


def a_key_has_another_length(model: Gguf, chance: Chance) -> bytes:
    raw, key = model.bytes(), chance.choice(model.fields).key
    at = raw.index(string(key))
    return raw[:at] + struct.pack("<Q", chance.choice((0, 1, *HUGE))) + raw[at + 8 :]


def an_array_has_another_count(model: Gguf, chance: Chance) -> bytes:
    found = chance.choice([each for each in model.fields if each.type == ARRAY])
    count = chance.choice((0, 1, 2, *HUGE, struct.unpack_from("<Q", found.value, 4)[0] - 1))
    found.value = found.value[:4] + struct.pack("<Q", count) + found.value[12:]
    return model.bytes()


def an_array_has_another_type(model: Gguf, chance: Chance) -> bytes:
    found = chance.choice([each for each in model.fields if each.type == ARRAY])
    found.value = u32(chance.choice((*range(14), 99, 2**32 - 1))) + found.value[4:]
    return model.bytes()


def arrays_are_nested(model: Gguf, chance: Chance) -> bytes:
    depth = chance.choice((2, 50, 20_000))
    model.set("general.nested", ARRAY, struct.pack("<IQ", ARRAY, 1) * depth + array(U32, [u32(1)]))
    return model.bytes()


def a_value_has_another_type(model: Gguf, chance: Chance) -> bytes:
    chance.choice(model.fields).type = chance.choice((*range(14), 99, 2**32 - 1))
    return model.bytes()


def a_value_is_converted(model: Gguf, chance: Chance) -> bytes:
    found = chance.choice([each for each in model.fields if each.key != b"general.architecture"])
    kinds: dict[int, bytes] = {
        U32: u32(7), FLOAT: struct.pack("<f", chance.choice((0.0, 1e30, float("nan"), float("inf")))),
        STRING: string(chance.choice((b"", b"7", b"\xff\xfe", b"\x1b[2J" * 100))), 7: b"\1", 11: bytes(8),
        ARRAY: array(STRING, [string(b"a")] * 3), 12: struct.pack("<d", -1.0), 0: b"\xff",
    }  # fmt: skip
    found.type, found.value = chance.choice(list(kinds.items()))
    return model.bytes()


def a_key_is_missing(model: Gguf, chance: Chance) -> bytes:
    for _ in range(chance.choice((1, 1, 3))):
        model.fields.remove(chance.choice(model.fields))
    return model.bytes()


def a_key_is_there_twice(model: Gguf, chance: Chance) -> bytes:
    model.fields.insert(chance.randrange(len(model.fields)), replace(chance.choice(model.fields)))
    return model.bytes()


def a_key_is_strange(model: Gguf, chance: Chance) -> bytes:
    key = chance.choice((b"", b"\xff\xfe", b"\x1b]0;x\x07", b"a" * 100_000, b"general.architecture\0", b"%s%n"))
    chance.choice(model.fields).key = key
    return model.bytes()


def a_text_obeys_the_terminal(model: Gguf, chance: Chance) -> bytes:
    hostile = chance.choice(
        (b"\x1b]52;c;aGk=\x07\x1b[2J", "\u202egnp.exe".encode(), b"[/red]{{x}}\n---\nlicense: x", b"\xff\x9b2J")
    )
    for key in ("general.name", "general.license", "general.repo_url"):
        model.set(key, STRING, string(hostile * chance.choice((1, 50))))
    return model.bytes()


def a_number_is_extreme(model: Gguf, chance: Chance) -> bytes:
    architecture = model.field("general.architecture").value[8:].decode()
    for _ in range(chance.choice((1, 1, 1, 3))):
        key = f"{architecture}.{chance.choice(NUMBERS)}"
        number = chance.choice((0, 0, 1, 2, 3, 5, 7, 63, 65, 1000, 10**6, *HUGE))
        model.set(key, *chance.choice(((U32, u32(number)), (U64, struct.pack("<Q", number)))))
    return model.bytes()


def a_number_is_a_list(model: Gguf, chance: Chance) -> bytes:
    architecture = model.field("general.architecture").value[8:].decode()
    numbers = [u32(chance.choice((0, 1, 2, 2**31, 2**32 - 1))) for _ in range(chance.choice((0, 1, 2, 3, 600)))]
    model.set(f"{architecture}.{chance.choice(NUMBERS)}", ARRAY, array(chance.choice((4, 5)), numbers))
    return model.bytes()


def a_float_is_extreme(model: Gguf, chance: Chance) -> bytes:
    architecture = model.field("general.architecture").value[8:].decode()
    key = chance.choice(
        (
            "attention.layer_norm_rms_epsilon",
            "rope.freq_base",
            "rope.scaling.factor",
            "logit_scale",
            "attention.scale",
            "attention.max_alibi_bias",
        )
    )
    number = chance.choice((0.0, -1.0, 1e-45, 1e38, float("nan"), float("inf"), -float("inf")))
    model.set(f"{architecture}.{key}", FLOAT, struct.pack("<f", number))
    return model.bytes()


def the_alignment_is_another(model: Gguf, chance: Chance) -> bytes:
    model.set("general.alignment", U32, u32(chance.choice((0, 1, 3, 8, 64, 33, 4096, 2**31, 2**32 - 1))))
    return model.bytes()


def the_architecture_is_another(model: Gguf, chance: Chance) -> bytes:
    before, name = model.field("general.architecture").value[8:], chance.choice(ARCHITECTURES).encode()
    model.set("general.architecture", STRING, string(name))
    if chance.random() < 0.7:
        for each in model.fields:
            if each.key.startswith(before + b"."):
                each.key = name + each.key[len(before) :]
    return model.bytes()


def it_says_that_it_is_split(model: Gguf, chance: Chance) -> bytes:
    model.set("split.count", 2, struct.pack("<H", chance.choice((0, 1, 2, 65535))))
    model.set("split.no", 2, struct.pack("<H", chance.choice((0, 1, 65535))))
    model.set("split.tensors.count", 5, struct.pack("<i", chance.choice((-1, 0, 10**6))))
    return model.bytes()


def it_says_that_it_is_something_else(model: Gguf, chance: Chance) -> bytes:
    model.set("general.type", STRING, string(chance.choice((b"adapter", b"mmproj", b"imatrix", b"\xff", b""))))
    if chance.random() < 0.5:
        model.set("adapter.type", STRING, string(chance.choice((b"lora", b"x"))))
        model.set("adapter.lora.alpha", FLOAT, struct.pack("<f", 8.0))
    return model.bytes()


def a_special_token_is_out_of_range(model: Gguf, chance: Chance) -> bytes:
    size = len(model.strings("tokenizer.ggml.tokens"))
    for key in chance.sample(SPECIAL_IDS, chance.choice((1, 2, 5))):
        model.set(f"tokenizer.ggml.{key}", U32, u32(chance.choice((size, size + 1, 2**31 - 1, 2**31, 2**32 - 1))))
    model.set("tokenizer.ggml.add_bos_token", 7, b"\1")
    return model.bytes()


def tokens_have_holes(model: Gguf, chance: Chance) -> bytes:
    tokens = model.strings("tokenizer.ggml.tokens")
    what = chance.choice(("fewer", "more", "empty", "same", "bytes", "long", "odd", "none", "one", "scraps"))
    if what == "fewer":
        tokens = tokens[: chance.choice((1, 2, 100, len(tokens) - 1))]
    elif what == "more":
        tokens += [b"x%d" % n for n in range(chance.choice((1, 1000)))]
    elif what in ("none", "one"):
        tokens = tokens[: what == "one"]
    else:
        hostile = {
            "empty": b"",
            "same": b"a",
            "bytes": b"\xff\xfe",
            "long": b"ab" * 50_000,
            "odd": b"<0xZZ>",
            "scraps": "\u0301".encode(),
        }
        for at in chance.sample(range(len(tokens)), chance.choice((1, 30, len(tokens)))):
            tokens[at] = hostile[what]
    model.set("tokenizer.ggml.tokens", ARRAY, array(STRING, [string(each) for each in tokens]))
    return model.bytes()


def types_of_tokens_are_wrong(model: Gguf, chance: Chance) -> bytes:
    size = len(model.strings("tokenizer.ggml.tokens"))
    count = chance.choice((0, 1, size // 2, size, size + 7))
    kinds = [struct.pack("<i", chance.choice((0, 1, 2, 3, 4, 5, 6, 7, -1, 2**31 - 1))) for _ in range(count)]
    if chance.random() < 0.4:
        kinds = [struct.pack("<i", chance.choice((3, 6)))] * count
    model.set("tokenizer.ggml.token_type", ARRAY, array(5, kinds))
    return model.bytes()


def scores_are_wrong(model: Gguf, chance: Chance) -> bytes:
    size = len(model.strings("tokenizer.ggml.tokens"))
    numbers = [struct.pack("<f", chance.choice((0.0, float("nan"), float("inf"), -1e38)))] * chance.choice(
        (0, 1, size - 1, size, size + 5)
    )
    model.set("tokenizer.ggml.scores", ARRAY, array(FLOAT, numbers))
    return model.bytes()


def merges_are_wrong(model: Gguf, chance: Chance) -> bytes:
    merges = [
        chance.choice((b"", b" ", b"a", b"a b", b"a b c", b" a", b"\xff \xff", b"x" * 10_000 + b" y"))
        for _ in range(chance.choice((0, 1, 50)))
    ]
    model.set("tokenizer.ggml.merges", ARRAY, array(STRING, [string(each) for each in merges]))
    return model.bytes()


def the_tokenizer_is_another(model: Gguf, chance: Chance) -> bytes:
    name = chance.choice(("llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "none", "no_vocab", "", "x", "hybriddna"))
    model.set("tokenizer.ggml.model", STRING, string(name.encode()))
    if chance.random() < 0.5:
        model.set(
            "tokenizer.ggml.pre", STRING, string(chance.choice((b"llama-bpe", b"x", b"", b"qwen2", b"deepseek-llm")))
        )
    return model.bytes()


def the_template_is_hostile(model: Gguf, chance: Chance) -> bytes:
    template = chance.choice(TEMPLATES)
    if chance.random() < 0.3:
        template += chance.choice(TEMPLATES)
    model.set("tokenizer.chat_template", STRING, string(template.encode("utf-8", "surrogatepass")))
    return model.bytes()


def the_template_is_no_text(model: Gguf, chance: Chance) -> bytes:
    kind = chance.choice(
        ((U32, u32(1)), (ARRAY, array(STRING, [string(b"{{ x }}")])), (STRING, string(b"\xff\xfe{{")))
    )
    model.set("tokenizer.chat_template", *kind)
    return model.bytes()


def a_tensor_has_another_shape(model: Gguf, chance: Chance) -> bytes:
    found = chance.choice(model.tensors)
    change = chance.randrange(7)
    if change == 0:
        found.dims[chance.randrange(len(found.dims))] = chance.choice((0, 1, 31, 33, 10**6, *HUGE))
    elif change == 1:
        found.dims.reverse()
    elif change == 2:
        found.dims = []
    elif change == 3:
        found.dims = [*found.dims, *([1] * chance.choice((1, 2, 3, 100)))]
    elif change == 4:
        found.dims = [2**32, 2**32]
    elif change == 5:
        found.dims = [found.dims[0] * (found.dims[1] if len(found.dims) > 1 else 1)]
    else:
        found.dims = [max(1, each // 2) for each in found.dims]
    return model.bytes()


def a_tensor_has_another_type(model: Gguf, chance: Chance) -> bytes:
    for found in chance.sample(model.tensors, chance.choice((1, 1, len(model.tensors)))):
        found.type = chance.choice((*range(45), 99, 255, 2**31, 2**32 - 1))
    return model.bytes()


def a_tensor_lies_elsewhere(model: Gguf, chance: Chance) -> bytes:
    found = chance.choice(model.tensors)
    found.offset = chance.choice(
        (0, 1, found.offset + 1, found.offset + ALIGNMENT, len(model.data), len(model.data) - 32, *HUGE)
    )
    return model.bytes()


def a_tensor_has_another_name(model: Gguf, chance: Chance) -> bytes:
    other = chance.choice(model.tensors).name
    name = chance.choice(
        (
            other,
            b"",
            b"x" * 63,
            b"x" * 64,
            b"x" * 5000,
            b"\xff",
            b"blk.999999999.attn_q.weight",
            b"blk.0.attn_q.weight\0",
            b"output.weight",
            b"rope_freqs.weight",
        )
    )
    chance.choice(model.tensors).name = name
    return model.bytes()


def a_tensor_is_missing(model: Gguf, chance: Chance) -> bytes:
    for found in chance.sample(model.tensors, chance.choice((1, 1, 4, len(model.tensors)))):
        model.tensors.remove(found)
    return model.bytes()


def a_tensor_is_added(model: Gguf, chance: Chance) -> bytes:
    name = chance.choice(
        (
            b"output.weight",
            b"rope_freqs.weight",
            b"blk.0.attn_q.bias",
            b"blk.7.x",
            b"v.patch_embd.weight",
            b"blk.0.attn_q.weight.lora_a",
        )
    )
    model.tensors.append(replace(chance.choice(model.tensors), name=name))
    return model.bytes()


def weights_are_no_numbers(model: Gguf, chance: Chance) -> bytes:
    data = bytearray(model.data)
    start = chance.randrange(len(data) // 4) * 4
    piece = struct.pack("<f", chance.choice((float("nan"), float("inf"), 3e38))) * chance.choice((1, 64, 10_000))
    data[start : start + len(piece)] = piece
    model.data = bytes(data[: len(model.data)])
    return model.bytes()


FLAWS: tuple[Callable[[Gguf, Chance], bytes], ...] = (
    bytes_are_changed, a_piece_is_cut_out, a_piece_is_put_in, the_file_ends_early, a_count_is_wrong,
    the_version_is_another, a_string_has_another_length, a_key_has_another_length, an_array_has_another_count,
    an_array_has_another_type, arrays_are_nested, a_value_has_another_type, a_value_is_converted, a_key_is_missing,
    a_key_is_there_twice, a_key_is_strange, a_text_obeys_the_terminal, a_number_is_extreme, a_number_is_a_list,
    a_float_is_extreme, the_alignment_is_another, the_architecture_is_another, it_says_that_it_is_split,
    it_says_that_it_is_something_else, a_special_token_is_out_of_range, tokens_have_holes, types_of_tokens_are_wrong,
    scores_are_wrong, merges_are_wrong, the_tokenizer_is_another, the_template_is_hostile, the_template_is_no_text,
    a_tensor_has_another_shape, a_tensor_has_another_type, a_tensor_lies_elsewhere, a_tensor_has_another_name,
    a_tensor_is_missing, a_tensor_is_added, weights_are_no_numbers,
)  # fmt: skip


def mutate(model: Gguf, chance: Chance, number: int) -> tuple[str, bytes]:
    """The name of a flaw and a file that has it; the flaws take turns."""
    flaw = FLAWS[number % len(FLAWS)]
    return flaw.__name__.replace("_", " "), flaw(model.copy(), chance)
