"""Questions that mean nearly the same in other words: an optional check that marks, and rejects nothing.

Static embeddings (model2vec) take microseconds a text and no GPU; the rule of `duplicates` sees spelling, they see
words. What they find is stored beside the question, to be looked at. Example:
    index = SemanticIndex(load_encoder("minishlab/potion-base-8M"))
    index.add(7, "Tom has 3 eggs."); index.nearest("Three eggs belong to Tom.")    # (7, 0.87)
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from crescent_lite.config.paths import settings_path
from crescent_lite.errors import MissingPackageError, ModelError, NetworkError


class Encoder(Protocol):
    """What model2vec's StaticModel offers."""

    def encode(self, sentences: list[str], /) -> np.ndarray:
        """One row of floats for each text."""


class SemanticIndex:
    """The vectors of the kept questions."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._ids: list[int] = []
        self._vectors = np.empty((0, 0), dtype=np.float32)

    def add(self, question_id: int, text: str) -> None:
        """One more kept question."""
        vector = self._encode(text)
        if len(self._ids) == len(self._vectors):
            grown = np.zeros((2 * len(self._ids) + 64, len(vector)), dtype=np.float32)
            if self._ids:
                grown[: len(self._ids)] = self._vectors
            self._vectors = grown
        self._vectors[len(self._ids)] = vector
        self._ids.append(question_id)

    def nearest(self, text: str) -> tuple[int, float] | None:
        """The id of the question with the most similar meaning, and the cosine, -1 to 1."""
        if not self._ids:
            return None
        similar = self._vectors[: len(self._ids)] @ self._encode(text)
        best = int(similar.argmax())
        return self._ids[best], float(similar[best])

    def _encode(self, text: str) -> np.ndarray:
        vector = np.asarray(self._encoder.encode([text])[0], dtype=np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if length else vector


def load_encoder(source: str, workspace: Path = Path(), *, offline: bool = False) -> Encoder:
    """The model of a folder or of a hub repo. Raises ModelError, NetworkError or MissingPackageError."""
    folder = settings_path(source, workspace)
    try:
        from model2vec import StaticModel

        path = str(folder) if folder.is_dir() else _from_hub(source, offline=offline)
        from safetensors import SafetensorError
    except ImportError:
        raise MissingPackageError(
            "diversify.semantic needs model2vec: pip install 'crescent-lite[semantic]'"
        ) from None
    try:
        encoder: Encoder = StaticModel.from_pretrained(path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"diversify.semantic: {source}: is no model2vec model: {error}") from None
    return encoder


def _from_hub(repo: str, *, offline: bool) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(repo, local_files_only=offline, allow_patterns=["*.safetensors", "*.json"]))
    except HFValidationError:
        raise ModelError(f"diversify.semantic: {repo!r} is neither a folder nor the name of a hub repo") from None
    except LocalEntryNotFoundError:
        raise NetworkError(
            f"diversify.semantic: {repo}: not in the local cache, and the hub was not reached"
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise ModelError(f"diversify.semantic: {repo}: the hub says {status}; check its name") from None
    except OSError as error:
        raise NetworkError(f"diversify.semantic: {repo}: the hub cannot be reached: {type(error).__name__}") from None
