"""Fetches a GGUF from the Hugging Face hub into its cache: all parts of a split one, all from the same commit.

How much will be downloaded is known, and logged, before the first byte is. Knows the hub's client only. Example:
    fetch_model("owner/repo:x-00001-of-00003.gguf", offline=False) -> the path of the first part in the cache
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from crescent_lite.errors import MissingPackageError, ModelError, StorageError
from crescent_lite.models.hub import hub_errors
from crescent_lite.models.parts import part_names

GIGABYTE = 1e9
_log = logging.getLogger(__name__)


def fetch_model(source: str, *, offline: bool) -> Path:
    """Path of the file that `source` (`repo:file`) names; of a split GGUF, that of its first part.

    Raises MissingPackageError, ModelError, NetworkError or StorageError.
    """
    repo, _, file = source.partition(":")
    folder, _, name = file.rpartition("/")
    files = [f"{folder}/{part}" if folder else part for part in part_names(name)]
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise MissingPackageError(
            f"{source}: hub models need huggingface_hub: pip install 'crescent-lite[hub]'"
        ) from None
    paths, commit = [], None
    if not offline:
        _announce(source, repo, files)
    for file in files:
        named = f"{repo}:{file}"
        with hub_errors(named, missing=ModelError, offline=offline):
            path = Path(hf_hub_download(repo, file, revision=commit, local_files_only=offline))
        paths.append(path)
        commit = _commit_of(path, file)
    return paths[0]


def _announce(source: str, repo: str, files: list[str]) -> None:
    """Log how much will be downloaded. Raises what is known to fail: a missing file, too little room on the disk."""
    from huggingface_hub import constants, hf_hub_download

    needed = []
    for file in files:
        with hub_errors(f"{repo}:{file}", missing=ModelError):
            found = hf_hub_download(repo, file, dry_run=True)
        if found.will_download:
            needed.append(found.file_size or 0)
    if not needed:
        return
    cache = Path(constants.HF_HUB_CACHE)
    room = shutil.disk_usage(next(folder for folder in (cache, *cache.absolute().parents) if folder.is_dir())).free
    size = f"{sum(needed) / GIGABYTE:,.2f} GB"
    if sum(needed) > room:
        raise StorageError(f"{source}: {size} to download, but {cache} has room for {room / GIGABYTE:,.2f} GB")
    _log.warning("%s: downloading %d of %d file(s), %s", source, len(needed), len(files), size)


def _commit_of(path: Path, file: str) -> str:
    """The commit whose snapshot in the cache holds the path: `snapshots/<commit>/<file>`."""
    return path.parts[-1 - len(Path(file).parts)]
