"""What the start form offers to choose from on this machine: GGUF files, and the benchmarks that are known by name.

Looks into a few folders, in the background, without following links out of them for ever. Knows no widget. Example:
    local_models(workspace)    # ("embedded", "models/qwen2.5-0.5b-instruct-q4_k_m.gguf", ...)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from crescent_lite.config.names import PRESET_DIR
from crescent_lite.config.toml import read_toml
from crescent_lite.workspace import Workspace

MOST_MODELS = 200
MOST_ENTRIES = 20_000
"""Files and folders looked at in one place, at most: a home folder may be huge."""
DEPTH = 6
"""Folders below a place that are looked into; the cache of the hub has its files five below."""


def local_models(workspace: Workspace, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The embedded model, and every GGUF file in the workspace, the current folder's models, and the hub's cache."""
    home = Path(environment.get("HOME") or Path.home())
    cache = Path(environment.get("HF_HOME") or home / ".cache/huggingface")
    hub = Path(environment.get("HF_HUB_CACHE") or cache / "hub")
    found: dict[Path, str] = {}
    for place in (workspace.folder / "models", Path("models"), hub):
        for path in _ggufs(place):
            found.setdefault(path.resolve(), _as_typed(path, workspace))
            if len(found) >= MOST_MODELS:
                break
    return ("embedded", *found.values())


def known_benchmarks() -> tuple[str, ...]:
    """The names of the data sets that the settings know."""
    return tuple(read_toml(PRESET_DIR / "benchmarks.toml"))


def _ggufs(place: Path) -> Iterator[Path]:
    """GGUF files below a folder; of a model in several files only the first one."""
    seen = 0
    for folder, folders, files in os.walk(place):
        seen += len(folders) + len(files)
        if seen > MOST_ENTRIES:
            return
        if len(Path(folder).relative_to(place).parts) >= DEPTH:
            folders.clear()
        for name in sorted(files):
            if name.lower().endswith(".gguf") and ("-of-" not in name or "-00001-of-" in name):
                yield Path(folder, name)


def _as_typed(path: Path, workspace: Workspace) -> str:
    """The path as the setting takes it: relative to the workspace if it is in there."""
    try:
        return str(path.relative_to(workspace.folder))
    except ValueError:
        return str(path.resolve() if not path.is_absolute() else path)
