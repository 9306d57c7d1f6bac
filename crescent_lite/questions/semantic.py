"""Finds the kept question that is nearest in meaning to a new one. Optional, and never a reason for rejection.

`duplicates` compares spelling; this module compares meaning, with static word embeddings (model2vec), which need
microseconds per text and no GPU. The nearest question and its cosine are stored with a question, for people to look
at. Knows neither the database nor the verdict. Example:
    index = SemanticIndex(load_encoder("minishlab/potion-base-8M"))
    index.add(7, "Tom has 3 eggs.")
    index.nearest("Tom has 3 eggs.")    # (7, 1.0): question 7, cosine 1
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from crescent_lite.errors import MissingPackageError, ModelError
from crescent_lite.models.hub import hub_errors


class Encoder(Protocol):
    """The part of model2vec's StaticModel that is used here."""

    def encode(self, sentences: list[str], /) -> np.ndarray:
        """Return a matrix with one row of floats per text."""


class SemanticIndex:
    """The vectors of the kept questions."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._ids: list[int] = []
        self._vectors = np.empty((0, 0), dtype=np.float32)

    def add(self, question_id: int, text: str) -> None:
        """Add a kept question."""
        vector = self._encode(text)
        if len(self._ids) == len(self._vectors):
            grown = np.zeros((2 * len(self._ids) + 64, len(vector)), dtype=np.float32)
            if self._ids:
                grown[: len(self._ids)] = self._vectors
            self._vectors = grown
        self._vectors[len(self._ids)] = vector
        self._ids.append(question_id)

    def nearest(self, text: str) -> tuple[int, float] | None:
        """Return the id of the question nearest in meaning and its cosine, -1 to 1; None while the index is empty."""
        if not self._ids:
            return None
        similar = self._vectors[: len(self._ids)] @ self._encode(text)
        best = int(similar.argmax())
        return self._ids[best], float(similar[best])

    def _encode(self, text: str) -> np.ndarray:
        vector = np.asarray(self._encoder.encode([text])[0], dtype=np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if length else vector


def load_encoder(source: str, *, offline: bool = False) -> Encoder:
    """The model2vec model in a folder, or of a hub repo. Raises ModelError, NetworkError or MissingPackageError."""
    try:
        from model2vec import StaticModel
        from safetensors import SafetensorError

        path = source if Path(source).is_dir() else _from_hub(source, offline=offline)
    except ImportError:
        raise MissingPackageError(
            "diversify.semantic needs the package model2vec: pip install 'crescent-lite[semantic]'"
        ) from None
    try:
        encoder: Encoder = StaticModel.from_pretrained(path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"diversify.semantic: {source}: not a model2vec model: {error}") from None
    return encoder


def _from_hub(repo: str, *, offline: bool) -> str:
    from huggingface_hub import snapshot_download

    with hub_errors(f"diversify.semantic: {repo}", missing=ModelError, offline=offline):
        return str(snapshot_download(repo, local_files_only=offline, allow_patterns=["*.safetensors", "*.json"]))
