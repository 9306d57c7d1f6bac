"""vLLM: one request draws all votes of a question, from a prompt of token ids, and adapters are loaded by name.

Example: await VllmServer(connection, model, "").complete(prompt, generation, seed=7, count=8) -> eight replies
Sources: vLLM 0.32, entrypoints/openai/completion/serving.py, models/serving.py (statuses of adapters), and
v1/engine/parallel_sampling.py: choice i of a request is drawn with the seed of the request + i.
"""

from __future__ import annotations

from typing import Any, ClassVar

from crescent_lite.sampling.servers.openai_style import OpenAiServer


class VllmServer(OpenAiServer):
    """One vLLM, or several behind one address."""

    draws_several = True
    _takes_tokens = True
    _adapters_at_root: ClassVar[bool | None] = False
    _own_fields: ClassVar[dict[str, Any]] = {"return_token_ids": True}

    @property
    def _adapter_fields(self) -> dict[str, str]:
        return {"model": self._adapter} if self._adapter else {}  # an adapter is a model of its own
