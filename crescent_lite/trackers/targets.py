"""The trackers that curves can be sent to: TensorBoard files, Trackio and Weights & Biases, each by its own library.

Example: open_tracker("tensorboard", "run-1", Path("data/logs"), {}).log(3, {"train/loss": 0.42})
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from crescent_lite.config.names import TrackerName
from crescent_lite.errors import MissingPackageError, file_errors
from crescent_lite.redaction import shareable_settings

PROJECT = "crescent-lite"
"""Project that runs belong to in Trackio and Weights & Biases."""


class Tracker(Protocol):
    """Where values are sent."""

    where: str
    """Where they can be seen, in words or as a command."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of one step. Steps never go backwards."""

    def close(self) -> None:
        """Send what is still waiting."""


def require_tracker(name: TrackerName) -> None:
    """Raise MissingPackageError unless the tracker's library is installed."""
    if find_spec(name) is None:
        raise MissingPackageError(f"{name} is not installed; run `pip install 'crescent-lite[{name}]'`")


def open_tracker(name: TrackerName, run: str, folder: Path, settings: Mapping[str, Any]) -> Tracker:
    """Open a tracker for a run. `folder`: the workspace's logs. Raises MissingPackageError or StorageError.

    Settings that may hold a secret are not sent.
    """
    require_tracker(name)
    return _OPENERS[name](run, folder, shareable_settings(settings))


class _TensorBoard:
    """Event files in a folder of the run; those of an earlier call are replaced."""

    def __init__(self, run: str, folder: Path, settings: Mapping[str, Any]) -> None:
        from tensorboard.summary import Writer

        path = folder / "tensorboard" / run
        with file_errors(path):
            if path.is_dir():
                shutil.rmtree(path)
            path.mkdir(parents=True)
        self._writer = Writer(str(path))
        self.where = f"tensorboard --logdir {path.parent}"

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    """A run of Trackio's project, kept on this machine."""

    def __init__(self, run: str, folder: Path, settings: Mapping[str, Any]) -> None:
        import trackio

        self._trackio = trackio
        with redirect_stdout(sys.stderr):  # it reports there where a command's result belongs
            trackio.init(project=PROJECT, name=run, config=dict(settings))
        self.where = f"trackio show --project {PROJECT}"

    def log(self, step: int, values: Mapping[str, float]) -> None:
        with redirect_stdout(sys.stderr):
            self._trackio.log(dict(values), step=step)

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


class _WandB:
    """A run of the project at Weights & Biases, or in the folder with WANDB_MODE=offline."""

    def __init__(self, run: str, folder: Path, settings: Mapping[str, Any]) -> None:
        import wandb

        with file_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(project=PROJECT, name=run, config=dict(settings), dir=str(folder))
        self.where = str(self._run.url or f"wandb sync {folder}/wandb")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


_OPENERS: Mapping[TrackerName, Callable[[str, Path, Mapping[str, Any]], Tracker]] = {
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
    "wandb": _WandB,
}
