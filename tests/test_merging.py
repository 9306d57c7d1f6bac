"""Merging: the merged GGUF computes the same as base plus adapters, and everything else in it is unchanged."""

from __future__ import annotations

import resource
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest
from gguf import GGMLQuantizationType as TensorType
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import make_tiny_adapter, make_tiny_gguf, rewrite_gguf

from crescent_lite.errors import ModelError, StorageError
from crescent_lite.sampling.quantising import encode_rows, quantise
from crescent_lite.training.merging import NOTHING_ROUNDED, WeightedAdapter, merge, rounding

PROBE = [1, 40, 50, 60, 70, 2, 13, 99, 120, 7, 33, 200]


def logits(model: Path, *adapters: tuple[Path, float]) -> np.ndarray:
    loaded = llama_cpp.Llama(str(model), n_ctx=64, n_threads=1, type_k=0, type_v=0, logits_all=True, verbose=False)
    handles = [llama_cpp.llama_adapter_lora_init(loaded.model, str(path).encode()) for path, _ in adapters]
    scales = [weight for _, weight in adapters]
    llama_cpp.llama_set_adapters_lora(
        loaded.ctx,
        (llama_cpp.llama_adapter_lora_p_ctypes * len(handles))(*handles),
        len(handles),
        (llama_cpp.ctypes.c_float * len(scales))(*scales),
    )
    loaded.eval(PROBE)
    found = np.array(loaded.scores[: len(PROBE)])
    loaded.close()
    return found


def merge_into(out: Path, base: Path, adapters: list[WeightedAdapter], tensor_type: str) -> None:
    merge(base, adapters, out, tensor_type=tensor_type, encode=encode_rows, metadata={})


def types_of(path: Path) -> dict[str, TensorType]:
    return {tensor.name: TensorType(tensor.tensor_type) for tensor in gguf.GGUFReader(path).tensors}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return make_tiny_adapter(folder / "1.gguf", seed=1), make_tiny_adapter(folder / "2.gguf", seed=2)


@pytest.mark.parametrize("weights", [(1.0,), (0.3, 0.7), (1.0, -0.5)])
def test_the_merged_model_agrees_with_base_and_adapters(
    weights: tuple[float, ...], base: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    weighted = list(zip(adapters, weights, strict=False))
    merge(
        base,
        [WeightedAdapter(path, weight) for path, weight in weighted],
        tmp_path / "merged.gguf",
        tensor_type="same",
        encode=encode_rows,
        metadata={},
    )
    merged = logits(tmp_path / "merged.gguf")
    assert np.abs(merged - logits(base, *weighted)).max() < 1e-3
    assert np.abs(merged - logits(base)).max() > 1


def test_what_no_adapter_changes_is_copied(base: Path, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    quantise(base, "q8_0", tmp_path / "base.gguf")
    merge(
        tmp_path / "base.gguf",
        [WeightedAdapter(adapters[0])],
        tmp_path / "merged.gguf",
        tensor_type="same",
        encode=encode_rows,
        metadata={"general.name": "tiny, merged"},
    )
    before, after = gguf.GGUFReader(tmp_path / "base.gguf"), gguf.GGUFReader(tmp_path / "merged.gguf")
    contents = [
        {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
        for reader in (before, after)
    ]
    assert contents[1] == contents[0] | {"general.name": "tiny, merged"}
    assert types_of(tmp_path / "base.gguf") == types_of(tmp_path / "merged.gguf")
    changed = [
        a.name for a, b in zip(before.tensors, after.tensors, strict=True) if not np.array_equal(a.data, b.data)
    ]
    assert changed == ["blk.0.ffn_down.weight", "blk.1.ffn_down.weight"]


@pytest.mark.parametrize("tensor_type", ["f32", "f16", "bf16"])
def test_all_matrices_get_the_requested_type(tensor_type: str, base: Path, tmp_path: Path) -> None:
    merge(base, [], tmp_path / "merged.gguf", tensor_type=tensor_type, encode=encode_rows, metadata={})
    reader = gguf.GGUFReader(tmp_path / "merged.gguf")
    types = {len(tensor.shape): TensorType(tensor.tensor_type).name.lower() for tensor in reader.tensors}
    assert types == {1: "f32", 2: tensor_type}
    assert np.abs(logits(tmp_path / "merged.gguf") - logits(base)).max() < 0.5


def test_rounding_measures_how_much_of_the_change_is_left(
    base: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    quantise(base, "q4_0", tmp_path / "base.gguf")
    small = [WeightedAdapter(adapters[0], 0.001)]

    def rounded(source: Path, tensor_type: str) -> tuple[float, float]:
        floats, merged = tmp_path / "floats.gguf", tmp_path / "merged.gguf"
        merge_into(floats, source, small, "f16" if tensor_type == "q4_0" else tensor_type)
        if tensor_type == "q4_0":
            quantise(floats, "q4_0", merged)
        else:
            merged = floats
        found = rounding(source, small, merged)
        return found.kept, found.noise

    assert rounded(tmp_path / "base.gguf", "f32") == (pytest.approx(1, abs=1e-4), pytest.approx(0, abs=1e-4))
    assert rounded(tmp_path / "base.gguf", "f16")[0] == pytest.approx(1, abs=0.01)
    assert rounded(tmp_path / "base.gguf", "same")[0] < 0.5  # 4-bit weights are rounded back to their old values
    kept, noise = rounded(base, "q4_0")  # weights in floats are not: most of the change is kept, with much noise
    assert kept > 0.9
    assert noise > 3
    assert rounding(base, [], base) == NOTHING_ROUNDED


def test_a_base_with_another_alignment_and_odd_metadata_is_merged(
    base: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_custom_alignment(256)
        writer.add_string("general.author", b"\xff not UTF-8")
        mark = gguf.GGUFValue(["mark"], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.STRING)
        writer.kv_data[0]["general.tags"] = mark

    odd = rewrite_gguf(base, tmp_path / "odd.gguf", change)
    merge_into(tmp_path / "merged.gguf", odd, [WeightedAdapter(adapters[0])], "same")
    assert np.abs(logits(tmp_path / "merged.gguf") - logits(base, (adapters[0], 1.0))).max() < 1e-3
    assert b"\xff not UTF-8" in (tmp_path / "merged.gguf").read_bytes()


@pytest.mark.parametrize("weight", [1e9, float("nan"), float("inf")])
def test_weights_that_a_type_cannot_represent_are_refused(
    weight: float, base: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(
        ModelError, match=r"blk\.0\.ffn_down\.weight: with the adapters a weight becomes .* cannot represent"
    ):
        merge_into(tmp_path / "merged.gguf", base, [WeightedAdapter(adapters[0], weight)], "f16")
    assert not list(tmp_path.iterdir())


def test_an_adapter_of_another_model_is_refused(base: Path, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    other = make_tiny_gguf(tmp_path / "other.gguf", "phi3")
    narrow = make_tiny_adapter(tmp_path / "narrow.gguf", columns=32)
    for model, wrong, words in (
        (base, narrow, r"narrow\.gguf: belongs to another model: its blk\.0\.ffn_down\.weight does not fit"),
        (other, adapters[0], r"1\.gguf: is for the architecture 'llama', but .*other\.gguf is 'phi3'"),
        (base, other, r"other\.gguf: is not a LoRA adapter"),
        (base, tmp_path / "none.gguf", r"none\.gguf: not a readable GGUF file"),
    ):
        with pytest.raises(ModelError, match=words):
            merge(
                model,
                [WeightedAdapter(wrong)],
                tmp_path / "merged.gguf",
                tensor_type="same",
                encode=encode_rows,
                metadata={},
            )
    assert not (tmp_path / "merged.gguf").exists()


def test_a_full_disk_leaves_nothing_half_written(base: Path, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"merged\.gguf: cannot be written"):
            merge(base, [], tmp_path / "merged.gguf", tensor_type="same", encode=encode_rows, metadata={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.glob("merged*"))


@given(st.integers(1, 5), st.integers(0, 1000), st.sampled_from(["Q4_0", "Q4_1", "Q5_0", "Q8_0"]))
@settings(deadline=None, max_examples=40)
def test_rows_are_encoded_as_a_gguf_holds_them(rows: int, seed: int, name: str) -> None:
    weights = np.random.default_rng(seed).standard_normal((rows, 96)).astype(np.float32)
    encoded = encode_rows(weights, int(TensorType[name]))
    assert encoded.shape == gguf.quant_shape_to_byte_shape(weights.shape, TensorType[name])
    decoded = gguf.dequantize(encoded, TensorType[name])
    step = np.abs(weights).max() / (100 if name == "Q8_0" else 7)
    assert np.abs(decoded - weights).max() <= step


def test_types_that_need_an_importance_matrix_are_refused() -> None:
    with pytest.raises(ModelError, match="importance matrix, which is not supported: choose another type"):
        encode_rows(np.zeros((1, 256), dtype=np.float32), int(TensorType.IQ2_XXS))


def test_a_file_that_llama_cpp_cannot_quantise_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(ModelError, match=r"text\.gguf: llama\.cpp cannot quantise it to q8_0"):
        quantise(tmp_path / "text.gguf", "q8_0", tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out*"))
