"""Everything that can go wrong for a reason the user can act on, and the exit code it ends with.

A CrescentError is one line: what is wrong, where, what to do. Anything else that is raised is a bug and shows
its traceback. Knows nothing of what raised it.
Example: raise ModelError("no model at 'x.gguf': give the path of a GGUF file, or 'embedded'")
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What a `crescent` command ends with. Documented in the README; never renumbered."""

    OK = 0
    BUG = 1
    USAGE = 2
    CONFIG = 3
    MODEL = 4
    WORKSPACE = 5
    STORAGE = 6
    MEMORY = 7
    BENCHMARK = 8
    STAGE = 9
    TRAINING = 10
    NETWORK = 11
    MISSING_PACKAGE = 12
    NOT_FOUND = 13
    INTERRUPTED = 130


class CrescentError(Exception):
    """One line for the user. Subclasses say which door it leaves by."""

    exit_code = ExitCode.BUG


class UsageError(CrescentError):
    """Something typed that cannot be done: a query that is not SQL or would write, an empty question."""

    exit_code = ExitCode.USAGE


class ConfigError(CrescentError):
    """An unknown key, an ill-typed value, a prompt file that is missing or lacks a placeholder."""

    exit_code = ExitCode.CONFIG


class ModelError(CrescentError):
    """A model that is missing, truncated, no language model, or without a chat template."""

    exit_code = ExitCode.MODEL


class WorkspaceError(CrescentError):
    """A workspace that is not there, in use by another run, or of a newer version."""

    exit_code = ExitCode.WORKSPACE


class StorageError(CrescentError):
    """The disk is full, read-only, or the database is damaged."""

    exit_code = ExitCode.STORAGE


class OutOfMemoryError(CrescentError):
    """The context, the slots or the training asked for do not fit in memory."""

    exit_code = ExitCode.MEMORY


class BenchmarkError(CrescentError):
    """A benchmark that cannot be loaded, or has a bad row."""

    exit_code = ExitCode.BENCHMARK


class StageError(CrescentError):
    """A stage that yields nothing usable: every completion empty, no question kept, no label agreed."""

    exit_code = ExitCode.STAGE


class TrainingError(CrescentError):
    """The training program failed, or its adapter cannot be expressed for llama.cpp."""

    exit_code = ExitCode.TRAINING


class NetworkError(CrescentError):
    """A hub that the user named cannot be reached."""

    exit_code = ExitCode.NETWORK


class MissingPackageError(CrescentError):
    """An optional package is needed and not installed."""

    exit_code = ExitCode.MISSING_PACKAGE


class NotFoundError(CrescentError):
    """A run, round or question that the database does not have."""

    exit_code = ExitCode.NOT_FOUND


class Interrupted(Exception):  # noqa: N818  it is a request, not an error
    """The user asked to stop: by Ctrl-C, a signal, or `crescent stop`. Everything finished is already stored."""


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """What the system says of a file or its disk, as a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}; nothing that is in the database is lost"
        ) from None
