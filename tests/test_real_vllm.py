"""A real vLLM, on the CPU, with the embedded model: what the stand-in in `server_stand_ins.py` only claims.

`make peers` installs it in .venv-vllm; VLLM_PYTHON names the Python of another installation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from llama_server_process import free_port

from crescent_lite.config import SamplingConfig, TrainConfig
from crescent_lite.errors import ModelError
from crescent_lite.models import embedded_path
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.server_limits import QueueLimit
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.sampling.servers.vllm import VllmServer
from crescent_lite.training import trial_adapter
from crescent_lite.training.child import save_transformers_folder

PYTHON = Path(os.environ.get("VLLM_PYTHON") or Path(__file__).parent.parent / ".venv-vllm" / "bin" / "python")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"vLLM is not installed in {PYTHON}: make peers"),
]
START_SECONDS = 600.0
MAX_RANK = 16
FLAGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_CPU_CI_ENV": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("model"), free_port()
    save_transformers_folder(embedded_path(), folder)
    url = f"http://127.0.0.1:{port}"
    # The command `vllm` asks for a distribution of that name, which vllm-cpu is not; the module does not.
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--port", str(port)]
    command += ["--dtype", "bfloat16", "--enforce-eager", "--max-model-len", "1024"]
    command += ["--enable-lora", "--max-lora-rank", str(MAX_RANK)]
    log = folder.parent / "vllm.log"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | FLAGS
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            _wait_until_ready(url, process, log)
            yield url
        finally:
            process.terminate()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            pytest.fail(f"vLLM ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"vLLM did not start within {START_SECONDS:g} s")


@pytest.fixture(scope="module")
def sampler(vllm: str) -> Iterator[ServerSampler]:
    sampler = ServerSampler(embedded_path(), SamplingConfig(servers=(vllm,)))
    yield sampler
    sampler.close()


WAVE = Request("q", "What is 12 + 30?", Generation(max_tokens=8, temperature=0.8), (0, 1, 2), seed=5)


def test_it_is_recognised_and_reports_its_queue(sampler: ServerSampler) -> None:
    (server,) = sampler._servers

    assert isinstance(server, VllmServer)
    assert isinstance(server.limit, QueueLimit)
    assert server._takes_tokens


def test_a_wave_in_one_request_has_the_votes_of_its_seeds(sampler: ServerSampler) -> None:
    first, again = (sorted(sampler.sample([WAVE]), key=lambda c: c.sample_index) for _ in range(2))
    alone = [next(iter(sampler.sample([Request("q", WAVE.user, WAVE.generation, (0,), seed=5)])))]

    assert [c.seed for c in first] == [WAVE.sample_seed(0) + number for number in range(3)]
    assert [c.text for c in again] == [c.text for c in first]
    assert len({c.text for c in first}) > 1
    assert alone[0].text == first[0].text
    assert all(c.token_ids and c.tokens for c in first)


def test_an_adapter_is_loaded_while_it_runs_and_draws(sampler: ServerSampler, tmp_path: Path) -> None:
    folder = tmp_path / "run-1" / "round-1"
    folder.mkdir(parents=True)
    (folder / "adapter.gguf").write_bytes(b"its checksum is a part of the name")
    with trial_adapter(embedded_path(), TrainConfig(rank=8), tmp_path / "adapters") as trial:
        assert trial
        sampler.require_adapters(trial)
        shutil.copytree(trial, folder / "peft")
    without = next(iter(sampler.sample([WAVE])))
    sampler.use_adapter(folder / "adapter.gguf")
    try:
        assert len(list(sampler.sample([WAVE]))) == 3
    finally:
        sampler.use_adapter(None)
    assert next(iter(sampler.sample([WAVE]))).text == without.text


def test_what_it_refuses_keeps_its_reason(sampler: ServerSampler, tmp_path: Path) -> None:
    missing = tmp_path / "run-1" / "round-2"
    missing.mkdir(parents=True)
    (missing / "adapter.gguf").write_bytes(b"no folder peft beside it")
    with pytest.raises(
        ModelError, match=r"\(404: Loading lora .* failed: No adapter found .*make the folder available"
    ):
        sampler.use_adapter(missing / "adapter.gguf")
    with (
        trial_adapter(embedded_path(), TrainConfig(rank=2 * MAX_RANK), tmp_path / "adapters") as trial,
        pytest.raises(ModelError, match=rf"--max-lora-rank {2 * MAX_RANK} or more"),
    ):
        sampler.require_adapters(trial)
