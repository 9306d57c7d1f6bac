"""The model's own chat template, rendered once around a placeholder; every prompt is its head + text + tail.

Knows the vocabulary, not the sampling. Templates come with the model and are untrusted: they run in Jinja's sandbox,
with bounded size and time. Example: ChatTemplate(model).encode("What is 2 + 3?", assistant_prefix="It is")
"""

from __future__ import annotations

import ctypes
import threading

import llama_cpp
from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from crescent_lite.errors import ModelError
from crescent_lite.sampling.gguf_model import GgufModel

PLACEHOLDER = "CRESCENTUSERTEXT"
REPLY = "CRESCENTREPLYTEXT"
MAX_TEMPLATE_CHARACTERS = 100_000
RENDER_SECONDS = 5.0


class ChatTemplate:
    """How one model wants a user's text wrapped. `head` and `tail` are what the template puts around it."""

    def __init__(self, model: GgufModel) -> None:
        """Raises ModelError where the model has no usable chat template."""
        source = model.metadata("tokenizer.chat_template")
        if not source:
            raise ModelError(f"{model.path}: has no chat template; use an instruct (chat) model, not a base model")
        bos = model.token_text(llama_cpp.llama_vocab_bos(model.vocab))
        eos = model.token_text(llama_cpp.llama_vocab_eos(model.vocab))
        try:
            rendered = _render(source, bos, eos, [{"role": "user", "content": PLACEHOLDER}])
            answered = _render(
                source,
                bos,
                eos,
                [{"role": "user", "content": PLACEHOLDER}, {"role": "assistant", "content": REPLY}],
            )
        except Exception as error:  # noqa: BLE001  a template is a program of strangers: it may raise anything
            raise ModelError(f"{model.path}: its chat template cannot be rendered: {error!r}") from None
        if rendered.count(PLACEHOLDER) != 1:
            raise ModelError(f"{model.path}: its chat template does not show the user's text exactly once")
        self.head, self.tail = rendered.split(PLACEHOLDER)
        self._model = model
        self._bos = bos
        self._writes_bos = bool(bos) and self.head.startswith(bos)
        self._end_of_turn = self._find_end_of_turn(answered.partition(REPLY)[2])

    def encode(self, user: str, assistant_prefix: str = "") -> list[int]:
        """The prompt's tokens, with one BOS where the model wants one. Special tokens in `user` stay text."""
        add_special = not self._writes_bos
        tokenize = self._model.tokenize
        if tokenize(user, special=True) == tokenize(user, special=False):
            whole = self.head + user + self.tail + assistant_prefix
            return tokenize(whole, special=True, add_special=add_special)
        head = tokenize(self.head, special=True, add_special=add_special)
        tail = tokenize(self.tail + assistant_prefix, special=True)
        return head + tokenize(user, special=False) + tail

    def render(self, user: str, assistant_prefix: str = "") -> str:
        """The prompt as a text, for servers that take no tokens: without the BOS where they write it themselves.

        A special token in `user` is broken up by a space, so that it stays text there too.
        """
        for token in self._model.tokenize(user, special=True):
            if self._model.is_control(token) and (name := self._model.token_text(token)):
                user = user.replace(name, f"{name[0]} {name[1:]}")
        head = self.head.removeprefix(self._bos) if self._model.adds_bos else self.head
        return head + user + self.tail + assistant_prefix

    def encode_example(self, user: str, solution: str) -> tuple[list[int], int]:
        """Prompt + solution + end of turn, and the prompt's length in tokens."""
        prompt = self.encode(user)
        reply = self._model.tokenize(solution, special=False)
        return [*prompt, *reply, self._end_of_turn], len(prompt)

    @property
    def end_of_turn(self) -> str:
        """The text of the token that ends a reply."""
        return self._model.token_text(self._end_of_turn)

    def _find_end_of_turn(self, after_reply: str) -> int:
        """The token the template writes after a reply. (llama.cpp's own guess is '<|endoftext|>' for SmolLM2.)"""
        first = self._model.tokenize(after_reply.strip(), special=True)[:1]
        if first and self._model.ends_turn(first[0]):
            return first[0]
        return int(llama_cpp.llama_vocab_eos(self._model.vocab))


Messages = list[dict[str, str]]


def _render(source: str, bos: str, eos: str, messages: Messages) -> str:
    if len(source) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(f"it is {len(source):,} characters long")
    outcome: list[str | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_render_in_sandbox(source, bos, eos, messages))
        except (Exception, SystemExit) as error:  # noqa: BLE001  handed to the caller's thread, which raises it
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(RENDER_SECONDS)
    if not outcome:
        # Left alone, an endless template would keep a core, and this process's interpreter lock, for good.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        thread.join(RENDER_SECONDS)
        raise TimeoutError(f"it did not finish within {RENDER_SECONDS:g} s")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _render_in_sandbox(source: str, bos: str, eos: str, messages: Messages) -> str:
    def refuse(message: str) -> None:
        raise TemplateError(message)

    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    # No strftime_now: templates that ask for today's date fall back to a fixed one, so prompts stay the same.
    return sandbox.from_string(source).render(
        messages=messages,
        add_generation_prompt=messages[-1]["role"] == "user",
        bos_token=bos,
        eos_token=eos,
        raise_exception=refuse,
    )
