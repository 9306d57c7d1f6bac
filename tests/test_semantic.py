"""Questions with the same meaning are marked, with a real model2vec model of a few words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crescent_lite.config import DiversifyConfig
from crescent_lite.errors import ModelError
from crescent_lite.questions.diversify import Known
from crescent_lite.questions.semantic import SemanticIndex, load_encoder

SAME = ("tom owns three eggs", "three eggs belong to tom")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with one vector per word; those of 'owns' and 'belong' are nearly equal."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", "[PAD]", "tom", "owns", "belong", "to", "three", "eggs", "train", "goes", "fast"]
    vectors = np.random.default_rng(3).normal(size=(len(words), 16)).astype(np.float32)
    vectors[words.index("belong")] = vectors[words.index("owns")] + 0.01
    vectors[words.index("to")] = 0
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("static")
    StaticModel(vectors=vectors, tokenizer=tokenizer, config={"normalize": True}).save_pretrained(folder)
    return folder


def test_the_nearest_in_meaning_is_found(model: Path) -> None:
    index = SemanticIndex(load_encoder(str(model)))
    assert index.nearest(SAME[0]) is None
    for number in range(200):
        index.add(number, "train goes fast")
    index.add(500, SAME[0])

    found = index.nearest(SAME[1])
    assert found is not None
    assert found[0] == 500
    assert found[1] > 0.95
    assert index.nearest("") is not None  # its vector is zero; nothing is divided by its length


def test_what_means_the_same_is_marked_and_kept(model: Path) -> None:
    settings = DiversifyConfig()
    verdict = Known([(7, SAME[0])], settings, semantic=SemanticIndex(load_encoder(str(model)))).verdict(SAME[1])

    assert (verdict.verdict, verdict.duplicate_of) == ("kept", None)
    assert verdict.same_meaning is not None
    assert verdict.same_meaning[0] == 7


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model2vec model"):
        load_encoder(str(tmp_path))


def test_a_malformed_repo_name_is_one_line() -> None:
    with pytest.raises(ModelError, match="neither a file or folder here nor a valid name of a hub repo"):
        load_encoder("no such/folder/here")


def test_without_a_network_the_cache_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="not in the local cache"):
        load_encoder("somebody/static", offline=True)
