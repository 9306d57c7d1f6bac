"""SGLang: one request for each vote, from a prompt of token ids, and adapters are loaded by name.

The votes of a question are not asked for in one request: SGLang gives all choices of a request the same seed, so with
deterministic inference they would be copies of one vote (sgl-project/sglang#28805). It keeps the prompt's cache, so
the votes after the first need not read the prompt again. Example: see `vllm.py`.
Sources: SGLang of August 2026, srt/entrypoints/http_server.py and srt/entrypoints/openai/serving_completions.py.
"""

from __future__ import annotations

from typing import ClassVar

from crescent_lite.sampling.servers.openai_style import OpenAiServer


class SglangServer(OpenAiServer):
    """One SGLang."""

    _takes_tokens = True
    _adapters_at_root: ClassVar[bool | None] = True

    @property
    def _adapter_fields(self) -> dict[str, str]:
        return {"lora_path": self._adapter} if self._adapter else {}
