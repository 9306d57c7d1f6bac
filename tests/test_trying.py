"""A GGUF that makes llama.cpp end its process is one line, because it is tried in a child process first, once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter, make_tiny_gguf, rewrite_gguf

from crescent_lite.cli import main
from crescent_lite.config import SamplingConfig
from crescent_lite.errors import ExitCode, ModelError
from crescent_lite.sampling import trying
from crescent_lite.sampling.build_info import MAY_DIE
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.quantising import quantise
from crescent_lite.sampling.trying import memory_of_trials, require_loadable

pytestmark = pytest.mark.slow
ABORTS = r"aborts\.gguf: a program that tries it was ended by signal 6 \(Aborted\): .*GGML_ASSERT"


@pytest.fixture(autouse=True)
def tries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files are tried, as in a user's process, and remembered in a cache folder of the test's own."""
    monkeypatch.delenv(MAY_DIE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def aborts(tmp_path: Path) -> Path:
    """A model that loads, and makes llama.cpp abort its process when it decodes."""
    good = make_tiny_gguf(tmp_path / "good.gguf", "lfm2")
    return rewrite_gguf(good, tmp_path / "aborts.gguf", as_type={"blk.0.shortconv.conv.weight": np.float16})


def test_a_model_that_aborts_llama_cpp_does_not_end_this_process(aborts: Path, tmp_path: Path) -> None:
    doors: list[Callable[[], object]] = [
        lambda: GgufModel(aborts),
        lambda: LlamaSampler(aborts, SamplingConfig(slots=1, threads=1)),
        lambda: quantise(aborts, "q8_0", tmp_path / "small.gguf"),
    ]
    for door in doors:
        with pytest.raises(ModelError, match=ABORTS) as raised:
            door()
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "small.gguf").exists()
    assert not memory_of_trials().exists()


@pytest.mark.parametrize("command", ["run", "eval", "quantise"])
def test_a_command_says_it_in_one_line_with_the_code_for_models(
    command: str, aborts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workspace(tmp_path / "work", aborts)
    arguments = [str(aborts), "--calibrate", "0"] if command == "quantise" else ["--set", "sampling.workers=2"]

    assert main([command, *arguments, "-w", str(tmp_path / "work")]) == ExitCode.MODEL

    said = capsys.readouterr().err.strip().splitlines()
    assert "aborts.gguf: a program that tries it was ended by signal 6 (Aborted)" in said[-1]
    assert not any("Traceback" in line for line in said)


def test_a_model_that_works_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_tiny_gguf(tmp_path / "good.gguf")
    require_loadable(model)
    assert memory_of_trials().is_file()
    monkeypatch.setattr(trying, "_KNOWN", {})  # as in another process
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/no/such/program")

    require_loadable(model)
    require_loadable(model, vocabulary_only=True)
    GgufModel(model).close()
    with pytest.raises(FileNotFoundError, match="no/such/program"):
        require_loadable(shutil.copy(model, tmp_path / "another.gguf"))
    model.write_bytes(model.read_bytes())
    with pytest.raises(FileNotFoundError, match="no/such/program"):
        require_loadable(model)


def test_a_folder_that_cannot_be_written_costs_the_memory_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    require_loadable(make_tiny_gguf(tmp_path / "good.gguf"), vocabulary_only=True)


@pytest.mark.parametrize("content", ["", "{", "null", '{"a": 1}', "[1, null]", "[" * 100_000])
def test_a_damaged_memory_is_an_empty_one(content: str, tmp_path: Path) -> None:
    memory_of_trials().parent.mkdir(parents=True)
    memory_of_trials().write_text(content)
    require_loadable(make_tiny_gguf(tmp_path / "good.gguf"), vocabulary_only=True)
    require_loadable(tmp_path / "good.gguf", vocabulary_only=True)


def test_an_adapter_that_does_not_fit_is_found_in_the_child(tmp_path: Path) -> None:
    base = make_tiny_gguf(tmp_path / "base.gguf")
    with pytest.raises(ModelError, match=r"narrow\.gguf: llama\.cpp cannot use it as an adapter"):
        require_loadable(base, adapter=make_tiny_adapter(tmp_path / "narrow.gguf", columns=32))
    require_loadable(base, adapter=make_tiny_adapter(tmp_path / "good.gguf"))


def test_a_run_that_samples_on_servers_reads_no_weights(tmp_path: Path) -> None:
    model = make_tiny_gguf(tmp_path / "broken.gguf", broken=True)
    require_loadable(model, vocabulary_only=True)
    with pytest.raises(ModelError, match="logits are not numbers"):
        require_loadable(model)
