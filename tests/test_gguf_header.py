"""The fast GGUF header reader agrees with gguf's own, and reports a broken file in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import make_tiny_gguf

from crescent_lite.errors import ModelError
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.training.base_gguf import read_base


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


def test_it_reads_the_same_values_as_ggufs_own_reader(model: Path) -> None:
    ours, theirs = GgufHeader(model), gguf.GGUFReader(model)
    assert {name: ours.value(name) for name in ours.fields} == {
        name: field.contents() for name, field in theirs.fields.items()
    }
    assert len(ours.value("tokenizer.ggml.tokens")) > 200
    assert ours.value("no.such.key", 3) == 3
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        assert (mine.name, mine.tensor_type, mine.shape.tolist()) == (
            other.name,
            other.tensor_type,
            other.shape.tolist(),
        )
        assert np.array_equal(mine.data, other.data)


@given(end=st.integers(0, 30_000), count=st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_a_broken_file_is_one_line(
    model: Path, end: int, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.gguf"
    path.write_bytes(model.read_bytes()[:end])
    with pytest.raises(ModelError, match=r"broken\.gguf: not a readable GGUF file"):
        GgufHeader(path)
    tokens = gguf.GGUFReader(model).fields["tokenizer.ggml.tokens"]
    start = tokens.offset + 8 + len(tokens.name) + 4 + 4
    if count == len(tokens.data):
        return
    path.write_bytes(model.read_bytes()[:start] + struct.pack("=Q", count) + model.read_bytes()[start + 8 :])
    with pytest.raises(ModelError, match=r"broken\.gguf: "):
        read_base(path)


def test_texts_that_are_not_utf_8_are_one_line_or_bytes(model: Path, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    at = data.index(b"llama")
    data[at] = 0xFF
    path = tmp_path / "odd.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"odd\.gguf: not a readable GGUF file"):
        read_base(path)
    assert GgufHeader(path).value("general.architecture", raw=True) == b"\xfflama"


@given(at=st.integers(0, 20_000), byte=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
@pytest.mark.slow
def test_a_damaged_header_is_read_or_one_line(
    model: Path, at: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(model.read_bytes())
    data[at % len(data)] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(data)
    try:
        header = GgufHeader(path)
        for name in header.fields:
            header.value(name)
        read_base(path)
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(("key", "words"), [("block_count", "no number"), ("attention.head_count", "it has 0 heads")])
def test_a_header_that_lacks_what_training_needs(model: Path, key: str, words: str, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    field = gguf.GGUFReader(model).fields[f"llama.{key}"]
    if words == "no number":
        at = data.index(key.encode())
        data[at : at + 1] = b"x"
    else:
        at = field.offset + 8 + len(field.name) + 4
        data[at : at + 4] = bytes(4)
    (tmp_path / "changed.gguf").write_bytes(data)
    with pytest.raises(ModelError, match=rf"changed\.gguf: not a GGUF that can be trained: .*{words}"):
        read_base(tmp_path / "changed.gguf")


def test_arrays_of_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nested.gguf"
    nested = struct.pack("=IQ", gguf.GGUFValueType.ARRAY, 1) * 20_000
    key = struct.pack("=Q", 1) + b"a" + struct.pack("=I", gguf.GGUFValueType.ARRAY)
    path.write_bytes(struct.pack("=4sIQQ", b"GGUF", 3, 0, 1) + key + nested + bytes(16))
    with pytest.raises(ModelError, match=r"nested\.gguf: not a readable GGUF file, .*an array of arrays"):
        GgufHeader(path)
