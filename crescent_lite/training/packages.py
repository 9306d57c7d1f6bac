"""Chooses the library that loads the model for training, and checks what is installed.

Imports none of the libraries, because that would take seconds.

Example: choose_loader(TrainConfig()) -> ("peft", "Unsloth is not installed")
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable

from crescent_lite.config import TrainConfig
from crescent_lite.errors import MissingPackageError
from crescent_lite.sampling.nvidia import NvidiaError, list_gpus
from crescent_lite.training.plan import LoaderName

TRAINING_PACKAGES = ("torch", "transformers", "peft", "accelerate", "safetensors")
"""The packages that every training needs."""


def choose_loader(config: TrainConfig) -> tuple[LoaderName, str]:
    """The library that will load the model, and the reason for the choice."""
    if config.loader != "auto":
        return config.loader, f"train.loader = {config.loader!r}"
    if not is_installed("unsloth"):
        return "peft", "Unsloth is not installed"
    if not has_nvidia_gpu():
        return (
            "peft",
            "there is no NVIDIA GPU for CUDA; Unsloth's CPU backend is used only with train.loader = 'unsloth'",
        )
    if _torch_version().endswith("+cpu"):
        return "peft", f"there is a GPU, but torch {_torch_version()} is built without CUDA"
    return "unsloth", "there is an NVIDIA GPU and Unsloth"


def require_packages(loader: LoaderName, installed: Callable[[str], bool] | None = None) -> None:
    """Raise MissingPackageError when a package that this loader needs is missing.

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
