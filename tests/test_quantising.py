"""`crescent quantise`: which type is chosen, what is written, and what is measured, with a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from tiny_model import make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode
from crescent_lite.export.requantised import fastest_type, is_rounded, runs_on_slow_kernels
from crescent_lite.models import embedded_path
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.importance import importance
from crescent_lite.sampling.quantising import quantise


def types_of(path: Path) -> dict[str, str]:
    return {tensor.name: gguf.GGMLQuantizationType(tensor.tensor_type).name for tensor in GgufHeader(path).tensors}


@pytest.fixture
def workspace(tmp_path: Path) -> list[str]:
    questions = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(6)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    folder = tmp_path / "work"
    assert main(["init", str(folder)]) == ExitCode.OK
    (folder / "crescent.toml").write_text(
        f"""[evaluate]
max_tokens = 8
[evaluate.benchmarks.sums]
source = "{questions}"
""",
        encoding="utf-8",
    )
    return ["-w", str(folder), "--preset", "quick"]


def test_a_width_that_is_no_multiple_of_256_calls_for_blocks_of_32(tmp_path: Path) -> None:
    assert fastest_type(embedded_path()) == "iq4_nl"
    assert fastest_type(make_tiny_gguf(tmp_path / "tiny.gguf")) == "iq4_nl"


def test_only_a_type_without_fast_kernels_is_called_slow(tmp_path: Path) -> None:
    source = make_tiny_gguf(tmp_path / "tiny.gguf")
    quantise(source, "iq4_nl", tmp_path / "fast.gguf", pure=True)

    assert not is_rounded(source)
    assert is_rounded(tmp_path / "fast.gguf")
    assert runs_on_slow_kernels(embedded_path())  # Q4_1
    assert not runs_on_slow_kernels(source)
    assert not runs_on_slow_kernels(tmp_path / "fast.gguf")


def test_all_matrices_get_the_type_only_when_asked(tmp_path: Path) -> None:
    source = make_tiny_gguf(tmp_path / "tiny.gguf")
    quantise(source, "iq4_nl", tmp_path / "some.gguf")
    quantise(source, "iq4_nl", tmp_path / "all.gguf", pure=True)

    some, every = types_of(tmp_path / "some.gguf"), types_of(tmp_path / "all.gguf")
    assert some["blk.0.attn_q.weight"] == every["blk.0.attn_q.weight"] == "IQ4_NL"
    assert some["token_embd.weight"] != "IQ4_NL"
    assert every["token_embd.weight"] == "IQ4_NL"


def test_every_matrix_has_an_importance_and_it_is_the_mean_square_of_its_inputs(tmp_path: Path) -> None:
    path = make_tiny_gguf(tmp_path / "tiny.gguf")
    model = GgufModel(path)
    matrices = {tensor.name: tensor for tensor in GgufHeader(path).tensors if len(tensor.shape) > 1}

    once, twice = importance(model, [[5, 6, 7]], threads=1), importance(model, [[5, 6, 7]] * 2, threads=1)

    assert {name: values.shape for name, values in once.items()} == {
        name: (int(tensor.shape[0]),) for name, tensor in matrices.items()
    }
    for name, values in once.items():
        assert values == pytest.approx(twice[name], rel=1e-4)
    embedded = matrices["token_embd.weight"].data[[5, 6, 7]].astype(np.float64)
    scale = {tensor.name: tensor.data for tensor in GgufHeader(path).tensors}["blk.0.attn_norm.weight"]
    normed = embedded / np.sqrt((embedded**2).mean(axis=1, keepdims=True) + 1e-5) * scale
    assert once["blk.0.attn_q.weight"] == pytest.approx((normed**2).mean(axis=0), rel=1e-2)
    model.close()


def test_what_matters_is_rounded_more_carefully(tmp_path: Path) -> None:
    path = make_tiny_gguf(tmp_path / "tiny.gguf")
    source = {tensor.name: tensor.data for tensor in GgufHeader(path).tensors}["blk.0.attn_q.weight"]
    weights = np.ones(source.shape[1], np.float32)
    weights[::7] = 1000.0

    def error(target: Path, importance: dict[str, np.ndarray] | None) -> float:
        quantise(path, "iq4_nl", target, importance=importance)
        tensor = next(each for each in GgufHeader(target).tensors if each.name == "blk.0.attn_q.weight")
        written = gguf.dequantize(tensor.data, tensor.tensor_type)
        return float(((written - source) ** 2)[:, ::7].mean())

    assert error(tmp_path / "a.gguf", {"blk.0.attn_q.weight": weights}) < error(tmp_path / "b.gguf", None)


def test_the_cost_is_measured_on_the_same_items_and_replies(
    tmp_path: Path, workspace: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = make_tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "small.gguf"
    asked = [
        "quantise",
        str(source),
        "--items",
        "4",
        "--calibrate",
        "2",
        "--output",
        str(target),
        "--json",
        *workspace,
    ]

    assert main(asked) == ExitCode.OK

    told = json.loads(capsys.readouterr().out)
    assert told["type"] == "iq4_nl"
    assert told["bytes_after"] == target.stat().st_size < told["bytes_before"] / 4
    assert told["calibrated_on"] == 2
    assert told["cost"]["items"] == 4
    before, after = told["cost"]["before"], told["cost"]["after"]
    assert before["perplexity"] > 1
    assert after["perplexity"] > 1
    assert before["perplexity"] != after["perplexity"]
    assert main(asked) == ExitCode.STORAGE
    assert "exists already" in capsys.readouterr().err
    assert main([*asked, "--force"]) == ExitCode.OK


def test_a_file_never_replaces_itself(
    tmp_path: Path, workspace: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_tiny_gguf(tmp_path / "tiny.gguf")
    before = source.read_bytes()

    assert main(["quantise", str(source), "--output", str(source), "--force", *workspace]) == ExitCode.STORAGE
    assert source.read_bytes() == before
    assert "exists already" in capsys.readouterr().err


def test_what_is_no_model_is_one_line(
    tmp_path: Path, workspace: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")

    assert main(["quantise", str(tmp_path / "x.gguf"), *workspace]) == ExitCode.MODEL
    assert len(capsys.readouterr().err.splitlines()) == 1
