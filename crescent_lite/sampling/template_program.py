"""Renders a stranger's chat template: a program of its own, run by chat.py with bounded time and memory.

A sandbox keeps a template from files and processes, not from endless loops or numbers of a billion digits, and those
would hold the interpreter. Reads {"source", "bos", "eos", "conversations"} as JSON from stdin; writes
{"texts": [...]} or {"error": "..."}. Imports nothing of the project: it starts in a tenth of a second.
"""

from __future__ import annotations

import contextlib
import json
import sys

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_MEMORY_BYTES = 1 << 30
MAX_SECONDS = 5
MAX_TEXT = 1_000_000
"""Characters of a rendered prompt without its question; a real one has some thousand at most."""


def main() -> None:
    """Render every conversation."""
    with contextlib.suppress(ImportError):  # where there is no such module, the caller's own clock must do
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    asked = json.load(sys.stdin)
    try:
        texts = [render(asked["source"], asked["bos"], asked["eos"], each) for each in asked["conversations"]]
        said = {"texts": texts} if max(map(len, texts)) <= MAX_TEXT else {"error": "it renders without end"}
    except Exception as error:  # noqa: BLE001  a template is a program of strangers: it may raise anything
        said = {"error": repr(error)[:MAX_TEXT]}
    json.dump(said, sys.stdout)


def render(source: str, bos: str, eos: str, messages: list[dict[str, str]]) -> str:
    """The conversation as the template writes it, with the opening of a reply where a user spoke last."""

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


if __name__ == "__main__":
    main()
