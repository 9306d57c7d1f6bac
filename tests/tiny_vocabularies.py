"""Vocabularies of every kind that llama.cpp reads, each with a chat template in the manner of a known model.

They hold what makes tokens ambiguous: "4", "2" and "42", alone and after a space, are tokens of their own. Example:
    make_tiny_gguf(path, vocabulary=VOCABULARIES["mistral"])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gguf
from tiny_model import byte_characters

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ZEPHYR = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
PHI = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}<end_of_turn>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

CHARACTERS = "abcdefghijklmnopqrstuvwxyzWI0123456789<|>/[]+-=?._"
WORDS = ("42", "the", "is", "17", "answer")
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer of a tiny model."""

    template: str
    """Chat template."""
    add: Callable[[gguf.GGUFWriter], int]
    """Writes the tokenizer and returns the number of tokens."""
    name: str = "tiny"
    """Name of the model; llama.cpp recognises Phi-3 by it."""


def _write(writer: gguf.GGUFWriter, model: str, pre: str, tokens: Sequence[tuple[str, int]], scores: bool) -> int:
    """Write the tokens, each with its type. The earlier a normal token, the higher its score."""
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_types([kind for _, kind in tokens])
    if scores:
        writer.add_token_scores([-float(index) for index in range(len(tokens))])
    return len(tokens)


def _specials(writer: gguf.GGUFWriter, *, add_bos: bool, ends_turn: int = 2) -> None:
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(ends_turn)
    writer.add_add_bos_token(add_bos)


def _pieces(*controls: str, space: str = "▁") -> list[tuple[str, int]]:
    """Unknown, beginning, end and other control tokens, then words, words after a space, and single characters."""
    words = [*(space + word for word in WORDS), *WORDS, *(space + digit for digit in "0123456789")]
    controls = ("<s>", "</s>", *controls)
    return [
        ("<unk>", UNKNOWN),
        *((text, CONTROL) for text in controls),
        *((text, NORMAL) for text in (*words, "th", "an", "sw", "er", "answ", space, *CHARACTERS)),
    ]


def sentencepiece(*controls: str, space_prefix: bool = True) -> Callable[[gguf.GGUFWriter], int]:
    """A SentencePiece BPE, as of Llama 2; Gemma's does not put a space before a text."""

    def add(writer: gguf.GGUFWriter) -> int:
        bytes_ = [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
        _specials(writer, add_bos=True)
        writer.add_add_space_prefix(space_prefix)
        return _write(writer, "llama", "default", [*_pieces(*controls), *bytes_], scores=True)

    return add


def byte_level(pre: str, *controls: str, add_bos: bool = False) -> Callable[[gguf.GGUFWriter], int]:
    """A byte-level BPE, as of GPT-2, with the rule `pre` that splits a text into words first."""

    def add(writer: gguf.GGUFWriter) -> int:
        tokens = [("<unk>", UNKNOWN), *((text, CONTROL) for text in ("<s>", "</s>", *controls))]
        texts, merges = byte_characters(), []
        for word in (*WORDS, *(f"Ġ{word}" for word in WORDS), "ĊĊ"):
            for end in range(2, len(word) + 1):
                if word[:end] not in texts:
                    texts.append(word[:end])
                    merges.append(f"{word[: end - 1]} {word[end - 1]}")
        _specials(writer, add_bos=add_bos, ends_turn=len(tokens) - 1 if controls else 2)
        writer.add_token_merges(merges)
        return _write(writer, "gpt2", pre, [*tokens, *((text, NORMAL) for text in texts)], scores=False)

    return add


def unigram(writer: gguf.GGUFWriter) -> int:
    """A SentencePiece unigram model, as of T5: it ends every text with an end-of-sequence token."""
    _specials(writer, add_bos=True)
    writer.add_add_space_prefix(True)
    return _write(writer, "t5", "default", [*_pieces("<|im_start|>", "<|im_end|>"), ("\n", NORMAL)], scores=True)


def word_pieces(writer: gguf.GGUFWriter) -> int:
    """WordPiece, as of BERT, which drops line breaks and repeated spaces."""
    _specials(writer, add_bos=False)
    writer.add_sep_token_id(2)
    tokens = _pieces("<|im_start|>", "<|im_end|>") + [(f"▁{character}", NORMAL) for character in CHARACTERS]
    return _write(writer, "bert", "default", list(dict(tokens).items()), scores=True)


def rwkv(writer: gguf.GGUFWriter) -> int:
    """RWKV's vocabulary: byte strings, of which the longest that fits is taken."""
    _specials(writer, add_bos=False)
    tokens = [("<unk>", UNKNOWN), *((text, CONTROL) for text in ("<s>", "</s>", "<|im_start|>", "<|im_end|>"))]
    tokens += [(f"\\x{byte:02x}", NORMAL) for byte in range(256)]
    tokens += [(text, NORMAL) for word in WORDS for text in (word, f" {word}")]
    return _write(writer, "rwkv", "default", tokens, scores=True)


def plamo2(writer: gguf.GGUFWriter) -> int:
    """PLaMo 2: the cheapest split into words and bytes, by dynamic programming."""
    _specials(writer, add_bos=True)
    tokens = [*_pieces("<|im_start|>", "<|im_end|>", space=" "), ("\n", NORMAL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    return _write(writer, "plamo2", "default", tokens, scores=True)


VOCABULARIES = {
    "llama-2": Vocabulary(INST, sentencepiece()),
    "mistral": Vocabulary(INST.replace(" [/INST]", "[/INST]"), sentencepiece("[INST]", "[/INST]")),
    "tinyllama": Vocabulary(ZEPHYR, sentencepiece()),
    "phi-3": Vocabulary(
        PHI, sentencepiece("<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"), name="Phi-3 tiny"
    ),
    "gemma": Vocabulary(GEMMA, sentencepiece("<start_of_turn>", "<end_of_turn>", space_prefix=False)),
    "llama-3": Vocabulary(
        LLAMA3, byte_level("llama-bpe", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", add_bos=True)
    ),
    "qwen": Vocabulary(CHATML, byte_level("qwen2", "<|im_start|>", "<|im_end|>")),
    "smollm": Vocabulary(CHATML, byte_level("smollm", "<|im_start|>", "<|im_end|>")),
    "gpt-2": Vocabulary(ZEPHYR, byte_level("gpt-2")),
    "unigram": Vocabulary(CHATML, unigram),
    "wordpiece": Vocabulary(CHATML, word_pieces),
    "rwkv": Vocabulary(CHATML, rwkv),
    "plamo-2": Vocabulary(CHATML, plamo2),
}
"""By the model whose manner it has, or by the kind of tokenizer where no chat model is known to have it."""
