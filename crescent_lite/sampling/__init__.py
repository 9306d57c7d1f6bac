"""Draws replies from a model: prompts in, completions out as they finish.

`protocol.py` defines the Sampler protocol. It has three implementations: `llama.py` runs llama.cpp in this process,
`worker_pool.py` in several, on this machine or on a Ray cluster, and `server_pool.py` uses servers over HTTP. Nothing
here knows about questions, votes or the database.
Example: open_sampler(Path("model.gguf"), config).sample(requests) yields one Completion per sample
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.config import Config
from crescent_lite.sampling.memory_plan import MemoryPlan
from crescent_lite.sampling.protocol import Sampler, SamplerUsage, Watch

if TYPE_CHECKING:
    from crescent_lite.sampling.server_holds import Patience

__all__ = [
    "MemoryPlan",
    "Sampler",
    "SamplerUsage",
    "Watch",
    "check_chat_template",
    "check_servers",
    "open_sampler",
    "plan_before_loading",
    "reply_texts",
    "require_language_model",
]

PROMPT_TOKENS = 256
"""Tokens assumed for a prompt when memory is planned before any prompt is known (guess)."""


def open_sampler(
    model_path: Path,
    config: Config,
    *,
    patience: Patience | None = None,
    attend: Callable[[], object] | None = None,
) -> Sampler:
    """The sampler that the settings ask for, ready to use: servers or workers if any are configured, else llama.cpp.

    `patience`: with servers; None for that of a run. `attend`: called several times a second while all servers asked
    to be left alone; what it raises ends the wait. llama.cpp is imported here and not before. Raises CrescentError.
    """
    if config.sampling.servers:
        from crescent_lite.sampling.server_pool import ServerSampler

        return ServerSampler(model_path, config.sampling, config.model, patience=patience, attend=attend)
    if config.sampling.workers != 1 or config.sampling.ray:
        from crescent_lite.sampling.worker_pool import PooledSampler, hands_of

        return PooledSampler(model_path, hands_of(config.sampling, model_path), config.sampling, config.model)
    from crescent_lite.sampling.llama import LlamaSampler

    return LlamaSampler(model_path, config.sampling, config.model)


def reply_texts(model_path: Path, replies: Sequence[Sequence[int]]) -> list[str]:
    """The texts of replies that are given as this model's token ids. Reads its vocabulary only. Raises ModelError."""
    from crescent_lite.sampling.gguf_model import GgufModel
    from crescent_lite.sampling.reply import Reply

    model, texts = GgufModel(model_path, vocabulary_only=True), []
    for token_ids in replies:
        reply = Reply()
        for token in token_ids:
            reply.add(model.piece(token))
        texts.append(reply.text())
    model.close()
    return texts


def check_servers(
    model_path: Path,
    config: Config,
    *,
    will_train: bool,
    adapter: Path | None = None,
    trial: Path | None = None,
    attend: Callable[[], object] | None = None,
) -> None:
    """Check before a run starts that the servers in the settings, if any, can do everything that the run needs.

    `trial` is a PEFT folder with an adapter like those that will be trained, which the servers then load on trial.
    `attend`: see `open_sampler`. Raises CrescentError.
    """
    if config.sampling.servers:
        from crescent_lite.sampling import server_pool

        server_pool.check_servers(
            model_path, config, will_train=will_train, adapter=adapter, trial=trial, attend=attend
        )


def require_language_model(model_path: Path) -> None:
    """Raise ModelError when llama.cpp does not recognise the file as a text-generating model."""
    from crescent_lite.sampling.gguf_model import GgufModel

    GgufModel(model_path, vocabulary_only=True).close()


def check_chat_template(model_path: Path, config: Config) -> str:
    """Check before a run starts that prompts can be wrapped for this model: renders its template.

    A model that samples on this machine is also tried in a child process, unless it is known to work. Returns what
    the template writes after a reply although it ends no reply of this model; '' if it fits. Raises ModelError,
    OutOfMemoryError, or ConfigError when `model.chat_template` cannot be used.
    """
    from crescent_lite.sampling.chat import ChatTemplate
    from crescent_lite.sampling.gguf_model import GgufModel
    from crescent_lite.sampling.trying import require_loadable

    if not config.sampling.servers and not config.sampling.ray:
        require_loadable(model_path)
    model = GgufModel(model_path, vocabulary_only=True)
    try:
        chat = ChatTemplate(model, config.model)
        chat.encode("2 + 3?")
        return chat.foreign_end
    finally:
        model.close()


def plan_before_loading(model_path: Path, config: Config) -> MemoryPlan:
    """The memory plan for sampling this model in this process, or in one of the workers on this machine.

    It is made from the GGUF's metadata alone. Raises CrescentError.
    """
    from crescent_lite.sampling.gguf_model import GgufModel
    from crescent_lite.sampling.llama import plan_sampling

    longest = max(config.bait.max_tokens, config.vote.max_tokens, config.evaluate.max_tokens)
    sampling = config.sampling
    if sampling.workers != 1:
        from crescent_lite.sampling.workers.local import LocalHands

        sampling = LocalHands(sampling).share(0).config
    described = GgufModel(model_path, vocabulary_only=True)
    try:
        return plan_sampling(described.shape, sampling, PROMPT_TOKENS + longest, weights_loaded=False)
    finally:
        described.close()
