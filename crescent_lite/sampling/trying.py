"""Tries a GGUF in a child process before this process loads it, and remembers the files that worked.

llama.cpp is a library in this process: a file that makes it abort would take an engine, or a terminal UI, with it.
A file that is known to work, with this version of the library, is not tried again. Memory and time of the trial are
limited in decoding.py. Example:
    require_loadable(Path("bad.gguf"))    # ModelError: bad.gguf: a program that tries it was ended by signal 6 ...
"""

from __future__ import annotations

import contextlib
import functools
import glob
import os
from importlib.metadata import version
from pathlib import Path

from crescent_lite.files import keep_json, kept_json
from crescent_lite.records import SPLIT_NAME
from crescent_lite.sampling.build_info import MAY_DIE, PACKAGE
from crescent_lite.sampling.decoding import try_models
from crescent_lite.sampling.machine_limits import memory_now

TOKENS = 4
"""Tokens that are decoded after the prompt: enough to see that one can be decoded after one of the model's own."""
MOST_KNOWN = 1000
"""Trials that are remembered; the oldest are forgotten."""
_KNOWN: dict[str, bool] = {}
"""The trials that this process made or found on the disk, oldest first."""


def require_loadable(model: Path, *, vocabulary_only: bool = False, adapter: Path | None = None) -> None:
    """Raise ModelError or OutOfMemoryError unless a child process can load the model and decode with it.

    With `vocabulary_only` the child reads no weights. Nothing is done in a process whose parent reports how it ended.
    """
    if MAY_DIE in os.environ or not model.is_file():
        return
    whole, part = (_key(model, depth, adapter) for depth in ("weights", "vocabulary"))
    if _is_known(whole) or (vocabulary_only and _is_known(part)):
        return
    size, memory = _size(model), memory_now()
    if size > memory.free_bytes and adapter is None and not vocabulary_only:
        require_loadable(model, vocabulary_only=True)  # whoever loads it says that it is too large
        return
    mapped = adapter is not None or 2 * size > memory.free_bytes  # with an adapter, this process holds the weights
    if problem := try_models([model], adapter, tokens=0 if vocabulary_only else TOKENS, mapped=mapped)[model]:
        raise problem.error()
    _remember(part if vocabulary_only else whole)


def memory_of_trials() -> Path:
    """The file of remembered trials, in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path("~/.cache").expanduser()) / "crescent-lite" / "tried.json"  # noqa: PTH117


def _key(model: Path, depth: str, adapter: Path | None) -> str:
    """What a trial is remembered by: the library's version, and path, size and times of change of each file."""
    files = [*_parts(model), *([adapter] if adapter else [])]
    found = [(file.absolute(), _stat(file)) for file in files]
    stamps = (f"{path}|{now.st_size}|{now.st_mtime_ns}|{now.st_ctime_ns}" for path, now in found)
    return "|".join([PACKAGE, _version(), depth, *stamps])


@functools.cache
def _version() -> str:
    return version(PACKAGE)


def _stat(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError:
        return os.stat_result((0,) * 10)  # what loads it says that it is missing


def _parts(model: Path) -> list[Path]:
    """The files of a model: itself, or all parts of a split one that are there."""
    split = SPLIT_NAME.fullmatch(model.name)
    if split is None:
        return [model]
    return sorted(model.parent.glob(f"{glob.escape(split['model'])}-*-of-{split['count']}.gguf"))


def _size(model: Path) -> int:
    return sum(_stat(part).st_size for part in _parts(model))


def _is_known(key: str) -> bool:
    if key not in _KNOWN:
        _KNOWN.update(_read())
    return key in _KNOWN


def _read() -> dict[str, bool]:
    with contextlib.suppress(RuntimeError):  # a user without a home
        return {key: True for key, known in kept_json(memory_of_trials()).items() if known is True}
    return {}


def _remember(key: str) -> None:
    """Add a trial to the file. Where it cannot be written, only this process remembers."""
    _KNOWN[key] = True
    with contextlib.suppress(RuntimeError):
        known = _read() | {key: True}
        keep_json(memory_of_trials(), dict(list(known.items())[-MOST_KNOWN:]))
