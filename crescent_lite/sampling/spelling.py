"""Which tokens spell a reply: those that were drawn or, if they are not known, a tokenization of its text.

A text has many tokenizations, and a SentencePiece tokenizer puts a space before a text that stands alone. So the
tokens of a reply must not be guessed from its text where they are known, nor without the text before it where they
are not. Knows the vocabulary; knows neither templates nor how tokens are drawn. Examples, for a SentencePiece model:
    drawn_spelling(model, [4, 2, END_OF_TURN], "42")           # (4, 2), though "42" has a token of its own
    spelling_after(model, [USER, ASSISTANT, NEWLINE], "42")    # [42], where "42" alone gives "▁42"
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.reply import Reply


def drawn_spelling(model: GgufModel, tokens: Sequence[int], text: str) -> tuple[int, ...] | None:
    """The leading tokens that spell this text, without the end-of-turn token.

    None if there are none: the tokens belong to another vocabulary, or the text was cut off inside a token. A space
    before the text may be missing, because some servers leave it out.
    """
    if not all(0 <= token < model.vocab_size for token in tokens):
        return None
    if tokens and model.ends_turn(tokens[-1]):
        tokens = tokens[:-1]
    for wanted in (text, f" {text}"):
        if _spells(model, tokens, wanted):
            return tuple(tokens)
        ends = [0, *accumulate(len(model.piece(token)) for token in tokens)]
        length = len(wanted.encode("utf-8", "replace"))
        if length in ends and _spells(model, tokens[: ends.index(length)], wanted):
            return tuple(tokens[: ends.index(length)])
    return None


def spelling_after(model: GgufModel, prompt: Sequence[int], text: str) -> list[int]:
    """The tokens of `text` where it continues a prompt. Special tokens in `text` stay text.

    Of the tokenizations of the text after the end of the prompt and of the text alone, the first that spells exactly
    `text` is returned; if none does, as with a tokenizer that normalises its input, the first of all.
    """
    # Tokenizers begin anew after a special token, so nothing before the prompt's last one matters.
    starts = max((place for place, token in enumerate(prompt, 1) if model.is_control(token)), default=0)
    before = b"".join(map(model.piece, prompt[starts:])).decode("utf-8", "replace")
    opening = model.tokenize(before, special=False)
    found = []
    # Where the prompt ends with a special token, the tokenizer itself adds the space that the text begins with.
    for written in dict.fromkeys((text, text.removeprefix(" "))):
        together = model.tokenize(before + written, special=False)
        if together[: len(opening)] == opening:
            found.append(together[len(opening) :])
    found.append(model.tokenize(text, special=False))
    return next((tokens for tokens in found if _spells(model, tokens, text)), found[0])


def _spells(model: GgufModel, tokens: Sequence[int], text: str) -> bool:
    reply = Reply()
    reply.add(b"".join(map(model.piece, tokens)))
    return reply.text() == text
