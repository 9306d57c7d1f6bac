"""The files of a model: one GGUF, or all parts of a split one, whose names llama.cpp counts.

Knows names and sizes, not what is in the files. Example:
    part_names("x-00001-of-00002.gguf") -> ("x-00001-of-00002.gguf", "x-00002-of-00002.gguf")
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.errors import ModelError
from crescent_lite.records import SPLIT_NAME


def part_names(name: str) -> tuple[str, ...]:
    """The names of all parts, if `name` is the first one; for the name of a whole file, that name alone.

    Raises ModelError for the name of a later part, because llama.cpp loads a model by its first part.
    """
    split = SPLIT_NAME.fullmatch(name)
    if split is None or not 1 <= int(split["number"]) <= int(split["count"]):
        return (name,)
    names = tuple(f"{split['model']}-{n:05}-of-{split['count']}.gguf" for n in range(1, int(split["count"]) + 1))
    if name != names[0]:
        raise ModelError(f"{name}: is part {int(split['number'])} of {len(names)}; give the first one, {names[0]}")
    return names


def parts_of(path: Path) -> tuple[Path, ...]:
    """All files of the model at `path`. Raises ModelError for a missing part, or if `path` is not the first one."""
    parts = tuple(path.with_name(name) for name in part_names(path.name))
    missing = [part.name for part in parts[1:] if not part.is_file()]
    if missing:
        others = f" and {len(missing) - 1} more parts are" if len(missing) > 1 else " is"
        raise ModelError(f"{path}: {missing[0]}{others} missing; put all {len(parts)} parts into one folder")
    return parts


def size_of(path: Path) -> int:
    """Size of all files of a model, in bytes. Raises ModelError for a missing part."""
    return sum(part.stat().st_size for part in parts_of(path))
