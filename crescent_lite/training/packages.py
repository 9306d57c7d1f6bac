"""Chooses the library that loads the model for training, and checks what is installed.

Imports none of the libraries into this process, because that would take seconds and memory; whether Unsloth can be
imported is tried in a child process, since a driver or another package often does not fit it.

Example: choose_loader(TrainConfig()) -> ("peft", "Unsloth is not installed")
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from crescent_lite.config import TrainConfig
from crescent_lite.errors import MissingPackageError
from crescent_lite.sampling.build_info import end_in_words
from crescent_lite.sampling.nvidia import NvidiaError, list_gpus
from crescent_lite.training.environment import training_environment
from crescent_lite.training.plan import LoaderName

TRAINING_PACKAGES = ("torch", "transformers", "peft", "accelerate", "safetensors")
"""The packages that every training needs."""


UNUSABLE = "Unsloth is installed, but cannot be imported"
"""How the reason for a loader begins if it replaces a broken Unsloth."""
MOST_IMPORT_SECONDS = 300
"""How long an import may take (guess). Unsloth's takes 10 to 60 seconds."""
TRY_IMPORT = """
import os, sys
try:
    __import__(sys.argv[1])
    problem = ""
except BaseException as error:
    problem = f"{type(error).__name__}: {error}"
os.write(int(sys.argv[2]), problem[:4000].encode("utf-8", "replace"))
os._exit(0)
"""
"""Imports a package and writes what went wrong. Exits at once, because some libraries hang in their exit handlers."""


@dataclass(frozen=True)
class Surroundings:
    """What the choice of a loader depends on, each asked for only when it matters."""

    is_installed: Callable[[str], bool]
    has_gpu: Callable[[], bool]
    """Whether there is an NVIDIA GPU."""
    torch_version: Callable[[], str]
    import_problem: Callable[[str], str]
    """(package) -> why it cannot be imported, one line; '' if it can."""


def choose_loader(config: TrainConfig, surroundings: Surroundings | None = None) -> tuple[LoaderName, str]:
    """The library that will load the model, and the reason for the choice.

    'auto' falls back to PEFT if Unsloth would be chosen but cannot be imported; the reason then begins with UNUSABLE.
    `surroundings`: None examines this machine.
    """
    here = surroundings or Surroundings(is_installed, has_nvidia_gpu, _torch_version, import_problem)
    if config.loader != "auto":
        return config.loader, f"train.loader = {config.loader!r}"
    if not here.is_installed("unsloth"):
        return "peft", "Unsloth is not installed"
    if not here.has_gpu():
        return (
            "peft",
            "there is no NVIDIA GPU for CUDA; Unsloth's CPU backend is used only with train.loader = 'unsloth'",
        )
    if here.torch_version().endswith("+cpu"):
        return "peft", f"there is a GPU, but torch {here.torch_version()} is built without CUDA"
    if problem := here.import_problem("unsloth"):
        return "peft", f"{UNUSABLE} ({problem}); `make unsloth` installs it again"
    return "unsloth", "there is an NVIDIA GPU and Unsloth"


def require_packages(loader: LoaderName, installed: Callable[[str], bool] | None = None) -> None:
    """Raise MissingPackageError when a package that this loader needs is missing, or Unsloth cannot be imported.

    `installed`: tells whether a package is installed; None checks this environment.
    """
    is_there = installed or is_installed
    missing = [name for name in TRAINING_PACKAGES if not is_there(name)]
    if missing:
        raise MissingPackageError(f"fine-tuning needs {', '.join(missing)}: run `pip install 'crescent-lite[train]'`")
    if loader == "unsloth" and not is_there("unsloth"):
        raise MissingPackageError(
            "train.loader is 'unsloth', which is not installed: run `make unsloth`, or set train.loader = 'peft'"
        )
    if loader == "unsloth" and installed is None and (problem := import_problem("unsloth")):
        raise MissingPackageError(unusable_unsloth(problem))


def unusable_unsloth(problem: str) -> str:
    """The message for an Unsloth that cannot be imported."""
    return (
        f"train.loader is 'unsloth', which cannot be imported ({problem}): install it again (`make unsloth`), "
        "or set train.loader = 'peft'"
    )


@functools.cache
def import_problem(package: str) -> str:
    """Why the package cannot be imported, one line; '' if it can. Tried once in each process, in a child process."""
    read_end, write_end = os.pipe()
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", TRY_IMPORT, package, str(write_end)],
            pass_fds=[write_end],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=training_environment(is_hub=False),
            timeout=MOST_IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        os.close(read_end)
        return f"the import takes more than {MOST_IMPORT_SECONDS} seconds"
    finally:
        os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        problem = pipe.read().decode("utf-8", "replace")
    if ended.returncode:
        return f"the import {end_in_words(ended.returncode, package)}"
    return first_line(problem)


def first_line(text: str) -> str:
    """The first line of a message that is not empty."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def is_installed(package: str) -> bool:
    """Whether an import would find the package."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # sys.modules contains a module without a spec, or None, under this name
        return False


def has_nvidia_gpu() -> bool:
    """Whether a CUDA program would find a GPU."""
    try:
        return bool(list_gpus())
    except NvidiaError:
        return False


def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
