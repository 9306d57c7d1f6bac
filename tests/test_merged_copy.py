"""A trained model sampled from a merged copy: it says the same, keeps its name, and is deleted when the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest
from fake_sampler import FakeSampler
from gguf import GGMLQuantizationType as TensorType
from tiny_model import as_base, make_tiny_adapter, make_tiny_gguf

from crescent_lite.config import SamplingConfig, load_config
from crescent_lite.errors import ModelError
from crescent_lite.prompts.sets import load_prompt_set
from crescent_lite.records import ModelFile
from crescent_lite.sampling.quantising import encode_rows, quantise
from crescent_lite.stages.frame import Job, end_sampling, sampler_of, tokens_ahead
from crescent_lite.stages.merged import MERGED, ON_THE_BASE, PAYING_TOKENS, may_merge, merged_copy
from crescent_lite.store import Store
from crescent_lite.training.merged_copy import copy_bytes, copy_helps, copy_path, make_copy
from crescent_lite.training.merging import WeightedAdapter, merge, rounding
from crescent_lite.workspace import Workspace


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    """The tiny model with the matrices that the adapter changes in Q5_0, which is slow on a processor."""
    folder = tmp_path_factory.mktemp("models")
    tiny = make_tiny_gguf(folder / "floats.gguf")
    zero = make_tiny_adapter(folder / "zero.gguf")
    types = {TensorType.F32: TensorType.Q5_0, TensorType.F16: TensorType.Q5_0}
    nothing = [WeightedAdapter(zero, 0.0)]
    merge(
        tiny, nothing, folder / "slow.gguf", tensor_type="same", encode=encode_rows, metadata={}, changed_types=types
    )
    return as_base(folder / "slow.gguf")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFile, ModelFile]:
    folder = tmp_path_factory.mktemp("adapters")
    one, two = (make_tiny_adapter(folder / f"{seed}.gguf", seed=seed) for seed in (1, 2))
    return replace(as_base(one), kind="adapter"), replace(as_base(two), kind="adapter")


def types_of(path: Path) -> dict[str, TensorType]:
    return {tensor.name: TensorType(tensor.tensor_type) for tensor in gguf.GGUFReader(path).tensors}


def logits(model: Path, adapter: Path | None = None) -> np.ndarray:
    loaded = llama_cpp.Llama(str(model), n_ctx=64, n_threads=1, logits_all=True, verbose=False)
    if adapter:
        handle = llama_cpp.llama_adapter_lora_init(loaded.model, str(adapter).encode())
        one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle)
        llama_cpp.llama_set_adapters_lora(loaded.ctx, one, 1, (llama_cpp.ctypes.c_float * 1)(1.0))
    loaded.eval([1, 40, 50, 60, 70, 2, 13, 99])
    found = np.array(loaded.scores[:8])
    loaded.close()
    return found


def test_a_copy_says_what_the_adapter_on_the_base_says(
    slow: ModelFile, adapters: tuple[ModelFile, ModelFile], tmp_path: Path
) -> None:
    copy = make_copy(slow, adapters[0], tmp_path / "cache")
    expected, found, bare = logits(slow.path, adapters[0].path), logits(copy), logits(slow.path)
    assert np.abs(found - expected).mean() < 0.05 * np.abs(bare - expected).mean()
    kept = rounding(slow.path, [WeightedAdapter(adapters[0].path)], copy)
    assert kept.kept > 0.99


def test_only_changed_matrices_get_the_wider_type(
    slow: ModelFile, adapters: tuple[ModelFile, ModelFile], tmp_path: Path
) -> None:
    before, after = types_of(slow.path), types_of(make_copy(slow, adapters[0], tmp_path))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in before if "ffn_down" in name}
    assert {after[name] for name in changed} == {TensorType.Q8_0}
    assert copy_path(slow, adapters[0], tmp_path).stat().st_size <= copy_bytes(slow.path)


def test_a_new_copy_replaces_the_old_one_and_what_a_killed_run_left(
    slow: ModelFile, adapters: tuple[ModelFile, ModelFile], tmp_path: Path
) -> None:
    first = make_copy(slow, adapters[0], tmp_path)
    left_over = tmp_path / f"{first.name}.unfinished"
    left_over.touch()
    written = first.stat().st_mtime_ns
    assert make_copy(slow, adapters[0], tmp_path).stat().st_mtime_ns == written
    second = make_copy(slow, adapters[1], tmp_path)
    assert list(tmp_path.iterdir()) == [second]


def test_a_base_in_a_type_that_is_fast_with_few_bits_gets_no_copy(slow: ModelFile, tmp_path: Path) -> None:
    floats = make_tiny_gguf(tmp_path / "floats.gguf")
    quantise(floats, "q4_0", tmp_path / "fast.gguf")
    assert copy_helps(floats)
    assert not copy_helps(tmp_path / "fast.gguf")


@pytest.mark.parametrize(
    "changes", [{"merge_adapters": False}, {"servers": ("http://x",)}, {"workers": 2}, {"ray": "auto"}]
)
def test_other_samplers_and_the_switch_leave_the_adapter_on_the_base(changes: dict[str, object]) -> None:
    assert may_merge(SamplingConfig(gpu_layers=0))
    assert not may_merge(replace(SamplingConfig(gpu_layers=0), **changes))


def test_a_place_that_cannot_be_written_leaves_the_adapter_on_the_base(
    slow: ModelFile, adapters: tuple[ModelFile, ModelFile], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").touch()
    config = SamplingConfig(gpu_layers=0)
    assert merged_copy(config, slow, adapters[0], tmp_path / "cache", PAYING_TOKENS) is None
    assert "the adapter stays on the base" in caplog.text


class Opened(FakeSampler):
    """A sampler that remembers its file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


@pytest.fixture
def job(slow: ModelFile, tmp_path: Path) -> Iterator[Job]:
    workspace = Workspace(tmp_path)
    config = load_config(None)
    config = replace(config, sampling=replace(config.sampling, gpu_layers=0))
    with closing(Store.open(workspace.database_path)) as store:
        base_id = store.runs.insert_model(slow)
        run_id = store.runs.insert_run("improvement", base_id, {})
        prompts = load_prompt_set("arithmetic")
        yield Job(run_id, 1, config, prompts, (), slow, base_id, store, workspace, Opened, None)


def test_a_long_stage_samples_the_copy_and_a_short_one_the_adapter_on_the_base(
    job: Job, slow: ModelFile, adapters: tuple[ModelFile, ModelFile]
) -> None:
    adapter_id = job.store.runs.insert_model(adapters[0], parent_id=job.base_id)
    short = sampler_of(job, adapter_id, PAYING_TOKENS - 1)
    assert (short.path, short.adapter, job.how_trained_model_is_sampled) == (
        slow.path,
        adapters[0].path,
        ON_THE_BASE,
    )
    long = sampler_of(job, adapter_id, PAYING_TOKENS)
    copy = copy_path(slow, adapters[0], job.workspace.cache)
    assert (long.path, long.adapter, job.how_trained_model_is_sampled) == (copy, None, MERGED)
    assert sampler_of(job, adapter_id) is long  # what is there is used, also for a few tokens
    assert sampler_of(job, job.base_id).path == slow.path
    end_sampling(job)
    assert not job.workspace.cache.exists()


def test_a_copy_that_cannot_be_loaded_leaves_the_adapter_on_the_base(
    job: Job, slow: ModelFile, adapters: tuple[ModelFile, ModelFile], caplog: pytest.LogCaptureFixture
) -> None:
    def opened(path: Path) -> Opened:
        if path != slow.path:
            raise ModelError("a file that makes llama.cpp abort")
        return Opened(path)

    job.open_sampler = opened
    adapter_id = job.store.runs.insert_model(adapters[0], parent_id=job.base_id)
    for _ in range(2):  # it is not made again
        sampler = sampler_of(job, adapter_id, PAYING_TOKENS)
        assert (sampler.path, sampler.adapter) == (slow.path, adapters[0].path)
    assert caplog.text.count("makes llama.cpp abort") == 1
    assert job.how_trained_model_is_sampled == ON_THE_BASE


def test_the_length_of_what_was_drawn_tells_how_much_is_ahead(job: Job) -> None:
    assert tokens_ahead(job, 100, 300) == 10_000
    sampler_of(job, job.base_id).usage.tokens, job.sampler.usage.ended = 6_000, 60
    assert tokens_ahead(job, 100, 300) == 10_000
    job.sampler.usage.tokens = 1_200
    assert tokens_ahead(job, 100, 300) == 2_000
