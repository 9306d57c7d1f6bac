"""Tries the model of a workspace as a run would use it, so that `crescent doctor` says ok only of a model that works.

Renders the chat template with the arguments in the settings, tokenises a prompt, and draws a few tokens, in this
child process or on the servers in the settings: llama.cpp aborts the whole process at a tensor that it cannot use.
Downloads nothing. Example:
    try_model(Path("tiny.gguf"), Config()) -> Trial(tokens=4, foreign_end="")
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from crescent_lite.config import Config, config_from_dict
from crescent_lite.errors import CrescentError, ModelError
from crescent_lite.models import HUB_REFERENCE, embedded_path, find_model
from crescent_lite.records import Generation, Request
from crescent_lite.sampling import check_chat_template, open_sampler
from crescent_lite.sampling.decoding import child_environment, how_it_ended
from crescent_lite.sampling.server_holds import Patience

TRIAL_TOKENS = 4
"""Tokens to draw: enough to see that the weights can be decoded after a prompt and after a token of their own."""

PATIENCE = Patience(attempts=2, seconds=3.0, reply_seconds=60.0)
"""Less than a run has, because somebody waits for doctor (guess)."""


@dataclass(frozen=True)
class Trial:
    """What a trial of a model showed. A model that cannot be used raises an error instead."""

    tokens: int
    """Tokens drawn; fewer than TRIAL_TOKENS if the model ended its reply."""
    foreign_end: str
    """What the chat template writes after a reply although no such token ends a reply of the model; '' if it fits."""


def model_on_disk(config: Config) -> Path | None:
    """The model's file, if it need not be downloaded. `config`: its paths are resolved."""
    source = config.model.source
    if source == "embedded":
        return embedded_path()
    if Path(source).is_file():
        return Path(source)
    if not HUB_REFERENCE.fullmatch(source):
        return None
    try:
        return find_model(source, offline=True).path
    except CrescentError:  # it is not in the hub's cache
        return None


def try_model(path: Path, config: Config) -> Trial:
    """Wrap a prompt and draw a few tokens after it. Raises CrescentError for what a run would refuse."""
    foreign_end = check_chat_template(path, config)
    return Trial(draw(path, config) if config.sampling.servers else _draw_in_child(path, config), foreign_end)


def draw(path: Path, config: Config) -> int:
    """Draw tokens, one sequence at a time, and return how many there are. Raises CrescentError."""
    one = replace(config, sampling=replace(config.sampling, slots=1, workers=1, ray=""))
    generation = Generation(max_tokens=TRIAL_TOKENS, temperature=0.0, logprobs=not config.sampling.servers)
    with closing(open_sampler(path, one, patience=PATIENCE)) as sampler:
        (completion,) = sampler.sample([Request("trial", "What is 2 + 3?", generation)])
    if completion.mean_logprob is not None and not math.isfinite(completion.mean_logprob):
        raise ModelError(f"{path}: its weights give no probabilities (NaN); use another file of the model")
    if completion.finish_reason == "context":
        raise ModelError(f"{path}: a short prompt does not fit into its context; raise sampling.context_tokens")
    return completion.tokens


def _draw_in_child(path: Path, config: Config) -> int:
    """`draw` in a process of its own. Raises ModelError with the reason why nothing was drawn."""
    ended = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        input=json.dumps({"path": str(path), "config": config.as_dict()}),
        capture_output=True, text=True, encoding="utf-8", errors="replace", check=False, env=child_environment(),
    )  # fmt: skip
    if ended.returncode:
        raise ModelError(f"{path}: a program that draws from it {how_it_ended(ended)}")
    answer = json.loads(ended.stdout)
    if "error" in answer:
        raise ModelError(answer["error"])
    return int(answer["tokens"])


def main() -> None:
    """Draw from the model named on stdin; writes {"tokens": 4} or {"error": "..."} to stdout."""
    job = json.load(sys.stdin)
    try:
        answer: dict[str, object] = {"tokens": draw(Path(job["path"]), config_from_dict(job["config"]))}
    except CrescentError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
