"""The training program, `python -m crescent_lite.training.program`. Started by child.py, never imported.

`train PLAN` trains an adapter; `save GGUF FOLDER` writes a GGUF's weights as a transformers model.

Its stdout carries JSON lines only; whatever a library prints goes to stderr. Every few seconds one of them is a sign
of life, also while a model is loaded. When stdin closes, the parent has ended, and the program ends too. Example of a
line: {"event": "failed", "error": "OutOfMemoryError", "message": "..."}
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

from safetensors import SafetensorError

from crescent_lite.child_program import Lines, claimed_stdout, end_with_the_parent, give_signs_of_life
from crescent_lite.errors import (
    DISK_ERRORS,
    MEMORY_RAN_OUT,
    CrescentError,
    MissingPackageError,
    ModelError,
    OutOfMemoryError,
    StorageError,
    disk_words,
)
from crescent_lite.records import TrainedAdapter
from crescent_lite.sampling.machine_limits import allowed_threads
from crescent_lite.training.architectures import refuse_unknown_architecture, refuse_unread_settings
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.packages import first_line, unusable_unsloth
from crescent_lite.training.plan import TrainingPlan, alive_line, failed_line, finished_line, read_plan, step_line

OUT_OF_MEMORY = (*MEMORY_RAN_OUT, "can't allocate memory")
"""How libraries report a lack of memory, in lower case; the last one is torch's allocator."""


def main() -> None:
    """Do the job named on the command line, and report on stdout."""
    # Ctrl-C reaches every process of a terminal, but only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = Lines(claimed_stdout())
    end_with_the_parent()
    give_signs_of_life(events, alive_line())
    try:
        job, *paths = sys.argv[1:]
        if job == "train":
            events.write(finished_line(_train(read_plan(Path(paths[0])), events)))
        else:
            _save(Path(paths[0]), Path(paths[1]))
    except CrescentError as error:
        _end_failed(events, error)
    except (MemoryError, RuntimeError, OSError, SafetensorError) as error:
        known = _known_error(error)
        if known is None:
            raise
        _end_failed(events, known)
    # Exit at once, without the libraries' exit handlers: the result is on the disk, and their threads can hang.
    os._exit(0)


def _train(plan: TrainingPlan, events: Lines) -> TrainedAdapter:
    # Checked before the slow imports, so that an error about the base is reported at once.
    base = read_base(plan.base_gguf)
    refuse_unknown_architecture(base.architecture)
    if plan.loader == "unsloth":
        _import_unsloth()
    import torch

    from crescent_lite.training.trainer import train

    torch.set_num_threads(allowed_threads())
    return train(plan, base, report=lambda step: events.write(step_line(step)))


def _import_unsloth() -> None:
    """Import Unsloth, which has to be imported before transformers, because it patches transformers."""
    try:
        import unsloth  # noqa: F401
    except Exception as error:  # whatever does not fit: the driver, triton, another package
        problem = first_line(f"{type(error).__name__}: {error}")
        raise MissingPackageError(unusable_unsloth(problem)) from error


def _save(gguf: Path, folder: Path) -> None:
    base = read_base(gguf)
    refuse_unknown_architecture(base.architecture)
    refuse_unread_settings(base)
    if base.rope_factors is not None:
        raise ModelError(
            f"{gguf}: a transformers folder cannot express its rotary factors; export an adapter or a GGUF instead"
        )
    from crescent_lite.training.loaders import require_generation, save_folder

    save_folder(base, folder)
    require_generation(folder)


def _end_failed(events: Lines, error: CrescentError) -> None:
    events.write(failed_line(type(error).__name__, str(error)))
    os._exit(1)


def _known_error(error: Exception) -> CrescentError | None:
    """The CrescentError for a library's exception that the user can act on, or None for a bug."""
    message = str(error).lower()
    if isinstance(error, MemoryError) or any(words in message for words in OUT_OF_MEMORY):
        return OutOfMemoryError(
            "memory ran out while training: lower train.micro_batch_size or train.max_example_tokens"
        )
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return StorageError(f"{error.filename or 'the disk'}: {disk_words(error)}")
    if isinstance(error, SafetensorError) and (number := re.search(r"os error (\d+)", message)):
        code = int(number[1])
        return StorageError(f"the weights cannot be written: {disk_words(OSError(code, os.strerror(code)))}")
    return None


if __name__ == "__main__":
    main()
