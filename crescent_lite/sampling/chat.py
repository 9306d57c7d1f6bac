"""The model's own chat template, rendered once around a placeholder; every prompt is then head + text + tail.

Knows the vocabulary; draws no tokens. A template comes with the model and is untrusted, so it is rendered in Jinja's
sandbox in a process of its own, with limits on size, time and memory.
Example: ChatTemplate(model).encode("What is 2 + 3?", assistant_prefix="It is")
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from crescent_lite.config import ModelConfig
from crescent_lite.errors import ConfigError, CrescentError, ModelError
from crescent_lite.printable import printable_line
from crescent_lite.sampling import template_program
from crescent_lite.sampling.decoding import REASON_CHARACTERS
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.known_templates import KNOWN, template_text
from crescent_lite.sampling.library import llama_cpp
from crescent_lite.sampling.spelling import drawn_spelling, spelling_after
from crescent_lite.sampling.thoughts import Opening, tokenize_reply

PLACEHOLDER = "CRESCENTUSERTEXT"
"""Stands for the user's text while the template is rendered."""
REPLY = "CRESCENTREPLYTEXT"
"""Stands for the model's reply while the template is rendered."""
MAX_TEMPLATE_CHARACTERS = 100_000
"""Longer templates are rejected (guess)."""
RENDER_SECONDS = 10.0
"""Wall-clock limit for rendering; a busy machine may need a while to start the program (guess)."""


class ChatTemplate:
    """How one model expects a user's text to be wrapped: the template puts `head` before it and `tail` after it."""

    def __init__(self, model: GgufModel, settings: ModelConfig | None = None) -> None:
        """Render the model's template, or the one in the settings, with the arguments in the settings.

        Raises ModelError when the model has no usable chat template, or ConfigError when the one in the settings is
        not usable.
        """
        settings = settings or ModelConfig()
        source = template_text(settings.chat_template) or model.metadata("tokenizer.chat_template")
        if not source:
            raise ModelError(
                f"{model.path}: has no chat template; use an instruct (chat) model, or name the template that the "
                f"model was trained with in model.chat_template: {', '.join(KNOWN)}, or a Jinja file"
            )
        variables = {**model.special_tokens(), **settings.template_arguments}
        try:
            rendered, answered = _conversations(source, variables)
        except (ValueError, TimeoutError) as error:
            raise _unusable(model, settings, str(error)) from None
        self.head, self.tail = rendered.split(PLACEHOLDER)
        self.opening = Opening(self.tail)
        """The opening tag of the model's thoughts, if every prompt ends with it."""
        self._model = model
        self._bos = bos = model.token_text(llama_cpp.llama_vocab_bos(model.vocab))
        self._writes_bos = bool(bos) and self.head.startswith(bos)
        after_reply = answered.partition(REPLY)[2].strip()
        self.end_of_turn_id = self._find_end_of_turn(after_reply)
        """Id of the token that ends a reply."""
        self.foreign_end = after_reply if after_reply and not self._ends_turn(after_reply) else ""
        """What the template writes after a reply, if no such token ends a reply of this model: the template was then
        probably made for another one. Empty if it fits."""

    def encode(self, user: str, assistant_prefix: str = "") -> list[int]:
        """The prompt's tokens, with exactly one BOS if the model uses one. Special tokens in `user` stay text."""
        add_special = not self._writes_bos
        tokenize = self._model.tokenize
        if tokenize(user, special=True) == tokenize(user, special=False):
            whole = self.head + user + self.tail + self.opening.begun(assistant_prefix)
            return tokenize(whole, special=True, add_special=add_special)
        head = tokenize(self.head, special=True, add_special=add_special)
        tail = tokenize(self.tail + self.opening.begun(assistant_prefix), special=True)
        return head + spelling_after(self._model, head, user) + tail

    def render(self, user: str, assistant_prefix: str = "") -> str:
        """The prompt as text, for servers that do not accept tokens; without the BOS if the tokenizer adds it.

        A special token in `user` is split by a space, so that a server treats it as text too.
        """
        for token in self._model.tokenize(user, special=True):
            if self._model.is_control(token) and (name := self._model.token_text(token)):
                user = user.replace(name, f"{name[0]} {name[1:]}")
        head = self.head.removeprefix(self._bos) if self._model.adds_bos else self.head
        return head + user + self.tail + self.opening.begun(assistant_prefix)

    def drawn_tokens(self, tokens: Sequence[int], text: str) -> tuple[int, ...] | None:
        """The tokens that spell the text of a reply, out of all that were drawn; None if they cannot be told.

        The text may begin with the opening tag of the thoughts that is the end of the prompt, and was not drawn.
        """
        found = drawn_spelling(self._model, tokens, self.opening.learnable(text))
        return drawn_spelling(self._model, tokens, text) if found is None else found

    def encode_example(self, user: str, solution: str, drawn: Sequence[int] | None = None) -> tuple[list[int], int]:
        """The tokens of prompt + solution + end of turn, and how many of them belong to the prompt.

        `drawn` are the tokens with which the solution was drawn, if they are known; they are used if they spell it.
        """
        prompt = self.encode(user)
        reply = self.drawn_tokens(drawn, solution) if drawn is not None else None
        if reply is None:
            reply = tuple(tokenize_reply(self._model, prompt, self.opening.learnable(solution)))
        return [*prompt, *reply, self.end_of_turn_id], len(prompt)

    @property
    def end_of_turn(self) -> str:
        """The text of the token that ends a reply."""
        return self._model.token_text(self.end_of_turn_id)

    def _find_end_of_turn(self, after_reply: str) -> int:
        """The token that the template writes after a reply. (llama.cpp guesses '<|endoftext|>' for SmolLM2.)"""
        if self._ends_turn(after_reply):
            return self._model.tokenize(after_reply, special=True)[0]
        return int(llama_cpp.llama_vocab_eos(self._model.vocab))

    def _ends_turn(self, text: str) -> bool:
        """Whether the text begins with a token that ends a reply."""
        first = self._model.tokenize(text, special=True)[:1]
        return bool(first) and self._model.ends_turn(first[0])


def _unusable(model: GgufModel, settings: ModelConfig, reason: str) -> CrescentError:
    """The error for a template that fails, which says whose template it is."""
    if settings.chat_template:
        return ConfigError(f"model.chat_template: {reason}")
    return ModelError(
        f"{model.path}: its chat template {reason}; another one can be named in model.chat_template: "
        f"{', '.join(KNOWN)}, or a Jinja file"
    )


def _conversations(source: str, variables: dict[str, Any]) -> tuple[str, str]:
    """A question, and a question with a reply, as the template renders them. Raises ValueError or TimeoutError.

    A turn is given as text, or as a list of parts to a template that reads nothing else.
    """
    for in_parts in (False, True):
        question, answered = _render(source, json.dumps(variables), in_parts=in_parts)
        if question.count(PLACEHOLDER) == 1:
            return question, answered
    raise ValueError("does not contain the user's text exactly once")


@functools.cache
def _render(source: str, variables: str, *, in_parts: bool) -> tuple[str, str]:
    """The two conversations, rendered by `template_program`. `variables` is JSON."""
    if len(source) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(f"has {len(source):,} characters, more than {MAX_TEMPLATE_CHARACTERS:,}")

    def turn(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "content": [{"type": "text", "text": text}] if in_parts else text}

    question = [turn("user", PLACEHOLDER)]
    answered = [*question, turn("assistant", REPLY)]
    job = {"source": source, "variables": json.loads(variables), "conversations": [question, answered]}
    try:
        process = subprocess.run(
            [sys.executable, "-P", template_program.__file__],
            input=json.dumps(job), capture_output=True, text=True, encoding="utf-8", timeout=RENDER_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"cannot be rendered: it did not finish within {RENDER_SECONDS:g} s") from None
    if process.returncode:
        limits = f"{template_program.MAX_SECONDS} s of processor time and 1 GiB"
        raise TimeoutError(f"cannot be rendered: it did not finish within {limits}")
    result = json.loads(process.stdout)
    if "error" in result:
        raise ValueError(f"cannot be rendered: {printable_line(result['error'], REASON_CHARACTERS)}")
    for text in result["texts"]:
        if not _is_unicode(text):
            raise ValueError("cannot be rendered: it writes half of a surrogate pair, which is not a character")
    return result["texts"][0], result["texts"][1]


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
