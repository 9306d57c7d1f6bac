"""Thoughts on the sampling side: prompts that end inside them, and their tags where these are special tokens.

Some templates end a prompt with the opening tag, so the model writes only the closing one; some vocabularies have the
tags as control tokens, whose text llama.cpp leaves out. Here both are made visible, so that every reader of a reply
can tell its thoughts by the text alone. Knows a vocabulary and texts; draws nothing. Example:
    Opening("<|im_start|>assistant\\n<think>\\n").text    # '<think>\\n'
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from crescent_lite.answers.thoughts import closing_of, has_closing, is_tag, opening_at_the_end
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.spelling import spelling_after


class Opening:
    """The opening tag that a template puts at the end of every prompt, if it does."""

    def __init__(self, tail: str) -> None:
        """`tail`: what the template puts after the user's text."""
        self.text = opening_at_the_end(tail)
        """The tag and the white space after it; '' for a template that leaves the tag to the model."""
        self._closing = f"\n{closing_of(self.text)}\n\n" if self.text else ""

    def before(self, assistant_prefix: str) -> str:
        """Text that a reply begins with although it is not drawn: the tag, unless the thoughts are closed at once."""
        return "" if assistant_prefix else self.text

    def begun(self, assistant_prefix: str) -> str:
        """What follows the tail in the prompt: the prefix, after the end of the thoughts, since it is no thought."""
        return self._closing + assistant_prefix if assistant_prefix else ""

    def learnable(self, solution: str) -> str:
        """What is to be learnt after the prompt: a stored solution without the opening tag, which the prompt has.

        A solution without thoughts, such as another model's, begins by ending them.
        """
        if not self.text:
            return solution
        if solution.startswith(tag := self.text.strip()):
            return solution.removeprefix(self.text) if solution.startswith(self.text) else solution.removeprefix(tag)
        return solution if has_closing(solution) else self._closing + solution


@functools.cache
def control_tags(model: GgufModel) -> dict[str, int]:
    """The tags of thoughts that are control tokens of the model, with their ids; no text is tokenised to these."""
    ids = (token for token in range(model.vocab_size) if model.is_control(token) and not model.ends_turn(token))
    return {text: token for token in ids if is_tag(text := model.token_text(token)) and model.piece(token)}


def tokenize_reply(model: GgufModel, prompt: Sequence[int], reply: str) -> list[int]:
    """Tokens of a reply after a prompt: its tags of thoughts as the control tokens they are, other text as text."""
    tags = control_tags(model)
    if not any(tag in reply for tag in tags):
        return spelling_after(model, prompt, reply)
    tokens: list[int] = []
    for part in re.split(f"({'|'.join(map(re.escape, sorted(tags, key=len, reverse=True)))})", reply):
        if part:
            tokens += [tags[part]] if part in tags else spelling_after(model, [*prompt, *tokens], part)
    return tokens
