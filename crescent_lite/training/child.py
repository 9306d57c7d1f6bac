"""Starts the training program, passes on its reports, and stops it by pid. Imports no torch.

Training runs in a process of its own, so that its memory is freed when it ends and a crash becomes a one-line error.
A program that hangs is noticed because it also gives a sign of life every few seconds, from a thread of its own.
Example: for event in finetune(examples, base=base, config=config.train, seed=1, out_dir=folder): ...
"""

from __future__ import annotations

import logging
import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

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
SILENT_SECONDS = 60.0
"""Time without a step or a sign of life after which the training program counts as silent: twelve signs (guess)."""
POLL_SECONDS = 1.0
"""Time between two calls of `silent` while the program is silent."""


def nothing() -> None:
    """The default for `silent`: wait on."""


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
    silent: Callable[[], object] = nothing,
    silent_seconds: float = SILENT_SECONDS,
    max_seconds_to_stop: float = 3.0,
) -> Iterator[TrainingStep | TrainedAdapter]:
    """Train a LoRA adapter on the examples. Yields each optimiser step as it happens, and the adapter at the end.

    `start` is the PEFT folder of an adapter of the same base to train further; None starts a new adapter. `offline`
    takes weights of the hub from the local cache only. `reply_tokens` limits a greedy reply to a held-out question; 0
    draws none. `started` is called with the id of the training process. After `silent_seconds` without a sign of life
    from it, a warning is logged, and `silent` is called every second until there is one; an exception that `silent`
    raises ends the training. If training on the same examples in `out_dir` was interrupted, it resumes from its last
    checkpoint. The checkpoints are deleted when the caller, having stored the adapter, advances the iterator past it.
    Closing the iterator stops the process: TERM, then KILL after `max_seconds_to_stop`.
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
        yield from _follow(_lines(process, silent, silent_seconds), process, plan.out_dir / LOG_NAME)
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
        lines = _lines(process, nothing, SILENT_SECONDS)
        for event in _follow(lines, process, folder / LOG_NAME, needs_adapter=False):
            raise AssertionError(f"nothing is reported while a folder is saved: {event}")
    finally:
        _stop(process, max_seconds=3.0)
    (folder / LOG_NAME).unlink()


def _start(job: list[str], folder: Path, *, is_hub: bool) -> subprocess.Popen[bytes]:
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
        )


def _lines(process: subprocess.Popen[bytes], silent: Callable[[], object], silent_seconds: float) -> Iterator[str]:
    """The lines of the training program as they arrive; one that it ended while writing is left out.

    Only time that is spent waiting here counts as silence: neither a pause nor a Ctrl-Z that stops both does.
    """
    assert process.stdout is not None
    rest, waited, told = b"", 0.0, False
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while True:
            began = time.monotonic()
            if not waiting.select(POLL_SECONDS):
                waited += min(time.monotonic() - began, 2 * POLL_SECONDS)  # more if this process was stopped too
                if waited >= silent_seconds:
                    if not told:
                        _log.warning("%s", silence_in_words(process.pid, waited))
                    told = True
                    silent()
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                return
            if told:
                _log.warning("the training program reports again, after %.0f s", waited)
            waited, told = 0.0, False
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in whole)


def silence_in_words(pid: int, seconds: float) -> str:
    """That the training program has given no sign of life for so long, why that may be, and what to do."""
    try:
        state = psutil.Process(pid).status()
    except psutil.Error:
        state = "gone"
    why = {
        psutil.STATUS_STOPPED: f"it was stopped by a signal, and `kill -CONT {pid}` continues it",
        psutil.STATUS_DISK_SLEEP: "it waits for the disk",
    }.get(state, "it hangs, or the machine is overloaded")
    return (
        f"the training program (process {pid}) has given no sign of life for {seconds:.0f} s: {why}; "
        "`crescent stop` ends it, and the run resumes from its last checkpoint"
    )


def _follow(
    lines: Iterator[str], process: subprocess.Popen[bytes], log: Path, *, needs_adapter: bool = True
) -> Iterator[TrainingStep | TrainedAdapter]:
    """Yield the steps as they are reported, and the adapter after the process has ended and freed its memory."""
    adapter: TrainedAdapter | None = None
    for line in lines:
        event, value = parse_line(line)
        if event == "step":
            yield value
        elif event == "finished":
            adapter = value
        elif event == "failed":
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


def _stop(process: subprocess.Popen[bytes], max_seconds: float) -> None:
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
