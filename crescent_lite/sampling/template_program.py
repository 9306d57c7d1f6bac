"""Renders an untrusted chat template, as a separate program that chat.py runs with limits on time and memory.

Jinja's sandbox keeps a template away from files and processes, but not from endless loops or numbers with a billion
digits; in the main process those would block the interpreter. Reads {"source", "bos", "eos", "conversations"} as JSON
from stdin and writes {"texts": [...]} or {"error": "..."}. Imports nothing of the project, so that it starts quickly.
Example: {"source": "{{ messages[0].content }}", "bos": "", "eos": "",
          "conversations": [[{"role": "user", "content": "2 + 3?"}]]}  ->  {"texts": ["2 + 3?"]}
"""

from __future__ import annotations

import contextlib
import json
import sys

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_MEMORY_BYTES = 1 << 30
"""Address space of this program (guess)."""
MAX_SECONDS = 5
"""Processor time of this program (guess)."""
MAX_TEXT = 1_000_000
"""Most characters of a rendered prompt without its question; a real one has a few thousand at most (guess)."""


def main() -> None:
    """Render every conversation on stdin and print the result."""
    with contextlib.suppress(ImportError):  # Windows has no `resource`: there only the caller's timeout applies
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    job = json.load(sys.stdin)
    try:
        texts = [render(job["source"], job["bos"], job["eos"], messages) for messages in job["conversations"]]
        result = {"texts": texts} if max(map(len, texts)) <= MAX_TEXT else {"error": "its text is too long"}
    except Exception as error:  # noqa: BLE001  a template is an untrusted program: it may raise anything
        result = {"error": repr(error)[:MAX_TEXT]}
    json.dump(result, sys.stdout)


def render(source: str, bos: str, eos: str, messages: list[dict[str, str]]) -> str:
    """The conversation as the template renders it, with the opening of a reply if the last turn is the user's."""

    def refuse(message: str) -> None:
        raise TemplateError(message)

    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    # strftime_now is left out on purpose: templates then use a fixed date, so prompts are the same on every day.
    return sandbox.from_string(source).render(
        messages=messages,
        add_generation_prompt=messages[-1]["role"] == "user",
        bos_token=bos,
        eos_token=eos,
        raise_exception=refuse,
    )


if __name__ == "__main__":
    main()
