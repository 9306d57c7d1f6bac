"""Starts the training program, passes on its reports, and stops it by pid. Imports no torch.

Training runs in a process of its own, so that its memory is freed when it ends and a crash becomes a one-line error.
Example: for event in finetune(examples, base=base, config=config.train, seed=1, out_dir=folder): ...
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from crescent_lite import errors
from crescent_lite.config import TrainConfig
from crescent_lite.errors import ConfigError, CrescentError, ModelError, OutOfMemoryError, TrainingError, file_errors
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.records import ModelFile, TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.sampling.build_info import end_in_words
from crescent_lite.training.architectures import refuse_unknown_architecture, refuse_unread_settings
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.environment import training_environment
from crescent_lite.training.packages import UNUSABLE, choose_loader, require_packages
from crescent_lite.training.plan import TrainingPlan, parse_line, write_examples

_log = logging.getLogger(__name__)
LOG_NAME = "training.log"
"""File in the training's folder to which everything that libraries print is written."""
TRACEBACK = "Traceback (most recent call last):"
SIGKILL_CODES = (-9, 137)
"""Exit codes of a process that was killed, as Python and as a shell report them."""


def refuse_untrainable(base: Path, config: TrainConfig) -> None:
    """Raise, before any question is asked, the errors that would otherwise end the training hours later.

    Reads the GGUF's header, and imports Unsloth in a child process if it would load the model. Raises
    MissingPackageError, ModelError, ConfigError, or TrainingError for an unsupported architecture.
    """
    loader, reason = choose_loader(config)
    if reason.startswith(UNUSABLE):
        _log.warning("train.loader = 'auto' chooses %s: %s", loader, reason)
    require_packages(loader)
    weights_are_on_the_hub(config.weights)
    header = GgufHeader(base)
    architecture = str(header.value("general.architecture", ""))
    refuse_unknown_architecture(architecture)
    if config.weights == "gguf":
        refuse_unread_settings(read_base(base))
    context = header.value(f"{architecture}.context_length")
    if isinstance(context, int) and config.max_example_tokens > context:
        raise ConfigError(
            f"train.max_example_tokens is {config.max_example_tokens}, but the model's context is {context}: lower it"
        )


def finetune(
    examples: Sequence[TokenExample],
    *,
    base: ModelFile,
    config: TrainConfig,
    seed: int,
    out_dir: Path,
    start: Path | None = None,
    offline: bool = False,
    reply_tokens: int = 0,
    started: Callable[[int], object] = lambda _pid: None,
    max_seconds_to_stop: float = 3.0,
) -> Iterator[TrainingStep | TrainedAdapter]:
    """Train a LoRA adapter on the examples. Yields each optimiser step as it happens, and the adapter at the end.

    `start` is the PEFT folder of an adapter of the same base to train further; None starts a new adapter. `offline`
    takes weights of the hub from the local cache only. `reply_tokens` limits a greedy reply to a held-out question; 0
    draws none. `started` is called with the id of the training process. If
    training on the same examples in `out_dir` was interrupted, it resumes from its last checkpoint. The checkpoints
    are deleted when the caller, having stored the adapter, advances the iterator past it. Closing the iterator stops
    the process: TERM, then KILL after `max_seconds_to_stop`.
    Raises MissingPackageError, TrainingError, OutOfMemoryError, ModelError or StorageError.
    """
    loader, _ = choose_loader(config)
    require_packages(loader)
    may_ask_hub = weights_are_on_the_hub(config.weights) and not offline
    fitting = [each for each in examples if _fits(each, config.max_example_tokens)]
    if not fitting:
        raise TrainingError(
            f"none of the {len(examples)} examples can be trained on: each has no answer, or more than "
            f"{config.max_example_tokens} tokens; raise train.max_example_tokens"
        )
    left_out = len(examples) - len(fitting)
    start_dir = start.resolve() if start else None
    plan = TrainingPlan(
        base.path.absolute(),
        base.sha256,
        out_dir.resolve(),
        loader,
        seed,
        left_out,
        config,
        start_dir,
        reply_tokens,
    )
    with file_errors(out_dir):
        plan.out_dir.mkdir(parents=True, exist_ok=True)
        write_examples(plan.examples_path, fitting)
        process = _start(["train", str(plan.write())], plan.out_dir, is_hub=may_ask_hub)
    started(process.pid)
    try:
        yield from _follow(process, plan.out_dir / LOG_NAME)
        shutil.rmtree(plan.checkpoint_dir, ignore_errors=True)
    finally:
        _stop(process, max_seconds_to_stop)


def _fits(example: TokenExample, most_tokens: int) -> bool:
    """Whether each solution of an example has a token, and none is longer than `most_tokens` with its prompt."""
    lengths = [len(ids) for ids in (example.input_ids, example.rejected_ids) if ids]
    return all(example.prompt_length < length <= most_tokens for length in lengths)


def weights_are_on_the_hub(weights: str) -> bool:
    """Whether `train.weights` names a hub repo. Raises ModelError when it is not a repo, a folder or 'gguf'."""
    if weights == "gguf" or Path(weights).expanduser().is_dir():
        return False
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", weights):
        return True
    raise ModelError(f"train.weights: {weights!r} is neither a folder, nor an `owner/repo` on the hub, nor 'gguf'")


def save_transformers_folder(gguf: Path, folder: Path) -> None:
    """Write a GGUF's weights, settings and tokenizer into `folder` as a transformers model.

    Raises MissingPackageError, ModelError, TrainingError, StorageError or OutOfMemoryError.
    """
    require_packages("peft")
    process = _start(["save", str(gguf.resolve()), str(folder.resolve())], folder, is_hub=False)
    try:
        for event in _follow(process, folder / LOG_NAME, needs_adapter=False):
            raise AssertionError(f"nothing is reported while a folder is saved: {event}")
    finally:
        _stop(process, max_seconds=3.0)
    (folder / LOG_NAME).unlink()


def _start(job: list[str], folder: Path, *, is_hub: bool) -> subprocess.Popen[str]:
    """Start the training program on `job` in the working folder `folder`, where its log goes too."""
    with (folder / LOG_NAME).open("wb") as log:
        return subprocess.Popen(
            # -P keeps the working folder off sys.path, so that a torch.py in it is not imported.
            [sys.executable, "-P", "-m", "crescent_lite.training.program", *job],
            # Nothing is written to stdin: when it closes, the program knows that this process has ended.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=training_environment(is_hub=is_hub),
            text=True,
            encoding="utf-8",
        )


def _follow(
    process: subprocess.Popen[str], log: Path, *, needs_adapter: bool = True
) -> Iterator[TrainingStep | TrainedAdapter]:
    """Yield the steps as they are reported, and the adapter after the process has ended and freed its memory."""
    assert process.stdout is not None
    adapter: TrainedAdapter | None = None
    for line in process.stdout:
        if not line.endswith("\n"):
            break  # the program ended while writing the line
        event, value = parse_line(line)
        if event == "step":
            yield value
        elif event == "finished":
            adapter = value
        else:
            name, message = value
            raise _named_error(name, message, log)
    exit_code = process.wait()
    if exit_code or (adapter is None and needs_adapter):
        raise _unexplained_error(exit_code, log)
    if adapter is not None:
        yield adapter


def _named_error(name: str, message: str, log: Path) -> CrescentError:
    kind: type[CrescentError] = getattr(errors, name)
    return kind(f"{message} (log: {log})")


def _unexplained_error(exit_code: int, log: Path) -> CrescentError:
    if exit_code in SIGKILL_CODES:
        return OutOfMemoryError(
            "the training program was killed, probably because memory ran out: "
            f"lower train.micro_batch_size or train.max_example_tokens (log: {log})"
        )
    how = end_in_words(exit_code, package="torch")
    return TrainingError(f"the training program {how}: {what_the_log_says(log)} (log: {log})")


def what_the_log_says(log: Path) -> str:
    """The exception of the log's last traceback, in its first line; without one, the last line that is not empty."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"its log cannot be read: {error.strerror}"
    lines = [line for line in text.splitlines() if line.strip()]
    tracebacks = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
    if tracebacks:
        frames = lines[tracebacks[-1] + 1 :]
        lines = [line for line in frames if not line.startswith(" ")][:1] or lines
    return lines[-1].strip() if lines else "its log is empty"


def _stop(process: subprocess.Popen[str], max_seconds: float) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=max_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
