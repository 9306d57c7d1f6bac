"""The errors that a user can act on, each class with its exit code.

A CrescentError is one line: what is wrong, where, what to do. Every other exception is a bug and shows its traceback.
Knows nothing of the code that raises them. Example:
    raise ModelError("no model at 'x.gguf': give the path of a GGUF file, or 'embedded'")    # exit code 4
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

_NO_ROOM = "make room, then repeat the command"
_NOT_ALLOWED = "make it readable and writable for you, or name another place"
_IN_THE_WAY = "move away what has this name, or name another place"
DISK_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.EIO: "the disk failed; check it, then repeat the command",
    errno.EROFS: _NOT_ALLOWED,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
}
"""What to do about the file errors that only the user can solve, by errno."""
DISK_ERRORS = tuple(DISK_ADVICE)


class ExitCode(IntEnum):
    """Exit codes of the `crescent` command. Documented for users, so they are never renumbered."""

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


_HINT = re.compile(r"; |: (?=must |give |write |use )|(?<=out of range), ")
"""What stands before the part of a message that says what to do."""


class CrescentError(Exception):
    """A one-line message for the user: what is wrong, then "; " and what to do. Each subclass has an exit code."""

    exit_code = ExitCode.BUG

    @property
    def fact(self) -> str:
        """What is wrong: the message up to its first semicolon."""
        return str(self).partition("; ")[0]

    @property
    def hint(self) -> str:
        """What to do: the message after its first semicolon, or from its first 'must', 'give' or the like on."""
        found = _HINT.search(str(self))
        return str(self)[found.end() :] if found else ""


class UsageError(CrescentError):
    """A request that cannot be carried out: conflicting options, an empty question, a query that would write."""

    exit_code = ExitCode.USAGE


class ConfigError(CrescentError):
    """A setting, option, prompt file or question file with an unknown name, a bad value or bad content."""

    exit_code = ExitCode.CONFIG


class ModelError(CrescentError):
    """A model or adapter that is missing, damaged, changed, unsupported, or does not fit the others."""

    exit_code = ExitCode.MODEL


class WorkspaceError(CrescentError):
    """A workspace or database that is missing, in use, of another version, or in conflict with what was asked."""

    exit_code = ExitCode.WORKSPACE


class StorageError(CrescentError):
    """A file that cannot be written (full or read-only disk, a file in the way), or a damaged database."""

    exit_code = ExitCode.STORAGE


class OutOfMemoryError(CrescentError):
    """The model, its context or the training does not fit in memory."""

    exit_code = ExitCode.MEMORY


class BenchmarkError(CrescentError):
    """A benchmark that cannot be loaded or has a bad row."""

    exit_code = ExitCode.BENCHMARK


class StageError(CrescentError):
    """A stage that cannot go on because the model writes nothing: a hundred empty texts in a row."""

    exit_code = ExitCode.STAGE


class TrainingError(CrescentError):
    """A model that cannot be trained, a failed training program, or an adapter that llama.cpp cannot express."""

    exit_code = ExitCode.TRAINING


class NetworkError(CrescentError):
    """The Hugging Face hub or the last sampling server cannot be reached, or a server refuses the key."""

    exit_code = ExitCode.NETWORK


class MissingPackageError(CrescentError):
    """An optional package that is needed is not installed."""

    exit_code = ExitCode.MISSING_PACKAGE


class NotFoundError(CrescentError):
    """A run, round, question, label, adapter or saved query that does not exist."""

    exit_code = ExitCode.NOT_FOUND


class Interrupted(Exception):  # noqa: N818  it is a request, not an error
    """The user stopped the run with Ctrl-C, a signal or `crescent stop`. Every finished item is already stored."""


MEMORY_RAN_OUT = ("out of memory", "cannot allocate memory", "bad_alloc")
"""How the system, CUDA, torch and C++ report a lack of memory, in lower case."""
LACKS = {
    ("can't start new thread", "resource temporarily unavailable"): (
        "no thread or process can be started; raise the limit of processes (ulimit -u, or pids.max of the container)"
    ),
    ("too many open files",): "no more files can be opened; raise their limit (ulimit -n 1024)",
    (*MEMORY_RAN_OUT, "failed to map segment"): (
        "memory ran out; close other programs, or raise the limit of memory"
    ),
}
"""What the system and libraries say, in lower case, when a process may have no more of something, and the message."""


def lack_in_words(error: BaseException) -> str:
    """What the process may have no more of, and what to do; '' for an error of another kind."""
    said = "out of memory" if isinstance(error, MemoryError) else str(error).lower()
    found = (words for signs, words in LACKS.items() if any(sign in said for sign in signs))
    return next(found, "")


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Convert an OSError raised inside to a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {disk_words(error)}") from None


def disk_words(error: OSError) -> str:
    """What is wrong according to a file error, and what to do.

    An error without a number is numpy's, which wrote fewer bytes than it was given.
    """
    if error.errno is None:
        return f"{error}; check the disk and make room, then repeat the command"
    advice = DISK_ADVICE.get(error.errno, "repeat the command, or name another place")
    return f"{error.strerror or error}; {advice}"
