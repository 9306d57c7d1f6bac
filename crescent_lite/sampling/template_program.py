"""Renders an untrusted chat template, as a separate program that chat.py runs with limits on time and memory.

A template finds what transformers offers it (`apply_chat_template`): the same names, filters, tags and whitespace
rules. Only the clock differs: `strftime_now` always tells FIXED_DATE, so that a prompt is the same in every run.
Jinja's sandbox keeps a template away from files and processes, but not from endless loops or numbers with a billion
digits; in the main process those would block the interpreter. Reads {"source", "variables", "conversations"} as JSON
from stdin and writes {"texts": [...]} or {"error": "..."}. Imports nothing of the project, so that it starts quickly.
Example: {"source": "{{ bos_token }}{{ messages[0].content }}", "variables": {"bos_token": "<s>"},
          "conversations": [[{"role": "user", "content": "2 + 3?"}]]}  ->  {"texts": ["<s>2 + 3?"]}
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_MEMORY_BYTES = 1 << 30
"""Address space of this program (guess)."""
MAX_SECONDS = 5
"""Processor time of this program (guess)."""
MAX_TEXT = 1_000_000
"""Most characters of a rendered prompt without its question; a real one has a few thousand at most (guess)."""
FIXED_DATE = datetime(2024, 7, 26)
"""What `strftime_now` tells. The templates of Llama 3.1 to 3.3 name this day where they find no clock."""


class GenerationTags(Extension):
    """The block `{% generation %}...{% endgeneration %}`: it marks a reply for training; its content is rendered."""

    tags = {"generation"}  # noqa: RUF012  the name and type that Jinja expects

    def parse(self, parser: Parser) -> nodes.CallBlock:
        """Turn the block into a call, as transformers does: a variable that is set inside ends with the block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body, lineno=line)

    def _content(self, caller: Callable[[], str]) -> str:
        return caller()


def main() -> None:
    """Render every conversation on stdin and print the result."""
    with contextlib.suppress(ImportError):  # Windows has no `resource`: there only the caller's timeout applies
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    job = json.load(sys.stdin)
    try:
        texts = [render(job["source"], job["variables"], messages) for messages in job["conversations"]]
        result = {"texts": texts} if max(map(len, texts)) <= MAX_TEXT else {"error": "its text is too long"}
    except Exception as error:  # noqa: BLE001  a template is an untrusted program: it may raise anything
        result = {"error": repr(error)[:MAX_TEXT]}
    json.dump(result, sys.stdout)


def render(source: str, variables: dict[str, Any], messages: list[dict[str, str]]) -> str:
    """The conversation as the template renders it, with the opening of a reply if the last turn is the user's.

    `variables`: the model's special tokens by name, such as bos_token, and the template arguments.
    """
    opens_reply = messages[-1]["role"] == "user"
    given = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": opens_reply}
    return compiled(source).render({**variables, **given})


@functools.lru_cache(maxsize=1)
def compiled(source: str) -> Template:
    """The template in what it is rendered in: transformers' names, filters and tags, with a fixed date."""
    found = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTags, loopcontrols]
    )
    found.filters["tojson"] = to_json
    found.globals["raise_exception"] = refuse
    found.globals["strftime_now"] = FIXED_DATE.strftime
    return found.from_string(source)


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """The filter `tojson` without Jinja's escapes for HTML; keys keep their order."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def refuse(message: str) -> None:
    """The function `raise_exception`, by which a template refuses a conversation."""
    raise TemplateError(message)


if __name__ == "__main__":
    main()
