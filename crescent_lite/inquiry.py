"""Lets models of a run answer a question, one model after the other, and reports each answer while it is written.

`answer` draws one reply of each model; `answer_by_vote` draws several and takes their majority, which needs no
training (self-consistency, arXiv 2203.11171). Reads the run and loads its models. Holds no lock, stores nothing but
checksums of files, and needs no engine; with a running engine it shares memory and processor. Example, which prints
the base's answer piece by piece, then the kept round's answer:
    answer(workspace, store, Inquiry("What is 2 + 3?"), tell=lambda piece: print(piece.model, piece.text))
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.answers import find_answer
from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.config import Config, load_config
from crescent_lite.config.stored import unchangeable_config
from crescent_lite.errors import ConfigError, UsageError
from crescent_lite.evaluation.voted_answer import CastVote, VotedAnswer, voted_answer
from crescent_lite.models import require_unchanged
from crescent_lite.preparation import model_settings_of, resolve_paths
from crescent_lite.printable import storable
from crescent_lite.prompts.sets import BARE, fill, load_prompt_set
from crescent_lite.records import (
    TEMPLATE_SET,
    Abstention,
    Answer,
    Completion,
    FinishReason,
    Generation,
    Request,
    short_name,
)
from crescent_lite.sampling import Sampler, open_sampler
from crescent_lite.store import Run, Store
from crescent_lite.workspace import Workspace

MOST_VOTES = 1000
"""Most votes of one inquiry; as many as vote.votes_per_question allows."""
MOST_SLOTS = 64
"""Most votes drawn at the same time unless sampling.slots says otherwise; more gain little."""
INCOMPLETE_CHARACTER = "\ufffd"
"""The replacement character, which ends a growing text while some bytes of its last character are missing."""


@dataclass(frozen=True)
class Inquiry:
    """A question and the models that are to answer it."""

    question: str
    run_id: int | None = None
    """The run whose models answer; None for the latest improvement run."""
    rounds: tuple[int, ...] | None = None
    """Rounds whose models answer; 0 is the base. None for the base and the kept round, if there is one."""
    prompt: str = "solve"
    """Name of the prompt: 'bare', or a prompt of the run's set."""
    temperature: float | None = None
    """Softmax temperature; 0 is greedy. None for 0 with a single answer, and for the run's own vote.temperature with
    several votes."""
    max_tokens: int | None = None
    """Longest answer, in tokens; None for the run's own evaluate.max_tokens."""
    votes: int = 1
    """Samples that `answer_by_vote` draws of each model, 1 to MOST_VOTES. `answer` draws one."""


@dataclass(frozen=True)
class End:
    """How an answer ended."""

    answer: Answer | None
    """The final answer; None where none was found."""
    finish_reason: FinishReason
    tokens: int
    """Tokens drawn."""
    seconds: float
    """Time for prompt and answer; loading the model is not included."""
    abstained: Abstention | None = None
    """Why no final answer was found; None if one was."""


@dataclass(frozen=True)
class Piece:
    """A piece of a growing answer. The pieces of a model make up its whole text. Untrusted."""

    model: str
    """'base', or a round such as 'round 1'."""
    text: str
    """Text written since the previous piece; may be empty."""
    end: End | None = None
    """Set on the last piece of a model only."""


@dataclass(frozen=True)
class DrawnVote:
    """One vote of a model, whole. Votes arrive as they end, in any order."""

    model: str
    """As in `Piece`."""
    vote: CastVote


@dataclass(frozen=True)
class Result:
    """A model's answer by vote, after its last vote."""

    model: str
    """As in `Piece`."""
    voted: VotedAnswer
    tokens: int
    """Tokens drawn, all votes together."""
    seconds: float
    """Time for prompt and votes; loading the model is not included."""


def answer(
    workspace: Workspace,
    store: Store,
    inquiry: Inquiry,
    tell: Callable[[Piece], object],
    opener: Callable[[Path, Config], Sampler] = open_sampler,
) -> None:
    """Let each model answer, passing every piece of its text to `tell`.

    Raises CrescentError, before any model is loaded if the fault can be found that early.
    """
    with _asked(workspace, store, inquiry, opener) as (sampler, request, adapters):
        for number, adapter in adapters.items():
            sampler.use_adapter(adapter)
            _answer_once(sampler, request, _name(number), tell)


def answer_by_vote(
    workspace: Workspace,
    store: Store,
    inquiry: Inquiry,
    tell: Callable[[DrawnVote | Result], object],
    opener: Callable[[Path, Config], Sampler] = open_sampler,
) -> None:
    """Let each model answer by a vote, passing every vote as it ends, and each model's result, to `tell`.

    Raises CrescentError, before any model is loaded if the fault can be found that early.
    """
    with _asked(workspace, store, inquiry, opener) as (sampler, request, adapters):
        for number, adapter in adapters.items():
            sampler.use_adapter(adapter)
            began, votes = time.monotonic(), []
            for completion in sampler.sample([request]):
                _refuse_if_too_long(completion)
                votes.append(_cast(completion))
                tell(DrawnVote(_name(number), votes[-1]))
            tokens, seconds = sum(vote.tokens for vote in votes), time.monotonic() - began
            tell(Result(_name(number), voted_answer(votes), tokens, seconds))


@contextmanager
def _asked(
    workspace: Workspace, store: Store, inquiry: Inquiry, opener: Callable[[Path, Config], Sampler]
) -> Iterator[tuple[Sampler, Request, dict[int, Path | None]]]:
    """The base, loaded, with the request that puts the question, and the adapter of each model that is to answer."""
    question = storable(inquiry.question)
    if not question.strip():
        raise UsageError("the question is empty; give its text")
    if not 1 <= inquiry.votes <= MOST_VOTES:
        raise UsageError(f"{inquiry.votes:,} votes: give 1 to {MOST_VOTES:,}")
    run = store.runs.fetch_run(inquiry.run_id, "improvement")
    config = _config(workspace, store, run, inquiry.votes)
    generation = _generation(config, inquiry)
    base, adapters = _models(workspace, store, run, inquiry.rounds)
    request = Request(
        key="answer",
        user=fill(_prompt(workspace, store, run, config, inquiry.prompt), question=question),
        generation=generation,
        sample_indexes=tuple(range(inquiry.votes)),
        seed=config.run.seed,
    )
    with closing(opener(base, config)) as sampler:
        yield sampler, request, adapters


def _generation(config: Config, inquiry: Inquiry) -> Generation:
    """How the replies are drawn: as the run's own votes if there are several, else as its evaluation, greedily."""
    several = inquiry.votes > 1
    like = config.vote if several else config.evaluate
    temperature = inquiry.temperature
    if temperature is None:
        temperature = config.vote.temperature if several else 0.0
    if several and temperature == 0:
        raise UsageError("at temperature 0 all votes are the same; give --temperature above 0, or one vote")
    return Generation(inquiry.max_tokens or config.evaluate.max_tokens, temperature, like.top_p, like.top_k)


def _name(number: int) -> str:
    """The model of a round; 0 is the base."""
    return f"round {number}" if number else "base"


def _refuse_if_too_long(completion: Completion) -> None:
    """Raise UsageError if the question left no room for a reply."""
    if completion.finish_reason == "context" and not completion.tokens:
        raise UsageError(
            f"the question and its prompt have {completion.prompt_tokens:,} tokens, more than the model's context; "
            "shorten the question"
        )


def _cast(completion: Completion) -> CastVote:
    """The vote that a completion is."""
    finished = completion.finish_reason == "stop"
    found = find_answer(completion.text, finished=finished)
    why = None if found else why_unanswered(completion.text, finished=finished)
    return CastVote(completion.sample_index, completion.text, found, completion.finish_reason, completion.tokens, why)


def _answer_once(sampler: Sampler, request: Request, model: str, tell: Callable[[Piece], object]) -> None:
    sent = ""

    def watch(_key: str, text: str) -> None:
        nonlocal sent
        whole = text.rstrip(INCOMPLETE_CHARACTER)
        if len(whole) > len(sent):
            tell(Piece(model, whole[len(sent) :]))
            sent = whole

    tell(Piece(model, ""))
    began = time.monotonic()
    (completion,) = sampler.sample([request], watch)
    _refuse_if_too_long(completion)
    vote = _cast(completion)
    end = End(vote.answer, vote.finish_reason, vote.tokens, time.monotonic() - began, vote.abstained)
    tell(Piece(model, completion.text[len(sent) :], end))


def _config(workspace: Workspace, store: Store, run: Run, votes: int) -> Config:
    """The run's settings, but with the workspace's current [sampling], and no more slots than there are votes."""
    config = unchangeable_config(run.config)
    sampling = load_config(workspace.config_path).sampling
    slots = min(votes, sampling.slots or MOST_SLOTS)
    model = model_settings_of(store, run)
    alone = dataclasses.replace(sampling, slots=slots, workers=1, ray="")  # workers would gain nothing
    return dataclasses.replace(config, model=model, sampling=alone)


def _models(
    workspace: Workspace, store: Store, run: Run, rounds: tuple[int, ...] | None
) -> tuple[Path, dict[int, Path | None]]:
    """Return the base's path and, in order, each round's adapter (None for the base itself).

    Raises NotFoundError; ModelError for a file that is missing or is no longer the one that the run was made with.
    """
    standing = store.fetch_standing(run.run_id)
    if rounds is None:
        rounds = (0, *([standing.kept] if standing.kept else []))
    if trained := [number for number in rounds if number]:
        standing.require(trained)
    ids = {number: standing.adapters[number] if number else None for number in rounds}
    cache = workspace.checksum_cache
    base = require_unchanged(store.runs.fetch_model(run.base_id), cache).path
    return base, {
        number: require_unchanged(store.runs.fetch_model(id), cache).path if id is not None else None
        for number, id in ids.items()
    }


def _prompt(workspace: Workspace, store: Store, run: Run, config: Config, name: str) -> str:
    """Return the prompt's text as the run used it; for a prompt that the run did not use, from its prompt set.

    Raises ConfigError.
    """
    if name == "bare":
        return BARE.text
    used = {
        short_name(full): text
        for full, text in store.runs.fetch_prompts(run.run_id)
        if not full.startswith(f"{TEMPLATE_SET}/")
    }
    if name in used:
        return used[name]
    if not name.replace("-", "").isalnum():
        raise ConfigError(f"--prompt: {name!r} is not the name of a prompt; give 'bare' or a prompt of the run's set")
    return load_prompt_set(resolve_paths(config, workspace.folder).run.prompts).for_evaluation(name).text
