"""What is exported decodes in llama.cpp, and what does not is not handed over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import gguf
import numpy as np
import pytest
from small_workspace import workspace_with_adapter
from tiny_model import TinyArchitecture, as_base, make_tiny_adapter, make_tiny_gguf, rewrite_gguf

from crescent_lite.config.names import GGUF_TYPES
from crescent_lite.errors import ModelError
from crescent_lite.export.handover import ChosenRounds, export_adapter, export_gguf
from crescent_lite.records import ModelFile
from crescent_lite.sampling.decoding import decoding_problems, require_decoding
from crescent_lite.sampling.quantising import MIXTURES, encode_rows, quantise
from crescent_lite.store import Store
from crescent_lite.training.merging import merge

CONVOLUTION = "blk.0.shortconv.conv.weight"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    workspace = workspace_with_adapter(tmp_path / "workspace")
    with closing(Store.open(workspace.database_path)) as opened:
        yield opened


def merged(base: Path, tensor_type: str) -> Path:
    out = base.with_name(f"{base.stem}-{tensor_type}.gguf")
    if tensor_type in MIXTURES:
        quantise(merged(base, "f16"), tensor_type, out)
    else:
        merge(base, [], out, tensor_type=tensor_type, encode=encode_rows, metadata={})
    return out


def type_of(path: Path, tensor: str) -> str:
    return str(next(each.tensor_type.name for each in gguf.GGUFReader(path).tensors if each.name == tensor))


def test_a_convolution_stays_in_32_bits_in_every_type(tmp_path: Path) -> None:
    base = make_tiny_gguf(tmp_path / "lfm2.gguf", "lfm2")
    files = [merged(base, tensor_type) for tensor_type in ("f16", "q4_k_m")]
    assert [type_of(file, CONVOLUTION) for file in files] == ["F32", "F32"]
    assert [type_of(file, "blk.0.shortconv.in_proj.weight") for file in files] != ["F32", "F32"]
    assert set(decoding_problems(files).values()) == {""}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", get_args(TinyArchitecture))
def test_every_architecture_decodes_in_every_type(architecture: TinyArchitecture, tmp_path: Path) -> None:
    base = make_tiny_gguf(tmp_path / "base.gguf", architecture)
    assert set(decoding_problems([base, *(merged(base, each) for each in GGUF_TYPES)]).values()) == {""}


@pytest.mark.slow
def test_an_abort_of_llama_cpp_is_one_line_and_the_other_models_are_still_checked(tmp_path: Path) -> None:
    good = make_tiny_gguf(tmp_path / "good.gguf", "lfm2")
    aborts = rewrite_gguf(good, tmp_path / "aborts.gguf", as_type={CONVOLUTION: np.float16})
    broken = make_tiny_gguf(tmp_path / "broken.gguf", broken=True)
    problems = decoding_problems([aborts, good, broken])
    assert problems[good] == ""
    assert "aborts.gguf: a program that tries it was ended by signal 6 (Aborted): " in problems[aborts]
    assert "GGML_ASSERT" in problems[aborts]
    assert "broken.gguf: its logits are not numbers" in problems[broken]
    assert not any("\n" in problem for problem in problems.values())


@pytest.mark.slow
def test_an_adapter_is_decoded_on_its_base(tmp_path: Path) -> None:
    base = make_tiny_gguf(tmp_path / "base.gguf")
    require_decoding(base, make_tiny_adapter(tmp_path / "good.gguf"))
    with pytest.raises(ModelError, match=r"narrow\.gguf: llama\.cpp cannot use it as an adapter"):
        require_decoding(base, make_tiny_adapter(tmp_path / "narrow.gguf", columns=32))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["gguf", "adapter"])
def test_a_model_that_does_not_decode_is_not_handed_over(what: str, store: Store, tmp_path: Path) -> None:
    base, exports = as_base(make_tiny_gguf(tmp_path / "base.gguf", broken=True)), tmp_path / "exports"
    adapter = make_tiny_adapter(tmp_path / "adapter.gguf")
    before = (base.path.read_bytes(), adapter.read_bytes())
    chosen = ChosenRounds(1, base, {1: 1.0}, {1: ModelFile("a", adapter, "", "", "adapter")})
    with pytest.raises(ModelError, match=r"^nothing is exported, .*: .*\.gguf: its logits are not numbers$"):
        if what == "gguf":
            export_gguf(store, chosen, exports / "out", "bf16")
        else:
            export_adapter(store, chosen, exports / "out")
    assert list(exports.iterdir()) == []
    assert (base.path.read_bytes(), adapter.read_bytes()) == before
