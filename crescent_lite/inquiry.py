"""Models of a run answer one question, the one after the other, and the text is told as it grows.

Reads the run and loads its models; holds no lock, writes nothing, and needs no engine. Memory and speed are shared
with an engine that is at work. Example:
    answer(workspace, store, Inquiry("What is 2 + 3?"), tell=lambda piece: print(piece.model, piece.text))
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.answers import find_answer
from crescent_lite.config import Config, load_config
from crescent_lite.config.stored import unchangeable_config
from crescent_lite.errors import ConfigError, ModelError, UsageError
from crescent_lite.preparation import resolve_paths
from crescent_lite.prompts.sets import BARE, fill, load_prompt_set
from crescent_lite.records import Answer, FinishReason, Generation, Request, short_name
from crescent_lite.sampling import Sampler, open_sampler
from crescent_lite.store import Run, Store
from crescent_lite.workspace import Workspace

HALF_A_CHARACTER = "\ufffd"
"""What stands at the end of a growing text for bytes whose rest is still to come."""


@dataclass(frozen=True)
class Inquiry:
    """What is asked of whom."""

    question: str
    run_id: int | None = None
    """None is the latest improvement run."""
    rounds: tuple[int, ...] | None = None
    """0 is the base. None: the base, and the round that is kept, where there is one."""
    prompt: str = "solve"
    """'bare', or one of the run's prompt set."""
    temperature: float = 0.0
    max_tokens: int | None = None
    """None is what the run is measured with."""


@dataclass(frozen=True)
class End:
    """How an answer ended."""

    answer: Answer | None
    finish_reason: FinishReason
    tokens: int
    seconds: float
    """From the prompt on; loading is not counted."""


@dataclass(frozen=True)
class Piece:
    """A bit of a growing answer. All pieces of a model together are its text. Untrusted."""

    model: str
    """'base' or 'round 1'."""
    text: str
    """What has come since the piece before; may be empty."""
    end: End | None = None
    """With the last piece of a model."""


def answer(
    workspace: Workspace,
    store: Store,
    inquiry: Inquiry,
    tell: Callable[[Piece], object],
    opener: Callable[[Path, Config], Sampler] = open_sampler,
) -> None:
    """Have each model answer. Raises CrescentError before anything is loaded where that can be known."""
    question = inquiry.question.encode("utf-8", "replace").decode()
    if not question.strip():
        raise UsageError("there is no question")
    run = store.runs.fetch_run(inquiry.run_id, "improvement")
    config = _config(workspace, run)
    base, adapters = _models(store, run, inquiry.rounds)
    request = Request(
        key="answer",
        user=fill(_prompt(workspace, store, run, config, inquiry.prompt), question=question),
        generation=dataclasses.replace(
            Generation(config.evaluate.max_tokens, 0.0, config.evaluate.top_p, config.evaluate.top_k),
            temperature=inquiry.temperature,
            max_tokens=inquiry.max_tokens or config.evaluate.max_tokens,
        ),
        seed=config.run.seed,
    )
    with closing(opener(base, config)) as sampler:
        for number, adapter in adapters.items():
            sampler.use_adapter(adapter)
            _answer_once(sampler, request, f"round {number}" if number else "base", tell)


def _answer_once(sampler: Sampler, request: Request, model: str, tell: Callable[[Piece], object]) -> None:
    told = ""

    def watch(_key: str, text: str) -> None:
        nonlocal told
        whole = text.rstrip(HALF_A_CHARACTER)
        if len(whole) > len(told):
            tell(Piece(model, whole[len(told) :]))
            told = whole

    tell(Piece(model, ""))
    began = time.monotonic()
    (completion,) = sampler.sample([request], watch)
    if completion.finish_reason == "context" and not completion.tokens:
        raise UsageError(
            f"the question takes {completion.prompt_tokens:,} tokens with its prompt, more than the model's context"
        )
    found = find_answer(completion.text, finished=completion.finish_reason == "stop")
    end = End(found, completion.finish_reason, completion.tokens, time.monotonic() - began)
    tell(Piece(model, completion.text[len(told) :], end))


def _config(workspace: Workspace, run: Run) -> Config:
    """The run's settings, on this machine as it is set up now; one answer at a time needs one slot."""
    config = unchangeable_config(run.config)
    here = load_config(workspace.config_path).sampling
    return dataclasses.replace(config, sampling=dataclasses.replace(here, slots=1))


def _models(store: Store, run: Run, rounds: tuple[int, ...] | None) -> tuple[Path, dict[int, Path | None]]:
    """The base, and the adapter for each round that is asked, in order. Raises NotFoundError or ModelError."""
    standing = store.fetch_standing(run.run_id)
    if rounds is None:
        rounds = (0, *([standing.kept] if standing.kept else []))
    if trained := [number for number in rounds if number]:
        standing.require(trained)
    ids = {number: standing.adapters[number] if number else None for number in rounds}
    paths = {number: store.runs.fetch_model(id).path if id is not None else None for number, id in ids.items()}
    base = store.runs.fetch_model(run.base_id).path
    for path in (base, *paths.values()):
        if path and not path.is_file():
            raise ModelError(f"{path}: is gone; run {run.run_id} was made with it")
    return base, paths


def _prompt(workspace: Workspace, store: Store, run: Run, config: Config, name: str) -> str:
    """As the run used it, where it did; else as it lies in the prompt set. Raises ConfigError."""
    if name == "bare":
        return BARE.text
    used = {short_name(full): text for full, text in store.runs.fetch_prompts(run.run_id)}
    if name in used:
        return used[name]
    if not name.replace("-", "").isalnum():
        raise ConfigError(f"--prompt: {name!r} is no name of a prompt")
    return load_prompt_set(resolve_paths(config, workspace.folder).run.prompts).for_evaluation(name).text
